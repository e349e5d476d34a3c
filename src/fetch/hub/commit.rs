use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, de};

/// A commit of a repository on the Hub: 40 lowercase hex digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Commit(String);

/// A text that is not 40 lowercase hex digits.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a commit is 40 lowercase hex digits, and `{0}` is not")]
pub struct NotACommit(pub String);

impl Commit {
    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Commit {
    type Err = NotACommit;

    fn from_str(text: &str) -> Result<Self, NotACommit> {
        let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() == 40 && text.bytes().all(digit) {
            Ok(Self(text.to_owned()))
        } else {
            // It may be anything that a server sent.
            Err(NotACommit(text.chars().take(60).flat_map(char::escape_default).collect()))
        }
    }
}

impl fmt::Display for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<'de> Deserialize<'de> for Commit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::Commit;

    #[test]
    fn only_whole_commits_are_commits() {
        let whole = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(whole.parse::<Commit>().unwrap().as_str(), whole);
        for text in [
            "main",
            "",
            &whole[1..],
            &whole.to_uppercase(),
            "../../../../../../../../../etc/passwd/..",
        ] {
            assert!(text.parse::<Commit>().is_err(), "{text}");
        }
    }
}
