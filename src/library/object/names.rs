/// The string table of an object, read so that hostile offsets cost no more than the file is
/// long: its names may overlap (linkers merge common ends), but all of them together may not
/// exceed the file.
pub(super) struct Names<'a> {
    table: &'a [u8],
    budget: usize,
}

/// Why a name cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NamesError {
    /// An offset over the end of the table.
    #[error("a name begins at {0}, over the end of the string table")]
    Offset(u32),
    /// No NUL where there should be one.
    #[error("the name at {0} has no end")]
    Endless(u32),
    /// No compiler of ours writes anything else.
    #[error("the name at {0} is not UTF-8")]
    Utf8(u32),
}

impl<'a> Names<'a> {
    pub(super) fn new(table: &'a [u8], file: &[u8]) -> Self {
        Self { table, budget: file.len() }
    }

    pub(super) fn get(&mut self, offset: u32) -> Result<&'a str, NamesError> {
        let start = usize::try_from(offset).map_err(|_| NamesError::Offset(offset))?;
        let rest = self.table.get(start..).ok_or(NamesError::Offset(offset))?;
        let window = rest.get(..self.budget).unwrap_or(rest);
        let len = window.iter().position(|byte| *byte == 0);
        let len = len.ok_or(NamesError::Endless(offset))?;
        self.budget -= len;
        let name = window.get(..len).unwrap_or_default();
        str::from_utf8(name).map_err(|_| NamesError::Utf8(offset))
    }
}

#[cfg(test)]
mod tests {
    use super::{Names, NamesError};

    #[test]
    fn names_may_share_their_ends_but_not_outgrow_the_file() {
        let table = b"\0memcpy\0no end";
        let mut names = Names::new(table, &[0; 12]);
        assert_eq!(names.get(1), Ok("memcpy"));
        assert_eq!(names.get(4), Ok("cpy"));
        assert_eq!(names.get(7), Ok(""));
        assert_eq!(names.get(1), Err(NamesError::Endless(1)), "the budget is used up");
        assert_eq!(names.get(99), Err(NamesError::Offset(99)));
    }

    #[test]
    fn what_has_no_end_or_is_no_text_is_refused() {
        let mut names = Names::new(b"\xff\0abc", &[0; 100]);
        assert_eq!(names.get(0), Err(NamesError::Utf8(0)));
        assert_eq!(names.get(2), Err(NamesError::Endless(2)));
    }
}
