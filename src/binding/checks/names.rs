/// The names in a string table, all of which together may be no longer than the file: whatever
/// the offsets are, reading them costs no more than the file is long.
pub(super) struct Names<'a> {
    table: &'a [u8],
    budget: usize,
}

impl<'a> Names<'a> {
    pub(super) fn new(table: &'a [u8], file: &[u8]) -> Self {
        Self { table, budget: file.len() }
    }

    /// The name at an offset; none if there is no text with an end, or too much of it.
    pub(super) fn get(&mut self, offset: u32) -> Option<&'a str> {
        let rest = self.table.get(usize::try_from(offset).ok()?..)?;
        let window = rest.get(..self.budget).unwrap_or(rest);
        let len = window.iter().position(|byte| *byte == 0)?;
        self.budget -= len;
        str::from_utf8(window.get(..len)?).ok()
    }
}
