//! The cache directory: one store for all that is made once and used again, addressed by what it
//! was made from.
//!
//! ```text
//! <cache-dir>/<bucket>/<fingerprint>/…              an entry: its record, and the files it names
//! <cache-dir>/<bucket>/.locks/<fingerprint>.lock    held while an entry is made or removed
//! <cache-dir>/<bucket>/.locks/<fingerprint>.used    its time is that of the last use; shared as a
//!                                                   lock by those who use the entry
//! <cache-dir>/<bucket>/.tmp-<fingerprint>-…/        an entry in the making, or being removed
//! <cache-dir>/logs/<time>-<name>.log                logs of programs that failed
//! ```
//!
//! An entry appears by one rename, so that reading needs no lock and a read-only store can be used.
//! Who uses an entry shares a lock, where that can be had, and nobody removes the entry meanwhile.
//! A stage has a [`Record`] of what it makes; the buckets are in [`Bucket`].

mod bucket;
mod entry;
mod error;
mod inventory;
mod record;

pub use bucket::{Bucket, Note, Prune};
pub use entry::{Lookup, Miss, NewEntry, Store, Stored};
pub use error::{StoreError, help_if_full, says_full};
pub use inventory::{Entry, Leftover, Removal};
pub use record::{Changed, Record, RecordedFile, Unusable};

const TEMPORARY: &str = ".tmp-";
