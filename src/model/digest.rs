use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A BLAKE3 digest of some bytes, written `blake3:<64 hex digits>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// A text that is no digest.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a digest: {0:?}")]
pub struct DigestError(String);

impl Digest {
    /// The digest of bytes in memory. Files are digested by `io::digest`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// The 64 hex digits alone, for file names.
    pub fn to_hex(self) -> String {
        blake3::Hash::from_bytes(self.0).to_hex().to_string()
    }
}

impl From<blake3::Hash> for Digest {
    fn from(hash: blake3::Hash) -> Self {
        Self(*hash.as_bytes())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "blake3:{}", self.to_hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        text.strip_prefix("blake3:")
            .and_then(|hex| blake3::Hash::from_hex(hex).ok())
            .map(Self::from)
            .ok_or_else(|| DigestError(text.to_owned()))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Names one compiled library by everything that can change it: the digest of its
/// [`CompileInputs`](super::CompileInputs).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(pub Digest);

impl Fingerprint {
    /// The store's directory name: 32 hex digits, 128 bits.
    pub fn dir_name(self) -> String {
        let mut hex = self.0.to_hex();
        hex.truncate(32);
        hex
    }

    /// The first digits, for people.
    pub fn short(self) -> String {
        let mut hex = self.0.to_hex();
        hex.truncate(12);
        hex
    }
}

#[cfg(test)]
mod tests {
    use super::Digest;

    #[test]
    fn text_round_trips_and_garbage_is_refused() {
        let digest = Digest::of(b"weights");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert!("blake3:12".parse::<Digest>().is_err());
        assert!(digest.to_hex().parse::<Digest>().is_err());
    }
}
