//! Whether libraries fit the device, the models and each other. All problems at once, before
//! anything is written.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use super::object::{ObjectFormat, Platform, Processor};
use super::printable::printable;
use super::{LibraryError, LoadedBlob, Member, ModelLibrary, metadata};
use crate::model::{Device, LibraryName, MacabiArch, ModelId};

/// What the archive is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The phone.
    pub device: Device,
    /// The processor, for Mac Catalyst.
    pub macabi_arch: MacabiArch,
}

/// A library that goes into the archive.
#[derive(Clone, Copy, Debug)]
pub struct Linked<'a> {
    /// The name that the app loads it by.
    pub name: &'a LibraryName,
    /// What is in it.
    pub library: &'a ModelLibrary<'a>,
    /// The models that load it; none for a prepared library that nobody uses.
    pub expects: &'a [Expectation],
}

/// What a model's own config says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// The model; none while the library is being compiled for whoever needs it.
    pub model_id: Option<ModelId>,
    /// Its architecture.
    pub model_type: String,
    /// Its quantization scheme.
    pub quantization: String,
}

impl Expectation {
    /// Whether a blob says that it is of this architecture and quantization.
    pub(super) fn is_met_by(&self, blob: &LoadedBlob<'_>) -> bool {
        let metadata = &blob.metadata;
        metadata.model_type == self.model_type && metadata.quantization == self.quantization
    }
}

/// The kinds of problems, as printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// The file is no library, or a damaged one.
    Unreadable,
    /// An object for another device.
    WrongDevice,
    /// The library has another prefix than its name asks for.
    WrongPrefix,
    /// The library was compiled by a TVM whose runtime differs.
    OldTvm,
    /// The library has no blob at all.
    NoBlob,
    /// One blob symbol in several objects.
    DuplicateBlob,
    /// A blob or its metadata cannot be read.
    UnreadableBlob,
    /// The library was compiled by an older MLC LLM: its metadata lacks what the runtime reads.
    OldMetadata,
    /// The library is of another model.
    WrongModel,
    /// The model's weights are not those that the library takes.
    WrongWeights,
    /// A kernel that the phone could not compile.
    BadKernel,
    /// Two objects define one symbol.
    DuplicateSymbol,
}

/// Something that must be put right before the libraries can be linked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Its kind.
    pub code: Code,
    /// The file it is about.
    pub path: Utf8PathBuf,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

const RECOMPILE: &str = "leave it out of `model_lib_path_for_prepare_libs` to have it compiled, \
                         or compile it again";

const UPDATE: &str = "compile it with the MLC LLM that the app's runtime is built from";

/// What the runtime of older TVMs is called by; today's functions begin with `TVMFFI`.
const OLD_INTERFACE: [&str; 2] = ["TVMFuncCall", "TVMBackendRegisterSystemLibSymbol"];

impl From<&LibraryError> for Problem {
    /// A file that cannot be opened is one problem among those of the others.
    fn from(error: &LibraryError) -> Self {
        Self {
            code: Code::Unreadable,
            path: error.path().to_owned(),
            message: error.message(),
            help: RECOMPILE.to_owned(),
        }
    }
}

/// Finds everything that keeps the libraries from being linked into a package for `target`.
pub fn validate(target: Target, libraries: &[Linked<'_>]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut fitting = Vec::new();
    for linked in libraries {
        if check_objects(target, linked, &mut problems) {
            fitting.push(*linked);
        }
        check_blobs(linked, &mut problems);
    }
    // What a library for another device defines clashes with nothing.
    check_symbols(&fitting, &mut problems);
    problems
}

/// Whether the objects are for the device.
fn check_objects(target: Target, linked: &Linked<'_>, problems: &mut Vec<Problem>) -> bool {
    for member in &linked.library.members {
        if let Some(found) = unfit(target, member) {
            problems.push(Problem {
                code: Code::WrongDevice,
                path: linked.library.path.to_owned(),
                message: format!(
                    "`{}` is {found}, and {} needs {}",
                    printable(member.name),
                    target.device,
                    needed(target)
                ),
                help: format!("compile the library with `--device {}`", target.device),
            });
            // The other objects of a library are of the same kind.
            return false;
        }
    }
    true
}

/// What an object is, where that does not fit.
fn unfit(target: Target, member: &Member<'_>) -> Option<String> {
    let object = &member.object;
    let platform = match target.device {
        Device::Android => None,
        Device::Iphone => Some(Platform::Ios),
        Device::Macabi => Some(Platform::MacCatalyst),
    };
    let format = if target.device.is_apple() { ObjectFormat::MachO } else { ObjectFormat::Elf };
    let fits = object.format == format
        && object.processor == processor(target)
        // TVM names no platform for iPhone.
        && object.platform.is_none_or(|found| Some(found) == platform);
    (!fits).then(|| {
        let base = format!("{} for {}", object.format, object.processor);
        match object.platform {
            Some(platform) => format!("{base} on {platform}"),
            None => base,
        }
    })
}

fn processor(target: Target) -> Processor {
    match (target.device, target.macabi_arch) {
        (Device::Macabi, MacabiArch::X86_64) => Processor::X86_64,
        _ => Processor::Arm64,
    }
}

fn needed(target: Target) -> String {
    let processor = processor(target);
    match target.device {
        Device::Android => format!("ELF for {processor}"),
        Device::Iphone => format!("Mach-O for {processor} on iOS"),
        Device::Macabi => format!("Mach-O for {processor} on Mac Catalyst"),
    }
}

fn check_blobs(linked: &Linked<'_>, problems: &mut Vec<Problem>) {
    let path = || linked.library.path.to_owned();
    let prefix = linked.name.system_lib_prefix();
    let objects = || linked.library.members.iter().map(|member| &member.object);
    let prefixes: Vec<_> = objects().flat_map(|o| &o.blobs).map(|blob| blob.prefix).collect();
    match prefixes.iter().filter(|found| **found == prefix).count() {
        1 => {}
        0 => problems.push(missing_blob(linked, &prefixes)),
        n => problems.push(Problem {
            code: Code::DuplicateBlob,
            path: path(),
            message: format!("{n} of its objects define `{}`", linked.name.blob_symbol()),
            help: RECOMPILE.to_owned(),
        }),
    }
    for blob in linked.library.blobs() {
        match blob {
            Ok(blob) if blob.prefix == prefix => {
                check_model(linked, blob, problems);
                problems.extend(old_metadata(linked.library.path, blob));
            }
            Ok(_) => {}
            Err(error) => problems.push(Problem {
                code: Code::UnreadableBlob,
                path: path(),
                message: error.message(),
                help: RECOMPILE.to_owned(),
            }),
        }
    }
}

/// The blob of the library's name is not there: what is there instead says why.
fn missing_blob(linked: &Linked<'_>, prefixes: &[&str]) -> Problem {
    let symbol = linked.name.blob_symbol();
    let objects = || linked.library.members.iter().map(|member| &member.object);
    let old_blob = objects().flat_map(|object| &object.old_blobs).next();
    let old_call =
        objects().flat_map(|object| &object.undefined).find(|name| OLD_INTERFACE.contains(name));
    let update = UPDATE.to_owned();
    let (code, message, help) = if let Some(old) = old_blob {
        let old = printable(old);
        (
            Code::OldTvm,
            format!("it was compiled by an older TVM: it defines `{old}`, not `{symbol}`"),
            update,
        )
    } else if let Some(old) = old_call {
        (
            Code::OldTvm,
            format!("it was compiled by an older TVM: it calls `{old}`, which TVM has removed"),
            update,
        )
    } else if let [found, ..] = prefixes {
        let found = printable(found);
        let prefix = linked.name.system_lib_prefix();
        let compile = format!("compile it with `--system-lib-prefix {prefix}`");
        match found.strip_suffix('_') {
            Some(name) => (
                Code::WrongPrefix,
                format!("it holds the library `{name}`, not `{}`", linked.name),
                format!("call it `{name}` in the config, or {compile}"),
            ),
            None => (
                Code::WrongPrefix,
                format!("its symbols have the prefix `{found}`, not `{prefix}`"),
                compile,
            ),
        }
    } else {
        (
            Code::NoBlob,
            format!("nothing in it defines `{symbol}`: it is not a model library of MLC LLM"),
            "name the .tar that `mlc_llm compile` wrote".to_owned(),
        )
    };
    Problem { code, path: linked.library.path.to_owned(), message, help }
}

fn check_model(linked: &Linked<'_>, blob: &LoadedBlob<'_>, problems: &mut Vec<Problem>) {
    let (model_type, quantization) = (&blob.metadata.model_type, &blob.metadata.quantization);
    for model in linked.expects {
        if !model.is_met_by(blob) {
            let (model_type, quantization) = (printable(model_type), printable(quantization));
            let (who, help) = match &model.model_id {
                Some(id) => (
                    format!("model `{id}`"),
                    format!("give `{id}` a `model_lib` that was compiled for it"),
                ),
                None => (
                    "what was asked for".to_owned(),
                    "the compiler does not read the model's mlc-chat-config.json".to_owned(),
                ),
            };
            problems.push(Problem {
                code: Code::WrongModel,
                path: linked.library.path.to_owned(),
                message: format!(
                    "it is for {model_type} {quantization}, and {who} is {} {}",
                    model.model_type, model.quantization
                ),
                help,
            });
        }
    }
}

/// Metadata that lacks what today's runtime reads.
pub fn old_metadata(path: &Utf8Path, blob: &LoadedBlob<'_>) -> Option<Problem> {
    // Whoever has a loaded blob has read its metadata.
    let missing = metadata::missing_fields(blob.executable.metadata_json().ok()?).ok()?;
    let missing: Vec<_> = missing.iter().map(|field| format!("`{field}`")).collect();
    (!missing.is_empty()).then(|| Problem {
        code: Code::OldMetadata,
        path: path.to_owned(),
        message: format!(
            "it was compiled by an older MLC LLM: its metadata lacks {}, which today's runtime reads",
            missing.join(", ")
        ),
        help: UPDATE.to_owned(),
    })
}

/// No symbol may be defined by two objects: the linker would refuse the app, or take either.
/// Weak ones are the compiler's own routines, and any will do.
fn check_symbols(libraries: &[Linked<'_>], problems: &mut Vec<Problem>) {
    let mut seen: HashMap<&str, (usize, &str)> = HashMap::new();
    for (index, linked) in libraries.iter().enumerate() {
        let mut between: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
        let mut inside: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
        let blob = linked.name.blob_symbol();
        for member in &linked.library.members {
            for symbol in member.object.defined.iter().filter(|symbol| !symbol.weak) {
                let (first, object) = match seen.entry(symbol.name) {
                    Entry::Occupied(entry) => *entry.get(),
                    Entry::Vacant(entry) => {
                        entry.insert((index, member.name));
                        continue;
                    }
                };
                if first != index {
                    between.entry(first).or_default().push(symbol.name);
                } else if symbol.name != blob {
                    // Several blobs in one library are another problem, and reported as such.
                    inside.entry((object, member.name)).or_default().push(symbol.name);
                }
            }
        }
        for ((first, second), symbols) in inside {
            problems.push(clash_inside(linked, first, second, &symbols));
        }
        for (first, symbols) in between {
            let first = libraries.get(first);
            problems.extend(first.map(|first| clash_between(first, linked, &symbols)));
        }
    }
}

fn clash_inside(linked: &Linked<'_>, first: &str, second: &str, symbols: &[&str]) -> Problem {
    Problem {
        code: Code::DuplicateSymbol,
        path: linked.library.path.to_owned(),
        message: format!(
            "its objects `{}` and `{}` both define {}",
            printable(first),
            printable(second),
            listed(symbols)
        ),
        help: RECOMPILE.to_owned(),
    }
}

fn clash_between(first: &Linked<'_>, second: &Linked<'_>, symbols: &[&str]) -> Problem {
    Problem {
        code: Code::DuplicateSymbol,
        path: second.library.path.to_owned(),
        message: format!("it defines {}, and so does `{}`", listed(symbols), first.library.path),
        help: format!(
            "`{}` and `{}` are the same library, or one was compiled with the other's prefix: \
             compile one again",
            first.name, second.name
        ),
    }
}

/// The first of the symbols, and how many more there are.
fn listed(symbols: &[&str]) -> String {
    match symbols {
        [] => String::new(),
        [symbol] => format!("`{}`", printable(symbol)),
        [symbol, rest @ ..] => {
            let more = super::plural(rest.len(), "another symbol", "other symbols");
            format!("`{}` and {more}", printable(symbol))
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Unreadable => "unreadable",
            Self::WrongDevice => "wrong-device",
            Self::WrongPrefix => "wrong-prefix",
            Self::OldTvm => "old-tvm",
            Self::NoBlob => "no-blob",
            Self::DuplicateBlob => "duplicate-blob",
            Self::UnreadableBlob => "unreadable-blob",
            Self::OldMetadata => "old-metadata",
            Self::WrongModel => "wrong-model",
            Self::WrongWeights => "wrong-weights",
            Self::BadKernel => "bad-kernel",
            Self::DuplicateSymbol => "duplicate-symbol",
        })
    }
}
