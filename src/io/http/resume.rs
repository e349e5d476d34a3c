//! A file that comes in one stream; a connection that breaks is gone on from where it was.

use super::session::{Ask, Failure, Session, SessionError};
use super::{HttpError, Response, StatusCode};
use crate::io::retry::{Backoff, Passing};

/// So much is progress, in bytes: failures before it are forgotten.
pub const PROGRESS: u64 = 64 << 10;

/// How long a file is, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// So long: what ends earlier is asked for again.
    Exactly(u64),
    /// Nobody said it, but nothing that is longer is wanted.
    AtMost(u64),
}

impl Length {
    fn most(self) -> u64 {
        let (Self::Exactly(bytes) | Self::AtMost(bytes)) = self;
        bytes
    }
}

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
        length: Length,
        sink: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), Broken<'a, E>> {
        let mut backoff = Backoff::new(self.retry);
        let mut at = 0;
        while at < length.most() {
            let before = at;
            let passing = match self.stream_once(ask, length, &mut at, sink) {
                Ok(()) => break,
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
        length: Length,
        at: &mut u64,
        sink: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), Once<'a, E>> {
        let most = length.most();
        let range = (*at > 0).then_some((*at, most));
        let super::session::Answer { mut response, url } = self.ask(Ask { range, ..ask })?;
        let mut ahead = Ahead::of(&response, *at)?;
        let too_long = || match length {
            Length::Exactly(bytes) => {
                Passing::new(format!("it has more than the {bytes} bytes listed")).into()
            }
            Length::AtMost(bytes) => Once::from(Failure::of(HttpError::TooLong(bytes), &url)),
        };
        let announced = response.header("content-length").and_then(|text| text.parse().ok());
        if announced.is_some_and(|bytes: u64| bytes.saturating_sub(ahead.0) > most - *at) {
            return Err(too_long());
        }
        loop {
            let piece = response.next_piece().map_err(|error| Failure::of(error, &url))?;
            let Some(piece) = piece else { break };
            let new = ahead.pass(piece.as_ref());
            if new.len() as u64 > most - *at {
                return Err(too_long());
            }
            if !new.is_empty() {
                sink(new).map_err(Once::Sink)?;
                *at += new.len() as u64;
            }
        }
        match length {
            Length::Exactly(bytes) if *at < bytes => {
                let left = bytes - *at;
                Err(Passing::new(format!("the answer ended {left} bytes early")).into())
            }
            _ => Ok(()),
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
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::super::{Cancel, Client, ClientOptions, Url};
    use super::{Broken, Length, Session, content_range};
    use crate::io::clock::Clock;
    use crate::io::http::session::{Ask, SessionError};
    use crate::io::retry::RetryPolicy;

    const HEAD: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\n";

    /// A server that gives each connection the next of these answers, as it is, and says what was asked.
    fn server(answers: Vec<String>) -> (Url, std::thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/kit", listener.local_addr().unwrap());
        let serve = move || {
            let answer = |answer: String| {
                let (mut stream, _) = listener.accept().unwrap();
                let lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let head: Vec<_> =
                    lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
                // Whoever has had enough closes the connection.
                let _ = stream.write_all(answer.as_bytes());
                head.join("\n").to_lowercase()
            };
            answers.into_iter().map(answer).collect()
        };
        (Url::parse(&url).unwrap(), std::thread::spawn(serve))
    }

    fn stream(url: &Url, length: Length) -> (Vec<u8>, Result<(), SessionError>) {
        let options = ClientOptions {
            stall: Duration::from_secs(60),
            system_proxy: false,
            clock: Clock::default(),
        };
        let client = Client::new(&options).unwrap();
        let cancel = Cancel::default();
        let retry = RetryPolicy { first: Duration::ZERO, ..RetryPolicy::default() };
        let session = Session {
            client: &client,
            home: url,
            token: None,
            cancel: &cancel,
            retry: &retry,
            on_wait: &|_, _| (),
        };
        let ask = Ask { url, range: None, headers: &[], stranger: true };
        let mut got = Vec::new();
        let done = session.stream(ask, length, &mut |piece| {
            got.extend_from_slice(piece);
            Ok::<_, std::convert::Infallible>(())
        });
        let done = done.map_err(|broken| match broken {
            Broken::Session(error) => error,
            Broken::Refused(_) | Broken::Sink(_) => panic!("it was not refused"),
        });
        (got, done)
    }

    #[test]
    fn a_connection_that_breaks_is_gone_on_from_where_it_was_whether_the_length_is_known_or_not() {
        for length in [Length::Exactly(10), Length::AtMost(100)] {
            let (url, served) = server(vec![
                format!("{HEAD}content-length: 10\r\n\r\n0123"),
                "HTTP/1.1 206 Partial Content\r\nconnection: close\r\ncontent-length: 6\r\n\
                 content-range: bytes 4-9/10\r\n\r\n456789"
                    .to_owned(),
            ]);
            let (got, done) = stream(&url, length);
            done.unwrap();
            assert_eq!(got, b"0123456789");
            let asked = served.join().unwrap();
            assert!(!asked[0].contains("range:"), "{asked:?}");
            assert!(asked[1].contains("range: bytes=4-"), "{asked:?}");
        }
    }

    #[test]
    fn no_more_is_taken_than_is_wanted() {
        let chunk = format!("1f4\r\n{}\r\n", "x".repeat(500));
        for (answer, most) in [
            (format!("{HEAD}content-length: 1001\r\n\r\n"), 0),
            (format!("{HEAD}transfer-encoding: chunked\r\n\r\n{}", chunk.repeat(1000)), 1000),
        ] {
            let (url, served) = server(vec![answer]);
            let (got, done) = stream(&url, Length::AtMost(1000));
            let error = done.unwrap_err().to_string();
            assert!(error.ends_with("the answer is longer than 1000 bytes"), "{error}");
            assert!(got.len() <= most, "{}", got.len());
            served.join().unwrap();
        }
    }

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
