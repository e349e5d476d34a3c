//! The log of a program: bounded on the disk and in memory, however much is printed.

use std::collections::VecDeque;
use std::io::{self, Read, Seek, SeekFrom, Write};

use camino::Utf8Path;

/// How much of a log is kept, in bytes: its beginning, where the cause often is, and its end,
/// where the error is.
#[derive(Clone, Copy, Debug)]
pub struct LogLimit {
    /// Bytes kept of the beginning; they are in the file as soon as they are printed.
    pub head: usize,
    /// Bytes kept of the end; they are in memory until the program has ended.
    pub tail: usize,
}

impl Default for LogLimit {
    fn default() -> Self {
        Self { head: 1 << 20, tail: 4 << 20 }
    }
}

/// A log being written.
pub(super) struct BoundedLog {
    file: Option<fs_err::File>,
    head_left: usize,
    tail: VecDeque<u8>,
    tail_limit: usize,
    left_out: u64,
    error: Option<io::Error>,
}

impl BoundedLog {
    pub(super) fn create(path: &Utf8Path, limit: LogLimit) -> io::Result<Self> {
        Ok(Self {
            file: Some(fs_err::File::create(path)?),
            head_left: limit.head,
            tail: VecDeque::new(),
            tail_limit: limit.tail,
            left_out: 0,
            error: None,
        })
    }

    /// Takes what the program printed. A full disk does not stop the program: what cannot be
    /// written is dropped, and [`finish`](Self::finish) says so.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let Some(file) = &mut self.file else { return };
        let (head, rest) = bytes.split_at(self.head_left.min(bytes.len()));
        self.head_left -= head.len();
        if self.error.is_none() {
            self.error = file.write_all(head).err();
        }
        // Of one piece that is longer than the tail, only its end can stay.
        let rest_kept = rest.len().min(self.tail_limit);
        let (skipped, kept) = rest.split_at(rest.len() - rest_kept);
        let overflow = (self.tail.len() + kept.len()).saturating_sub(self.tail_limit);
        self.tail.drain(..overflow.min(self.tail.len()));
        self.tail.extend(kept);
        self.left_out += (skipped.len() + overflow) as u64;
    }

    /// Writes the end. What is pushed later is dropped.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        let Some(mut file) = self.file.take() else { return Ok(()) };
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        if self.left_out > 0 {
            writeln!(file, "\n[mlc-package left out {} bytes of output here]", self.left_out)?;
        }
        let (front, back) = self.tail.as_slices();
        file.write_all(front)?;
        file.write_all(back)
    }
}

/// How far from its end a log is read for its last lines, in bytes.
const WINDOW: u64 = 64 << 10;
/// A line longer than this many characters is cut: it is shown to a person.
const LINE: usize = 400;

/// The last `count` lines of a log that hold anything, fit for a terminal: without escape
/// sequences and control characters, of a progress bar only its last state. Reads the file's
/// end only.
pub fn last_lines(path: &Utf8Path, count: usize) -> io::Result<Vec<String>> {
    let mut file = super::open::to_read(path)?;
    let len = file.metadata()?.len();
    let start = len.saturating_sub(WINDOW);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(WINDOW).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    // The first line of a window that begins within the file is most likely a part of one.
    let whole = if start == 0 { &*text } else { text.split_once('\n').map_or(&*text, |cut| cut.1) };
    let mut lines: Vec<_> =
        whole.lines().map(printable).filter(|line| !line.trim().is_empty()).collect();
    lines.drain(..lines.len().saturating_sub(count));
    Ok(lines)
}

/// All lines of a log that hold anything, as [`last_lines`] gives them. Of a log that is longer
/// than any that [`BoundedLog`] writes by default, the beginning.
pub fn all_lines(path: &Utf8Path) -> io::Result<Vec<String>> {
    const MOST: u64 = 8 << 20;
    let mut bytes = Vec::new();
    fs_err::File::open(path)?.take(MOST).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.lines().map(printable).filter(|line| !line.trim().is_empty()).collect())
}

/// One line as a terminal would leave it, without what steers the terminal.
fn printable(line: &str) -> String {
    let line = line.trim_end_matches('\r');
    let line = line.rsplit_once('\r').map_or(line, |(_, last)| last);
    let mut shown = String::new();
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        if c == '\u{1b}' {
            // A CSI sequence ends with a byte from `@` on; others have one more character.
            if rest.next_if_eq(&'[').is_some() {
                while rest.next().is_some_and(|c| !('@'..='~').contains(&c)) {}
            } else {
                rest.next();
            }
        } else if c == '\t' {
            shown.push_str("    ");
        } else if !c.is_control() {
            shown.push(c);
        }
    }
    match shown.char_indices().nth(LINE) {
        Some((cut, _)) => format!("{} …", shown.get(..cut).unwrap_or_default()),
        None => shown,
    }
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;

    use super::{BoundedLog, LogLimit, last_lines};

    fn logged(limit: LogLimit, pieces: &[&[u8]]) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("log");
        let mut log = BoundedLog::create(&path, limit).unwrap();
        pieces.iter().for_each(|piece| log.push(piece));
        log.finish().unwrap();
        log.push(b"too late");
        fs_err::read(path).unwrap()
    }

    #[test]
    fn what_fits_is_kept_whole() {
        let limit = LogLimit { head: 4, tail: 6 };
        assert_eq!(logged(limit, &[b"ab", b"cdef", b"ghij"]), b"abcdefghij");
        assert_eq!(logged(limit, &[b"abcdefghij"]), b"abcdefghij");
    }

    #[test]
    fn of_more_the_beginning_and_the_end_are_kept() {
        let limit = LogLimit { head: 4, tail: 6 };
        let expected = b"abcd\n[mlc-package left out 3 bytes of output here]\nhijklm";
        assert_eq!(logged(limit, &[b"abcdefghijklm"]), expected);
        assert_eq!(logged(limit, &[b"abc", b"defgh", b"ij", b"klm"]), expected);
    }

    #[test]
    fn last_lines_are_fit_for_a_terminal() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("log");
        let text = "first\n 10%\r 50%\r100%\r\n\n\u{1b}[31mred\u{1b}[0m\u{7}\tend\u{1b}]0\n\n";
        fs_err::write(&path, text).unwrap();
        assert_eq!(last_lines(&path, 2).unwrap(), ["100%", "red    end0"]);
        assert_eq!(last_lines(&path, 9).unwrap().len(), 3);
    }

    #[test]
    fn only_the_end_of_a_long_log_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("log");
        let text = format!("first\n{}\nlast {}\n", "x\n".repeat(100_000), "y".repeat(1000));
        fs_err::write(&path, text).unwrap();
        let lines = last_lines(&path, 1_000_000).unwrap();
        assert!(lines.len() < 40_000 && lines[0] == "x");
        assert_eq!(lines.last().unwrap().chars().count(), 402);
    }
}
