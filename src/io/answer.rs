//! Asking a program something short: what it prints on standard output, bounded in size and time.

use std::ffi::OsString;
use std::io::{self, Read as _};
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use camino::Utf8Path;

use super::cancel::Cancel;
use super::process::Variables;
use super::process::for_child;
use super::trace;

/// How often it is looked whether somebody asked to stop.
const POLL: Duration = Duration::from_millis(20);

/// A question to a program.
#[derive(Debug)]
pub struct Question<'a> {
    /// The executable, absolute.
    pub path: &'a Utf8Path,
    /// The arguments.
    pub args: &'a [OsString],
    /// The whole environment.
    pub variables: &'a Variables,
    /// The working directory.
    pub directory: &'a Utf8Path,
    /// The most an answer may have in bytes.
    pub limit: u64,
    /// How long it may take.
    pub patience: Duration,
}

/// Starts the program and gives what it printed; standard error is dropped. Gives none where it
/// failed, answered more than the limit, or took too long.
///
/// # Errors
/// It could not be started; or somebody asked to stop, with the kind
/// [`Interrupted`](io::ErrorKind::Interrupted).
#[expect(clippy::disallowed_methods, reason = "io starts programs, and this one needs no log")]
pub fn ask(question: &Question<'_>, cancel: &Cancel) -> io::Result<Option<Vec<u8>>> {
    trace::program(question.path, question.args, question.directory);
    let mut child = Command::new(question.path)
        .args(question.args)
        .env_clear()
        .envs(for_child(question.variables, &[]))
        .current_dir(question.directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let Some(output) = child.stdout.take() else { return Ok(None) };
    let (send, answers) = sync_channel(1);
    let limit = question.limit;
    std::thread::Builder::new().name("answer".to_owned()).spawn(move || {
        let mut answer = Vec::new();
        let read = output.take(limit.saturating_add(1)).read_to_end(&mut answer);
        // Nobody waits for an answer that came too late.
        let _ = send.send(read.map(|_| answer));
    })?;
    let asked = Instant::now();
    let answer = loop {
        match answers.recv_timeout(POLL) {
            Ok(answer) => break answer.ok().filter(|answer| answer.len() as u64 <= limit),
            Err(RecvTimeoutError::Disconnected) => break None,
            Err(RecvTimeoutError::Timeout) if cancel.is_cancelled() => {
                child.kill()?;
                child.wait()?;
                return Err(io::ErrorKind::Interrupted.into());
            }
            Err(RecvTimeoutError::Timeout) if asked.elapsed() > question.patience => break None,
            Err(RecvTimeoutError::Timeout) => {}
        }
    };
    if answer.is_none() {
        child.kill()?;
    }
    let status = child.wait()?;
    Ok(answer.filter(|_| status.success()))
}

#[cfg(all(test, unix))]
mod tests {
    use std::time::Duration;

    use camino::Utf8Path;

    use super::{Cancel, Question, ask};

    fn sh(
        script: &str,
        limit: u64,
        patience: Duration,
        cancel: &Cancel,
    ) -> std::io::Result<Option<Vec<u8>>> {
        let question = Question {
            path: Utf8Path::new("/bin/sh"),
            args: &["-c".into(), script.into()],
            variables: &[("PATH".into(), "/usr/bin:/bin".into())].into(),
            directory: Utf8Path::new("/"),
            limit,
            patience,
        };
        ask(&question, cancel)
    }

    #[test]
    fn only_a_whole_answer_of_a_success_counts() {
        let (cancel, long) = (Cancel::default(), Duration::from_secs(60));
        let answer = sh("echo hello; echo no >&2", 6, long, &cancel).unwrap();
        assert_eq!(answer.as_deref(), Some(&b"hello\n"[..]));
        assert_eq!(sh("echo hello", 5, long, &cancel).unwrap(), None);
        assert_eq!(sh("echo hello; exit 3", 100, long, &cancel).unwrap(), None);
        assert_eq!(sh("exec sleep 600", 9, Duration::ZERO, &cancel).unwrap(), None);
        cancel.cancel();
        let error = sh("exec sleep 600", 9, long, &cancel).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::Interrupted);
    }
}
