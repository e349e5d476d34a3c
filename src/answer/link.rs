//! A compiled library as one that this machine can load: objects are linked by the C compiler that
//! TVM uses too; shared libraries are taken as they are.

use std::ffi::OsString;

use camino::{Utf8Path, Utf8PathBuf};

use super::{AnswerError, Run};
use crate::io::contents::Contents;
use crate::io::process::{self, Cancel, End, LogLimit, last_lines};
use crate::io::{atomic, dir, link};
use crate::library::LibraryFile;
use crate::model::{LibraryFormat, LinkMode};
use crate::toolchain::{Call, ContainerError, Interpreter, Mounts};

/// What registers a library under a prefix when it is loaded: the functions of TVM of today, and of
/// 2024.
const REGISTERS: [&[u8]; 2] =
    [b"TVMFFIEnvModRegisterSystemLibSymbol", b"TVMBackendRegisterSystemLibSymbol"];
/// How the name of the object that holds the blob ends; what is before it is the prefix.
const BLOB: &str = "devc.o";
const LINES: usize = 20;

/// A library that can be loaded.
#[derive(Debug)]
pub(super) struct Loadable {
    pub(super) path: Utf8PathBuf,
    /// The prefix that it is registered by; none for one that is opened by its file.
    pub(super) prefix: Option<String>,
}

/// Makes it, in a directory of ours.
pub(super) fn loadable(
    run: &Run<'_>,
    directory: &Utf8Path,
    cancel: &Cancel,
) -> Result<Loadable, AnswerError> {
    let (library, format) = (run.library, run.format);
    // In an image it is Linux, whatever this machine is.
    let macos = cfg!(target_os = "macos") && run.python.container().is_none();
    let suffix = match format {
        LibraryFormat::Tar | LibraryFormat::Lib if macos => "dylib",
        LibraryFormat::Tar | LibraryFormat::Lib => "so",
        other => other.suffix(),
    };
    let path = directory.join(format!("model.{suffix}"));
    if !matches!(format, LibraryFormat::Tar | LibraryFormat::Lib) {
        // TVM tells by the suffix what it opens, and in the store all are called alike.
        link::place(library, &path, LinkMode::Auto)?;
        return Ok(Loadable { path, prefix: None });
    }
    let bytes = Contents::open(library)?;
    let file = LibraryFile::parse(library, &bytes)?;
    let mut arguments = Vec::new();
    let objects = directory.join("objects");
    dir::create(&objects)?;
    let (mut prefix, mut registers) = (String::new(), false);
    for (number, (name, object)) in file.members().enumerate() {
        let to = objects.join(format!("{number}.o"));
        atomic::write_unsynced(&to, object)?;
        arguments.push(to);
        if let Some(found) = name.strip_suffix(BLOB) {
            prefix = found.trim_start_matches("./").to_owned();
        }
        registers |= REGISTERS.iter().any(|name| memchr::memmem::find(object, name).is_some());
    }
    run_linker(&arguments, &path, run, directory, cancel)?;
    Ok(Loadable { path, prefix: registers.then_some(prefix) })
}

fn run_linker(
    objects: &[Utf8PathBuf],
    output: &Utf8Path,
    run: &Run<'_>,
    directory: &Utf8Path,
    cancel: &Cancel,
) -> Result<(), AnswerError> {
    let environment = run.environment;
    let variables = environment.for_python();
    let container = run.python.container();
    let shared: &[&str] = match cfg!(target_os = "macos") && container.is_none() {
        true => &["-dynamiclib", "-undefined", "dynamic_lookup"],
        false => &["-shared"],
    };
    let rest = ["-o", output.as_str()].into_iter().chain(objects.iter().map(|path| path.as_str()));
    let arguments: Vec<OsString> =
        shared.iter().copied().chain(rest).chain(["-lm"]).map(OsString::from).collect();
    let log = directory.join("link.log");
    let call = Call {
        args: &arguments,
        variables: &variables,
        directory,
        log: &log,
        log_limit: LogLimit::default(),
        limit: None,
        tokens: &[],
        mounts: Mounts::default().writable(directory),
        home: directory,
        network: false,
    };
    let (linker, ended) = match container {
        Some(container) => {
            let ended = match container.run("cc", &call, cancel) {
                Err(ContainerError::NoProgram { .. }) => return Err(AnswerError::NoLinker),
                ended => ended?,
            };
            (Utf8PathBuf::from("cc"), ended)
        }
        None => {
            let named = environment.text("CC");
            let linker = named.into_iter().chain(["cc", "gcc", "clang"]).find_map(|name| {
                process::find_program(name, environment.get("PATH"), &environment.directory)
            });
            let linker = Interpreter::Here(linker.ok_or(AnswerError::NoLinker)?);
            (linker.to_string().into(), linker.run(&call, cancel)?)
        }
    };
    match ended.how {
        End::Exit(0) => Ok(()),
        End::Cancelled => Err(AnswerError::Interrupted),
        _ => Err(AnswerError::Link {
            linker,
            last_lines: last_lines(&log, LINES).unwrap_or_default(),
        }),
    }
}
