//! The SHA-256 of a file, in constant memory: what GitHub knows assets by.

use std::io::{self, Read as _};

use camino::Utf8Path;
use sha2::Digest as _;

use crate::model::Sha256;

/// What is read at once, in bytes.
const BLOCK: usize = 256 << 10;

/// Reads a file once; gives its digest and its size in bytes.
pub fn file(path: &Utf8Path) -> io::Result<(Sha256, u64)> {
    let mut file = super::open::to_read(path)?;
    let mut hasher = sha2::Sha256::new();
    let mut block = vec![0; BLOCK];
    let mut bytes = 0;
    loop {
        match file.read(&mut block)? {
            0 => break,
            read => {
                hasher.update(block.get(..read).unwrap_or_default());
                bytes += read as u64;
            }
        }
    }
    Ok((Sha256::finish(hasher), bytes))
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;

    #[test]
    fn a_digest_is_that_of_sha256sum() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("f");
        fs_err::write(&path, "hello").unwrap();
        let (digest, bytes) = super::file(&path).unwrap();
        // `printf hello | sha256sum`
        assert_eq!(
            digest.to_string(),
            "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
        );
        assert_eq!(bytes, 5);
    }
}
