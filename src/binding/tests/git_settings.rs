use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use proptest::prelude::*;

use super::super::Surroundings;
use super::super::identity::Identifier;
use super::super::tool_notes::ToolNotes;
use super::{are_harmless, gitlinks, starts_programs};
use crate::io::cancel::Cancel;

struct Repository {
    _dir: tempfile::TempDir,
    root: Utf8PathBuf,
}

#[expect(clippy::disallowed_methods, reason = "the trees of the tests are made by Git itself")]
fn git(dir: &Utf8Path, args: &[&str]) -> String {
    let settings =
        ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "protocol.file.allow=always"];
    let mut command = Command::new("git");
    command.current_dir(dir).args(settings).args(args).env("GIT_CONFIG_GLOBAL", "/dev/null");
    let output = command.output().expect("tests need git");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

impl Repository {
    /// A repository with a submodule in `sub/module`.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap().canonicalize_utf8().unwrap();
        for name in ["inner", "tree"] {
            let path = root.join(name);
            fs_err::create_dir(&path).unwrap();
            git(&path, &["init", "-q"]);
            fs_err::write(path.join("file.txt"), "text\n").unwrap();
            git(&path, &["add", "."]);
            git(&path, &["commit", "-qm", "one"]);
        }
        let tree = root.join("tree");
        git(&tree, &["submodule", "add", "-q", "../inner", "sub/module"]);
        git(&tree, &["commit", "-qm", "two"]);
        Self { _dir: dir, root }
    }

    fn tree(&self) -> Utf8PathBuf {
        self.root.join("tree")
    }
}

#[test]
fn a_repository_as_it_is_cloned_is_harmless() {
    let repository = Repository::new();
    assert!(are_harmless(&repository.tree()));
    for version in ["2", "3", "4"] {
        git(&repository.tree(), &["update-index", "--index-version", version]);
        let index = fs_err::read(repository.tree().join(".git/index")).unwrap();
        assert_eq!(gitlinks(&index), Some(vec!["sub/module".to_owned()]), "version {version}");
    }
    git(&repository.tree(), &["update-index", "--split-index"]);
    assert!(!are_harmless(&repository.tree()));
}

#[test]
fn filters_of_a_repository_and_of_its_submodules_are_seen() {
    let repository = Repository::new();
    let tree = repository.tree();
    git(&tree.join("sub/module"), &["config", "filter.x.clean", "touch /tmp/x; cat"]);
    assert!(!are_harmless(&tree));
    git(&tree.join("sub/module"), &["config", "--remove-section", "filter.x"]);
    assert!(are_harmless(&tree));
    git(&tree, &["config", "include.path", "other"]);
    assert!(!are_harmless(&tree));
    git(&tree, &["config", "--unset", "include.path"]);
    git(&tree, &["config", "extensions.worktreeConfig", "true"]);
    git(&tree, &["config", "--worktree", "filter.x.process", "touch /tmp/x"]);
    assert!(!are_harmless(&tree));
}

#[test]
fn a_look_at_a_tree_runs_none_of_its_filters() {
    let repository = Repository::new();
    let ran = repository.root.join("ran");
    for place in [repository.tree(), repository.tree().join("sub/module")] {
        let variables = std::env::vars_os().collect();
        let given = Surroundings { variables: &variables, directory: &repository.root };
        let mut notes = ToolNotes::load(&repository.root.join("cache"));
        git(&place, &["config", "filter.evil.clean", &format!("touch {ran}; cat")]);
        let attributes = git(&place, &["rev-parse", "--git-path", "info/attributes"]);
        let attributes = place.join(attributes.trim());
        fs_err::create_dir_all(attributes.parent().unwrap()).unwrap();
        fs_err::write(attributes, "* filter=evil\n").unwrap();
        // Another time, and the same text.
        fs_err::write(place.join("file.txt"), "text\n").unwrap();
        let cancel = Cancel::default();
        let mut identifier = Identifier::new(given, &mut notes, &cancel);
        let identity = identifier.identify(&repository.tree()).unwrap();
        assert!(identity.starts_with("files "), "{identity}");
        assert!(!ran.exists());
        // Git itself does.
        git(&place, &["status"]);
        assert!(ran.exists());
        fs_err::remove_file(&ran).unwrap();
        git(&place, &["config", "--remove-section", "filter.evil"]);
    }
}

#[test]
fn settings_are_read_as_git_reads_them() {
    for text in [
        "[filter \"x\"]\n\tclean = evil",
        "[core] bare = false [ FILTER \"x\"] clean = evil",
        "[includeIf \"gitdir:/\"] path = x",
        "[remote \"origin\"] promisor = true",
        "[protocol] allow = always",
    ] {
        assert!(starts_programs(text.as_bytes()), "{text}");
    }
    let usual = "[core]\n\tbare = false\n[remote \"origin\"]\n\turl = https://a/b\n";
    assert!(!starts_programs(usual.as_bytes()));
}

proptest! {
    #[test]
    fn an_index_of_any_bytes_is_read_or_refused(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..400),
        version in 0_u8..6,
    ) {
        let _ = gitlinks(&bytes);
        if bytes.len() > 12 {
            bytes[..8].copy_from_slice(&[b'D', b'I', b'R', b'C', 0, 0, 0, version]);
            let _ = gitlinks(&bytes);
        }
    }
}
