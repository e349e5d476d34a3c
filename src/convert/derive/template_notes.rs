//! Templates that were derived, by the commit of their checkpoint: a converted model is found in the
//! cache without the checkpoint's files.
//!
//! ```text
//! <cache-dir>/converted/.templates/<digest>   the template's name
//! ```

use camino::Utf8Path;

use crate::model::{ConvTemplate, Digest};
use crate::store::{Bucket, Note};

/// The longest name has some twenty bytes.
const LIMIT: u64 = 64;

/// The template that was derived of a source: a repository and its commit.
pub fn recall(cache_dir: &Utf8Path, source: &str) -> Option<ConvTemplate> {
    let text = note(cache_dir, source).read()?;
    std::str::from_utf8(&text).ok()?.parse().ok()
}

/// Keeps it. A cache that cannot be written to costs the next run its time, and nothing else.
pub fn remember(cache_dir: &Utf8Path, source: &str, template: ConvTemplate) {
    let _ = note(cache_dir, source).write(template.as_str().as_bytes());
}

/// Our version stands for how we derive.
fn note(cache_dir: &Utf8Path, source: &str) -> Note {
    let (format, version) = (Bucket::TEMPLATES.format, env!("CARGO_PKG_VERSION"));
    let text = format!("mlc-package template {format}\n{version}\n{source}");
    let mut name = Digest::of(text.as_bytes()).to_hex();
    name.truncate(32);
    Note::new(Bucket::TEMPLATES.path(cache_dir).join(name), LIMIT)
}
