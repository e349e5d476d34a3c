//! Which command to run after one that succeeded.

use std::borrow::Cow;
use std::io::{self, Write};

/// Writes a command of this program as a line to copy: its words as a shell takes them.
pub(super) fn write(out: &mut dyn Write, words: &[&str]) -> io::Result<()> {
    let words: Vec<_> = words.iter().map(|word| quoted(word)).collect();
    writeln!(out, "next:  mlc-package {}", words.join(" "))
}

/// A word as a shell takes it.
pub(super) fn quoted(word: &str) -> Cow<'_, str> {
    // Only a NUL has no form in a shell, and no path has one.
    shlex::try_quote(word).unwrap_or(Cow::Borrowed(word))
}
