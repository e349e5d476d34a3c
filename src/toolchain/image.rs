//! Which compiler an image has. A release says so of its own image beforehand; otherwise a Python of
//! the image is asked once, and the answer belongs to the image's digest for good.

use std::collections::BTreeMap;
use std::ffi::OsString;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::container::{Call, Container, ContainerError, Mounts};
use super::identify::complain;
use super::probe::{Answer, PROBE};
use super::{Interpreter, ProbeEnd, Toolchain, ToolchainError, ToolchainRequest, machine};
use crate::io::marked::MarkedDir;
use crate::io::process::{End, LogLimit, last_lines};
use crate::io::{dir, files};
use crate::model::{
    CompilerIdentity, Digest, ImageName, Metal, MetalChoice, PackageIdentity, Target,
};
use crate::store::{Bucket, Note};

/// Names a file that says which compilers images have, by their names with digests: a JSON object
/// whose values are [`ImageCompiler`]s.
pub const IDENTITIES_VARIABLE: &str = "MLC_PACKAGE_COMPILER_IDENTITIES";
const CONTENTS: &str = include_str!("contents.py");
/// The most that is read of an answer, or of a list of identities, in bytes.
const LIMIT: u64 = 16 << 20;
const LINES: usize = 20;

/// The compiler of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageCompiler {
    /// The Python, by its path in the image.
    pub python: Utf8PathBuf,
    /// The `mlc_llm` Python package.
    pub mlc_llm: PackageIdentity,
    /// The `tvm` Python package.
    pub tvm: PackageIdentity,
    /// The `tvm_ffi` Python package.
    pub tvm_ffi: PackageIdentity,
    /// The versions of what MLC LLM converts checkpoints with.
    #[serde(default)]
    pub libraries: BTreeMap<String, String>,
}

impl ImageCompiler {
    /// That of a Python in an image; none of one on this machine.
    pub fn of(toolchain: &Toolchain) -> Option<Self> {
        let Interpreter::Image { path, .. } = &toolchain.python else { return None };
        let identity = &toolchain.identity;
        Some(Self {
            python: path.clone(),
            mlc_llm: identity.mlc_llm.clone(),
            tvm: identity.tvm.clone(),
            tvm_ffi: identity.tvm_ffi.clone(),
            libraries: toolchain.libraries.clone(),
        })
    }
}

/// What `contents.py` writes.
#[derive(Deserialize)]
struct Contents {
    python: Utf8PathBuf,
    files: BTreeMap<String, Option<String>>,
}

/// Tells the identity of an image's compiler.
pub(super) fn identify(
    request: &ToolchainRequest<'_>,
    image: &ImageName,
) -> Result<Toolchain, ToolchainError> {
    let metal = metal(request, image)?;
    let engine = request.compiler.engine;
    let container = Container::new(image.clone(), engine, request.environment, request.ui);
    let (found, probed) = match recorded(request, image)? {
        Some(found) => (found, false),
        None => remembered(request, &container)?,
    };
    let ImageCompiler { python, mlc_llm, tvm, tvm_ffi, libraries } = found;
    let mut identity = CompilerIdentity { mlc_llm, tvm, tvm_ffi, tools: [].into() };
    identity.tools = tools(request, &container)?;
    let python = Interpreter::Image { container, path: python };
    Ok(Toolchain { python, identity, metal, libraries, probed })
}

/// There is no Xcode in an image.
fn metal(request: &ToolchainRequest<'_>, image: &ImageName) -> Result<Metal, ToolchainError> {
    match (request.target.is_apple(), request.metal) {
        (true, MetalChoice::Metallib) => Err(ToolchainError::MetalInImage { image: image.clone() }),
        (true, _) => Ok(Metal::Source),
        (false, _) => Ok(Metal::Metallib),
    }
}

/// What is in a library besides Python's packages: of the machine its processor, which is that of the
/// container. Toolkits are the image's own, and what identifies that names them.
fn tools(
    request: &ToolchainRequest<'_>,
    container: &Container,
) -> Result<BTreeMap<String, String>, ToolchainError> {
    let mut tools = machine::host_processor(request.target, request.host, request.environment);
    if uses_toolkits(request.target) {
        let id = match container.image().digest() {
            Some(digest) => digest.to_owned(),
            None => container.id(request.cancel)?,
        };
        tools.insert("image".to_owned(), id);
    }
    Ok(tools)
}

fn uses_toolkits(target: &Target) -> bool {
    ["cuda", "rocm", "webgpu", "mali"].iter().any(|name| target.may_be(name))
        || target.as_str() == "android:adreno-so"
}

/// What the file of identities says.
fn recorded(
    request: &ToolchainRequest<'_>,
    image: &ImageName,
) -> Result<Option<ImageCompiler>, ToolchainError> {
    let Some(path) = request.environment.text(IDENTITIES_VARIABLE) else { return Ok(None) };
    // A tag may mean another image than when this was written.
    if image.digest().is_none() {
        return Ok(None);
    }
    let path = request.environment.directory.join(path);
    let wrong = |why: String| ToolchainError::Identities { path: path.clone(), why };
    let text = files::read_at_most(&path, LIMIT).map_err(|error| wrong(error.to_string()))?;
    let text = text.ok_or_else(|| wrong("it is too large".to_owned()))?;
    let mut known: BTreeMap<String, ImageCompiler> =
        serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
    Ok(known.remove(image.as_str()))
}

/// What the image said before, or says now; and whether it was asked.
fn remembered(
    request: &ToolchainRequest<'_>,
    container: &Container,
) -> Result<(ImageCompiler, bool), ToolchainError> {
    let id = match container.image().digest() {
        Some(digest) => digest.to_owned(),
        None => container.id(request.cancel)?,
    };
    // One name may be of images for several processors.
    let key = format!("image\0{id}\0{}\0{PROBE}{CONTENTS}", std::env::consts::ARCH);
    let name = format!("{}.json", &Digest::of(key.as_bytes()).to_hex()[..32]);
    let note = Note::new(Bucket::TOOLCHAINS.path(request.cache_dir).join(name), LIMIT);
    if let Some(found) = note.read().and_then(|text| serde_json::from_slice(&text).ok()) {
        return Ok((found, false));
    }
    let found = ask(request, container)?;
    if let Ok(text) = serde_json::to_vec(&found) {
        // Where nothing can be written, the next run asks again.
        let _ = note.write(&text);
    }
    Ok((found, true))
}

/// Has a Python of the image tell about itself.
fn ask(
    request: &ToolchainRequest<'_>,
    container: &Container,
) -> Result<ImageCompiler, ToolchainError> {
    let shown = Utf8PathBuf::from(format!("python3 of {}", container.image()));
    let files_error = |source| ToolchainError::Files { python: shown.clone(), source };
    let space = MarkedDir::new_in(&request.environment.temporary_home(), "mlc-package-")
        .map_err(files_error)?;
    let directory = space.path().join("empty");
    dir::create(&directory).map_err(files_error)?;
    let path = |name: &str| space.path().join(name);
    let (log, answer, contents) = (path("log"), path("answer.json"), path("contents.json"));
    let mut variables = request.environment.for_python();
    variables.insert("PYTHONDONTWRITEBYTECODE".into(), "1".into());
    let program = format!("{PROBE}\n{CONTENTS}");
    let call = Call {
        args: &["-c", &program, answer.as_str(), contents.as_str()].map(OsString::from),
        variables: &variables,
        directory: &directory,
        log: &log,
        log_limit: LogLimit { head: 64 << 10, tail: 64 << 10 },
        limit: Some(request.limit),
        tokens: &[],
        mounts: Mounts::default().writable(space.path()),
        home: &directory,
        network: false,
    };
    let run = |name: &str| container.run(name, &call, request.cancel);
    let ended = match run("python3") {
        Err(ContainerError::NoProgram { .. }) => run("python")?,
        ended => ended?,
    };
    let failed = |how| {
        let last_lines = last_lines(&log, LINES).unwrap_or_default();
        Err(ToolchainError::Failed { python: shown.clone(), how, last_lines })
    };
    match ended.how {
        End::Cancelled => return Err(ToolchainError::Interrupted),
        End::Exit(0) => {}
        End::Exit(code) => return failed(ProbeEnd::Exit(code)),
        End::Signal(signal) => return failed(ProbeEnd::Signal(signal)),
        End::TimedOut => return failed(ProbeEnd::TimedOut(request.limit)),
    }
    let read =
        |path: &Utf8Path| files::read_at_most(path, LIMIT).ok().flatten().unwrap_or_default();
    let answer = serde_json::from_slice::<Answer>(&read(&answer));
    let (Ok(answer), Ok(contents)) = (answer, serde_json::from_slice::<Contents>(&read(&contents)))
    else {
        return failed(ProbeEnd::NoAnswer);
    };
    complain(&answer, &shown)?;
    let package = |name: &str| {
        let module = answer.modules.get(name).cloned().flatten();
        let digest = contents.files.get(name).cloned().flatten();
        PackageIdentity {
            distribution: module.as_ref().and_then(|module| module.distribution.clone()),
            version: module.and_then(|module| module.version),
            files: digest.map(|digest| Digest::of(digest.as_bytes())),
        }
    };
    let (mlc_llm, tvm, tvm_ffi) = (package("mlc_llm"), package("tvm"), package("tvm_ffi"));
    let libraries = answer.libraries;
    Ok(ImageCompiler { python: contents.python, mlc_llm, tvm, tvm_ffi, libraries })
}
