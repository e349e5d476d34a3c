//! One request to the Hub: its redirects, and what its answer means.

use std::time::{Duration, SystemTime};

use super::HubError;
use crate::io::cancel::Cancel;
use crate::io::http::{Client, Get, HttpError, Response, StatusCode, Url};
use crate::io::retry::{self, Backoff, RetryPolicy};
use crate::io::secret::Secret;
use crate::model::{HubRepo, ShardPath};

/// The Hub redirects once, to where its files are; more than a few are a loop.
const MAX_REDIRECTS: u32 = 8;

/// Why a request was in vain.
pub(super) enum Failure {
    /// It will not be otherwise next time.
    Final(HubError),
    /// It may be otherwise next time.
    Passing {
        /// What happened.
        why: String,
        /// How long the server asks to wait.
        after: Option<Duration>,
    },
}

impl Failure {
    pub(super) fn passing(why: impl Into<String>) -> Self {
        Self::Passing { why: why.into(), after: None }
    }
}

impl From<HttpError> for Failure {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Cancelled => Self::Final(HubError::Cancelled),
            HttpError::Setup(why) => Self::Final(HubError::Client(why)),
            HttpError::Broken(why) => Self::passing(why),
            error @ (HttpError::Stalled(_) | HttpError::TooLong(_)) => {
                Self::passing(error.to_string())
            }
        }
    }
}

/// What a request is about, for its errors.
#[derive(Clone, Copy)]
pub(super) enum Subject<'a> {
    /// A repository at a revision.
    Revision(&'a HubRepo, &'a str),
    /// A file.
    File(&'a HubRepo, &'a ShardPath),
}

/// What every request needs.
pub(super) struct Asker<'a> {
    pub(super) client: &'a Client,
    pub(super) endpoint: &'a Url,
    pub(super) token: Option<&'a Secret>,
    pub(super) cancel: &'a Cancel,
    pub(super) retry: &'a RetryPolicy,
}

impl<'a> Asker<'a> {
    /// Asks once, follows redirects, and gives an answer whose status is 200 or 206, with the
    /// address it came from. The token goes to the endpoint's own host only.
    pub(super) fn ask(
        &self,
        start: &Url,
        range: Option<(u64, u64)>,
        subject: Subject<'_>,
    ) -> Result<(Response<'a>, Url), Failure> {
        let mut url = start.clone();
        for _ in 0..MAX_REDIRECTS {
            let home = url.origin() == self.endpoint.origin();
            let bearer = self.token.filter(|_| home);
            let response =
                self.client.get(&Get { url: &url, bearer, range, accept: None }, self.cancel)?;
            let status = response.status();
            if status == StatusCode::OK || status == StatusCode::PARTIAL_CONTENT {
                return Ok((response, url));
            }
            if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Err(refusal(&response, &url, home, subject));
            }
            url = self.redirected(&url, response.header("location"))?;
        }
        Err(Failure::Final(HubError::Redirect {
            url: printable(start),
            why: format!("more than {MAX_REDIRECTS} times"),
        }))
    }

    fn redirected(&self, from: &Url, location: Option<&str>) -> Result<Url, Failure> {
        let refuse = |why: String| Failure::Final(HubError::Redirect { url: printable(from), why });
        let location = location.ok_or_else(|| refuse("to nowhere".to_owned()))?;
        let url = from
            .join(location)
            .map_err(|error| refuse(format!("to an address that is none ({error})")))?;
        match (from.scheme(), url.scheme()) {
            ("https", "https") | ("http", "http" | "https") => Ok(url),
            (_, scheme) => Err(refuse(format!("to {scheme}://, which is not safe"))),
        }
    }

    /// Does something with a request until it succeeds, or fails for good.
    pub(super) fn insist<T>(
        &self,
        url: &Url,
        mut action: impl FnMut() -> Result<T, Failure>,
    ) -> Result<T, HubError> {
        let mut backoff = Backoff::new(self.retry);
        loop {
            match action() {
                Ok(done) => return Ok(done),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Passing { why, after }) => {
                    let Some(delay) = backoff.failed(after) else {
                        let (url, attempts) = (printable(url), backoff.failures());
                        return Err(HubError::GaveUp { url, why, attempts });
                    };
                    if !retry::wait(delay, self.cancel) {
                        return Err(HubError::Cancelled);
                    }
                }
            }
        }
    }
}

/// What an answer without content means.
fn refusal(response: &Response<'_>, url: &Url, home: bool, subject: Subject<'_>) -> Failure {
    let status = response.status();
    let (repo, printed) = (Box::new(subject.repo().clone()), printable(url));
    let passing = || Failure::Passing {
        why: status.to_string(),
        after: response
            .header("retry-after")
            .and_then(|value| retry::retry_after(value, SystemTime::now())),
    };
    match status.as_u16() {
        408 | 416 | 425 | 429 | 500..=599 => passing(),
        // Another host's addresses are signed for a time, and may have run out.
        400..=499 if !home => passing(),
        401 | 403 => {
            Failure::Final(HubError::Refused { repo, status: status.as_u16(), url: printed })
        }
        404 => Failure::Final(match subject {
            Subject::Revision(_, revision) => {
                HubError::NoSuchRevision { repo, revision: revision.to_owned(), url: printed }
            }
            Subject::File(_, file) => {
                HubError::NoSuchFile { repo, file: file.clone(), url: printed }
            }
        }),
        _ => Failure::Final(HubError::Status { url: printed, status: status.to_string() }),
    }
}

impl<'a> Subject<'a> {
    fn repo(self) -> &'a HubRepo {
        match self {
            Self::Revision(repo, _) | Self::File(repo, _) => repo,
        }
    }
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

/// An address below the endpoint, its parts encoded.
pub(super) fn address<'s>(
    endpoint: &Url,
    parts: impl IntoIterator<Item = &'s str>,
) -> Result<Url, HubError> {
    let mut url = endpoint.clone();
    match url.path_segments_mut() {
        Ok(mut path) => {
            path.pop_if_empty().extend(parts);
        }
        Err(()) => {
            let why = "it has no path".to_owned();
            return Err(HubError::Endpoint { url: endpoint.to_string(), why });
        }
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::{Url, address, printable};

    #[test]
    fn parts_of_an_address_stay_parts() {
        let endpoint = Url::parse("https://mirror.example/hub").unwrap();
        let url = address(&endpoint, ["a", "refs/pr/1", "x y?#%.bin"]).unwrap();
        assert_eq!(url.as_str(), "https://mirror.example/hub/a/refs%2Fpr%2F1/x%20y%3F%23%25.bin");
    }

    #[test]
    fn signatures_are_not_printed() {
        let url = Url::parse("https://me:pw@cdn.example/a/b?X-Amz-Signature=abc#d").unwrap();
        assert_eq!(printable(&url), "https://cdn.example/a/b");
    }
}
