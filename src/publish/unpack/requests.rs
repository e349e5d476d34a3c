//! One request for an asset: its redirects, its token, and what its answer means.

use std::time::{Duration, SystemTime};

use super::{Events, UnpackError, UnpackEvent};
use crate::io::cancel::Cancel;
use crate::io::http::{Client, Get, HttpError, Response, StatusCode, Url};
use crate::io::retry::{self, Backoff, RetryPolicy};
use crate::io::secret::Secret;

/// GitHub redirects once, to where its assets are; more than a few are a loop.
const MAX_REDIRECTS: u32 = 8;

/// So much is progress: failures before it are forgotten.
const PROGRESS: u64 = 64 << 10;

/// Why a request was in vain.
pub(super) enum Failure {
    /// It will not be otherwise next time.
    Final(UnpackError),
    /// There is nothing, or nothing for whoever asks.
    Refused { url: String, status: u16 },
    /// It may be otherwise next time.
    Passing { why: String, after: Option<Duration> },
}

impl Failure {
    pub(super) fn passing(why: impl Into<String>) -> Self {
        Self::Passing { why: why.into(), after: None }
    }
}

impl From<HttpError> for Failure {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Cancelled => Self::Final(UnpackError::Interrupted),
            error @ HttpError::Setup(_) => Self::Final(setup(&error)),
            error => Self::passing(error.to_string()),
        }
    }
}

/// What every request needs.
pub(super) struct Asker<'a> {
    pub(super) client: Client,
    pub(super) cancel: &'a Cancel,
    pub(super) retry: &'a RetryPolicy,
    pub(super) events: Events<'a>,
}

/// What is asked for, and as whom.
#[derive(Clone)]
pub(super) struct Address<'t> {
    pub(super) url: Url,
    /// Sent to this address's own host, and to no other that it redirects to.
    pub(super) token: Option<&'t Secret>,
    pub(super) accept: Option<&'static str>,
}

impl Asker<'_> {
    /// Asks once, follows redirects, and gives an answer whose status is 200 or 206.
    pub(super) fn ask(
        &self,
        address: &Address<'_>,
        range: Option<(u64, u64)>,
    ) -> Result<Response<'_>, Failure> {
        let mut url = address.url.clone();
        for _ in 0..MAX_REDIRECTS {
            let home = url.origin() == address.url.origin();
            let bearer = address.token.filter(|_| home);
            let get = Get { url: &url, bearer, range, accept: address.accept };
            let response = self.client.get(&get, self.cancel)?;
            let status = response.status();
            if status == StatusCode::OK || status == StatusCode::PARTIAL_CONTENT {
                return Ok(response);
            }
            if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Err(refusal(&response, &url, home));
            }
            url = redirected(&url, response.header("location"))?;
        }
        Err(redirect(&address.url, format!("it redirects more than {MAX_REDIRECTS} times")))
    }

    /// A small body; none where there is nothing, or nothing for whoever asks.
    pub(super) fn small(
        &self,
        name: &str,
        address: &Address<'_>,
        limit: u64,
    ) -> Result<Result<Vec<u8>, u16>, UnpackError> {
        let mut backoff = Backoff::new(self.retry);
        loop {
            let body = self.ask(address, None).and_then(|response| Ok(response.body(limit)?));
            match body {
                Ok(body) => return Ok(Ok(body)),
                Err(Failure::Refused { status, .. }) => return Ok(Err(status)),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Passing { why, after }) => {
                    self.again(&mut backoff, name, &address.url, why, after)?;
                }
            }
        }
    }

    /// Gives all bytes of a file to `sink`. A connection that breaks is gone on from where it was.
    pub(super) fn stream(
        &self,
        name: &str,
        address: &Address<'_>,
        bytes: u64,
        sink: super::Sink<'_>,
    ) -> Result<(), UnpackError> {
        let mut backoff = Backoff::new(self.retry);
        let mut at = 0;
        while at < bytes {
            let before = at;
            match self.stream_once(address, bytes, &mut at, sink) {
                Ok(()) => {}
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Refused { url, status }) => {
                    return Err(refused(url, status, address.token.is_some()));
                }
                Err(Failure::Passing { why, after }) => {
                    if at - before >= PROGRESS {
                        backoff.reset();
                    }
                    self.again(&mut backoff, name, &address.url, why, after)?;
                }
            }
        }
        Ok(())
    }

    fn stream_once(
        &self,
        address: &Address<'_>,
        bytes: u64,
        at: &mut u64,
        sink: super::Sink<'_>,
    ) -> Result<(), Failure> {
        let mut response = self.ask(address, (*at > 0).then_some((*at, bytes)))?;
        // What is there already, of an answer that begins at the beginning.
        let mut passed = match response.status() {
            StatusCode::PARTIAL_CONTENT => {
                let range = response.header("content-range").unwrap_or("");
                let begins = range.trim().strip_prefix(&format!("bytes {at}-")).is_some();
                if !begins {
                    return Err(Failure::passing(format!(
                        "another part than was asked for came (Content-Range: {range})"
                    )));
                }
                0
            }
            _ => *at,
        };
        while let Some(piece) = response.next_piece()? {
            let piece = piece.as_ref();
            let known = usize::try_from(passed).map_or(piece.len(), |n| n.min(piece.len()));
            passed -= known as u64;
            let new = piece.get(known..).unwrap_or_default();
            if new.len() as u64 > bytes - *at {
                return Err(Failure::passing(format!("it has more than the {bytes} bytes listed")));
            }
            if !new.is_empty() {
                sink(new).map_err(Failure::Final)?;
                *at += new.len() as u64;
            }
        }
        if *at == bytes {
            return Ok(());
        }
        Err(Failure::passing(format!("the answer ended {} bytes early", bytes - *at)))
    }

    /// Waits before the next try, or gives up.
    fn again(
        &self,
        backoff: &mut Backoff<'_>,
        name: &str,
        url: &Url,
        why: String,
        after: Option<Duration>,
    ) -> Result<(), UnpackError> {
        let Some(after) = backoff.failed(after) else {
            let why = format!("{why} ({} times)", backoff.failures());
            return Err(UnpackError::Http { url: printable(url), why, help: None });
        };
        (self.events)(UnpackEvent::Retry { name, why, after });
        if retry::wait(after, self.cancel) { Ok(()) } else { Err(UnpackError::Interrupted) }
    }
}

fn redirected(from: &Url, location: Option<&str>) -> Result<Url, Failure> {
    let location = location.ok_or_else(|| redirect(from, "it redirects to nowhere".to_owned()))?;
    let url = from
        .join(location)
        .map_err(|error| redirect(from, format!("it redirects to no address ({error})")))?;
    match (from.scheme(), url.scheme()) {
        ("https", "https") | ("http", "http" | "https") => Ok(url),
        (_, scheme) => {
            Err(redirect(from, format!("it redirects to {scheme}://, which is not safe")))
        }
    }
}

fn redirect(from: &Url, why: String) -> Failure {
    Failure::Final(UnpackError::Http { url: printable(from), why, help: None })
}

/// What an answer without content means.
fn refusal(response: &Response<'_>, url: &Url, home: bool) -> Failure {
    let status = response.status();
    let after = response
        .header("retry-after")
        .and_then(|value| retry::retry_after(value, SystemTime::now()));
    // GitHub's limits are 403 and 429, with the seconds to wait.
    let limited = matches!(status.as_u16(), 403 | 429) && after.is_some();
    match status.as_u16() {
        _ if limited => Failure::Passing { why: status.to_string(), after },
        408 | 416 | 425 | 429 | 500..=599 => Failure::Passing { why: status.to_string(), after },
        // Another host's addresses are signed for a time, and may have run out.
        400..=499 if !home => Failure::Passing { why: status.to_string(), after },
        401 | 403 | 404 => Failure::Refused { url: printable(url), status: status.as_u16() },
        _ => Failure::Final(UnpackError::Http {
            url: printable(url),
            why: format!("the server answers {status}"),
            help: None,
        }),
    }
}

/// An address that gives nothing to whoever asks.
pub(super) fn refused(url: String, status: u16, token: bool) -> UnpackError {
    let why = match status {
        404 => "there is no such file, or it is not for everybody".to_owned(),
        status => format!("the server answers {status}"),
    };
    let help = if token {
        "check the address; for a private repository, the token of GH_TOKEN or GITHUB_TOKEN must \
         be allowed to read its contents"
    } else {
        "check the address; a release of a private repository needs GH_TOKEN or GITHUB_TOKEN, and \
         drafts are not served at all"
    };
    UnpackError::Http { url, why, help: Some(help.to_owned()) }
}

/// The client cannot be made.
pub(super) fn setup(error: &HttpError) -> UnpackError {
    UnpackError::Read(std::io::Error::other(error.to_string()))
}

/// An address without what may be secret in it: a signature in the query, a password.
pub(super) fn printable(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // Fails for addresses that cannot have either.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}
