//! Which compiler there is: `mlc_llm`, `tvm` and `tvm_ffi` of one Python, none of them
//! imported. What a Python answered is remembered with the stamps of all it depends on, so
//! that the next run starts no Python at all.

use std::collections::BTreeMap;
use std::time::Duration;

use camino::Utf8Path;

use super::probe::{self, Answer, Module};
use super::probe_note::ProbeNote;
use super::{Interpreter, ToolchainError, image, machine, python, sources, xcode};
use crate::io::environment::Environment;
use crate::io::file_stamp::Moment;
use crate::io::process::Cancel;
use crate::model::{CompilerChoice, CompilerIdentity, Metal, MetalChoice, PackageIdentity, Target};
use crate::ui::Ui;

/// The question which compiler there is.
pub struct ToolchainRequest<'a> {
    /// Which compiler is meant.
    pub compiler: &'a CompilerChoice,
    /// Variables and working directory.
    pub environment: &'a Environment,
    /// Where answers are remembered. If it cannot be written to, they are not.
    pub cache_dir: &'a Utf8Path,
    /// What is compiled for says which of the machine's tools take part.
    pub target: &'a Target,
    /// How kernels for Apple's GPUs are to be stored.
    pub metal: MetalChoice,
    /// The host that is compiled for, where it is named.
    pub host: Option<&'a str>,
    /// How long a Python may take to answer.
    pub limit: Duration,
    /// Hears what takes long: an image that is pulled.
    pub ui: &'a Ui,
    /// Asks to stop.
    pub cancel: &'a Cancel,
}

/// A Python and the compiler it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toolchain {
    /// The interpreter.
    pub python: Interpreter,
    /// The compiler.
    pub identity: CompilerIdentity,
    /// How kernels for Apple's GPUs are stored; metallib for other devices.
    pub metal: Metal,
    /// The versions of what MLC LLM converts checkpoints with, by the distributions' names.
    pub libraries: BTreeMap<String, String>,
    /// Whether Python was started to find out.
    pub probed: bool,
}

impl Toolchain {
    /// How long a Python may take to answer unless the user says otherwise: it answers in a
    /// fraction of a second, from a cold network file system in many.
    pub const DEFAULT_LIMIT: Duration = Duration::from_secs(60);
}

/// Finds the Python and tells its compiler's identity.
pub fn identify(request: &ToolchainRequest<'_>) -> Result<Toolchain, ToolchainError> {
    if let Some(image) = &request.compiler.image {
        return image::identify(request, image);
    }
    let python = python::find(request.compiler.python.as_deref(), request.environment)?;
    let files = |source| ToolchainError::Files { python: python.clone(), source };
    let key = ProbeNote::key(&python, request.environment).map_err(files)?;
    let mut note = ProbeNote::load(request.cache_dir, key);
    let probed = note.is_none();
    let note = match &mut note {
        Some(note) => note,
        none => {
            let asked = Moment::now();
            let answer = probe::ask(&python, request.environment, request.limit, request.cancel)?
                .ok_or(ToolchainError::Interrupted)?;
            // An answer that is an error is not remembered: the remedy must be seen at once.
            complain(&answer, &python)?;
            none.insert(ProbeNote::new(answer, &python, request.environment, asked).map_err(files)?)
        }
    };
    let mut package = |name: &'static str| {
        let module = module(note.answer(), name, &python)?.clone();
        let remembered = note.sources(name);
        let digested =
            sources::digest(name, &module, request.environment, remembered).map_err(files)?;
        let remember = digested.as_ref().and_then(|digested| digested.remember);
        note.remember_sources(name, remember);
        Ok::<_, ToolchainError>(PackageIdentity {
            distribution: module.distribution,
            version: module.version,
            files: digested.map(|digested| digested.files),
        })
    };
    let (mlc_llm, tvm, tvm_ffi) = (package("mlc_llm")?, package("tvm")?, package("tvm_ffi")?);
    note.store(request.cache_dir, key);
    let libraries = note.answer().libraries.clone();
    let mut identity = CompilerIdentity { mlc_llm, tvm, tvm_ffi, tools: [].into() };
    let metal = match request.target.device().filter(|device| device.is_apple()) {
        Some(_) => xcode::metal(request.metal, request.environment, request.cancel)?,
        None => Metal::Metallib,
    };
    // Whoever stores source needs nothing of Xcode's: libraries of Linux and of Macs are the same.
    let with_xcode = request.target.is_apple() && metal == Metal::Metallib;
    let xcode = with_xcode.then(|| xcode::version(request.environment)).flatten();
    identity.tools.extend(xcode.map(|version| ("xcode".to_owned(), version)));
    identity.tools.extend(machine::tools(request.target, request.host, request.environment));
    let python = Interpreter::Here(python);
    Ok(Toolchain { python, identity, metal, libraries, probed })
}

/// Refuses an answer in which a part of the compiler is not there.
pub(super) fn complain(answer: &Answer, python: &Utf8Path) -> Result<(), ToolchainError> {
    for name in ["mlc_llm", "tvm", "tvm_ffi"] {
        module(answer, name, python)?;
    }
    Ok(())
}

fn module<'a>(
    answer: &'a Answer,
    name: &'static str,
    python: &Utf8Path,
) -> Result<&'a Module, ToolchainError> {
    if let Some(Some(module)) = answer.modules.get(name) {
        return Ok(module);
    }
    let empty = match name {
        "mlc_llm" => "mlc-llm",
        "tvm" => "mlc-ai",
        _ => "",
    };
    let placeholder = answer
        .distributions
        .iter()
        .find(|(distribution, version)| distribution == empty && version.starts_with("0.1"))
        .map(|(distribution, version)| format!("{distribution} {version}"));
    Err(ToolchainError::ModuleMissing {
        python: python.to_owned(),
        version: answer.python.clone(),
        module: name,
        placeholder,
    })
}

#[cfg(test)]
#[path = "tests/identify.rs"]
mod tests;
