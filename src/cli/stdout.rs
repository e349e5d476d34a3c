//! Standard output, whose errors say so.

use std::io::{self, Write};

/// Writes to `W`, and names standard output in every error. The kind of the error stays.
pub(super) struct Stdout<W>(pub(super) W);

impl<W: Write> Write for Stdout<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.write(buf).map_err(named)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(named)
    }
}

fn named(error: io::Error) -> io::Error {
    // Who is called again by `write_all` looks for this one itself.
    if error.kind() == io::ErrorKind::Interrupted {
        return error;
    }
    io::Error::new(error.kind(), format!("failed to write to standard output: {error}"))
}
