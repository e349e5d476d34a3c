//! Asking a Python which compiler it has.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::{ProbeEnd, ToolchainError};
use crate::io::environment::Environment;
use crate::io::files;
use crate::io::marked::MarkedDir;
use crate::io::process::{self, Cancel, End, LogLimit, Program, last_lines};

pub(super) const PROBE: &str = include_str!("probe.py");
/// The most an answer may have in bytes.
const ANSWER_LIMIT: u64 = 16 << 20;
const LINES: usize = 20;

/// What a Python says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Answer {
    /// Its version.
    pub(super) python: String,
    /// `mlc_llm`, `tvm`, `tvm_ffi`; none for what it lacks.
    pub(super) modules: BTreeMap<String, Option<Module>>,
    /// The files and directories, there or not, whose change can change the answer.
    pub(super) watch: Vec<Utf8PathBuf>,
    /// Names and versions of distributions that are called like the compiler's.
    pub(super) distributions: Vec<(String, String)>,
    /// The versions of what MLC LLM converts checkpoints with.
    #[serde(default)]
    pub(super) libraries: BTreeMap<String, String>,
}

/// A module of the compiler.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Module {
    pub(super) directory: Utf8PathBuf,
    pub(super) distribution: Option<String>,
    pub(super) version: Option<String>,
    /// A wheel from a package index: its version says what is in it.
    pub(super) from_index: bool,
}

/// Starts the Python and asks. Gives none if the wait was cancelled.
pub(super) fn ask(
    python: &Utf8Path,
    environment: &Environment,
    limit: Duration,
    cancel: &Cancel,
) -> Result<Option<Answer>, ToolchainError> {
    let files_error = |source| ToolchainError::Files { python: python.to_owned(), source };
    let space =
        MarkedDir::new_in(&environment.temporary_home(), "mlc-package-").map_err(files_error)?;
    let directory = space.path().join("empty");
    crate::io::dir::create(&directory).map_err(files_error)?;
    let (log, answer) = (space.path().join("log"), space.path().join("answer.json"));
    let mut variables = environment.for_python();
    // Compiled modules beside the sources would be a change to what is watched.
    variables.insert("PYTHONDONTWRITEBYTECODE".into(), "1".into());
    let program = Program {
        path: python,
        args: &["-c", PROBE, answer.as_str()].map(OsString::from),
        variables: &variables,
        directory: &directory,
        log: &log,
        log_limit: LogLimit { head: 64 << 10, tail: 64 << 10 },
        limit: Some(limit),
    };
    let ended = process::run(&program, cancel)
        .map_err(|source| ToolchainError::Start { python: python.to_owned(), source })?;
    let failed = |how| {
        let last_lines = last_lines(&log, LINES).unwrap_or_default();
        Err(ToolchainError::Failed { python: python.to_owned(), how, last_lines })
    };
    match ended.how {
        End::Cancelled => return Ok(None),
        End::Exit(0) => {}
        End::Exit(code) => return failed(ProbeEnd::Exit(code)),
        End::Signal(signal) => return failed(ProbeEnd::Signal(signal)),
        End::TimedOut => return failed(ProbeEnd::TimedOut(limit)),
    }
    let text = files::read_at_most(&answer, ANSWER_LIMIT).ok().flatten().unwrap_or_default();
    match serde_json::from_slice(&text) {
        Ok(answer) => Ok(Some(answer)),
        Err(_) => failed(ProbeEnd::NoAnswer),
    }
}
