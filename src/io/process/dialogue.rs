//! A program that is asked and answers, a line each.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::process::{ChildStdin, ChildStdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::{Cancel, Ended, Program, Streams, copy_output, spawn, wait_for_end};
use crate::io::log::BoundedLog;

/// The most that an answer may have in bytes.
const ANSWER: u64 = 64 << 20;

/// The two ends of the pipes.
#[derive(Debug)]
pub struct Dialogue {
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Dialogue {
    /// Waits for the next line; none if the program has ended.
    pub fn hear(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        self.answers.by_ref().take(ANSWER).read_until(b'\n', &mut line)?;
        let whole = line.ends_with(b"\n");
        Ok(whole.then(|| String::from_utf8_lossy(&line).into_owned()))
    }

    /// Asks, and waits for the answer; none if the program has ended.
    pub fn ask(&mut self, question: &str) -> io::Result<Option<String>> {
        let asked = self.questions.write_all(format!("{question}\n").as_bytes());
        match asked.and_then(|()| self.questions.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(None),
            asked => asked?,
        }
        self.hear()
    }
}

/// Starts a program, talks with it, and waits for its end, which the end of its standard input
/// asks for. Its standard error is in the log; all else is as [`super::run`] has it.
pub fn converse<T>(
    program: &Program<'_>,
    cancel: &Cancel,
    talk: impl FnOnce(&mut Dialogue) -> T,
) -> io::Result<(T, Ended)> {
    let log = BoundedLog::create(program.log, program.log_limit)?;
    let started = Instant::now();
    let (mut child, output) = spawn(program, &[], Streams::Ours)?;
    let pipes = child.stdin.take().zip(child.stdout.take());
    let (questions, answers) = pipes.ok_or_else(|| io::Error::other("the pipes are not there"))?;
    let mut dialogue = Dialogue { questions, answers: BufReader::new(answers) };
    let log = Arc::new(Mutex::new(log));
    let drained = copy_output(output, &log)?;
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (log, is_over) = (&log, &is_over);
        let watcher = scope.spawn(move || {
            let is_idle = || is_over.load(Ordering::SeqCst);
            wait_for_end(child, program.limit, cancel, &drained, log, started, is_idle)
        });
        let said = talk(&mut dialogue);
        drop(dialogue);
        is_over.store(true, Ordering::SeqCst);
        let ended = watcher.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok((said, ended))
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::time::Duration;

    use camino::Utf8Path;

    use super::{Cancel, Dialogue, converse};
    use crate::io::process::{End, Ended, LogLimit, Program};

    fn talk<T>(
        script: &str,
        limit: Option<Duration>,
        say: impl FnOnce(&mut Dialogue, &Cancel) -> T,
    ) -> (T, Ended, String) {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        let (log, cancel) = (dir.join("log"), Cancel::default());
        let program = Program {
            path: "/bin/sh".into(),
            args: &["-c", script].map(OsString::from),
            variables: &std::env::vars_os().collect(),
            directory: dir,
            log: &log,
            log_limit: LogLimit::default(),
            limit,
        };
        let (said, ended) = converse(&program, &cancel, |lines| say(lines, &cancel)).unwrap();
        (said, ended, fs_err::read_to_string(log).unwrap())
    }

    #[test]
    fn every_question_has_its_answer_and_the_rest_is_in_the_log() {
        let script = "while read line; do echo \"$line?\"; echo noise >&2; done; echo end >&2";
        let (said, ended, log) =
            talk(script, None, |lines, _| [lines.ask("a").unwrap(), lines.ask("b c").unwrap()]);
        assert_eq!(said, [Some("a?\n".to_owned()), Some("b c?\n".to_owned())]);
        assert_eq!((ended.how, &*log), (End::Exit(0), "noise\nnoise\nend\n"));
    }

    #[test]
    fn a_program_that_ends_early_answers_nothing() {
        let (said, ended, _) =
            talk("read line; echo half | tr -d '\\n'; exit 3", None, |lines, _| {
                [lines.ask("a").unwrap(), lines.ask("b").unwrap()]
            });
        assert_eq!((said, ended.how), ([None, None], End::Exit(3)));
    }

    #[test]
    fn who_waits_for_an_answer_that_never_comes_is_released() {
        let silent = "read line; sleep 1000";
        let limit = Some(Duration::from_millis(50));
        let (said, ended, _) = talk(silent, limit, |lines, _| lines.ask("a").unwrap());
        assert_eq!((said, ended.how), (None, End::TimedOut));
        let (said, ended, _) = talk(silent, None, |lines, cancel| {
            cancel.cancel();
            lines.ask("a").unwrap()
        });
        assert_eq!((said, ended.how), (None, End::Cancelled));
    }

    #[test]
    fn a_program_that_stays_when_all_is_said_is_ended() {
        let script = "read line; echo yes; sleep 1000";
        let (said, ended, _) = talk(script, None, |lines, _| lines.ask("a").unwrap());
        assert_eq!((said, ended.how), (Some("yes\n".to_owned()), End::TimedOut));
    }
}
