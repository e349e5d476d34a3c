//! One request to the Hub, and what its answer means.

use super::HubError;
use crate::io::http::session::{Answer, Ask, Failure as NoAnswer, Refusal, Session, SessionError};
use crate::io::http::{HttpError, Url, address};
use crate::io::retry::{Backoff, Passing};
use crate::model::{HubRepo, ShardPath};

/// Why a request was in vain.
pub(super) enum Failure {
    /// It will not be otherwise next time.
    Final(HubError),
    /// It may be otherwise next time.
    Passing(Passing),
}

impl Failure {
    pub(super) fn passing(why: impl Into<String>) -> Self {
        Self::Passing(Passing::new(why))
    }

    /// What an error of the connection to an address means.
    pub(super) fn of(error: HttpError, url: &Url) -> Self {
        match NoAnswer::of(error, url) {
            NoAnswer::Passing(passing) => Self::Passing(passing),
            NoAnswer::Final(error) => Self::Final(error.into()),
            // Of a connection there is none.
            NoAnswer::Refused(refusal) => Self::passing(refusal.status().to_string()),
        }
    }
}

impl From<HubError> for Failure {
    fn from(error: HubError) -> Self {
        Self::Final(error)
    }
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        Self::Final(error.into())
    }
}

impl From<SessionError> for HubError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Redirect { url, why } => Self::Redirect { url, why },
            SessionError::Answer { url, why } => Self::Answer { url, why },
            SessionError::Client(why) => Self::Client(why),
            SessionError::Cancelled => Self::Cancelled,
            error @ (SessionError::Certificate { .. } | SessionError::GaveUp { .. }) => {
                Self::Session(error)
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
#[derive(Clone, Copy)]
pub(super) struct Asker<'a> {
    pub(super) session: Session<'a>,
    /// Where the token is from, for whoever has to change it.
    pub(super) token_from: &'a str,
}

impl<'a> Asker<'a> {
    /// Asks once, and gives an answer of success. The token goes to the endpoint's own host only.
    pub(super) fn ask(
        &self,
        url: &Url,
        range: Option<(u64, u64)>,
        subject: Subject<'_>,
    ) -> Result<Answer<'a>, Failure> {
        match self.session.ask(Ask { url, range, headers: &[], stranger: false }) {
            Ok(answer) => Ok(answer),
            Err(NoAnswer::Final(error)) => Err(error.into()),
            Err(NoAnswer::Passing(passing)) => Err(Failure::Passing(passing)),
            Err(NoAnswer::Refused(refusal)) => Err(self.refusal(&refusal, url, range, subject)),
        }
    }

    /// Does something with a request until it succeeds, or fails for good.
    pub(super) fn insist<T>(
        &self,
        url: &Url,
        mut action: impl FnMut() -> Result<T, Failure>,
    ) -> Result<T, HubError> {
        let mut backoff = Backoff::new(self.session.retry);
        loop {
            match action() {
                Ok(done) => return Ok(done),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Passing(passing)) => {
                    self.session
                        .again(&mut backoff, &passing)
                        .map_err(|error| gave_up(error, url))?;
                }
            }
        }
    }

    /// What an answer without content means.
    fn refusal(
        &self,
        refusal: &Refusal<'_>,
        asked: &Url,
        range: Option<(u64, u64)>,
        subject: Subject<'_>,
    ) -> Failure {
        let status = refusal.status();
        if let Some(mut passing) = refusal.passing(self.session.retry) {
            if status.as_u16() == 429 && self.session.token.is_none() {
                passing.why += "; HF_TOKEN raises it";
            }
            return Failure::Passing(passing);
        }
        let (repo, url) = (Box::new(subject.repo().clone()), address::printable(&refusal.url));
        Failure::Final(match status.as_u16() {
            status @ (401 | 403) if self.is_public(asked, range) => {
                HubError::Token { repo, status, token: self.token_from.to_owned(), url }
            }
            status @ (401 | 403) => HubError::Refused { repo, status, url },
            404 => match subject {
                Subject::Revision(_, revision) => {
                    HubError::NoSuchRevision { repo, revision: revision.to_owned(), url }
                }
                Subject::File(_, file) => HubError::NoSuchFile { repo, file: file.clone(), url },
            },
            _ => HubError::Status { url, status: status.to_string() },
        })
    }

    /// Whether what was refused to us with our token is given to anybody without one.
    fn is_public(&self, url: &Url, range: Option<(u64, u64)>) -> bool {
        let ask = Ask { url, range, headers: &[], stranger: true };
        self.session.token.is_some() && self.session.ask(ask).is_ok()
    }
}

/// What giving up means of an address.
pub(super) fn gave_up(error: SessionError, url: &Url) -> HubError {
    match error {
        SessionError::GaveUp { why, attempts } => {
            HubError::GaveUp { url: address::printable(url), why, attempts }
        }
        error => error.into(),
    }
}

impl<'a> Subject<'a> {
    fn repo(self) -> &'a HubRepo {
        match self {
            Self::Revision(repo, _) | Self::File(repo, _) => repo,
        }
    }
}

/// An address below the endpoint, its parts encoded.
pub(super) fn below<'s>(
    endpoint: &Url,
    parts: impl IntoIterator<Item = &'s str>,
) -> Result<Url, HubError> {
    address::below(endpoint, parts)
        .map_err(|why| HubError::Endpoint { url: endpoint.to_string(), why: why.to_string() })
}
