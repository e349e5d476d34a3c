//! Requests to one server and wherever it redirects to: its token, which goes to it alone, what an
//! answer means that is no success, when to ask again, and how much of an answer is read.

use std::time::Duration;

use serde::de::DeserializeOwned;

use super::address::printable;
use super::{Cancel, Client, Get, HttpError, Response, Secret, StatusCode, Url};
use crate::io::retry::{Backoff, Passing, RetryPolicy, rate_limit, retry_after};

/// Servers redirect once, to where their files are; more than a few redirects are a loop.
const MAX_REDIRECTS: u32 = 8;

/// A wait, for whoever shows it: why, and how long.
pub type OnWait<'a> = &'a dyn Fn(&str, Duration);

/// A server, and who asks it.
#[derive(Clone, Copy)]
pub struct Session<'a> {
    /// The connections.
    pub client: &'a Client,
    /// The server. The token goes to addresses of its scheme, host and port, and to no other.
    pub home: &'a Url,
    /// Who asks.
    pub token: Option<&'a Secret>,
    /// The wish to stop.
    pub cancel: &'a Cancel,
    /// How failed requests are repeated.
    pub retry: &'a RetryPolicy,
    /// Who shows that something is asked for again.
    pub on_wait: OnWait<'a>,
}

/// What is asked for.
#[derive(Clone, Copy)]
pub struct Ask<'r> {
    /// Where.
    pub url: &'r Url,
    /// The first byte and the one after the last.
    pub range: Option<(u64, u64)>,
    /// Other headers.
    pub headers: &'r [(&'static str, &'r str)],
    /// Whether it is asked for as by a stranger: without the token, of the address's own server.
    pub stranger: bool,
}

/// An answer of success.
pub struct Answer<'a> {
    /// Its body, not yet read.
    pub response: Response<'a>,
    /// Where it came from in the end.
    pub url: Url,
}

/// An answer that is no success and no redirect.
pub struct Refusal<'a> {
    /// Its body, not yet read.
    pub response: Response<'a>,
    /// Where it came from in the end.
    pub url: Url,
    /// Whether that is the server itself, and not another that it redirected to.
    pub at_home: bool,
}

/// Why a request has no answer of success.
pub enum Failure<'a> {
    /// It will not be otherwise next time.
    Final(SessionError),
    /// It may be otherwise next time.
    Passing(Passing),
    /// The server says no.
    Refused(Box<Refusal<'a>>),
}

/// Why nothing was had, for good.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// It failed again and again.
    #[error("{why} (tried {attempts} times)")]
    GaveUp {
        /// The last failure.
        why: String,
        /// How often it was tried without getting further.
        attempts: u32,
    },
    /// A redirect that is not followed.
    #[error("{url} redirects {why}")]
    Redirect {
        /// What was asked for.
        url: String,
        /// Where to, and what is wrong with it.
        why: String,
    },
    /// An answer that cannot be used, and would not be another next time.
    #[error("{url}: {why}")]
    Answer {
        /// What was asked for.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The server's certificate is not trusted.
    #[error("{url}: the server's certificate is not trusted: {why}")]
    Certificate {
        /// What was asked for.
        url: String,
        /// Why not.
        why: String,
    },
    /// The HTTP client cannot be made, or not with this token.
    #[error("{0}")]
    Client(String),
    /// Somebody asked to stop.
    #[error("cancelled")]
    Cancelled,
}

/// What to do about a certificate that is not trusted.
pub const CERTIFICATE_HELP: &str = "behind a company's proxy, name the file with its certificate \
                                    authority (PEM) in SSL_CERT_FILE, REQUESTS_CA_BUNDLE or \
                                    CURL_CA_BUNDLE";

impl SessionError {
    /// What to do about it, where that is the same of every server.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::Certificate { .. } => Some(CERTIFICATE_HELP),
            _ => None,
        }
    }

    fn wrong(url: &Url, why: impl Into<String>) -> Self {
        Self::Answer { url: printable(url), why: why.into() }
    }
}

impl From<SessionError> for Failure<'_> {
    fn from(error: SessionError) -> Self {
        Self::Final(error)
    }
}

impl From<Passing> for Failure<'_> {
    fn from(passing: Passing) -> Self {
        Self::Passing(passing)
    }
}

impl Failure<'_> {
    /// What an error of the connection to an address means.
    pub fn of(error: HttpError, url: &Url) -> Self {
        match error {
            HttpError::Cancelled => Self::Final(SessionError::Cancelled),
            HttpError::Setup(why) => Self::Final(SessionError::Client(why)),
            HttpError::Certificate(why) => {
                Self::Final(SessionError::Certificate { url: printable(url), why })
            }
            error @ (HttpError::TooLong(_) | HttpError::TooSlow) => {
                Self::Final(SessionError::wrong(url, error.to_string()))
            }
            error @ (HttpError::Broken(_) | HttpError::Stalled(_)) => {
                Self::Passing(Passing::new(error.to_string()))
            }
        }
    }
}

impl<'a> Session<'a> {
    /// Asks once, follows redirects, and gives an answer of success.
    pub fn ask(&self, ask: Ask<'_>) -> Result<Answer<'a>, Failure<'a>> {
        let mut url = ask.url.clone();
        let home = if ask.stranger { ask.url } else { self.home }.origin();
        for _ in 0..=MAX_REDIRECTS {
            let at_home = url.origin() == home;
            let bearer = self.token.filter(|_| at_home && !ask.stranger);
            let get = Get { url: &url, bearer, range: ask.range, headers: ask.headers };
            let response = self.client.get(&get, self.cancel);
            let response = response.map_err(|error| Failure::of(error, &url))?;
            let status = response.status();
            if status.is_success() {
                return Ok(Answer { response, url });
            }
            if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Err(Failure::Refused(Box::new(Refusal { response, url, at_home })));
            }
            url = redirected(&url, response.header("location"))?;
        }
        let why = format!("more than {MAX_REDIRECTS} times");
        Err(SessionError::Redirect { url: printable(ask.url), why }.into())
    }

    /// Does something until it succeeds or fails for good; what the server refuses for now is asked
    /// for again too.
    pub fn insist<T>(
        &self,
        mut action: impl FnMut() -> Result<T, Failure<'a>>,
    ) -> Result<T, Failure<'a>> {
        let mut backoff = Backoff::new(self.retry);
        loop {
            let passing = match action() {
                Err(Failure::Passing(passing)) => passing,
                Err(Failure::Refused(refusal)) => match refusal.passing(self.retry) {
                    Some(passing) => passing,
                    None => return Err(Failure::Refused(refusal)),
                },
                done => return done,
            };
            self.again(&mut backoff, &passing)?;
        }
    }

    /// The body of an answer, which is held in memory: at most `limit` bytes.
    pub fn body(answer: Answer<'a>, limit: u64) -> Result<Vec<u8>, Failure<'a>> {
        let url = answer.url;
        answer.response.body(limit).map_err(|error| Failure::of(error, &url))
    }

    /// Waits before something is asked for again, and says why; an error is that it is not.
    pub fn again(&self, backoff: &mut Backoff<'_>, passing: &Passing) -> Result<(), SessionError> {
        let Some(time) = backoff.failed(passing) else {
            let (why, attempts) = (passing.why.clone(), backoff.failures());
            return Err(SessionError::GaveUp { why, attempts });
        };
        (self.on_wait)(&passing.why, time);
        match self.retry.clock.wait(time, self.cancel) {
            true => Ok(()),
            false => Err(SessionError::Cancelled),
        }
    }
}

impl Refusal<'_> {
    /// The status.
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// How long the server asks to wait.
    pub fn after(&self, retry: &RetryPolicy) -> Option<Duration> {
        let header = |name| self.response.header(name);
        let after = header("retry-after").and_then(|text| retry_after(text, retry.clock.date()));
        // The Hub names the time only here.
        after.or_else(|| rate_limit(header("ratelimit")?))
    }

    /// What it means, if it may be otherwise next time: by its status, where the body says no
    /// more than that.
    pub fn passing(&self, retry: &RetryPolicy) -> Option<Passing> {
        let (status, after) = (self.status(), self.after(retry));
        let passing = |why: String| Some(Passing::in_trouble(why, after));
        match (status.as_u16(), after) {
            (429, Some(after)) => passing(format!("rate limit: {} s", after.as_secs())),
            // GitHub's limits may be 403, with the seconds to wait.
            (403, Some(_)) => passing(status.to_string()),
            (408 | 416 | 425 | 429 | 500..=599, _) => passing(status.to_string()),
            // Another host's addresses are signed for a time, and may have run out.
            (400..=499, _) if !self.at_home => Some(Passing::new(status.to_string())),
            _ => None,
        }
    }
}

/// Reads a JSON text that an address gave; or says what it is instead.
pub fn json<T: DeserializeOwned>(text: &[u8], url: &Url) -> Result<T, SessionError> {
    serde_json::from_slice(text).map_err(|error| {
        let why = match is_page(text) {
            true => "an HTML page came instead of JSON: a proxy or a login page answers for it"
                .to_owned(),
            false => format!("it is not the JSON that was expected: {error}"),
        };
        SessionError::wrong(url, why)
    })
}

/// Whether a text begins like a page for people.
pub fn is_page(text: &[u8]) -> bool {
    let begin = text.trim_ascii_start();
    let starts =
        |with: &[u8]| begin.get(..with.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(with));
    starts(b"<!doctype") || starts(b"<html") || starts(b"<?xml")
}

fn redirected(from: &Url, location: Option<&str>) -> Result<Url, SessionError> {
    let refuse = |why: String| SessionError::Redirect { url: printable(from), why };
    let location = location.ok_or_else(|| refuse("to nowhere".to_owned()))?;
    let url = from
        .join(location)
        .map_err(|error| refuse(format!("to an address that is not valid ({error})")))?;
    match (from.scheme(), url.scheme()) {
        ("https", "https") | ("http", "http" | "https") => Ok(url),
        (_, scheme) => Err(refuse(format!("to {scheme}://, which is not safe"))),
    }
}

#[cfg(test)]
mod tests {
    use super::{SessionError, Url, is_page, json};

    #[test]
    fn a_page_instead_of_json_is_called_one() {
        let url = Url::parse("https://u:p@api.example/a?secret=1").unwrap();
        let error = |text: &str| json::<u32>(text.as_bytes(), &url).unwrap_err().to_string();
        assert_eq!(json::<u32>(b" 7\n", &url).unwrap(), 7);
        for page in ["<!DOCTYPE html><html>", "\n <HTML lang=en>", "<?xml version='1.0'?>"] {
            assert!(is_page(page.as_bytes()));
            assert!(error(page).contains("an HTML page came instead of JSON"), "{}", error(page));
        }
        for text in ["", "{", "\"x\"", "<", "<b>"] {
            let error = error(text);
            assert!(error.starts_with("https://api.example/a: it is not the JSON"), "{error}");
        }
        let error = json::<u32>(b"", &url).unwrap_err();
        assert!(matches!(error, SessionError::Answer { .. }));
    }
}
