use std::io::{self, Write};

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

use super::{Contents, Region, summary};
use crate::config::{Checked, Diagnostic, Severity};
use crate::github::{escape_data, escape_property};

/// Where the repository is, for annotations name files from its root.
#[derive(Clone, Debug, Default)]
pub struct Repository {
    /// `GITHUB_WORKSPACE`, or the working directory.
    pub root: Utf8PathBuf,
    /// The working directory, that relative paths are taken from.
    pub working_dir: Utf8PathBuf,
}

impl Repository {
    /// A file's path from the root; of one that is not inside the whole path, which cannot be
    /// taken for that of a file inside.
    fn relative(&self, path: &Utf8Path) -> Utf8PathBuf {
        let full = normalized(&self.working_dir.join(path));
        if self.root.as_str().is_empty() {
            return normalized(path);
        }
        match full.strip_prefix(normalized(&self.root)) {
            Ok(inside) => inside.to_owned(),
            Err(_) => full,
        }
    }
}

/// The path without `.`, and without `..` where something is ahead of it.
fn normalized(path: &Utf8Path) -> Utf8PathBuf {
    let mut parts = Utf8PathBuf::new();
    for part in path.components() {
        match part {
            Utf8Component::CurDir => {}
            Utf8Component::ParentDir if parts.file_name().is_some() => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    parts
}

/// A problem at its line of a file, for who shows it elsewhere: a check run, for instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    /// The file, from the repository's root.
    pub path: Utf8PathBuf,
    /// The line, from 1; the first where the problem is the whole file's.
    pub line: usize,
    /// How bad it is.
    pub severity: Severity,
    /// The kind of problem.
    pub title: &'static str,
    /// What is wrong, and on the next line what to do.
    pub message: String,
}

/// Every problem as an annotation.
pub fn annotations<T>(checked: &Checked<T>, repository: &Repository) -> Vec<Annotation> {
    let path = repository.relative(checked.path());
    let of = |found: &Diagnostic| Annotation {
        path: path.clone(),
        line: found.span.map_or(1, |span| Region::of(checked, span).line),
        severity: found.severity,
        title: found.code.as_str(),
        message: message(checked, found),
    };
    checked.diagnostics().iter().map(of).collect()
}

/// Writes every problem as a workflow command, which GitHub shows at the line, and a summary for
/// the log.
pub fn github<T: Contents>(
    checked: &Checked<T>,
    repository: &Repository,
    out: &mut dyn Write,
) -> io::Result<()> {
    let file = repository.relative(checked.path());
    for diagnostic in checked.diagnostics() {
        writeln!(out, "{}", command(checked, diagnostic, &file))?;
    }
    writeln!(out, "{}", summary(checked))
}

fn command<T>(checked: &Checked<T>, diagnostic: &Diagnostic, file: &Utf8Path) -> String {
    let mut properties = vec![("file", file.to_string())];
    if let Some(region) = diagnostic.span.map(|span| Region::of(checked, span)) {
        properties.push(("line", region.line.to_string()));
        // The runner drops columns of more than one line.
        if region.line == region.end_line {
            properties.push(("col", region.column.to_string()));
            properties.push(("endLine", region.end_line.to_string()));
            properties.push(("endColumn", region.end_column.to_string()));
        } else {
            properties.push(("endLine", region.end_line.to_string()));
        }
    }
    properties.push(("title", diagnostic.code.as_str().to_owned()));
    let properties: Vec<_> = properties
        .iter()
        .map(|(name, value)| format!("{name}={}", escape_property(value)))
        .collect();
    let severity = diagnostic.severity.as_str();
    let message = message(checked, diagnostic);
    format!("::{severity} {}::{}", properties.join(","), escape_data(&message))
}

/// The problem, other places that have to do with it, and what to do: a line each.
fn message<T>(checked: &Checked<T>, diagnostic: &Diagnostic) -> String {
    let mut message = diagnostic.message.clone();
    for (span, label) in &diagnostic.related {
        let place = Region::of(checked, *span);
        message += &format!("\n{label}: line {}, column {}", place.line, place.column);
    }
    message + &format!("\nhelp: {}", diagnostic.help)
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;

    use super::Repository;

    #[test]
    fn files_are_named_from_the_root() {
        let repository =
            Repository { root: "/repo".into(), working_dir: "/repo/apps/android".into() };
        let relative = |path| repository.relative(Utf8Path::new(path)).into_string();
        assert_eq!(relative("c.json"), "apps/android/c.json");
        assert_eq!(relative("./../ios/c.json"), "apps/ios/c.json");
        assert_eq!(relative("/repo/c.json"), "c.json");
        assert_eq!(relative("/elsewhere/c.json"), "/elsewhere/c.json");
        assert_eq!(relative("../../../c.json"), "/c.json");
        let nowhere = Repository::default();
        assert_eq!(nowhere.relative(Utf8Path::new("./a/c.json")), "a/c.json");
    }
}
