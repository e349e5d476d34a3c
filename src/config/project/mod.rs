//! `mlc-package.yml`, the optional description of a repository: its packages, the limits of their
//! sizes, and what is published. From its text to a [`Project`], or to every problem at once.

mod artifact;
mod budgets;
mod disk;
mod read;
mod schema;
mod syntax;
mod trial;

use camino::Utf8Path;

use self::read::Checker;
use super::checked::not_utf8;
use super::diagnostic::Sink;
use super::quote::Count;
use super::source::Source;
use super::tree::Language;
use super::{Checked, Code, Diagnostic, duplicate_keys};
use crate::exit::Exit;
use crate::io::files;
use crate::model::{ByteSize, ModelId, Project};
use crate::stage_error::{Message, StageError};

pub use disk::check_file;
pub use schema::schema;

/// The file's name, at the root of a repository.
pub const FILE_NAME: &str = "mlc-package.yml";

/// The largest file that is read, in bytes.
pub const MAX_BYTES: u64 = 1 << 20;

/// A `mlc-package.yml` that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// Exit 10. The diagnostics are for [`Checked`]'s renderers.
    #[error("{} in {}", Count(.0.errors(), "error"), .0.path())]
    Invalid(Box<Checked<Project>>),
}

impl StageError for ProjectError {
    fn exit(&self) -> Exit {
        Exit::Config
    }

    /// The diagnostics were shown, and they end with their number.
    fn messages(&self) -> Vec<Message<'_>> {
        vec![Message { is_shown: true, ..Message::new(self.to_string(), None) }]
    }
}

/// What a check must know of the disk.
pub trait ProjectTree {
    /// Whether there is a regular file.
    fn is_file(&self, path: &Utf8Path) -> bool;

    /// Whether there is a directory.
    fn is_dir(&self, path: &Utf8Path) -> bool;

    /// The models of a package config, if it can be used.
    fn models(&self, config: &Utf8Path) -> Option<Vec<ModelId>>;

    /// Whether links make a path below a directory lead out of it. What is not there yet does not.
    fn leads_out(&self, root: &Utf8Path, path: &Utf8Path) -> bool;
}

/// Checks the bytes of a `mlc-package.yml`. `path` is what the user called it; it is not opened.
pub fn check(path: &Utf8Path, bytes: &[u8], tree: &dyn ProjectTree) -> Checked<Project> {
    if bytes.len() as u64 > MAX_BYTES {
        return too_large(path);
    }
    let (source, fault) = Source::new(bytes);
    let root = match files::parent(path) {
        dir if dir == "." => Utf8Path::new(""),
        dir => dir,
    };
    let mut checker = Checker { sink: Sink::default(), root, tree };
    let mut project = None;
    // Spans of what is found in the text leave out the byte order mark; this one does not.
    let mut skipped = source.skipped();
    match fault {
        Some(span) => {
            skipped = 0;
            checker.sink.push(not_utf8(bytes, span));
        }
        None => match syntax::parse(source.text()) {
            Ok(root) => {
                duplicate_keys::check(&mut checker.sink, &root, Language::Yaml);
                project = read::read(&mut checker, &root);
            }
            Err(found) => checker.sink.push(*found),
        },
    }
    let mut diagnostics = checker.sink.finish(skipped);
    if fault.is_none() {
        // A value is marked by its first byte, which may be of a longer character, or of none at
        // the end of the file.
        let spans = diagnostics.iter_mut().flat_map(|found| {
            found.span.iter_mut().chain(found.related.iter_mut().map(|(span, _)| span))
        });
        spans.for_each(|span| *span = source.whole_characters(*span));
    }
    Checked::new(path, source, diagnostics, project)
}

fn too_large(path: &Utf8Path) -> Checked<Project> {
    let message = format!("the file is larger than {}", ByteSize(MAX_BYTES));
    let help = format!("is it a {FILE_NAME}?");
    Checked::without_text(path, Diagnostic::new(Code::TooLarge, None, message, help))
}

#[cfg(test)]
pub(super) mod tests;
