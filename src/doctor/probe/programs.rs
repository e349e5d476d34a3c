use std::ffi::{OsStr, OsString};
use std::io;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::Machine;
use crate::doctor::facts::Tool;
use crate::io::answer::{self, Question};
use crate::io::cancel::Cancel;
use crate::io::process;

/// How long a program may take to say its version: a disk may have to wake up.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most it may say in bytes.
const LIMIT: u64 = 64 << 10;
/// The longest first line that is shown, in characters.
const LINE: usize = 80;

/// Where a shell would find a program.
pub(super) fn find(machine: &Machine<'_>, name: &str) -> Option<Utf8PathBuf> {
    let path = machine.variables.get(OsStr::new("PATH"));
    process::find_program(name, path.map(|path| &**path), machine.directory)
}

/// A program of `PATH`, and the first line of what it says.
pub(super) fn tool(machine: &Machine<'_>, name: &str, args: &[&str], cancel: &Cancel) -> Tool {
    let Some(path) = find(machine, name) else { return Tool::Missing };
    match ask(machine, &path, args, cancel).as_deref().and_then(first_line) {
        Some(says) => Tool::Found { path, says },
        None => Tool::Silent(path),
    }
}

/// The targets that rustup has installed.
pub(super) fn rust_targets(machine: &Machine<'_>, cancel: &Cancel) -> Vec<String> {
    let answer = find(machine, "rustup")
        .and_then(|rustup| ask(machine, &rustup, &["target", "list", "--installed"], cancel));
    answer.unwrap_or_default().lines().map(|line| line.trim().to_owned()).collect()
}

/// What a program says on standard output; none if it fails or says nothing in time.
pub(super) fn ask(
    machine: &Machine<'_>,
    path: &Utf8Path,
    args: &[&str],
    cancel: &Cancel,
) -> Option<String> {
    let args: Vec<_> = args.iter().map(OsString::from).collect();
    let question = Question {
        path,
        args: &args,
        variables: machine.variables,
        directory: machine.directory,
        limit: LIMIT,
        patience: PATIENCE,
    };
    for _ in 0..50 {
        match answer::ask(&question, cancel) {
            // Somebody still has the program open for writing: it was just installed.
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {
                std::thread::sleep(Duration::from_millis(20));
            }
            answer => return String::from_utf8(answer.ok()??).ok(),
        }
    }
    None
}

/// The first line with anything in it, short and without what steers a terminal.
pub(super) fn first_line(text: &str) -> Option<String> {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    Some(line.chars().filter(|c| !c.is_control()).take(LINE).collect())
}
