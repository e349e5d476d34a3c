/// The names in a string table, all of which together may be no longer than the file: whatever
/// the offsets are, reading them costs no more than the file is long.
pub(super) struct Names<'a> {
    table: &'a [u8],
    budget: usize,
}

impl<'a> Names<'a> {
    /// Of a file of so many bytes.
    pub(super) fn new(table: &'a [u8], file: u64) -> Self {
        Self { table, budget: usize::try_from(file).unwrap_or(usize::MAX) }
    }

    /// The name at an offset; none if there is no text with an end, or too much of it.
    pub(super) fn get(&mut self, offset: u32) -> Option<&'a str> {
        let rest = self.table.get(usize::try_from(offset).ok()?..)?;
        let window = rest.get(..self.budget).unwrap_or(rest);
        let len = memchr::memchr(0, window)?;
        self.budget -= len;
        str::from_utf8(window.get(..len)?).ok()
    }
}
