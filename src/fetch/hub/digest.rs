use std::fmt;
use std::io;
use std::str::FromStr;

use camino::Utf8Path;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::Digest as _;

use crate::io::cancel::Cancel;
use crate::io::files;
use crate::io::positioned::PositionedFile;
use crate::model::hex;

/// Bytes in memory at once.
const BLOCK: usize = 1 << 20;

/// The digest that the Hub names a file by: its ETag, and the name of its blob in the cache.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RemoteDigest {
    /// Of a file in git-lfs or Xet: of its bytes.
    Sha256([u8; 32]),
    /// Of a file in git itself: git's blob digest, of `blob <length>\0` and its bytes.
    GitSha1([u8; 20]),
}

/// A text that is neither 64 nor 40 lowercase hex digits.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a digest is 64 or 40 lowercase hex digits")]
pub struct NotADigest;

impl RemoteDigest {
    /// Its kind, in words.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Sha256(_) => "SHA-256",
            Self::GitSha1(_) => "Git SHA-1",
        }
    }

    /// The digest of bytes in memory, of the same kind.
    pub fn of(self, bytes: &[u8]) -> Self {
        let mut hasher = self.hasher(bytes.len() as u64);
        hasher.update(bytes);
        hasher.finish()
    }

    /// Reads a file once; gives its digest, of the same kind.
    ///
    /// # Errors
    /// Reading fails, or `cancel` was set: [`io::ErrorKind::Interrupted`].
    pub fn of_file(self, path: &Utf8Path, cancel: &Cancel) -> io::Result<Self> {
        let bytes = files::size(path)?;
        let file = PositionedFile::open_to_read(path)?;
        let mut hasher = self.hasher(bytes);
        let mut block = vec![0; BLOCK];
        let mut at = 0;
        while at < bytes {
            if cancel.is_cancelled() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            block.truncate(usize::try_from(bytes - at).map_or(BLOCK, |rest| rest.min(BLOCK)));
            file.read_exact_at(&mut block, at)?;
            hasher.update(&block);
            at += block.len() as u64;
        }
        Ok(hasher.finish())
    }

    /// Begins a digest of the same kind, of a file of so many bytes.
    pub(crate) fn hasher(self, bytes: u64) -> Hasher {
        match self {
            Self::Sha256(_) => Hasher::Sha256(sha2::Sha256::new()),
            Self::GitSha1(_) => {
                let mut hasher = sha1::Sha1::new();
                hasher.update(format!("blob {bytes}\0"));
                Hasher::GitSha1(hasher)
            }
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Sha256(bytes) => bytes,
            Self::GitSha1(bytes) => bytes,
        }
    }
}

/// A digest in the making.
#[derive(Clone)]
pub(crate) enum Hasher {
    Sha256(sha2::Sha256),
    GitSha1(sha1::Sha1),
}

impl Hasher {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::GitSha1(hasher) => hasher.update(bytes),
        }
    }

    pub(crate) fn finish(self) -> RemoteDigest {
        match self {
            Self::Sha256(hasher) => RemoteDigest::Sha256(hasher.finalize().into()),
            Self::GitSha1(hasher) => RemoteDigest::GitSha1(hasher.finalize().into()),
        }
    }
}

impl fmt::Display for RemoteDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RemoteDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if matches!(self, Self::Sha256(_)) { "sha256" } else { "git-sha1" };
        write!(f, "{kind}:{self}")
    }
}

impl FromStr for RemoteDigest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, NotADigest> {
        let sha256 = || hex::decode(text).map(Self::Sha256);
        sha256().or_else(|| hex::decode(text).map(Self::GitSha1)).ok_or(NotADigest)
    }
}

impl Serialize for RemoteDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RemoteDigest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::RemoteDigest;

    #[test]
    fn digests_are_those_of_git_and_of_sha256sum() {
        // `printf hello | git hash-object --stdin`, `printf hello | sha256sum`
        for text in [
            "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0",
            "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
        ] {
            let digest: RemoteDigest = text.parse().unwrap();
            assert_eq!(digest.to_string(), text);
            assert_eq!(digest.of(b"hello"), digest);
            assert_ne!(digest.of(b"hellO"), digest);
        }
    }

    #[test]
    fn other_texts_are_no_digests() {
        let hex = "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0";
        for text in ["", &hex[1..], &hex.to_uppercase(), "../../../../../../../../../../../x/yy/zz"]
        {
            assert!(text.parse::<RemoteDigest>().is_err(), "{text}");
        }
    }
}
