//! What the store has of a compiled library.
//!
//! ```text
//! <cache-dir>/libs/<fingerprint>/lib.tar       the library
//!                               /record.json   what it was made from
//!                               /compile.log   what the compiler said; it may have been removed
//! ```

use camino::{Utf8Path, Utf8PathBuf};

use crate::io::clock;
use crate::model::{CompileInputs, CompileRecord, Fingerprint, KernelsChecked};
use crate::store::{Bucket, Changed, NewEntry, Record, RecordedFile, Store, StoreError, Stored};

const LIBRARY: &str = "lib.tar";
/// What the compiler says.
pub(super) const LOG: &str = "compile.log";

/// The compiled libraries of one cache directory.
pub type LibraryStore = Store<CompileRecord>;
/// A library in the store.
pub type StoredLibrary = Stored<CompileRecord>;
/// A library in the making.
pub(super) type NewLibrary = NewEntry<CompileRecord>;

impl Record for CompileRecord {
    const BUCKET: &'static Bucket = &Bucket::LIBRARIES;
    const NAME: &'static str = "library";

    fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    fn created(&self) -> u64 {
        self.created
    }

    fn files(&self) -> Vec<RecordedFile<'_>> {
        let path = Utf8Path::new(LIBRARY);
        vec![RecordedFile { path, bytes: self.bytes, digest: self.digest }]
    }

    fn says_changed(&self, _: &Utf8Path, changed: &Changed) -> String {
        let Changed { path, found, recorded } = changed;
        format!("its {path} has the digest {found}, and its record says {recorded}")
    }
}

impl StoredLibrary {
    /// The library.
    pub fn library(&self) -> Utf8PathBuf {
        self.dir.join(LIBRARY)
    }

    /// What the compiler said.
    pub fn log(&self) -> Utf8PathBuf {
        self.dir.join(LOG)
    }
}

impl NewLibrary {
    /// Where the library is to be written.
    pub(super) fn library(&self) -> Utf8PathBuf {
        self.dir().join(LIBRARY)
    }

    /// Where the compiler's log is to be written.
    pub(super) fn log(&self) -> Utf8PathBuf {
        self.dir().join(LOG)
    }

    /// Puts the library, made from `inputs` in so many seconds, into the store.
    pub(super) fn keep(
        self,
        inputs: &CompileInputs,
        seconds: f64,
        kernels: Option<KernelsChecked>,
    ) -> Result<StoredLibrary, StoreError> {
        let (digest, bytes) = self.measure(LIBRARY)?;
        let (fingerprint, inputs) = (self.fingerprint(), inputs.clone());
        let created = clock::seconds_since_1970();
        self.commit(CompileRecord { fingerprint, inputs, seconds, bytes, digest, created, kernels })
    }
}

#[cfg(test)]
#[path = "tests/store.rs"]
mod tests;
#[cfg(test)]
#[path = "tests/store_use.rs"]
mod use_tests;
