use std::fmt;
use std::time::Duration;

use crate::io::http::address::printable;
use crate::io::http::session::{Failure, SessionError};
use crate::io::http::{HttpError, Url};
use crate::io::retry::Passing;

/// What a token must be allowed to do, in the words of a workflow's `permissions:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Releases.
    Contents,
    /// Comments on pull requests.
    PullRequests,
    /// Check runs.
    Checks,
    /// Reading.
    Read,
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Contents => "contents: write",
            Self::PullRequests => "pull-requests: write",
            Self::Checks => "checks: write",
            Self::Read => "contents: read",
        })
    }
}

/// Why GitHub did not do what was asked. Exit 15.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// 401.
    #[error("GitHub does not know the token: {url} answers 401{}", said(.message))]
    BadToken {
        /// What was asked for.
        url: String,
        /// GitHub's words.
        message: String,
    },
    /// 403 or 404: GitHub says the latter of what a token may not see.
    #[error("the token may not do this, or it is not there: {url} answers {status}{}", said(.message))]
    Refused {
        /// The status.
        status: u16,
        /// What was asked for.
        url: String,
        /// GitHub's words.
        message: String,
        /// What would be needed.
        permission: Permission,
    },
    /// 422.
    #[error("{url} refuses what was sent{}", said(.message))]
    Invalid {
        /// What was asked for.
        url: String,
        /// GitHub's words.
        message: String,
        /// GitHub's codes: `already_exists`.
        codes: Vec<String>,
    },
    /// Another status that asking again does not change.
    #[error("{url} answers {status}{}", said(.message))]
    Status {
        /// What was asked for.
        url: String,
        /// The status.
        status: u16,
        /// GitHub's words.
        message: String,
    },
    /// It may be otherwise next time; whoever asks again has to know what was done.
    #[error("{}", .0.why)]
    Passing(Passing),
    /// It failed again and again.
    #[error("{why} (tried {attempts} times)")]
    GaveUp {
        /// The last failure.
        why: String,
        /// How often it was tried without getting further.
        attempts: u32,
    },
    /// A limit whose end is too far away.
    #[error("{why}: it ends in {} min, and we wait for {} min at most", minutes(.after), minutes(.longest))]
    Limited {
        /// Which limit.
        why: String,
        /// When it ends.
        after: Duration,
        /// The longest wait.
        longest: Duration,
    },
    /// An answer that is not what GitHub's description of its API says.
    #[error("{url} answers what GitHub does not: {why}")]
    Answer {
        /// What was asked for.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// A list of pages that never ends.
    #[error("{url}: the list goes on after {pages} pages")]
    Endless {
        /// What was asked for.
        url: String,
        /// How many pages were read.
        pages: usize,
    },
    /// The server's certificate is not trusted, or its redirect not followed.
    #[error(transparent)]
    Session(SessionError),
    /// There is no repository to talk about.
    #[error("which repository? {0}")]
    NoRepository(String),
    /// There is no token.
    #[error("there is no token for GitHub")]
    NoToken,
    /// An address that is none.
    #[error("{name}: `{url}` is not an address of an API: {why}")]
    Address {
        /// Where it comes from.
        name: String,
        /// The address.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The HTTP client itself.
    #[error("{0}")]
    Client(String),
    /// Somebody asked to stop.
    #[error("interrupted")]
    Cancelled,
}

impl ApiError {
    pub(super) fn broken(error: HttpError, url: &Url) -> Self {
        match Failure::of(error, url) {
            Failure::Final(error) => error.into(),
            Failure::Passing(passing) => Self::passing(passing, url),
            // Of a connection there is none.
            Failure::Refused(refusal) => Self::Client(refusal.status().to_string()),
        }
    }

    /// A failure of the way to an address.
    pub(super) fn passing(passing: Passing, url: &Url) -> Self {
        let why = format!("{}: {}", printable(url), passing.why);
        Self::Passing(Passing { why, ..passing })
    }

    /// Whether it is said not to be there.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. } | Self::Status { status: 410, .. })
    }

    /// Whether the token may not do it; 404 is said of what it may not even see.
    pub fn is_refused(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::BadToken { .. })
    }

    /// Whether something of that name is there already.
    pub fn is_taken(&self) -> bool {
        matches!(self, Self::Invalid { codes, .. } if codes.iter().any(|code| code == "already_exists"))
    }

    /// What to do about it, for who only reads.
    pub fn help_to_read(&self) -> Option<String> {
        match self {
            Self::NoRepository(_) => Some("set it to owner/name".to_owned()),
            Self::GaveUp { .. } | Self::Passing(_) | Self::Limited { .. } => None,
            error => error.help(),
        }
    }

    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::BadToken { .. } => {
                "GH_TOKEN (else GITHUB_TOKEN) has expired or is another server's: in a workflow, \
                 give `${{ github.token }}`"
                    .to_owned()
            }
            Self::Refused { permission: Permission::Read, .. } => {
                "check the repository's name and the tag, and that the token may read it: \
                 `permissions: contents: read`"
                    .to_owned()
            }
            Self::Refused { permission, .. } => format!(
                "the job needs `permissions: {permission}`, and a pull request of a fork never \
                 has it; a token of your own needs the same right to the repository"
            ),
            Self::NoRepository(_) => "name it: --repo owner/name, or GITHUB_REPOSITORY".to_owned(),
            Self::NoToken => "in a workflow, set GITHUB_TOKEN to `${{ github.token }}` in the \
                 step's `env:`; elsewhere, `GH_TOKEN=$(gh auth token)`"
                .to_owned(),
            Self::Limited { .. } => {
                "run it again then: finished uploads and downloads are kept".to_owned()
            }
            Self::Session(error) => return error.help().map(str::to_owned),
            Self::Answer { .. } | Self::Endless { .. } => {
                "check GITHUB_API_URL and HTTPS_PROXY: what answers there is not GitHub's API, or \
                 not well"
                    .to_owned()
            }
            Self::GaveUp { .. } | Self::Passing(_) => {
                "check the network, and run it again: finished uploads and downloads are kept; \
                 https://www.githubstatus.com shows GitHub's status"
                    .to_owned()
            }
            _ => return None,
        })
    }
}

impl From<SessionError> for ApiError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::GaveUp { why, attempts } => Self::GaveUp { why, attempts },
            SessionError::Answer { url, why } => Self::Answer { url, why },
            SessionError::Client(why) => Self::Client(why),
            SessionError::Cancelled => Self::Cancelled,
            error @ (SessionError::Redirect { .. } | SessionError::Certificate { .. }) => {
                Self::Session(error)
            }
        }
    }
}

fn said(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(" (\"{message}\")") }
}

fn minutes(time: &Duration) -> u64 {
    time.as_secs().div_ceil(60)
}
