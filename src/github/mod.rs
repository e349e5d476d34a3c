//! GitHub Actions, seen from inside a job: the event that started it, what a step tells the
//! runner, workflow commands and their escaping (actions/toolkit,
//! `packages/core/src/command.ts`).

pub mod api;
pub mod event;
pub mod output;
mod payload;
mod repository;

pub use self::repository::{NotARepository, Repository};

use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Write};

/// Whether this process runs in a job of GitHub Actions, by the value of `GITHUB_ACTIONS`.
pub fn is_job(github_actions: Option<&str>) -> bool {
    github_actions == Some("true")
}

/// The text of a command's message.
pub fn escape_data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The text of a command's property, `file` or `title` for instance.
pub fn escape_property(text: &str) -> String {
    escape_data(text).replace(':', "%3A").replace(',', "%2C")
}

/// Writes foreign lines as a folded group; commands in them are not obeyed.
pub fn group(out: &mut dyn Write, title: &str, lines: &str) -> io::Result<()> {
    writeln!(out, "::group::{}", escape_data(title))?;
    verbatim(out, lines)?;
    writeln!(out, "::endgroup::")
}

/// Writes foreign lines. Commands in them are not obeyed: the runner stops looking for commands
/// until it sees a word that nobody could know beforehand.
pub fn verbatim(out: &mut dyn Write, lines: &str) -> io::Result<()> {
    let word = random_word();
    writeln!(out, "::stop-commands::{word}")?;
    out.write_all(lines.as_bytes())?;
    if !lines.ends_with('\n') {
        writeln!(out)?;
    }
    writeln!(out, "::{word}::")
}

/// A word that nobody could know beforehand.
pub fn random_word() -> String {
    format!("{:016x}{:016x}", random(), random())
}

/// A number from the system's randomness, which seeds every hash map.
fn random() -> u64 {
    RandomState::new().hash_one(0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn messages_and_properties_are_escaped() {
        assert_eq!(super::escape_data("100 %\r\n::error::x"), "100 %25%0D%0A::error::x");
        assert_eq!(super::escape_property("a,b:c%"), "a%2Cb%3Ac%25");
    }

    #[test]
    fn foreign_commands_are_between_stop_and_start() {
        let mut out = Vec::new();
        super::group(&mut out, "log\n::error::x", "::set-output name=a::b").unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<_> = text.lines().collect();
        let word = lines[1].strip_prefix("::stop-commands::").unwrap();
        assert_eq!(word.len(), 32);
        assert_eq!(lines[0], "::group::log%0A::error::x");
        assert_eq!(lines[2..], ["::set-output name=a::b", &format!("::{word}::"), "::endgroup::"]);
    }
}
