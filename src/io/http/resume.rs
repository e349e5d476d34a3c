//! A file that comes in one stream; a connection that breaks is gone on from where it was.

use super::session::{Ask, Failure, Session, SessionError};
use super::{Response, StatusCode};
use crate::io::retry::{Backoff, Passing};

/// So much is progress, in bytes: failures before it are forgotten.
pub const PROGRESS: u64 = 64 << 10;

/// Why a stream ended early.
pub enum Broken<'a, E> {
    /// It cannot be had.
    Session(SessionError),
    /// The server says no.
    Refused(Box<super::session::Refusal<'a>>),
    /// Whoever takes the bytes wants no more.
    Sink(E),
}

impl<'a> Session<'a> {
    /// Gives all bytes of a file to `sink`, in order, each once.
    pub fn stream<E>(
        &self,
        ask: Ask<'_>,
        bytes: u64,
        sink: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), Broken<'a, E>> {
        let mut backoff = Backoff::new(self.retry);
        let mut at = 0;
        while at < bytes {
            let before = at;
            let passing = match self.stream_once(ask, bytes, &mut at, sink) {
                Ok(()) => continue,
                Err(Once::Sink(error)) => return Err(Broken::Sink(error)),
                Err(Once::Failure(Failure::Final(error))) => return Err(Broken::Session(error)),
                Err(Once::Failure(Failure::Passing(passing))) => passing,
                Err(Once::Failure(Failure::Refused(refusal))) => {
                    match refusal.passing(self.retry) {
                        Some(passing) => passing,
                        None => return Err(Broken::Refused(refusal)),
                    }
                }
            };
            if at - before >= PROGRESS {
                backoff.reset();
            }
            self.again(&mut backoff, &passing).map_err(Broken::Session)?;
        }
        Ok(())
    }

    fn stream_once<E>(
        &self,
        ask: Ask<'_>,
        bytes: u64,
        at: &mut u64,
        sink: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), Once<'a, E>> {
        let range = (*at > 0).then_some((*at, bytes));
        let super::session::Answer { mut response, url } = self.ask(Ask { range, ..ask })?;
        let mut ahead = Ahead::of(&response, *at)?;
        loop {
            let piece = response.next_piece().map_err(|error| Failure::of(error, &url))?;
            let Some(piece) = piece else { break };
            let new = ahead.pass(piece.as_ref());
            if new.len() as u64 > bytes - *at {
                return Err(
                    Passing::new(format!("it has more than the {bytes} bytes listed")).into()
                );
            }
            if !new.is_empty() {
                sink(new).map_err(Once::Sink)?;
                *at += new.len() as u64;
            }
        }
        match bytes - *at {
            0 => Ok(()),
            left => Err(Passing::new(format!("the answer ended {left} bytes early")).into()),
        }
    }
}

enum Once<'a, E> {
    Failure(Failure<'a>),
    Sink(E),
}

impl<'a, E> From<Failure<'a>> for Once<'a, E> {
    fn from(failure: Failure<'a>) -> Self {
        Self::Failure(failure)
    }
}

impl<E> From<Passing> for Once<'_, E> {
    fn from(passing: Passing) -> Self {
        Self::Failure(passing.into())
    }
}

/// The bytes of an answer before the one from which it was asked for: nobody wants them.
pub struct Ahead(u64);

impl Ahead {
    /// None where the range from `start` came. A server that knows no ranges sends the whole file.
    ///
    /// # Errors
    /// Another range came.
    pub fn of(response: &Response, start: u64) -> Result<Self, Passing> {
        if response.status() != StatusCode::PARTIAL_CONTENT {
            return Ok(Self(start));
        }
        let header = response.header("content-range").unwrap_or("");
        match content_range(header) {
            Some((first, ..)) if first == start => Ok(Self(0)),
            _ => Err(Passing::new(format!(
                "the server sent another range than the one requested (Content-Range: {header})"
            ))),
        }
    }

    /// What of the next piece is wanted.
    pub fn pass<'p>(&mut self, piece: &'p [u8]) -> &'p [u8] {
        let unwanted = usize::try_from(self.0).map_or(piece.len(), |n| n.min(piece.len()));
        self.0 -= unwanted as u64;
        piece.get(unwanted..).unwrap_or_default()
    }
}

/// Reads `bytes 0-99/200` (RFC 9110, 14.4): first byte, last byte, size if it is known.
pub fn content_range(header: &str) -> Option<(u64, u64, Option<u64>)> {
    let (range, total) = header.trim().strip_prefix("bytes")?.trim_start().split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let total = if total == "*" { None } else { Some(total.parse().ok()?) };
    Some((first.parse().ok()?, last.parse().ok()?, total))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::content_range;

    #[test]
    fn a_content_range_has_three_numbers_or_two() {
        assert_eq!(content_range("bytes 5-9/20"), Some((5, 9, Some(20))));
        assert_eq!(content_range("bytes 5-9/*"), Some((5, 9, None)));
        for header in ["", "bytes", "bytes */20", "bytes 5-/20", "items 5-9/20", "bytes 5-9"] {
            assert_eq!(content_range(header), None, "{header}");
        }
    }

    proptest! {
        #[test]
        fn any_content_range_is_read_or_not(
            first: u64,
            last: u64,
            total: Option<u64>,
            noise in "bytes ?[0-9*/+-]{0,50}|\\PC{0,20}",
        ) {
            let size = total.map_or("*".to_owned(), |total| total.to_string());
            let header = format!("bytes {first}-{last}/{size}");
            prop_assert_eq!(content_range(&header), Some((first, last, total)));
            if content_range(&noise).is_some() {
                prop_assert!(noise.contains('-') && noise.contains('/'), "{}", noise);
            }
        }
    }
}
