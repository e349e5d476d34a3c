//! The files by which a step tells the job something: `GITHUB_OUTPUT`, `GITHUB_ENV`,
//! `GITHUB_STEP_SUMMARY`; and masks.
//! <https://docs.github.com/actions/reference/workflow-commands-for-github-actions>

use camino::Utf8Path;

use super::{escape_data, random_word};
use crate::io::files;

/// The longest summary of a step in bytes: of a longer file the runner shows nothing.
pub const SUMMARY_LIMIT: u64 = 1024 * 1024;

/// Why something cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// A name that the runner would not take, or would take apart.
    #[error("`{}` cannot be the name of an output or a variable", .0.escape_debug())]
    Name(String),
    /// The file.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// One value as the runner reads it from `GITHUB_OUTPUT` and `GITHUB_ENV`. It may have several
/// lines: it ends at a word that nobody could know beforehand.
pub fn assignment(name: &str, value: &str) -> Result<String, OutputError> {
    assignment_until(name, value, &mut random_word)
}

fn assignment_until(
    name: &str,
    value: &str,
    word: &mut dyn FnMut() -> String,
) -> Result<String, OutputError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(plain)
    {
        return Err(OutputError::Name(name.to_owned()));
    }
    let delimiter = loop {
        let delimiter = format!("mlc_package_{}", word());
        if !value.contains(&delimiter) {
            break delimiter;
        }
    };
    Ok(format!("{name}<<{delimiter}\n{value}\n{delimiter}\n"))
}

/// Adds values to the file that `GITHUB_OUTPUT` or `GITHUB_ENV` names.
pub fn set(file: &Utf8Path, values: &[(&str, &str)]) -> Result<(), OutputError> {
    let mut text = String::new();
    for (name, value) in values {
        text += &assignment(name, value)?;
    }
    Ok(files::append(file, text.as_bytes())?)
}

/// Adds to the file that `GITHUB_STEP_SUMMARY` names, unless the step's summary would become
/// longer than [`SUMMARY_LIMIT`]; says whether it was added.
pub fn add_summary(file: &Utf8Path, markdown: &str) -> Result<bool, OutputError> {
    if markdown.len() as u64 + 1 > room(file)? {
        return Ok(false);
    }
    let end = if markdown.ends_with('\n') { "" } else { "\n" };
    files::append(file, format!("{markdown}{end}").as_bytes())?;
    Ok(true)
}

/// What may still be added to a summary, in bytes.
pub fn room(file: &Utf8Path) -> Result<u64, OutputError> {
    let there = if files::is_file(file) { files::size(file)? } else { 0 };
    Ok(SUMMARY_LIMIT.saturating_sub(there))
}

/// The commands that have the runner hide a secret in all that is logged from here on: one a
/// line, since the log is searched line by line.
pub fn mask(secret: &str) -> String {
    let lines = secret.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| format!("::add-mask::{}\n", escape_data(line))).collect()
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;
    use proptest::prelude::*;

    use super::{SUMMARY_LIMIT, add_summary, assignment, assignment_until, mask, set};

    /// Reads a file of assignments as the runner does: line by line, `name<<WORD` opens a value
    /// that the line WORD ends, and `name=value` is one of one line.
    fn read(text: &str) -> Vec<(String, String)> {
        let mut lines = text.split('\n');
        let mut values = Vec::new();
        while let Some(line) = lines.next() {
            if line.is_empty() {
                continue;
            }
            let equals = line.find('=').unwrap_or(usize::MAX);
            let heredoc = line.find("<<").unwrap_or(usize::MAX);
            if equals < heredoc {
                values.push((line[..equals].to_owned(), line[equals + 1..].to_owned()));
                continue;
            }
            let (name, word) = line.split_once("<<").unwrap();
            let value: Vec<_> = lines.by_ref().take_while(|line| *line != word).collect();
            values.push((name.to_owned(), value.join("\n")));
        }
        values
    }

    proptest! {
        #[test]
        fn the_runner_reads_what_was_set(values in prop::collection::vec("(?s).{0,40}|[=<\n]{0,9}|a=b\nc<<d", 0..5)) {
            let mut text = String::new();
            for value in &values {
                text += &assignment("name", value).unwrap();
            }
            let expected: Vec<_> =
                values.into_iter().map(|value| ("name".to_owned(), value)).collect();
            prop_assert_eq!(read(&text), expected);
        }
    }

    #[test]
    fn a_value_that_knows_the_word_gets_another() {
        let mut words = ["a", "b"].into_iter();
        let text = assignment_until("x", "mlc_package_a\nevil=1", &mut || {
            words.next().unwrap().to_owned()
        });
        assert_eq!(text.unwrap(), "x<<mlc_package_b\nmlc_package_a\nevil=1\nmlc_package_b\n");
    }

    #[test]
    fn a_name_is_one_word() {
        for name in ["", "a b", "a=b", "a<<b", "a\nb", "1a", "ö"] {
            assert!(assignment(name, "").is_err(), "{name:?}");
        }
    }

    #[test]
    fn files_are_added_to_and_a_summary_stays_short_enough() {
        let dir = tempfile::tempdir().unwrap();
        let file = Utf8Path::from_path(dir.path()).unwrap().join("output");
        set(&file, &[("a", "1"), ("b", "2\n3")]).unwrap();
        set(&file, &[("c", "")]).unwrap();
        let values = read(&fs_err::read_to_string(&file).unwrap());
        let expected = [("a", "1"), ("b", "2\n3"), ("c", "")];
        assert_eq!(values, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));

        let file = file.with_file_name("summary");
        let half = "x".repeat(usize::try_from(SUMMARY_LIMIT / 2).unwrap());
        assert!(add_summary(&file, &half).unwrap());
        assert!(!add_summary(&file, &half).unwrap());
        assert!(add_summary(&file, "end").unwrap());
        assert!(fs_err::read_to_string(&file).unwrap().ends_with("x\nend\n"));
    }

    #[test]
    fn every_line_of_a_secret_is_masked() {
        assert_eq!(mask("a%b\n\n c \n"), "::add-mask::a%25b\n::add-mask::c\n");
    }
}
