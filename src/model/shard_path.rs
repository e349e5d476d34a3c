use std::fmt;
use std::str::FromStr;

use camino::Utf8Path;
use serde::{Deserialize, Deserializer, Serialize, de};

use super::{NotPortable, portable};

/// A file of a model directory, relative to it: what `tensor-cache.json` or a listing names,
/// once it is known to stay inside.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ShardPath(String);

/// Why a text cannot name a file of a model directory.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShardPathError {
    /// Nothing there, or an empty part.
    #[error("an empty part")]
    Empty,
    /// `/etc/passwd`, `C:\x`.
    #[error("an absolute path")]
    Absolute,
    /// `..` or `.`.
    #[error("a `.` or `..`")]
    Dots,
    /// A backslash, a NUL or another control character.
    #[error("a backslash or a control character")]
    Character,
    /// More than 255 bytes in a part, or 1024 in all.
    #[error("too long a name")]
    TooLong,
    /// A part that is another file on some system, or no file at all.
    #[error("{0}")]
    NotPortable(NotPortable),
}

impl ShardPath {
    /// The path, with `/` between its parts.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path as one to join to the model directory.
    pub fn as_path(&self) -> &Utf8Path {
        Utf8Path::new(&self.0)
    }
}

impl FromStr for ShardPath {
    type Err = ShardPathError;

    fn from_str(text: &str) -> Result<Self, ShardPathError> {
        let drive = text.as_bytes().get(1) == Some(&b':');
        if text.starts_with('/') || drive {
            return Err(ShardPathError::Absolute);
        }
        if text.contains('\\') || text.chars().any(char::is_control) {
            return Err(ShardPathError::Character);
        }
        if text.len() > 1024 {
            return Err(ShardPathError::TooLong);
        }
        for part in text.split('/') {
            match part {
                "" => return Err(ShardPathError::Empty),
                "." | ".." => return Err(ShardPathError::Dots),
                _ if part.len() > 255 => return Err(ShardPathError::TooLong),
                _ => portable(part).map_err(ShardPathError::NotPortable)?,
            }
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for ShardPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<'de> Deserialize<'de> for ShardPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|why| de::Error::custom(format!("the file name {text:?} has {why}")))
    }
}

#[cfg(test)]
mod tests {
    use super::{NotPortable, ShardPath, ShardPathError};

    #[test]
    fn a_path_stays_inside_the_directory() {
        for (text, why) in [
            ("", ShardPathError::Empty),
            ("/etc/passwd", ShardPathError::Absolute),
            ("C:\\x", ShardPathError::Absolute),
            ("../x", ShardPathError::Dots),
            ("a/../../x", ShardPathError::Dots),
            ("a/./x", ShardPathError::Dots),
            ("a//x", ShardPathError::Empty),
            ("a/", ShardPathError::Empty),
            ("a\\..\\x", ShardPathError::Character),
            ("a\0", ShardPathError::Character),
            (&"x".repeat(256), ShardPathError::TooLong),
            (".git/config", ShardPathError::NotPortable(NotPortable::Git)),
            ("a/.Git", ShardPathError::NotPortable(NotPortable::Git)),
            ("a/con.bin", ShardPathError::NotPortable(NotPortable::Device)),
            ("a\u{202e}b", ShardPathError::NotPortable(NotPortable::Invisible)),
        ] {
            assert_eq!(text.parse::<ShardPath>(), Err(why), "{text:?}");
        }
        assert!("params_shard_0.bin".parse::<ShardPath>().is_ok());
        assert!("sub/dir/x..y".parse::<ShardPath>().is_ok());
    }
}
