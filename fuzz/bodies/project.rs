//! What the target `project` does with bytes: a `mlc-package.yml`, checked and rendered.

use camino::Utf8Path;
use mlc_package::config::project::{ProjectTree, check};
use mlc_package::model::ModelId;

use crate::checked;

/// A disk whose answers follow from the path.
struct Anything;

impl ProjectTree for Anything {
    fn is_file(&self, path: &Utf8Path) -> bool {
        !path.as_str().contains("missing")
    }

    fn is_dir(&self, path: &Utf8Path) -> bool {
        !path.as_str().contains("missing")
    }

    fn models(&self, config: &Utf8Path) -> Option<Vec<ModelId>> {
        let known = ["phi-2", "Qwen3-1.7B"].map(|name| name.parse().expect("a name"));
        (!config.as_str().contains("unreadable")).then(|| known.to_vec())
    }

    fn leads_out(&self, _: &Utf8Path, path: &Utf8Path) -> bool {
        path.starts_with("link")
    }
}

/// Says whether it is a project.
pub(crate) fn run(bytes: &[u8]) -> bool {
    let checked = check(Utf8Path::new("root/mlc-package.yml"), bytes, &Anything);
    assert_eq!(checked.project().is_some(), checked.errors() == 0);
    checked::holds(&checked, bytes);
    let again = check(Utf8Path::new("root/mlc-package.yml"), bytes, &Anything);
    assert_eq!(again.diagnostics(), checked.diagnostics(), "the same twice");
    assert_eq!(again.project(), checked.project());
    let Some(project) = checked.project() else { return false };
    for (at, package) in project.packages.iter().enumerate() {
        let paths = [Some(&package.config), Some(&package.output), package.source_dir.as_ref()];
        for path in paths.into_iter().flatten() {
            let inside = path.strip_prefix("root").expect("below the project's directory");
            assert!(!inside.as_str().split('/').any(|part| part == ".."), "{path}");
            assert!(!path.as_str().contains("missing") || *path == package.output, "{path}");
        }
        for other in &project.packages[..at] {
            assert_ne!(other.name, package.name);
            assert!(!other.output.starts_with(&package.output), "{}", other.output);
            assert!(!package.output.starts_with(&other.output), "{}", package.output);
        }
    }
    true
}
