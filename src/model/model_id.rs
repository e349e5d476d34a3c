use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, de};

use super::{NotPortable, folded, portable};

/// A model's unique name in a package, upstream's `model_id`. It is fit to be one directory
/// name, since `dist/bundle/<model_id>/` holds the weights.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ModelId(String);

/// Why a text cannot be a model id.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelIdError {
    /// Nothing there, or only blanks.
    #[error("a model_id cannot be empty")]
    Empty,
    /// `.` or `..`.
    #[error("a model_id cannot be `.` or `..`")]
    Dots,
    /// It would name a file in another directory.
    #[error("a model_id is one directory name: it cannot hold `/` or `\\`")]
    Separator,
    /// NUL, a line break or their kin.
    #[error("a model_id cannot hold control characters")]
    Control,
    /// The limit of common file systems.
    #[error("a model_id has at most 255 bytes")]
    TooLong,
    /// `dist/bundle/mlc-app-config.json` is a file of the package.
    #[error("`mlc-app-config.json` is the name of a file beside the models")]
    Reserved,
    /// A directory that is another one on some system.
    #[error("a model_id is a directory on every system: it has {0}")]
    NotPortable(NotPortable),
}

impl ModelId {
    /// The id as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id folded so that two ids which differ only in case or in the form of an accent are
    /// equal: they would be one directory on macOS and Windows.
    pub fn case_folded(&self) -> String {
        folded(&self.0)
    }
}

impl FromStr for ModelId {
    type Err = ModelIdError;

    fn from_str(text: &str) -> Result<Self, ModelIdError> {
        if text.trim().is_empty() {
            return Err(ModelIdError::Empty);
        }
        if text == "." || text == ".." {
            return Err(ModelIdError::Dots);
        }
        if text.contains(['/', '\\']) {
            return Err(ModelIdError::Separator);
        }
        if text.chars().any(char::is_control) {
            return Err(ModelIdError::Control);
        }
        if text.len() > 255 {
            return Err(ModelIdError::TooLong);
        }
        if text.eq_ignore_ascii_case("mlc-app-config.json") {
            return Err(ModelIdError::Reserved);
        }
        portable(text).map_err(ModelIdError::NotPortable)?;
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<'de> Deserialize<'de> for ModelId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::{ModelId, ModelIdError, NotPortable};

    #[test]
    fn an_id_is_one_directory_name() {
        for (text, why) in [
            ("", ModelIdError::Empty),
            ("  ", ModelIdError::Empty),
            (".", ModelIdError::Dots),
            ("..", ModelIdError::Dots),
            ("../evil", ModelIdError::Separator),
            ("a/b", ModelIdError::Separator),
            ("a\\b", ModelIdError::Separator),
            ("a\0b", ModelIdError::Control),
            (&"x".repeat(300), ModelIdError::TooLong),
            ("MLC-app-config.json", ModelIdError::Reserved),
            ("CON", ModelIdError::NotPortable(NotPortable::Device)),
            (".git", ModelIdError::NotPortable(NotPortable::Git)),
            ("a\u{202e}b", ModelIdError::NotPortable(NotPortable::Invisible)),
        ] {
            assert_eq!(text.parse::<ModelId>(), Err(why), "{text:?}");
        }
        assert!("Qwen3-0.6B-q0f16-MLC".parse::<ModelId>().is_ok());
        assert!("模型".parse::<ModelId>().is_ok());
    }
}
