//! Running a program: its output in one bounded log, a time limit, and an end to it and to
//! whatever it started when somebody asks to stop.

mod dialogue;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};

pub use self::dialogue::{Dialogue, converse};
pub use super::cancel::Cancel;
use super::log::BoundedLog;
pub use super::log::{LogLimit, all_lines, last_lines};
use super::trace;

/// A whole environment: every variable a program sees.
pub type Variables = BTreeMap<OsString, OsString>;

/// A program to run.
#[derive(Debug)]
pub struct Program<'a> {
    /// The executable; a relative path would mean another file in another directory.
    pub path: &'a Utf8Path,
    /// The arguments.
    pub args: &'a [OsString],
    /// The whole environment.
    pub variables: &'a Variables,
    /// The working directory.
    pub directory: &'a Utf8Path,
    /// The file that takes standard output and standard error, in the order of arrival.
    pub log: &'a Utf8Path,
    /// How much of the log is kept.
    pub log_limit: LogLimit,
    /// How long it may run; for ever if none.
    pub limit: Option<Duration>,
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    /// Why.
    pub how: End,
    /// How long it ran.
    pub elapsed: Duration,
    /// Why the log is not complete, where writing it failed.
    pub log_error: Option<io::Error>,
}

/// Why a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself, with this exit code.
    Exit(i32),
    /// By a signal that was not ours: SIGSEGV, or the SIGKILL of a system out of memory.
    Signal(i32),
    /// It exceeded its time limit.
    TimedOut,
    /// Somebody asked to stop.
    Cancelled,
}

/// How long a program may take to end itself after SIGTERM.
const GRACE: Duration = Duration::from_secs(2);
/// How long output is waited for after the program has ended: something it started may hold
/// the pipe open for ever.
const DRAIN: Duration = Duration::from_secs(1);
/// How often a program is looked after.
const POLL: Duration = Duration::from_millis(20);

/// Runs a program to its end. An error means that it could not be started or its log not be
/// created; whatever happens later is in [`Ended`].
///
/// Standard input is empty. On Unix the program leads a process group of its own, so that
/// Ctrl-C on the terminal reaches us alone and we end the whole group: SIGTERM, two seconds of
/// grace, SIGKILL. Whatever of the group outlives the program is killed too.
///
/// It gets no token and no entry of `PATH` that means its working directory: [`for_child`].
pub fn run(program: &Program<'_>, cancel: &Cancel) -> io::Result<Ended> {
    run_with_tokens(program, &[], cancel)
}

/// [`run`], with the tokens that are named.
pub fn run_with_tokens(
    program: &Program<'_>,
    tokens: &[&str],
    cancel: &Cancel,
) -> io::Result<Ended> {
    let log = BoundedLog::create(program.log, program.log_limit)?;
    let started = Instant::now();
    let (child, output) = spawn(program, tokens, Streams::Log)?;
    let log = Arc::new(Mutex::new(log));
    let drained = copy_output(output, &log)?;
    wait_for_end(child, program.limit, cancel, &drained, &log, started, || false)
}

/// Waits until the child has ended or must not go on, and until all that it printed is in the log.
/// `is_idle` says that nobody asks it for anything any more: it has to end by itself then.
fn wait_for_end(
    mut child: Child,
    limit: Option<Duration>,
    cancel: &Cancel,
    drained: &Receiver<()>,
    log: &Mutex<BoundedLog>,
    started: Instant,
    is_idle: impl Fn() -> bool,
) -> io::Result<Ended> {
    let stopped = match supervise(&mut child, limit, cancel, drained, is_idle) {
        Ok(stopped) => stopped,
        Err(error) => {
            group::kill(&mut child);
            child.wait()?;
            return Err(error);
        }
    };
    let elapsed = started.elapsed();
    if !is_drained(drained) {
        group::kill(&mut child);
        is_drained(drained);
    }
    let status = child.wait()?;
    let log_error = lock(log).finish().err();
    Ok(Ended { how: stopped.unwrap_or_else(|| end_of(status)), elapsed, log_error })
}

/// Waits until the child has ended, and ends it when it must not go on.
fn supervise(
    child: &mut Child,
    limit: Option<Duration>,
    cancel: &Cancel,
    drained: &Receiver<()>,
    is_idle: impl Fn() -> bool,
) -> io::Result<Option<End>> {
    let started = Instant::now();
    let mut idle_since = None;
    while !group::has_exited(child)? {
        if is_idle() {
            idle_since.get_or_insert_with(Instant::now);
        }
        let why = if cancel.is_cancelled() {
            End::Cancelled
        } else if limit.is_some_and(|limit| started.elapsed() > limit)
            || idle_since.is_some_and(|since| since.elapsed() > GRACE)
        {
            End::TimedOut
        } else {
            pause(drained);
            continue;
        };
        stop(child, drained)?;
        return Ok(Some(why));
    }
    Ok(None)
}

/// Finds the executable that a shell would run for `name`, which may also be a path, relative
/// to `directory`.
pub fn find_program(
    name: &str,
    path_variable: Option<&OsStr>,
    directory: &Utf8Path,
) -> Option<Utf8PathBuf> {
    // An empty entry means the working directory, where strangers may put programs.
    let path = path_variable.and_then(without_empty);
    let found = which::which_in(name, path, directory).ok()?;
    Utf8PathBuf::from_path_buf(directory.as_std_path().join(found)).ok()
}

/// Variables that let their owner act as somebody. What we start runs code of others: compilers'
/// plugins, build scripts, `trust_remote_code`.
const TOKENS: [&str; 9] = [
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "HUGGINGFACE_TOKEN",
    "GITHUB_TOKEN",
    "GH_TOKEN",
    "GH_ENTERPRISE_TOKEN",
    "GITHUB_ENTERPRISE_TOKEN",
    "INPUT_TOKEN",
    "INPUT_HF-TOKEN",
];
/// What GitHub's runner tells its actions alone: tokens of its cache, its artifacts and its identity.
const OF_RUNNER: &str = "ACTIONS_";

/// The variables that a child sees: no token but those that are named, and no entry of `PATH` that
/// means its working directory.
pub(super) fn for_child(variables: &Variables, tokens: &[&str]) -> Variables {
    let is_secret = |name: &OsStr| {
        let name = name.to_string_lossy().to_ascii_uppercase();
        (TOKENS.contains(&&*name) || name.starts_with(OF_RUNNER)) && !tokens.contains(&&*name)
    };
    let kept = variables.iter().filter(|(name, _)| !is_secret(name));
    kept.filter_map(|(name, value)| {
        let value = if name == "PATH" { without_empty(value)? } else { value.clone() };
        Some((name.clone(), value))
    })
    .collect()
}

/// None if nothing is left: an empty `PATH` is one empty entry.
fn without_empty(path: &OsStr) -> Option<OsString> {
    let entries = std::env::split_paths(path).filter(|entry| !entry.as_os_str().is_empty());
    // Joining fails only for an entry with a separator in it, which splitting excludes.
    std::env::join_paths(entries).ok().filter(|path| !path.is_empty())
}

/// Whether an executable is a script, which another program interprets.
pub fn is_script(executable: &Utf8Path) -> io::Result<bool> {
    let mut start = Vec::new();
    fs_err::File::open(executable)?.take(2).read_to_end(&mut start)?;
    Ok(start == b"#!")
}

/// What a program's standard input and output are. Its standard error is the log.
#[derive(Clone, Copy)]
enum Streams {
    /// Nothing, and the log.
    Log,
    /// Pipes that lead to us.
    Ours,
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that starts programs")]
fn spawn(
    program: &Program<'_>,
    tokens: &[&str],
    streams: Streams,
) -> io::Result<(Child, io::PipeReader)> {
    trace::program(program.path, program.args, program.directory);
    let (output, input) = io::pipe()?;
    let mut command = Command::new(program.path);
    command
        .args(program.args)
        .env_clear()
        .envs(for_child(program.variables, tokens))
        .current_dir(program.directory);
    match streams {
        Streams::Log => command.stdin(Stdio::null()).stdout(input.try_clone()?),
        Streams::Ours => command.stdin(Stdio::piped()).stdout(Stdio::piped()),
    };
    command.stderr(input);
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut attempts = 0;
    loop {
        match command.spawn() {
            // Somebody has the file open for writing: another thread's child, between its fork
            // and its exec, inherits the descriptor of a script that was just written.
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && attempts < 50 => {
                attempts += 1;
                std::thread::sleep(POLL);
            }
            // Returning drops the command and with it our writing ends of the pipe.
            result => return Ok((result?, output)),
        }
    }
}

/// Copies the output to the log in a thread. The receiver disconnects at the output's end.
fn copy_output(
    mut output: io::PipeReader,
    log: &Arc<Mutex<BoundedLog>>,
) -> io::Result<Receiver<()>> {
    let log = Arc::clone(log);
    let (alive, drained) = sync_channel(1);
    std::thread::Builder::new().name("program output".to_owned()).spawn(move || {
        let _alive = alive;
        let mut block = vec![0; 64 << 10];
        loop {
            match output.read(&mut block) {
                Ok(0) => return,
                Ok(n) => lock(&log).push(block.get(..n).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    })?;
    Ok(drained)
}

/// Waits a moment, less if the output ends: then the program does so too, most likely.
fn pause(drained: &Receiver<()>) {
    if drained.recv_timeout(POLL) == Err(RecvTimeoutError::Disconnected) {
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn is_drained(drained: &Receiver<()>) -> bool {
    drained.recv_timeout(DRAIN) == Err(RecvTimeoutError::Disconnected)
}

/// Ends the group, gently first. Who still holds the output has not ended: Ninja, for one, whose
/// compilers are groups of their own that only it can end.
fn stop(child: &mut Child, drained: &Receiver<()>) -> io::Result<()> {
    group::terminate(child);
    let asked = Instant::now();
    let has_ended = || drained.try_recv() == Err(TryRecvError::Disconnected);
    while asked.elapsed() < GRACE && !(group::has_exited(child)? && has_ended()) {
        std::thread::sleep(POLL);
    }
    // Also when the leader is gone: others of its group may not have listened.
    group::kill(child);
    Ok(())
}

fn lock(log: &Mutex<BoundedLog>) -> MutexGuard<'_, BoundedLog> {
    // A panic while the lock was held leaves at worst a log that lacks a piece.
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

fn end_of(status: ExitStatus) -> End {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return End::Signal(signal);
    }
    End::Exit(status.code().unwrap_or(1))
}

#[cfg(unix)]
mod group {
    //! The child's process group. The child is not reaped before the group has been ended, so
    //! that its number cannot belong to somebody else by then.

    use std::io;
    use std::process::Child;

    use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

    pub(super) fn has_exited(child: &mut Child) -> io::Result<bool> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        loop {
            match waitid(WaitId::Pid(Pid::from_child(child)), options) {
                Err(rustix::io::Errno::INTR) => {}
                status => return Ok(status?.is_some()),
            }
        }
    }

    // That the group is gone already is what these two want.

    pub(super) fn terminate(child: &mut Child) {
        let _ = kill_process_group(Pid::from_child(child), Signal::TERM);
    }

    pub(super) fn kill(child: &mut Child) {
        let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
    }
}

#[cfg(not(unix))]
mod group {
    //! Systems without process groups: the child alone is ended.

    use std::io;
    use std::process::Child;

    pub(super) fn has_exited(child: &mut Child) -> io::Result<bool> {
        Ok(child.try_wait()?.is_some())
    }

    pub(super) fn terminate(child: &mut Child) {
        kill(child);
    }

    pub(super) fn kill(child: &mut Child) {
        // It has ended already: that is what is wanted.
        let _ = child.kill();
    }
}

#[cfg(test)]
#[path = "process_tests.rs"]
mod tests;
