//! The digests that Maven keeps beside each file of a repository.

use std::io::{self, Write};

use sha2::Digest as _;

/// More bytes than this are worth a thread for each digest.
const MANY: usize = 128 << 10;

/// The four digests of what is written through it.
#[derive(Default)]
pub(super) struct Checksums {
    md5: md5::Md5,
    sha1: sha1::Sha1,
    sha256: sha2::Sha256,
    sha512: sha2::Sha512,
    bytes: u64,
}

/// The four in hex, and the size.
#[derive(Clone, Debug)]
pub(super) struct Sums {
    pub(super) md5: String,
    pub(super) sha1: String,
    pub(super) sha256: String,
    pub(super) sha512: String,
    pub(super) bytes: u64,
}

impl Checksums {
    pub(super) fn of(bytes: &[u8]) -> Sums {
        let mut sums = Self::default();
        sums.update(bytes);
        sums.finish()
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        let Self { md5, sha1, sha256, sha512, .. } = self;
        if bytes.len() < MANY {
            md5.update(bytes);
            sha1.update(bytes);
            sha256.update(bytes);
            sha512.update(bytes);
            return;
        }
        rayon_core::join(
            || rayon_core::join(|| md5.update(bytes), || sha256.update(bytes)),
            || rayon_core::join(|| sha512.update(bytes), || sha1.update(bytes)),
        );
    }

    pub(super) fn finish(self) -> Sums {
        Sums {
            md5: hex(&self.md5.finalize()),
            sha1: hex(&self.sha1.finalize()),
            sha256: hex(&self.sha256.finalize()),
            sha512: hex(&self.sha512.finalize()),
            bytes: self.bytes,
        }
    }
}

impl Sums {
    /// The ends of the names of the files that hold them.
    pub(super) fn named(&self) -> [(&'static str, &str); 4] {
        [
            ("md5", &self.md5),
            ("sha1", &self.sha1),
            ("sha256", &self.sha256),
            ("sha512", &self.sha512),
        ]
    }
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes to `out` what it takes the digests of.
pub(super) struct Summed<W> {
    out: W,
    pub(super) sums: Checksums,
}

impl<W> Summed<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, sums: Checksums::default() }
    }
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.sums.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::{Checksums, MANY, Summed};

    #[test]
    fn the_digests_are_those_of_other_programs() {
        // `printf hello | md5sum`, and so on.
        let sums = Checksums::of(b"hello");
        assert_eq!(sums.md5, "5d41402abc4b2a76b9719d911017c592");
        assert_eq!(sums.sha1, "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d");
        assert!(sums.sha256.starts_with("2cf24dba5fb0a30e26e83b2ac5b9e29e"));
        assert!(sums.sha512.starts_with("9b71d224bd62f3785d96d46ad3ea3d73"));
        // In however many pieces.
        let bytes = vec![7; 3 * MANY + 1];
        let mut pieces = Summed::new(Vec::new());
        pieces.write_all(&bytes).unwrap();
        for byte in &bytes {
            pieces.write_all(&[*byte]).unwrap();
        }
        let sums = pieces.sums.finish();
        assert_eq!(sums.sha512, Checksums::of(&[bytes.as_slice(), &bytes].concat()).sha512);
        assert_eq!(sums.bytes, 2 * bytes.len() as u64);
    }
}
