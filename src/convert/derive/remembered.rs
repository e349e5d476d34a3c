//! Templates that were derived, by the commit of their checkpoint: a converted model is found in the
//! cache without the checkpoint's files.
//!
//! ```text
//! <cache-dir>/converted/.templates/<digest>   the template's name
//! ```

use camino::{Utf8Path, Utf8PathBuf};

use crate::io::{atomic, files};
use crate::model::{ConvTemplate, Digest};

/// The longest name has some twenty bytes.
const LIMIT: u64 = 64;

/// The template that was derived of a source: a repository and its commit.
pub fn recall(cache_dir: &Utf8Path, source: &str) -> Option<ConvTemplate> {
    let text = files::read_at_most(&note(cache_dir, source), LIMIT).ok()??;
    std::str::from_utf8(&text).ok()?.parse().ok()
}

/// Keeps it. A cache that cannot be written to costs the next run its time, and nothing else.
pub fn remember(cache_dir: &Utf8Path, source: &str, template: ConvTemplate) {
    let note = note(cache_dir, source);
    if files::create_dir_all(files::parent(&note)).is_ok() {
        let _ = atomic::write_unsynced(&note, template.as_str().as_bytes());
    }
}

/// Our version stands for how we derive.
fn note(cache_dir: &Utf8Path, source: &str) -> Utf8PathBuf {
    let text = format!("mlc-package template 1\n{}\n{source}", env!("CARGO_PKG_VERSION"));
    let mut name = Digest::of(text.as_bytes()).to_hex();
    name.truncate(32);
    cache_dir.join("converted").join(".templates").join(name)
}
