use camino::Utf8PathBuf;

use super::listing::ListingError;
use crate::io::http::session::SessionError;
use crate::model::{HubRepo, ShardPath};
use crate::stage_error::StageError as _;
use crate::store::StoreError;

/// Why something of the Hub cannot be had. Exit 11.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// 401, 403. The Hub does not tell strangers whether a private repository exists.
    #[error("`{repo}` is private or gated, or does not exist ({status} from {url})")]
    Refused {
        /// The repository.
        repo: Box<HubRepo>,
        /// The status.
        status: u16,
        /// What was asked for.
        url: String,
    },
    /// 401, 403 with our token, and none without: what everybody may have.
    #[error("the Hub refuses the token ({token}): {url} answers {status}, and `{repo}` is public")]
    Token {
        /// The repository.
        repo: Box<HubRepo>,
        /// The status.
        status: u16,
        /// Where the token is from.
        token: String,
        /// What was asked for.
        url: String,
    },
    /// 404 for the repository or its revision.
    #[error("no such repository or revision: `{repo}` at `{revision}` (404 from {url})")]
    NoSuchRevision {
        /// The repository.
        repo: Box<HubRepo>,
        /// The branch, tag or commit.
        revision: String,
        /// What was asked for.
        url: String,
    },
    /// 404 for a file.
    #[error("`{repo}` has no file `{file}` (404 from {url})")]
    NoSuchFile {
        /// The repository.
        repo: Box<HubRepo>,
        /// The file.
        file: ShardPath,
        /// What was asked for.
        url: String,
    },
    /// Another status that asking again does not change.
    #[error("{url} answers {status}")]
    Status {
        /// What was asked for.
        url: String,
        /// The status and its name.
        status: String,
    },
    /// It failed again and again.
    #[error("failed to get {url}: {why} (tried {attempts} times)")]
    GaveUp {
        /// What was asked for.
        url: String,
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
    /// An answer that is not what the Hub's API says.
    #[error("{url} answers what the Hub does not: {why}")]
    Answer {
        /// What was asked for.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// A list of files that must not be used.
    #[error("the files of `{repo}` cannot be used: {why}")]
    Listing {
        /// The repository.
        repo: Box<HubRepo>,
        /// What is wrong with them.
        why: ListingError,
    },
    /// The bytes are not those that the Hub's listing names.
    #[error("`{file}` of `{repo}` has the digest {found}, and the Hub says {expected}")]
    Digest {
        /// The repository.
        repo: Box<HubRepo>,
        /// The file.
        file: ShardPath,
        /// The digest of what came.
        found: String,
        /// The digest of the listing.
        expected: String,
    },
    /// The file changed while it was downloaded, twice.
    #[error("`{file}` of `{repo}` changes while it is downloaded (its ETag, from {url})")]
    Changed {
        /// The repository.
        repo: Box<HubRepo>,
        /// The file.
        file: ShardPath,
        /// What was asked for.
        url: String,
    },
    /// Nothing may be asked, and it is not in the cache.
    #[error("{what} of `{repo}` is not in the cache, and the Hub must not be asked (offline)")]
    Offline {
        /// The repository.
        repo: Box<HubRepo>,
        /// What is missing.
        what: String,
    },
    /// No room for a file.
    #[error("no room for `{file}` of `{repo}` in `{dir}`: {why}")]
    DiskFull {
        /// The repository.
        repo: Box<HubRepo>,
        /// The file.
        file: ShardPath,
        /// The directory.
        dir: Utf8PathBuf,
        /// What the system said.
        why: std::io::Error,
    },
    /// A text that cannot name a branch, a tag or a commit.
    #[error("`{revision}` cannot be a revision: it has {why}")]
    Revision {
        /// The text.
        revision: String,
        /// What is wrong with it.
        why: crate::model::ShardPathError,
    },
    /// `HF_ENDPOINT` is no address.
    #[error("the Hub's address `{url}` (HF_ENDPOINT) cannot be used: {why}")]
    Endpoint {
        /// The text.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// `HF_HUB_DOWNLOAD_TIMEOUT` is no number.
    #[error("the variable HF_HUB_DOWNLOAD_TIMEOUT: expected seconds, a whole number, not {text:?}")]
    Timeout {
        /// The text.
        text: String,
    },
    /// Our cache, where listings are kept. Exit 1.
    #[error(transparent)]
    Cache(#[from] StoreError),
    /// The file system said no.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The server's certificate is not trusted.
    #[error(transparent)]
    Session(SessionError),
    /// The HTTP client cannot be made.
    #[error("{0}")]
    Client(String),
    /// Somebody asked to stop.
    #[error("cancelled")]
    Cancelled,
}

impl HubError {
    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Refused { repo, .. } => Some(format!(
                "set HF_TOKEN to a token that may read it; a gated model's conditions are \
                 accepted at {}",
                repo.url()
            )),
            Self::Token { token, .. } => Some(format!(
                "the token has expired or was revoked: replace it, or remove it from {token}"
            )),
            Self::Session(error) => error.help().map(str::to_owned),
            Self::Cache(error) => error.help(),
            Self::Answer { .. } => Some(
                "check HF_ENDPOINT and HTTPS_PROXY: what answers there is not the Hub, or not well"
                    .to_owned(),
            ),
            Self::NoSuchRevision { .. } => {
                Some("check the spelling; a private repository needs HF_TOKEN".to_owned())
            }
            Self::GaveUp { .. } => Some(
                "check the network (HF_ENDPOINT, HTTPS_PROXY) and run it again: what was \
                 downloaded is kept, and the next run resumes it"
                    .to_owned(),
            ),
            Self::Offline { .. } => {
                Some("run it once without --offline and HF_HUB_OFFLINE".to_owned())
            }
            Self::DiskFull { .. } => {
                Some("make room, or set HF_HOME to a directory on another disk".to_owned())
            }
            _ => None,
        }
    }
}
