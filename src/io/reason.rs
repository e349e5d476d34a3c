//! Why a Python program gave up, as its log says.

use camino::Utf8Path;

use super::log::all_lines;

/// What a person is shown of the log of a program that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reason {
    /// The exception that ended it: `ValueError: what was wrong`.
    pub exception: Option<String>,
    /// The lines that end with it, or a little after; without one, the log's last lines.
    pub lines: Vec<String>,
}

/// How many lines after the exception are shown: the message of an error may have several, and
/// TVM prints a module after it that has thousands.
const AFTER: usize = 4;

/// Looks through a log for the exception that ended the program, and gives at most `count` lines.
/// Of a log that cannot be read, nothing.
pub fn of_python(log: &Utf8Path, count: usize) -> Reason {
    in_lines(all_lines(log).unwrap_or_default(), count)
}

fn in_lines(mut lines: Vec<String>, count: usize) -> Reason {
    let at = lines.iter().rposition(|line| is_exception(line));
    let exception = at.and_then(|at| lines.get(at).cloned());
    if let Some(at) = at {
        lines.truncate(at + 1 + AFTER);
    }
    lines.drain(..lines.len().saturating_sub(count));
    Reason { exception, lines }
}

/// Whether a line is the last of a traceback: `package.SomethingError: message`, at its beginning.
fn is_exception(line: &str) -> bool {
    let (name, message) = line.split_once(':').unwrap_or((line, ""));
    let word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let named = name.ends_with("Error") || name.ends_with("Exception");
    // `Error: …` alone is what many programs say, of whatever.
    let kind = name.rsplit('.').next().unwrap_or_default();
    let of_python = !matches!(kind, "Error" | "Exception") || name.contains('.');
    named
        && of_python
        && name.split('.').all(word)
        && (message.is_empty() || message.starts_with(' '))
}

#[cfg(test)]
mod tests {
    use super::{AFTER, in_lines, is_exception};

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn the_exception_is_found_before_what_is_printed_after_it() {
        let dump: String =
            (0..900).map(|n| format!("  lv{n} = R.call_tir(cls.matmul{n})\n")).collect();
        let log = format!(
            "[2026-01-01 00:00:00] INFO compile.py:42: Compiling\n\
             Traceback (most recent call last):\n  File \"a.py\", line 1, in <module>\n\
             KeyError: 'first'\n\
             During handling of the above exception, another exception occurred:\n\
             Traceback (most recent call last):\n  File \"b.py\", line 2, in <module>\n\
             tvm.error.InternalError: Check failed: (it) is false: the second\n\
             # from tvm.script import ir as I\n{dump}"
        );
        let reason = in_lines(lines(&log), 20);
        let exception = "tvm.error.InternalError: Check failed: (it) is false: the second";
        assert_eq!(reason.exception.as_deref(), Some(exception));
        assert_eq!(reason.lines[reason.lines.len() - 1 - AFTER], exception);
        assert!(reason.lines.len() <= 20);

        let reason = in_lines(lines(&"x\n".repeat(99)), 20);
        assert_eq!((reason.exception, reason.lines.len()), (None, 20));
    }

    #[test]
    fn an_exception_is_a_dotted_name_and_a_message() {
        for line in [
            "ValueError: Cannot find quantization: q5",
            "AssertionError",
            "tvm.error.DiagnosticError: error: Undefined variable: x",
            "MemoryError",
            "subprocess.CalledProcessError: Command",
            "mlc_llm.Exception: x",
        ] {
            assert!(is_exception(line), "{line}");
        }
        for line in [
            "Error: it is not there",
            "  ValueError: quoted",
            "CMake Error: x",
            "ValueError:x",
            "-- Error",
            "lv: R.Tensor = Error",
            "1Error: x",
            "",
        ] {
            assert!(!is_exception(line), "{line}");
        }
    }
}
