use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, de};

/// A branch, a tag or a commit of a repository on the Hugging Face Hub.
///
/// It becomes a part of URLs and, in the Hub's cache, of paths: what Git allows in the name of a
/// branch (git-check-ref-format), of the characters that need no escaping in either.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Revision(String);

/// Why a text is no revision.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RevisionError {
    /// Nothing there.
    #[error("a revision cannot be empty")]
    Empty,
    /// Longer than a file's name may be.
    #[error("a revision has at most {} bytes", Revision::MAX_BYTES)]
    TooLong,
    /// A character that would have to be escaped somewhere.
    #[error("a revision consists of letters, digits, `.`, `_`, `-` and `/`")]
    Character,
    /// The right characters in an order that no branch or tag has.
    #[error(
        "a revision begins with no `-`, and no part of it between `/` is empty, begins or ends \
         with `.`, ends with `.lock`, or holds `..`"
    )]
    Form,
}

impl Revision {
    /// The most bytes that one has.
    pub const MAX_BYTES: usize = 255;

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it can only be a commit: 40 hex digits, lower case, as Git prints them. What a
    /// commit holds never changes; a branch moves, and a tag may.
    pub fn is_commit(&self) -> bool {
        self.0.len() == 40 && self.0.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    }
}

impl FromStr for Revision {
    type Err = RevisionError;

    fn from_str(text: &str) -> Result<Self, RevisionError> {
        if text.is_empty() {
            return Err(RevisionError::Empty);
        }
        if text.len() > Self::MAX_BYTES {
            return Err(RevisionError::TooLong);
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
        if !text.bytes().all(allowed) {
            return Err(RevisionError::Character);
        }
        let is_good = |part: &str| {
            let ends = part.ends_with('.') || part.ends_with(".lock");
            !part.is_empty() && !part.starts_with('.') && !ends && !part.contains("..")
        };
        if text.starts_with('-') || !text.split('/').all(is_good) {
            return Err(RevisionError::Form);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<'de> Deserialize<'de> for Revision {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use proptest::prelude::*;

    use super::{Revision, RevisionError};

    #[test]
    fn branches_tags_and_commits_are_revisions() {
        let commit = "0123456789abcdef0123456789abcdef01234567";
        for text in ["main", "v1.0", "refs/pr/3", "a-b_c", commit] {
            let revision: Revision = text.parse().unwrap();
            assert_eq!(revision.as_str(), text);
            assert_eq!(revision.is_commit(), text == commit, "{text}");
        }
        let other = |text: &str| text.parse::<Revision>().unwrap().is_commit();
        assert!(!other(&commit.to_ascii_uppercase()));
        assert!(!other(&commit[1..]));
        assert!(!other(&"g".repeat(40)));
        assert!("x".repeat(255).parse::<Revision>().is_ok());
    }

    #[test]
    fn what_is_none_is_said() {
        let why = |text: &str| text.parse::<Revision>().unwrap_err();
        assert_eq!(why(""), RevisionError::Empty);
        assert_eq!(why(&"x".repeat(256)), RevisionError::TooLong);
        for text in ["a b", "a\\b", "a?b", "a%2e", "é", "a\n", "a@{1}", "a:b", "HEAD~1", "v^"] {
            assert_eq!(why(text), RevisionError::Character, "{text}");
        }
        for text in [
            "-f", "/a", "a/", "a//b", "..", "../a", "a/../b", "a..b", ".", ".git", "a/.b", "a.",
            "a.lock", "a.lock/b",
        ] {
            assert_eq!(why(text), RevisionError::Form, "{text}");
        }
        assert!(serde_json::from_str::<Revision>("\"../a\"").is_err());
    }

    proptest! {
        /// Joined to a directory it stays below, and in a URL it is the path that it looks like.
        #[test]
        fn a_revision_is_a_path_that_stays_below(text in "[a-c./_-]{0,12}|\\PC{0,12}") {
            if let Ok(revision) = text.parse::<Revision>() {
                let path = Path::new(revision.as_str());
                let mut parts = path.components();
                prop_assert!(parts.all(|part| matches!(part, Component::Normal(_))), "{text:?}");
                prop_assert_eq!(path.components().count(), text.split('/').count());
                prop_assert!(text.is_ascii() && !text.contains(['%', '?', '#', '\\']));
            }
        }
    }
}
