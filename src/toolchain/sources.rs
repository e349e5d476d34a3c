//! The digest of a Python package that is not a released wheel: of its sources and of the
//! native libraries it loads.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::probe::Module;
use crate::io::environment::Environment;
use crate::io::file_stamp::{self, FileStamp, Moment};
use crate::io::{digest, files};
use crate::model::Digest;

/// What is remembered of a digested package: while the stamps are these, so is the digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DigestNote {
    stamps: Digest,
    files: Digest,
}

/// The digest of a package's files, and what to remember of it: nothing as long as a file is
/// so new that a change to it might go unseen.
pub(super) struct Digested {
    pub(super) files: Digest,
    pub(super) remember: Option<DigestNote>,
}

/// Digests the files that make up a module, unless they are those of `remembered`. Gives none
/// for a wheel from an index that loads no libraries but its own.
pub(super) fn digest(
    name: &str,
    module: &Module,
    environment: &Environment,
    remembered: Option<DigestNote>,
) -> io::Result<Option<Digested>> {
    let began = Moment::now();
    let found = files_of(name, module, environment)?;
    if found.is_empty() {
        return Ok(None);
    }
    let mut stamps = Vec::new();
    for file in &found {
        stamps.extend_from_slice(file.label.as_bytes());
        stamps.push(0);
        stamps.extend_from_slice(&file.stamp.to_bytes());
    }
    let stamps = Digest::of(&stamps);
    if let Some(remembered) = remembered.filter(|remembered| remembered.stamps == stamps) {
        return Ok(Some(Digested { files: remembered.files, remember: Some(remembered) }));
    }
    let mut listing = String::new();
    for file in &found {
        // The label ends at a NUL, which no path holds.
        let (digest, _) = digest::file(&file.path)?;
        listing += &format!("{}\0{digest}\n", file.label);
    }
    let files = Digest::of(listing.as_bytes());
    let settled = found.iter().all(|file| file.stamp.is_settled(began));
    Ok(Some(Digested { files, remember: settled.then_some(DigestNote { stamps, files }) }))
}

struct SourceFile {
    path: Utf8PathBuf,
    /// The path as digested: the same wherever the package lies.
    label: String,
    stamp: FileStamp,
}

fn files_of(name: &str, module: &Module, environment: &Environment) -> io::Result<Vec<SourceFile>> {
    let mut found = Vec::new();
    if !module.from_index {
        let wanted = |name: &str| {
            name.rsplit_once('.').is_some_and(|(_, extension)| extension == "py")
                || is_native_library(name)
        };
        for (path, stamp) in file_stamp::files_below(&module.directory, &["__pycache__"], wanted)? {
            let label = format!("package/{path}");
            found.push(SourceFile { path: module.directory.join(path), label, stamp });
        }
    }
    for directory in library_directories(name, module, environment) {
        for file in crate::io::dir::names(&directory).unwrap_or_default() {
            let ours = file.contains("tvm") || file.contains("mlc");
            let path = directory.join(&file);
            if ours
                && is_native_library(&file)
                && files::is_file(&path)
                && let Some(stamp) = file_stamp::of(&path)?
            {
                found.push(SourceFile { path, label: format!("library/{file}"), stamp });
            }
        }
    }
    Ok(found)
}

/// Where a module looks for native libraries outside its own directory: what a variable names,
/// and in a source tree the build directories beside `python/`.
fn library_directories(name: &str, module: &Module, environment: &Environment) -> Vec<Utf8PathBuf> {
    let (variable, in_tree): (_, &[&str]) = match name {
        "mlc_llm" => ("MLC_LIBRARY_PATH", &["build", "build/Release"]),
        _ => ("TVM_LIBRARY_PATH", &["build", "build/Release", "build/lib", "lib"]),
    };
    let mut directories: Vec<Utf8PathBuf> = environment
        .get(variable)
        .map(|paths| std::env::split_paths(paths).collect::<Vec<_>>())
        .unwrap_or_default()
        .into_iter()
        .filter_map(|path| Utf8PathBuf::from_path_buf(path).ok())
        .map(|path| environment.directory.join(path))
        .collect();
    // A wheel lies in site-packages: what is above it is no source tree.
    if !module.from_index {
        let tree = files::canonical(&module.directory).ok();
        if let Some(tree) = tree.as_deref().and_then(Utf8Path::parent).and_then(Utf8Path::parent) {
            directories.extend(in_tree.iter().map(|inside| tree.join(inside)));
        }
    }
    directories.retain(|directory| files::is_dir(directory));
    directories
}

fn is_native_library(name: &str) -> bool {
    name.contains(".so.")
        || name
            .rsplit_once('.')
            .is_some_and(|(_, extension)| ["so", "dylib", "dll", "pyd"].contains(&extension))
}

#[cfg(test)]
#[path = "tests/sources.rs"]
mod tests;
