use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, de};

/// The name of a model library, upstream's `model_lib`: a C identifier. Both apps load
/// `system://<model_lib>`, and every symbol of the library begins with `<model_lib>_`.
///
/// `-` becomes `_` on the way in, as upstream says (and does not do).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct LibraryName(String);

/// Why a text cannot name a library.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LibraryNameError {
    /// Nothing there.
    #[error("a library name cannot be empty")]
    Empty,
    /// Longer than any linker or file system is asked to bear.
    #[error("a library name has at most 200 characters")]
    TooLong,
    /// It becomes part of C symbols.
    #[error("a library name consists of letters, digits and `_`, and does not begin with a digit")]
    NotAnIdentifier,
}

impl LibraryName {
    /// From this length on every TVM compiles it. Before 0.27, TVM fails with a prefix of less than
    /// eight bytes, and a prefix has one more than the name (`TypeError: Cannot convert from type
    /// ffi.SmallStr to ffi.Object`).
    pub const SAFE_LEN: usize = 7;

    /// Whether there is a TVM that fails to compile a library of this name.
    pub fn is_short(&self) -> bool {
        self.0.len() < Self::SAFE_LEN
    }

    /// The name as written into `mlc-app-config.json`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The compiler's `--system-lib-prefix`.
    pub fn system_lib_prefix(&self) -> String {
        format!("{}_", self.0)
    }

    /// The symbol of the library's blob, without the leading `_` of Mach-O.
    pub fn blob_symbol(&self) -> String {
        format!("{}___tvm_ffi__library_bin", self.0)
    }
}

impl FromStr for LibraryName {
    type Err = LibraryNameError;

    fn from_str(text: &str) -> Result<Self, LibraryNameError> {
        let name = text.replace('-', "_");
        let mut bytes = name.bytes();
        match bytes.next() {
            None => return Err(LibraryNameError::Empty),
            Some(b'_' | b'a'..=b'z' | b'A'..=b'Z') => {}
            Some(_) => return Err(LibraryNameError::NotAnIdentifier),
        }
        if !bytes.all(|byte| byte == b'_' || byte.is_ascii_alphanumeric()) {
            return Err(LibraryNameError::NotAnIdentifier);
        }
        if name.len() > 200 {
            return Err(LibraryNameError::TooLong);
        }
        Ok(Self(name))
    }
}

impl fmt::Display for LibraryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<'de> Deserialize<'de> for LibraryName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::{LibraryName, LibraryNameError};

    #[test]
    fn hyphens_become_underscores_and_the_blob_symbol_has_three() {
        let name: LibraryName = "phi-2_q4f16_1".parse().unwrap();
        assert_eq!(name.as_str(), "phi_2_q4f16_1");
        assert_eq!(name.blob_symbol(), "phi_2_q4f16_1___tvm_ffi__library_bin");
    }

    #[test]
    fn what_is_not_a_c_identifier_is_refused() {
        for (text, why) in [
            ("", LibraryNameError::Empty),
            ("3b", LibraryNameError::NotAnIdentifier),
            ("a b", LibraryNameError::NotAnIdentifier),
            ("a/b", LibraryNameError::NotAnIdentifier),
            ("é", LibraryNameError::NotAnIdentifier),
            (&"x".repeat(201), LibraryNameError::TooLong),
        ] {
            assert_eq!(text.parse::<LibraryName>(), Err(why), "{text}");
        }
    }
}
