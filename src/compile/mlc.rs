//! The compiler that people have: `python -m mlc_llm compile`.

use std::ffi::OsString;
use std::time::Duration;

use camino::Utf8Path;

use super::{CompileJob, Compiler, Failure, Workspace};
use crate::io::environment::Environment;
use crate::io::process::{Cancel, End, LogLimit};
use crate::io::{atomic, files};
use crate::model::{ChatConfig, Metal};
use crate::toolchain::{Call, Interpreter, Mounts, NotRun};

/// `mlc_llm` as `-m` runs it, but for one callback.
const METAL_SOURCE: &str = include_str!("metal_source.py");

/// `python -m mlc_llm compile`, in a scratch directory.
#[derive(Clone, Debug)]
pub struct MlcCompiler {
    /// The interpreter.
    pub python: Interpreter,
    /// What the compiler inherits.
    pub environment: Environment,
    /// How long one compilation may take.
    pub limit: Duration,
}

impl MlcCompiler {
    /// How long one compilation may take unless the user says otherwise: real models take
    /// minutes, on a loaded machine an hour.
    pub const DEFAULT_LIMIT: Duration = Duration::from_secs(2 * 3600);

    fn arguments(job: &CompileJob, config: &Utf8Path, library: &Utf8Path) -> Vec<OsString> {
        let inputs = &job.inputs;
        let program = match inputs.metal {
            Metal::Metallib => ["-m", "mlc_llm"],
            Metal::Source => ["-c", METAL_SOURCE],
        };
        let mut arguments: Vec<OsString> = [
            program[0],
            program[1],
            "compile",
            config.as_str(),
            "--opt",
            &inputs.opt,
            "--overrides",
            &inputs.overrides,
            "--device",
            inputs.device.as_str(),
            "--output",
            library.as_str(),
        ]
        .map(OsString::from)
        .into();
        let mut add = |name: &str, value: &str| arguments.extend([name, value].map(OsString::from));
        if let Some(host) = &inputs.host {
            add("--host", host);
        }
        // Upstream takes a prefix for no other target.
        if inputs.device.device().is_some() {
            add("--system-lib-prefix", &inputs.model_lib.system_lib_prefix());
        }
        if inputs.enable_subgroups {
            arguments.push("--enable-subgroups".into());
        }
        arguments
    }
}

impl Compiler for MlcCompiler {
    fn compile(&self, job: &CompileJob, space: &Workspace, cancel: &Cancel) -> Result<(), Failure> {
        // The compiler gets the bytes that were planned with, in a file of ours: whatever
        // happens to the user's file meanwhile, the result is what the fingerprint says.
        let config = space.work.join(ChatConfig::FILE_NAME);
        atomic::write_unsynced(&config, &job.chat_config).map_err(Failure::Prepare)?;
        let scratch = space.work.join("empty");
        files::create_dir_all(&scratch).map_err(Failure::Prepare)?;

        let mut variables = self.environment.for_python();
        // Without it, TVM says of an error in TVMScript nothing but that this would show it. Other
        // errors do not depend on it.
        variables.entry("TVM_BACKTRACE".into()).or_insert_with(|| "1".into());
        if let Some(arch) = job.inputs.macabi_arch {
            variables.insert("MLC_MACABI_ARCH".into(), arch.as_str().into());
        }
        // The suffix says what is to be written.
        let suffix = job.inputs.format.suffix();
        let library = space.work.join(format!("lib.{suffix}"));
        let call = Call {
            args: &Self::arguments(job, &config, &library),
            variables: &variables,
            directory: &scratch,
            log: &space.log,
            log_limit: LogLimit::default(),
            limit: Some(self.limit),
            tokens: &[],
            mounts: Mounts::default().writable(&space.work),
            home: &space.work,
            network: false,
        };
        let ended = self.python.run(&call, cancel).map_err(|error| match error {
            NotRun::Start { python, source } => Failure::Start { program: python, source },
            NotRun::Container(error) if error.is_interrupted() => Failure::Cancelled,
            NotRun::Container(error) => Failure::Container(Box::new(error)),
        })?;
        match ended.how {
            End::Exit(0) => {}
            End::Exit(code) => return Err(Failure::Exit(code)),
            End::Signal(signal) => return Err(Failure::Signal(signal)),
            End::TimedOut => return Err(Failure::TimedOut(self.limit)),
            End::Cancelled => return Err(Failure::Cancelled),
        }
        match files::size(&library) {
            Ok(0) => return Err(Failure::EmptyOutput),
            Ok(_) if files::is_file(&library) => {}
            _ => return Err(Failure::NoOutput),
        }
        files::rename(&library, &space.library).map_err(Failure::Prepare)
    }
}

#[cfg(test)]
#[path = "tests/mlc.rs"]
mod tests;
