//! Running upstream's script: what it is given, and what part of it failed.

use std::ffi::OsString;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use super::{Binding, BindingError, Builder, FailedBuild, HowEnded, Phase, Surroundings};
use crate::io::cancel::Cancel;
use crate::io::files;
use crate::io::process::{self, End, LogLimit, Program, Variables, all_lines};

/// What has the linker make libraries that fit pages of 16 KiB.
const LARGE_PAGES: &str = "-Wl,-z,max-page-size=16384";
/// How many lines of a log are shown.
const LINES: usize = 20;
/// As many more may be a traceback.
const TRACEBACK: usize = 30;

/// The directory, below that in which the script runs, that it builds in.
pub(super) fn build_subdir(binding: &Binding) -> String {
    match &binding.builder {
        Builder::Apple { catalyst: Some((arch, _)), .. } => format!("build-maccatalyst-{arch}"),
        _ => "build".to_owned(),
    }
}

/// The variables that the script gets: what the user has set, its places absolute, and what has
/// CMake build fast.
pub(super) fn variables(
    binding: &Binding,
    given: Surroundings<'_>,
    python: Option<&Utf8Path>,
) -> Variables {
    let mut variables = given.variables.clone();
    let mut set = |name: &str, value: &str| drop(variables.insert(name.into(), value.into()));
    set("MLC_LLM_SOURCE_DIR", binding.source.mlc_llm.as_str());
    for name in ["TVM_SOURCE_DIR", "JAVA_HOME", "TVM_NDK_CC"] {
        if let Some(path) = given.path(name) {
            set(name, path.as_str());
        }
    }
    if let Some(python) = python {
        set("PYTHON", python.as_str());
    }
    match &binding.builder {
        Builder::Android { ndk } => {
            set("ANDROID_NDK", ndk.dir.as_str());
            if given.text("TVM_NDK_CC").is_none()
                && let Some(compiler) = ndk.compiler()
            {
                set("TVM_NDK_CC", compiler.as_str());
            }
            let flags = given.text("LDFLAGS").unwrap_or_default();
            if !flags.contains("max-page-size") {
                set("LDFLAGS", format!("{flags} {LARGE_PAGES}").trim());
            }
        }
        Builder::Apple { catalyst: Some((arch, target)), .. } => {
            set("MLC_MACABI_ARCH", arch.as_str());
            set("MLC_MACABI_DEPLOYMENT_TARGET", target);
        }
        Builder::Apple { catalyst: None, .. } | Builder::Kit => {}
    }
    if given.text("CMAKE_GENERATOR").is_none() && given.program("ninja").is_some() {
        set("CMAKE_GENERATOR", "Ninja");
    }
    let launcher = ["ccache", "sccache"].into_iter().find_map(|name| given.program(name));
    for name in ["CMAKE_C_COMPILER_LAUNCHER", "CMAKE_CXX_COMPILER_LAUNCHER"] {
        if given.text(name).is_none()
            && let Some(launcher) = &launcher
        {
            set(name, launcher.as_str());
        }
    }
    variables
}

/// The program that runs the script, and its arguments.
pub(super) fn command(
    binding: &Binding,
    python: Option<&Utf8Path>,
) -> Result<(Utf8PathBuf, Vec<OsString>), BindingError> {
    let script = binding.source.script(binding.device);
    let mut args = vec![OsString::from(script.as_str())];
    let program = match &binding.builder {
        Builder::Android { .. } => python.ok_or(BindingError::NoTool("python3"))?.to_owned(),
        Builder::Apple { bash, catalyst } => {
            if let Some((arch, target)) = catalyst {
                let more = ["--catalyst", "--deployment-target", target, "--arch", arch.as_str()];
                args.extend(more.map(OsString::from));
            }
            bash.clone()
        }
        Builder::Kit => return Err(BindingError::NoSource),
    };
    Ok((program, args))
}

/// A program of the build to run.
pub(super) struct Step<'a> {
    pub(super) program: &'a Utf8Path,
    pub(super) args: &'a [OsString],
    pub(super) variables: &'a Variables,
    pub(super) directory: &'a Utf8Path,
    pub(super) log: &'a Utf8Path,
    /// What is being done; for upstream's script its log says more.
    pub(super) what: Option<Phase>,
    /// What a person knows the program by.
    pub(super) name: &'a Utf8Path,
}

impl Step<'_> {
    /// Runs it; gives the seconds that it took.
    pub(super) fn run(&self, cancel: &Cancel) -> Result<f64, BindingError> {
        let program = Program {
            path: self.program,
            args: self.args,
            variables: self.variables,
            directory: self.directory,
            log: self.log,
            log_limit: LogLimit::default(),
            limit: None,
        };
        let start =
            |source: io::Error| BindingError::Start { program: self.program.to_owned(), source };
        let ended = process::run(&program, cancel).map_err(start)?;
        let how = match ended.how {
            End::Exit(0) => return Ok(ended.elapsed.as_secs_f64()),
            End::Cancelled => return Err(BindingError::Interrupted),
            End::Exit(code) => HowEnded::Exit(code),
            End::Signal(signal) => HowEnded::Signal(signal),
            End::TimedOut => HowEnded::TimedOut(ended.elapsed),
        };
        let what = self.what.unwrap_or_else(|| phase(self.log));
        Err(BindingError::Failed(Box::new(FailedBuild {
            what,
            program: self.name.to_owned(),
            how,
            log: self.log.to_owned(),
            last_lines: shown(what, all_lines(self.log).unwrap_or_default()),
            full: None,
        })))
    }
}

/// What of a log says something. That a program which Python ran has failed is said by the program
/// itself, and Python's traceback says where in upstream's script that was. Why CMake does not
/// configure stands where it found that, long before it ends.
fn shown(what: Phase, mut lines: Vec<String>) -> Vec<String> {
    if what == Phase::Configure {
        let mut errors = cmake_errors(&lines);
        if !errors.is_empty() {
            errors.truncate(LINES);
            return errors;
        }
    }
    lines.drain(..lines.len().saturating_sub(LINES + TRACEBACK));
    let traceback = lines.iter().rposition(|line| line.starts_with("Traceback (most recent call"));
    let of_a_program = lines.last().is_some_and(|line| line.contains("CalledProcessError"));
    if let Some(begin) = traceback.filter(|begin| of_a_program && *begin > 0) {
        lines.truncate(begin);
    }
    lines.split_off(lines.len().saturating_sub(LINES))
}

/// The blocks in which CMake says what is wrong: `CMake Error at CMakeLists.txt:12 (message):`, its
/// message and its calls, all of them indented.
fn cmake_errors(lines: &[String]) -> Vec<String> {
    let mut inside = false;
    let belongs = |line: &&String| {
        let goes_on = line.starts_with("  ") || line.starts_with("Call Stack (");
        inside = line.starts_with("CMake Error") || (inside && goes_on);
        inside
    };
    lines.iter().filter(belongs).cloned().collect()
}

/// What the script was doing when it ended: both of upstream's say what they begin, one in its
/// messages, the other by `set -x`.
fn phase(log: &Utf8Path) -> Phase {
    let text = files::read(log).unwrap_or_default();
    phase_of(&String::from_utf8_lossy(&text))
}

fn phase_of(log: &str) -> Phase {
    let mut phase = Phase::Prepare;
    for line in log.lines() {
        let begins = |message: &str| line.ends_with(message);
        let runs = |arguments: &str| line.starts_with('+') && line.contains(arguments);
        if begins("Running cmake install") || runs(" cmake --build . --target install") {
            phase = Phase::Install;
        } else if begins("Running cmake build") || runs(" cmake --build . ") {
            phase = Phase::Build;
        } else if begins("Running cmake") || runs(" cmake ") {
            phase = Phase::Configure;
        }
    }
    phase
}

#[cfg(test)]
mod tests {
    use super::{LINES, Phase, phase_of, shown};

    #[test]
    fn why_cmake_does_not_configure_is_shown_wherever_it_stands() {
        let error = "CMake Error at 3rdparty/tvm/CMakeLists.txt:12 (message):\n  \
                     Could not find tokenizers\nCall Stack (most recent call first):\n  \
                     CMakeLists.txt:3 (include)";
        let log = format!(
            "-- The CXX compiler is GNU\nCMake Warning at a:1 (message):\n  old\n{error}\n-- found\n\
             CMake Error: CMAKE_CXX_COMPILER not set\n{}-- Configuring incomplete\n\
             Traceback (most recent call last):\n  File x\nsubprocess.CalledProcessError: cmake",
            "-- looking\n".repeat(99)
        );
        let lines = || log.lines().map(str::to_owned).collect::<Vec<_>>();
        let mut expected: Vec<_> = error.lines().collect();
        expected.push("CMake Error: CMAKE_CXX_COMPILER not set");
        assert_eq!(shown(Phase::Configure, lines()), expected);
        assert_eq!(shown(Phase::Build, lines()).last().unwrap(), "-- Configuring incomplete");
    }

    #[test]
    fn a_traceback_of_what_a_program_said_already_is_left_out() {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let traceback = "Traceback (most recent call last):\n  File x\n";
        let program = format!("ninja: failed\n{traceback}subprocess.CalledProcessError: ninja");
        assert_eq!(shown(Phase::Build, lines(&program)), ["ninja: failed"]);
        for kept in [
            format!("a\n{traceback}ImportError: mlc_llm"),
            format!("{traceback}subprocess.CalledProcessError: x"),
        ] {
            assert_eq!(shown(Phase::Build, lines(&kept)), lines(&kept));
        }
        assert_eq!(shown(Phase::Build, vec!["x".to_owned(); 60]).len(), LINES);
    }

    #[test]
    fn both_scripts_say_what_they_do() {
        let android = "info: component is up to date\n\
                       [2026-01-01 00:00:00] INFO prepare_libs.py:27: Running cmake\n-- ok\n\
                       [2026-01-01 00:00:00] INFO prepare_libs.py:61: Running cmake build\n\
                       [2026-01-01 00:00:00] INFO prepare_libs.py:75: Running cmake install\n";
        let apple = "+ rustup target add aarch64-apple-ios\n+ mkdir -p build\n\
                     + cmake /src -DCMAKE_BUILD_TYPE=Release\n-- ok\n\
                     + cmake --build . --config release --target mlc_llm_static -j\n\
                     + cmake --build . --target install --config release -j\n";
        for log in [android, apple] {
            let lines: Vec<_> = log.lines().collect();
            let mut phases: Vec<_> =
                (0..=lines.len()).map(|n| phase_of(&lines[..n].join("\n"))).collect();
            phases.dedup();
            assert_eq!(phases, [Phase::Prepare, Phase::Configure, Phase::Build, Phase::Install]);
        }
    }
}
