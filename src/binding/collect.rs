//! A kit out of a finished build, by what CMake itself wrote down.

use std::ffi::OsString;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::kit::{KitFile, KitLink, keep};
use super::link_command::{self, LinkPlaces, ReadCommand};
use super::{Binding, BindingError, Ndk};
use crate::io::answer::{self, Question};
use crate::io::cancel::Cancel;
use crate::io::files::{self, TreeKind};
use crate::io::process::Variables;
use crate::model::ShardPath;

/// The library that upstream links the models into.
const LIBRARY: &str = "libtvm4j_runtime_packed.so";
const TARGET: &str = "tvm4j_runtime_packed";
/// The most that CMake's files may have in bytes.
const LIMIT: u64 = 16 << 20;
const PATIENCE: Duration = Duration::from_secs(60);

/// What a kit consists of.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) files: Vec<KitFile>,
    pub(super) link: Option<KitLink>,
}

/// Why there is no kit: the build went well, and cannot be had again from a kit.
pub(super) type NoKit = String;

/// The archive of the models that upstream links, in CMake's directory.
pub(super) fn model_archive(build: &Utf8Path) -> Utf8PathBuf {
    build.join("lib/libmodel_android.a")
}

/// Keeps what the Android build made, and how its library was linked.
pub(super) fn android(
    binding: &Binding,
    ndk: &Ndk,
    build: &Utf8Path,
    variables: &Variables,
    kit: &Utf8Path,
    cancel: &Cancel,
) -> Result<Result<Parts, NoKit>, BindingError> {
    let (library, others) = outputs(build)?;
    let library = library.ok_or_else(|| format!("`{}` has no {LIBRARY}", build.join("output")));
    let command =
        match library.and_then(|library| Ok((library, link_command(build, variables, cancel)?))) {
            Ok(found) => found,
            Err(why) => return Ok(Err(why)),
        };
    let (output, text) = command;
    let ReadCommand { command, files: inputs } = match read(binding, ndk, build, &text) {
        Ok(read) => read,
        Err(why) => return Ok(Err(format!("of the link command: {why}"))),
    };
    if let Some(why) = command.refusal() {
        return Ok(Err(format!("of the link command: {why}")));
    }
    let mut kept = Vec::new();
    for (from, path) in inputs {
        if is_thin_archive(&from)? {
            return Ok(Err(format!("`{from}` is a thin archive")));
        }
        kept.push(keep(&from, kit, path)?);
    }
    for path in others {
        let name = format!("output/{path}");
        let Ok(name) = name.parse::<ShardPath>() else {
            return Ok(Err(format!("`{name}` is no name that can be kept")));
        };
        kept.push(keep(&build.join("output").join(path), kit, name)?);
    }
    Ok(Ok(Parts { files: kept, link: Some(KitLink { output, command }) }))
}

/// Keeps the libraries that the Apple build made: all that upstream copies.
pub(super) fn apple(build: &Utf8Path, kit: &Utf8Path) -> Result<Parts, BindingError> {
    let mut kept = Vec::new();
    let lib = build.join("lib");
    for entry in files::tree(&lib, |_| false).unwrap_or_default() {
        let TreeKind::File(_) = entry.kind else { continue };
        if let Ok(path) = format!("output/lib/{}", entry.path).parse::<ShardPath>() {
            kept.push(keep(&lib.join(&entry.path), kit, path)?);
        }
    }
    Ok(Parts { files: kept, link: None })
}

/// What was installed: the library, and all else, by their paths in `output/`.
pub(super) fn outputs(
    build: &Utf8Path,
) -> Result<(Option<ShardPath>, Vec<Utf8PathBuf>), BindingError> {
    let (mut library, mut others) = (None, Vec::new());
    for entry in files::tree(&build.join("output"), |_| true)? {
        match (entry.path.file_name(), entry.kind) {
            (Some(LIBRARY), TreeKind::File(_)) if library.is_none() => {
                library = entry.path.as_str().parse().ok();
            }
            (_, TreeKind::File(_)) => others.push(entry.path),
            _ => {}
        }
    }
    Ok((library, others))
}

/// The command as CMake's generator has it.
fn link_command(build: &Utf8Path, variables: &Variables, cancel: &Cancel) -> Result<String, NoKit> {
    let cache = files::read_at_most(&build.join("CMakeCache.txt"), LIMIT).ok().flatten();
    let cache = String::from_utf8_lossy(&cache.ok_or("there is no CMakeCache.txt")?).into_owned();
    let entry = |name: &str| cache_entry(&cache, name).unwrap_or_default();
    match entry("CMAKE_GENERATOR") {
        "Ninja" => {
            let question = Question {
                path: Utf8Path::new(entry("CMAKE_MAKE_PROGRAM")),
                args: &["-t", "commands", "-s", LIBRARY].map(OsString::from),
                variables,
                directory: build,
                limit: LIMIT,
                patience: PATIENCE,
            };
            let answer = answer::ask(&question, cancel).map_err(|error| error.to_string())?;
            let answer = answer.ok_or_else(|| format!("ninja knows no command for {LIBRARY}"))?;
            Ok(String::from_utf8_lossy(&answer).into_owned())
        }
        "Unix Makefiles" => {
            let path = build.join(format!("CMakeFiles/{TARGET}.dir/link.txt"));
            let text = files::read_at_most(&path, LIMIT).ok().flatten();
            let text = text.ok_or_else(|| format!("there is no `{path}`"))?;
            Ok(String::from_utf8_lossy(&text).into_owned())
        }
        other => Err(format!("CMake generated for {other:?}")),
    }
}

/// The value of an entry of a `CMakeCache.txt`.
fn cache_entry<'a>(cache: &'a str, name: &str) -> Option<&'a str> {
    cache.lines().find_map(|line| {
        let (entry, value) = line.split_once('=')?;
        (entry.split_once(':')?.0 == name).then(|| value.trim())
    })
}

fn read(binding: &Binding, ndk: &Ndk, build: &Utf8Path, text: &str) -> Result<ReadCommand, NoKit> {
    let names = |path: &Utf8Path| {
        let canonical = files::canonical(path).ok().filter(|canonical| canonical != path);
        std::iter::once(path.to_owned()).chain(canonical).collect::<Vec<_>>()
    };
    let mut passing = names(build);
    passing.extend(names(&binding.source.mlc_llm));
    passing.extend(binding.source.tvm.iter().flat_map(|tvm| names(tvm)));
    let places = LinkPlaces {
        build,
        passing: &passing,
        ndk: &names(&ndk.dir),
        model: &model_archive(build),
        is_file: &|path| files::is_file(path),
        is_dir: &|path| files::is_dir(path),
    };
    link_command::read(text, &places)
}

/// Whether an archive only names the files that it consists of.
fn is_thin_archive(path: &Utf8Path) -> std::io::Result<bool> {
    Ok(files::start(path, 8)? == b"!<thin>\n")
}

#[cfg(test)]
mod tests {
    use super::cache_entry;

    #[test]
    fn a_cache_is_read() {
        let text = "# comment = no\nCMAKE_GENERATOR:INTERNAL=Ninja\n\nX:STRING=a=b\n";
        assert_eq!(cache_entry(text, "CMAKE_GENERATOR"), Some("Ninja"));
        assert_eq!(cache_entry(text, "X"), Some("a=b"));
        assert_eq!(cache_entry(text, "CMAKE_GENERATOR_PLATFORM"), None);
    }
}
