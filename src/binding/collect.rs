//! A kit out of a finished build, by what CMake itself wrote down.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::abi::{C_API_HEADER, MODULE_HEADER, OLD_MODULE_HEADER};
use super::kit::{KitFile, KitLink, SOURCES, keep};
use super::link_command::{self, ExpansionFault, LinkFault, LinkPlaces, ReadCommand, ShellFault};
use super::{Binding, BindingError, Ndk, SourceTree, debug_info, linked_code};
use crate::io::answer::{self, Question};
use crate::io::atomic;
use crate::io::cancel::Cancel;
use crate::io::files::{self, TreeKind};
use crate::io::process::{self, End, LogLimit, Program, Variables};
use crate::model::{Digest, ShardPath};

/// The library that upstream links the models into.
const LIBRARY: &str = "libtvm4j_runtime_packed.so";
const TARGET: &str = "tvm4j_runtime_packed";
/// The most that CMake's files may have in bytes.
const LIMIT: u64 = 16 << 20;
const PATIENCE: Duration = Duration::from_secs(60);

/// The most that is read of a file that may be a script for the linker; such have a few lines.
const SCRIPT_LIMIT: u64 = 64 << 10;
/// What a package has of mlc4j beside what is built.
const MLC4J: &str = "android/mlc4j";
/// Headers and sources of TVM that a package is checked against.
const TVM_FILES: [&str; 4] =
    [C_API_HEADER, MODULE_HEADER, OLD_MODULE_HEADER, super::linked::JNI_SOURCE];
/// What Apple's apps include of TVM.
const TVM_HEADERS: [&str; 3] =
    ["include", "3rdparty/tvm-ffi/include", "3rdparty/tvm-ffi/3rdparty/dlpack/include"];
/// How files are called that say under which conditions others may be passed on.
const NOTICES: [&str; 4] = ["LICENSE", "NOTICE", "NOTICE.toolchain", "LICENSE.txt"];

/// What a kit consists of.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) files: Vec<KitFile>,
    pub(super) link: Option<KitLink>,
}

/// Why there is no kit.
#[derive(Debug)]
pub(super) enum NoKit {
    /// The build went well, and what it made cannot be kept.
    Unkeepable(Unkeepable),
    /// Something failed.
    Failed(BindingError),
}

/// Why what a build made cannot be kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unkeepable {
    /// It was not built here.
    #[error("it came as a kit")]
    IsKit,
    /// A directory of what was installed, without the library.
    #[error("`{0}` has no {library}", library = LIBRARY)]
    NoLibrary(Utf8PathBuf),
    /// How the library was linked is not known, or of no use elsewhere.
    #[error("the link command cannot be kept: {0}")]
    Command(CommandFault),
    /// A name that no file of a kit has.
    #[error("a kit cannot hold a file named `{0}`")]
    Name(String),
    /// Code that a kit may not hold.
    #[error("`{path}` {why}")]
    Code {
        /// The file.
        path: Utf8PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// Why a link command cannot be kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum CommandFault {
    /// CMake has not been here.
    #[error("there is no CMakeCache.txt")]
    NoCache,
    /// A generator whose files are not read.
    #[error("CMake generated for {0:?}")]
    Generator(String),
    /// Ninja does not build the library.
    #[error("ninja knows no command for {library}", library = LIBRARY)]
    NoCommand,
    /// The file with the command is missing.
    #[error("there is no `{0}`")]
    Absent(Utf8PathBuf),
    /// A compiler without its place.
    #[error("it runs `{0}`, wherever that is")]
    Program(String),
    /// What the compiler says instead of the linker's command.
    #[error("the compiler does not say how it links: {0}")]
    Compiler(String),
    /// Ninja or the compiler cannot be run.
    #[error(transparent)]
    Run(#[from] io::Error),
    /// CMake's command is not one.
    #[error(transparent)]
    Shell(#[from] ShellFault),
    /// What the compiler prints is not the linker's command.
    #[error(transparent)]
    Expansion(#[from] ExpansionFault),
    /// The linker's arguments cannot be used elsewhere.
    #[error(transparent)]
    Link(#[from] LinkFault),
    /// They could have a linker do anything but link.
    #[error("{0}")]
    Refused(String),
}

impl From<Unkeepable> for NoKit {
    fn from(why: Unkeepable) -> Self {
        Self::Unkeepable(why)
    }
}

impl From<BindingError> for NoKit {
    fn from(error: BindingError) -> Self {
        Self::Failed(error)
    }
}

impl From<io::Error> for NoKit {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// The archive of the models that upstream links, in CMake's directory.
pub(super) fn model_archive(build: &Utf8Path) -> Utf8PathBuf {
    build.join("lib/libmodel_android.a")
}

/// Keeps what the Android build made, and how its library was linked. The NDK's part of that is kept
/// too, so that nobody who links it again needs an NDK.
pub(super) fn android(
    binding: &Binding,
    ndk: &Ndk,
    build: &Utf8Path,
    variables: &Variables,
    kit: &Utf8Path,
    cancel: &Cancel,
) -> Result<Parts, NoKit> {
    let (library, others) = outputs(build)?;
    let output = library.ok_or_else(|| Unkeepable::NoLibrary(build.join("output")))?;
    let words = link_command(build, variables, cancel).map_err(Unkeepable::Command)?;
    let ReadCommand { command, files: inputs } =
        read(build, &words).map_err(Unkeepable::Command)?;
    if let Some(why) = command.refusal() {
        return Err(Unkeepable::Command(CommandFault::Refused(why)).into());
    }
    let mut keeper = Keeper { kit, files: Vec::new() };
    let code: BTreeSet<_> = command.files().filter(|(_, is_code)| *is_code).collect();
    for (from, path) in inputs {
        let is_code = code.contains(&(path.clone(), true));
        keeper.files.push(keep_linked(&from, kit, path, is_code, binding.keep_symbols)?);
    }
    let sources = &binding.source;
    let mut wanted = Vec::new();
    for path in &others {
        wanted.push((build.join("output").join(path), format!("output/{path}")));
    }
    let module = sources.mlc_llm.join(MLC4J);
    for path in below(&module.join("src"))? {
        let to = format!("{SOURCES}/mlc-llm/{MLC4J}/src/{path}");
        wanted.push((module.join("src").join(&path), to));
    }
    let gradle = format!("{SOURCES}/mlc-llm/{MLC4J}/build.gradle");
    wanted.push((module.join("build.gradle"), gradle));
    wanted.extend(of_tvm(sources));
    wanted.extend(notices(sources));
    wanted.extend(named(&ndk.dir, "ndk"));
    keeper.keep_all(&wanted)?;
    Ok(Parts { files: keeper.files, link: Some(KitLink { output, command }) })
}

/// Files on their way into a kit.
struct Keeper<'a> {
    kit: &'a Utf8Path,
    files: Vec<KitFile>,
}

impl Keeper<'_> {
    fn keep_all(&mut self, wanted: &[(Utf8PathBuf, String)]) -> Result<(), NoKit> {
        for (from, to) in wanted {
            let path = to.parse::<ShardPath>();
            let path = path.map_err(|_| Unkeepable::Name(to.clone()))?;
            self.files.push(keep(from, self.kit, path)?);
        }
        Ok(())
    }
}

/// The files below a directory, those that links lead to among them.
fn below(dir: &Utf8Path) -> Result<Vec<Utf8PathBuf>, BindingError> {
    let entries = files::tree(dir, |_| true)?.into_iter().map(|entry| entry.path);
    Ok(entries.filter(|path| files::is_file(&dir.join(path))).collect())
}

fn of_tvm(sources: &SourceTree) -> Vec<(Utf8PathBuf, String)> {
    let tvm = sources.tvm();
    let files = TVM_FILES.iter().map(|path| (tvm.join(path), format!("{SOURCES}/tvm/{path}")));
    files.filter(|(from, _)| files::is_file(from)).collect()
}

/// What Cargo resolved for tokenizers-cpp, which has no lock file of its own: the same sources are built
/// with other crates on another day, and a kit says with which it was.
const TOKENIZERS_LOCK: &str = "3rdparty/tokenizers-cpp/rust/Cargo.lock";

fn notices(sources: &SourceTree) -> Vec<(Utf8PathBuf, String)> {
    let mut found = named(&sources.mlc_llm, "mlc-llm");
    found.extend(named(&sources.tvm(), "tvm"));
    let lock = sources.mlc_llm.join(TOKENIZERS_LOCK);
    if files::is_file(&lock) {
        found.push((lock, "notices/tokenizers-cpp/Cargo.lock".to_owned()));
    }
    found
}

fn named(dir: &Utf8Path, whose: &str) -> Vec<(Utf8PathBuf, String)> {
    let files = NOTICES.map(|name| (dir.join(name), format!("notices/{whose}/{name}")));
    files.into_iter().filter(|(from, _)| files::is_file(from)).collect()
}

/// Puts a file that the linker reads into the kit, without what only a debugger reads.
fn keep_linked(
    from: &Utf8Path,
    kit: &Utf8Path,
    path: ShardPath,
    is_code: bool,
    with_debug_info: bool,
) -> Result<KitFile, NoKit> {
    let bytes = files::read(from)?;
    if let (true, Some(why)) = (is_code, linked_code::refusal(&bytes)) {
        return Err(Unkeepable::Code { path: from.to_owned(), why }.into());
    }
    if !with_debug_info && let Some(stripped) = debug_info::without(&bytes) {
        let to = kit.join(path.as_path());
        files::create_dir_all(files::parent(&to))?;
        atomic::write_unsynced(&to, &stripped)?;
        let digest = Digest::of(&stripped);
        return Ok(KitFile { path, bytes: stripped.len() as u64, digest });
    }
    Ok(keep(from, kit, path)?)
}

/// Keeps the libraries that the Apple build made: all that upstream copies.
pub(super) fn apple(
    sources: &SourceTree,
    build: &Utf8Path,
    kit: &Utf8Path,
) -> Result<Parts, NoKit> {
    let mut wanted = Vec::new();
    let lib = build.join("lib");
    for entry in files::tree(&lib, |_| false).unwrap_or_default() {
        let TreeKind::File(_) = entry.kind else { continue };
        wanted.push((lib.join(&entry.path), format!("output/lib/{}", entry.path)));
    }
    if wanted.is_empty() {
        return Ok(Parts { files: Vec::new(), link: None });
    }
    for dir in TVM_HEADERS {
        let home = sources.tvm().join(dir);
        for path in below(&home).unwrap_or_default() {
            wanted.push((home.join(&path), format!("{SOURCES}/tvm/{dir}/{path}")));
        }
    }
    let known: BTreeSet<_> = wanted.iter().map(|(_, to)| to.clone()).collect();
    wanted.extend(of_tvm(sources).into_iter().filter(|(_, to)| !known.contains(to)));
    wanted.extend(notices(sources));
    let mut keeper = Keeper { kit, files: Vec::new() };
    keeper.keep_all(&wanted)?;
    Ok(Parts { files: keeper.files, link: None })
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

/// What the linker is told: the compiler says what it would run for CMake's command.
fn link_command(
    build: &Utf8Path,
    variables: &Variables,
    cancel: &Cancel,
) -> Result<Vec<String>, CommandFault> {
    let words = link_command::only_command(&recorded_command(build, variables, cancel)?)?;
    let (program, args) = words.split_first().ok_or(ShellFault::Nothing)?;
    if !program.starts_with('/') {
        return Err(CommandFault::Program(program.clone()));
    }
    let args: Vec<_> = std::iter::once("-###".to_owned()).chain(args.to_vec()).collect();
    let log = build.join("link-command.log");
    let program = Program {
        path: Utf8Path::new(program),
        args: &args.iter().map(OsString::from).collect::<Vec<_>>(),
        variables,
        directory: build,
        log: &log,
        log_limit: LogLimit::default(),
        limit: Some(PATIENCE),
    };
    let ended = process::run(&program, cancel)?;
    let said = files::read_at_most(&log, LIMIT).ok().flatten().unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    if !matches!(ended.how, End::Exit(0)) {
        let why = said.lines().last().unwrap_or("it says nothing").trim().to_owned();
        return Err(CommandFault::Compiler(why));
    }
    Ok(link_command::expanded(&said)?)
}

/// The command as CMake's generator has it, for a shell.
fn recorded_command(
    build: &Utf8Path,
    variables: &Variables,
    cancel: &Cancel,
) -> Result<String, CommandFault> {
    let cache = files::read_at_most(&build.join("CMakeCache.txt"), LIMIT).ok().flatten();
    let cache = String::from_utf8_lossy(&cache.ok_or(CommandFault::NoCache)?).into_owned();
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
            let answer = answer::ask(&question, cancel)?;
            let answer = answer.ok_or(CommandFault::NoCommand)?;
            Ok(String::from_utf8_lossy(&answer).into_owned())
        }
        "Unix Makefiles" => {
            let path = build.join(format!("CMakeFiles/{TARGET}.dir/link.txt"));
            let text = files::read_at_most(&path, LIMIT).ok().flatten();
            let text = text.ok_or(CommandFault::Absent(path))?;
            Ok(String::from_utf8_lossy(&text).into_owned())
        }
        other => Err(CommandFault::Generator(other.to_owned())),
    }
}

/// The value of an entry of a `CMakeCache.txt`.
fn cache_entry<'a>(cache: &'a str, name: &str) -> Option<&'a str> {
    cache.lines().find_map(|line| {
        let (entry, value) = line.split_once('=')?;
        (entry.split_once(':')?.0 == name).then(|| value.trim())
    })
}

fn read(build: &Utf8Path, words: &[String]) -> Result<ReadCommand, CommandFault> {
    let places = LinkPlaces {
        build,
        model: &model_archive(build),
        read: &|path| files::is_file(path).then(|| files::start(path, SCRIPT_LIMIT).ok())?,
    };
    Ok(link_command::read(words, &places)?)
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
