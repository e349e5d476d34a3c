//! Which sources they are: the commit of a tree and of every submodule, and what was changed
//! since; the digest of all files where there is no Git. Times and paths do not count.

use std::ffi::OsString;
use std::io;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::tool_notes::{self, ToolNotes};
use super::{BindingError, Ndk, Surroundings, git_settings};
use crate::io::answer::{self, Question};
use crate::io::cancel::Cancel;
use crate::io::file_stamp::{self, Moment};
use crate::io::files::{self, TreeEntry, TreeKind};
use crate::io::{digest, dir, process};
use crate::model::Digest;

/// The most that Git may say of one tree in bytes.
const STATUS_LIMIT: u64 = 64 << 20;
/// How long Git may take: it reads a whole tree from a cold disk.
const PATIENCE: Duration = Duration::from_secs(300);
/// Upstream's script for Apple leaves this link in the sources.
const LEFT_BY_SCRIPT: &str = "ios/MLCSwift/tvm_home";
/// Files that are no sources: Git ignores the first in upstream's trees, where Cargo writes it.
const LEFT_BY_BUILDS: [&str; 2] = ["Cargo.lock", ".git"];
/// Directories at the root of a tree without Git that builds are made in.
const BUILT: [&str; 4] = ["build", "dist", "target", "node_modules"];
/// How deep one repository may lie in another.
const DEPTH: usize = 8;

/// Finds out which sources a tree holds.
pub(super) struct Identifier<'a> {
    git: Option<Utf8PathBuf>,
    variables: process::Variables,
    notes: &'a mut ToolNotes,
    cancel: &'a Cancel,
}

impl<'a> Identifier<'a> {
    pub(super) fn new(
        given: Surroundings<'_>,
        notes: &'a mut ToolNotes,
        cancel: &'a Cancel,
    ) -> Self {
        let mut variables = given.variables.clone();
        // Git sets these for hooks: they would have it look at another repository.
        // What a tree lacks is not fetched for a look at it.
        variables.insert("GIT_NO_LAZY_FETCH".into(), "1".into());
        for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"] {
            variables.remove(&OsString::from(name));
        }
        Self { git: given.program("git"), variables, notes, cancel }
    }

    /// What the tree holds, in a few words.
    pub(super) fn identify(&mut self, tree: &Utf8Path) -> Result<String, BindingError> {
        self.of_tree(tree, DEPTH).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => BindingError::Interrupted,
            _ => BindingError::Source { dir: tree.to_owned(), source: error },
        })
    }

    fn of_tree(&mut self, tree: &Utf8Path, depth: usize) -> io::Result<String> {
        if depth > 0
            && files::exists(&tree.join(".git"))
            && git_settings::are_harmless(tree)
            && let Some(status) = self.status(tree)?
        {
            return self.of_repository(tree, &status, depth);
        }
        self.of_files(tree)
    }

    /// What Git says of a tree; none where it does not want to, a tree of another user for
    /// instance.
    fn status(&self, tree: &Utf8Path) -> io::Result<Option<Vec<u8>>> {
        let Some(git) = &self.git else { return Ok(None) };
        // A tree's own settings must not have programs started by somebody who only looks.
        let args = [
            "-c",
            "core.fsmonitor=false",
            "-c",
            "core.hooksPath=/dev/null",
            "--no-optional-locks",
            "status",
            "--porcelain=v2",
            "--branch",
            "-z",
            "--untracked-files=all",
            "--ignore-submodules=none",
            "--no-renames",
        ];
        let question = Question {
            path: git,
            args: &args.map(OsString::from),
            variables: &self.variables,
            directory: tree,
            limit: STATUS_LIMIT,
            patience: PATIENCE,
        };
        match answer::ask(&question, self.cancel) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Ok(None),
            answer => answer,
        }
    }

    fn of_repository(
        &mut self,
        tree: &Utf8Path,
        status: &[u8],
        depth: usize,
    ) -> io::Result<String> {
        let status = parse_status(&String::from_utf8_lossy(status));
        let mut changes = String::new();
        for path in status.changed {
            if path == LEFT_BY_SCRIPT {
                continue;
            }
            let place = tree.join(&path);
            let now = match files::kind(&place)? {
                Some(TreeKind::Dir) => self.of_tree(&place, depth - 1)?,
                Some(TreeKind::File(_)) => digest::file(&place)?.0.to_string(),
                Some(TreeKind::Symlink) => format!("link to {}", files::read_link(&place)?),
                _ => "absent".to_owned(),
            };
            changes += &format!("{path}\0{now}\n");
        }
        let commit = status.commit;
        if changes.is_empty() {
            return Ok(format!("commit {commit}"));
        }
        Ok(format!("commit {commit} and changes {}", short(Digest::of(changes.as_bytes()))))
    }

    /// Which libraries and objects of an NDK may be linked: whoever builds an NDK, or repairs one, keeps
    /// its revision. None where it has none of its own.
    pub(super) fn libraries(&mut self, ndk: &Ndk) -> Result<Option<String>, BindingError> {
        let Some(toolchain) = ndk.toolchain() else { return Ok(None) };
        let mut entries = Vec::new();
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::Interrupted => BindingError::Interrupted,
            _ => BindingError::Source { dir: toolchain.clone(), source },
        };
        for home in ["lib", "lib64"].map(|lib| format!("{lib}/clang")) {
            let versions = dir::names(&toolchain.join(&home)).unwrap_or_default();
            for version in versions {
                let libraries = below(&toolchain, &format!("{home}/{version}/lib/linux"));
                entries.extend(libraries.map_err(failed)?);
            }
        }
        entries.retain(|entry| {
            let in_dir = entry.path.parent().is_some_and(|dir| dir.ends_with("aarch64"));
            in_dir || entry.path.file_name().is_some_and(|name| name.contains("builtins-aarch64"))
        });
        entries.extend(below(&toolchain, "sysroot/usr/lib/aarch64-linux-android").map_err(failed)?);
        entries.retain(|entry| entry.kind != TreeKind::Dir);
        if entries.is_empty() {
            return Ok(None);
        }
        self.of_entries(&toolchain, &entries).map(Some).map_err(failed)
    }

    fn of_files(&mut self, tree: &Utf8Path) -> io::Result<String> {
        let enter = |path: &Utf8Path| {
            let name = path.file_name().unwrap_or_default();
            let top = path.components().count() == 1;
            let built = top && (BUILT.contains(&name) || name.starts_with("build-"));
            !built && name != ".git" && name != "__pycache__"
        };
        let mut entries = files::tree(tree, enter)?;
        entries.retain(|entry| {
            entry.path != LEFT_BY_SCRIPT
                && !LEFT_BY_BUILDS.contains(&entry.path.file_name().unwrap_or_default())
                && entry.kind != TreeKind::Dir
        });
        self.of_entries(tree, &entries)
    }

    /// The digest of these files of a tree, remembered by their stamps.
    fn of_entries(&mut self, tree: &Utf8Path, entries: &[TreeEntry]) -> io::Result<String> {
        let began = Moment::now();
        let mut stamps = Vec::new();
        let mut settled = true;
        for entry in entries {
            let path = tree.join(&entry.path);
            stamps.extend_from_slice(entry.path.as_str().as_bytes());
            stamps.push(0);
            if entry.kind == TreeKind::Symlink {
                // What a link says is read at once; what it is to lies elsewhere in the tree.
                stamps.extend_from_slice(files::read_link(&path)?.as_str().as_bytes());
                stamps.push(0);
            } else if let Some(stamp) = file_stamp::of(&path)? {
                settled &= stamp.is_settled(began);
                stamps.extend_from_slice(&stamp.to_bytes());
            }
        }
        let key = tool_notes::key(&[b"tree", tree.as_str().as_bytes(), &stamps]);
        if let Some(known) = self.notes.get(key) {
            return Ok(known);
        }
        let mut listing = String::new();
        for entry in entries {
            if self.cancel.is_cancelled() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let path = tree.join(&entry.path);
            let what = match entry.kind {
                TreeKind::Symlink => format!("link to {}", files::read_link(&path)?),
                _ => digest::file(&path)?.0.to_string(),
            };
            listing += &format!("{}\0{what}\n", entry.path);
        }
        let identity = format!("files {}", short(Digest::of(listing.as_bytes())));
        if settled {
            self.notes.remember(key, &identity);
        }
        Ok(identity)
    }
}

/// What is below a directory of a tree, by the paths from the tree.
fn below(tree: &Utf8Path, dir: &str) -> io::Result<Vec<TreeEntry>> {
    let home = tree.join(dir);
    if !files::is_dir(&home) {
        return Ok(Vec::new());
    }
    let entries = files::tree(&home, |_| true)?.into_iter();
    let from_tree =
        |entry: TreeEntry| TreeEntry { path: Utf8Path::new(dir).join(entry.path), ..entry };
    Ok(entries.map(from_tree).collect())
}

/// 128 bits of a digest are enough to tell trees apart.
fn short(digest: Digest) -> String {
    let mut hex = digest.to_hex();
    hex.truncate(32);
    hex
}

/// What `git status --porcelain=v2 --branch -z` says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Status {
    commit: String,
    /// Paths of what is not as in the commit, sorted.
    changed: Vec<String>,
}

/// Reads records that end with a NUL; of a renamed file, both names are given.
fn parse_status(text: &str) -> Status {
    let mut status = Status::default();
    let mut records = text.split('\0').filter(|record| !record.is_empty());
    while let Some(record) = records.next() {
        let (kind, rest) = record.split_once(' ').unwrap_or((record, ""));
        // How many fields stand before the path.
        let fields = match kind {
            "#" => {
                if let Some(commit) = rest.strip_prefix("branch.oid ") {
                    status.commit = commit.to_owned();
                }
                continue;
            }
            "1" => 7,
            "2" => {
                status.changed.extend(records.next().map(str::to_owned));
                8
            }
            "u" => 9,
            "?" => 0,
            _ => continue,
        };
        let path = rest.splitn(fields + 1, ' ').nth(fields).unwrap_or_default();
        // A repository within that is no submodule.
        status.changed.push(path.trim_end_matches('/').to_owned());
    }
    status.changed.sort_unstable();
    status.changed.dedup();
    status
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, proptest};

    use super::{Status, parse_status};

    #[test]
    fn every_kind_of_change_is_read() {
        let text = "# branch.oid 1f2e\0# branch.head main\0\
                    1 .M N... 100644 100644 100644 aa bb src/with space.cc\0\
                    1 .M S..U 160000 160000 160000 aa bb 3rdparty/tvm\0\
                    2 R. N... 100644 100644 100644 aa bb R100 new name\0old name\0\
                    u UU N... 100644 100644 100644 100644 aa bb cc both\0\
                    ? untracked\0? repository/\0! ignored\0";
        let changed = [
            "3rdparty/tvm",
            "both",
            "new name",
            "old name",
            "repository",
            "src/with space.cc",
            "untracked",
        ];
        let changed = changed.map(str::to_owned).to_vec();
        assert_eq!(parse_status(text), Status { commit: "1f2e".into(), changed });
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn anything_can_be_read(text in any::<String>()) {
            parse_status(&text);
        }

        #[test]
        fn a_name_comes_back(name in "[a-z ]{1,20}[a-z]") {
            let text = format!("1 .M N... 100644 100644 100644 a b {name}\0");
            assert_eq!(parse_status(&text).changed, [name]);
        }
    }
}
