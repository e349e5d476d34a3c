use camino::Utf8Path;

use super::{FILE_NAME, MAX_BYTES, ProjectTree};
use crate::config::{Checked, Code, Diagnostic};
use crate::io::files;
use crate::model::{ModelId, Project};

/// The disk as it is.
struct Disk;

impl ProjectTree for Disk {
    fn is_file(&self, path: &Utf8Path) -> bool {
        files::is_file(path)
    }

    fn is_dir(&self, path: &Utf8Path) -> bool {
        files::is_dir(path)
    }

    fn models(&self, config: &Utf8Path) -> Option<Vec<ModelId>> {
        let package = crate::config::check_file(config).into_package().ok()?;
        Some(package.models.into_iter().map(|entry| entry.model_id).collect())
    }

    fn leads_out(&self, root: &Utf8Path, path: &Utf8Path) -> bool {
        let root = if root.as_str().is_empty() { Utf8Path::new(".") } else { root };
        let Ok(canonical) = files::canonical(root) else { return false };
        // The nearest part of the path that is there decides: the rest has no links yet. Where a
        // link leads to nothing, something may be made there.
        for part in path.ancestors() {
            let full = root.join(part);
            match files::canonical(&full) {
                Ok(there) => return !there.starts_with(canonical),
                Err(_) if files::is_symlink(&full) => return true,
                Err(_) => {}
            }
        }
        false
    }
}

/// Reads a `mlc-package.yml` and checks it. That it cannot be read is among the diagnostics too.
pub fn check_file(path: &Utf8Path) -> Checked<Project> {
    match files::read_at_most(path, MAX_BYTES) {
        Ok(Some(bytes)) => super::check(path, &bytes, &Disk),
        Ok(None) => super::too_large(path),
        Err(error) => {
            let missing = error.kind() == std::io::ErrorKind::NotFound;
            let why = if missing { "there is no such file".into() } else { error.to_string() };
            let message = format!("cannot read the project: {why}");
            let help = match missing {
                true => format!("it is called {FILE_NAME}, at the root of the repository"),
                false => "may you read it?".to_owned(),
            };
            Checked::without_text(path, Diagnostic::new(Code::Unreadable, None, message, help))
        }
    }
}
