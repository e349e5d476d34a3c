use camino::{Utf8Path, Utf8PathBuf};

use super::diagnostic::Sink;
use super::package::Checker;
use super::project::ProjectError;
use super::quote::Count;
use super::source::Source;
use super::tree::Language;
use super::{
    Code, Diagnostic, MAX_BYTES, Place, Severity, Surroundings, duplicate_keys, package, syntax,
};
use crate::exit::Exit;
use crate::model::{ByteSize, PackageConfig, Project};
use crate::stage_error::{Message, StageError};

/// One file after its check: what it says, if it can be used, and what is to be said of it. It is
/// a package config, or a [`Project`].
#[derive(Clone, Debug)]
pub struct Checked<T = PackageConfig> {
    path: Utf8PathBuf,
    pub(super) source: Source,
    pub(super) diagnostics: Vec<Diagnostic>,
    value: Option<T>,
}

/// A config that nothing can be built from.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Exit 10, or 11 for the files of a model. The diagnostics are for [`Checked`]'s renderers.
    #[error("{} in {}", Count(.0.errors(), "error"), .0.path())]
    Invalid(Box<Checked>),
}

impl StageError for ConfigError {
    /// That of the files of models, where nothing else is wrong.
    fn exit(&self) -> Exit {
        let Self::Invalid(checked) = self;
        if checked.is_of_models() { Exit::Fetch } else { Exit::Config }
    }

    /// The diagnostics were shown, and they end with their number.
    fn messages(&self) -> Vec<Message<'_>> {
        vec![Message { is_shown: true, ..Message::new(self.to_string(), None) }]
    }
}

/// Checks the bytes of a config. `path` is what the user called it; it is not opened.
pub fn check(
    path: &Utf8Path,
    bytes: &[u8],
    place: &Place,
    surroundings: &dyn Surroundings,
) -> Checked {
    if bytes.len() as u64 > MAX_BYTES {
        return Checked::too_large(path);
    }
    let (source, fault) = Source::new(bytes);
    let mut checker = Checker { sink: Sink::default(), device: None, place, surroundings };
    let mut package = None;
    // Spans of what is found in the text leave out the byte order mark; this one does not.
    let mut skipped = source.skipped();
    if let Some(span) = fault {
        skipped = 0;
        checker.sink.push(not_utf8(bytes, span));
    } else {
        let (root, mistakes) = syntax::parse_on(source.text());
        let is_strict = mistakes.is_empty();
        mistakes.into_iter().for_each(|mistake| checker.sink.push(mistake));
        if let Some(root) = root {
            duplicate_keys::check(&mut checker.sink, &root, Language::Json);
            package = package::read(&mut checker, &root).filter(|_| is_strict);
        }
    }
    Checked::new(path, source, checker.sink.finish(skipped), package)
}

pub(super) fn not_utf8(bytes: &[u8], span: super::Span) -> Diagnostic {
    if let [0xff, 0xfe, ..] | [0xfe, 0xff, ..] = bytes {
        let message = "the file is UTF-16, not UTF-8";
        let help = "save it as UTF-8 (PowerShell: `Out-File -Encoding utf8`)";
        return Diagnostic::new(Code::InvalidUtf8, None, message, help);
    }
    let byte = bytes.get(span.start).copied().unwrap_or_default();
    let message = format!("the file is not UTF-8: byte {} is 0x{byte:02x}", span.start);
    Diagnostic::new(Code::InvalidUtf8, span, message, "save it as UTF-8")
        .label("not a character in UTF-8")
}

impl Checked {
    pub(super) fn unreadable(path: &Utf8Path, why: &str, help: &str) -> Self {
        let message = format!("cannot read the config: {why}");
        Self::without_text(path, Diagnostic::new(Code::Unreadable, None, message, help))
    }

    pub(super) fn too_large(path: &Utf8Path) -> Self {
        let message = format!("the file is larger than {}", ByteSize(MAX_BYTES));
        let help = "is it a mlc-package-config.json?";
        Self::without_text(path, Diagnostic::new(Code::TooLarge, None, message, help))
    }

    /// What the config says, if it has no errors.
    pub fn package(&self) -> Option<&PackageConfig> {
        self.value.as_ref()
    }

    /// What the config says.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] if it has errors.
    pub fn into_package(mut self) -> Result<PackageConfig, ConfigError> {
        self.value.take().ok_or_else(|| ConfigError::Invalid(Box::new(self)))
    }
}

impl Checked<Project> {
    /// What the file says, if it has no errors.
    pub fn project(&self) -> Option<&Project> {
        self.value.as_ref()
    }

    /// What the file says.
    ///
    /// # Errors
    /// [`ProjectError::Invalid`] if it has errors.
    pub fn into_project(mut self) -> Result<Project, ProjectError> {
        self.value.take().ok_or_else(|| ProjectError::Invalid(Box::new(self)))
    }
}

impl<T> Checked<T> {
    pub(super) fn new(
        path: &Utf8Path,
        source: Source,
        diagnostics: Vec<Diagnostic>,
        value: Option<T>,
    ) -> Self {
        Self { path: path.to_owned(), source, diagnostics, value }.consistent()
    }

    pub(super) fn without_text(path: &Utf8Path, diagnostic: Diagnostic) -> Self {
        Self::new(path, Source::default(), vec![diagnostic], None)
    }

    /// Drops what the file says if there are errors.
    pub(super) fn consistent(mut self) -> Self {
        if self.errors() > 0 {
            self.value = None;
        }
        self
    }

    /// What the file says, if it has no errors.
    pub(super) fn value(&self) -> Option<&T> {
        self.value.as_ref()
    }

    /// Makes warnings errors: `--strict`.
    #[must_use]
    pub fn deny_warnings(mut self) -> Self {
        for diagnostic in &mut self.diagnostics {
            diagnostic.severity = Severity::Error;
        }
        self.consistent()
    }

    /// The config's path, as the user wrote it.
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// The config's text, without a byte order mark; empty if it could not be read.
    pub fn text(&self) -> &str {
        self.source.text()
    }

    /// The problems, in the order of their places.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// Whether every error is of a model's files, and none of the config itself.
    pub fn is_of_models(&self) -> bool {
        let mut errors = self.diagnostics.iter().filter(|it| it.severity == Severity::Error);
        self.errors() > 0 && errors.all(|error| error.code.is_of_model())
    }

    /// How many problems are errors.
    pub fn errors(&self) -> usize {
        self.diagnostics.iter().filter(|found| found.severity == Severity::Error).count()
    }

    /// How many are warnings.
    pub fn warnings(&self) -> usize {
        self.diagnostics.len() - self.errors()
    }
}
