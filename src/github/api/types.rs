//! What is read of GitHub's answers: no more than is used, so that an older server or a missing
//! user is no obstacle.

use serde::Deserialize;

/// A release.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Release {
    /// Its number.
    pub id: u64,
    /// Its tag; a draft's may not be there yet.
    pub tag_name: String,
    /// Whether only those who may write see it.
    pub draft: bool,
    /// Whether it is no final version.
    pub prerelease: bool,
    /// Whether its assets cannot change any more; not known of an older server.
    #[serde(default)]
    pub immutable: bool,
    /// Where assets are sent, with a template of the query at its end.
    pub upload_url: String,
    /// Its page.
    pub html_url: String,
    /// Its title.
    pub name: Option<String>,
    /// Its text.
    #[serde(default)]
    pub body: Option<String>,
}

/// A file of a release.
#[derive(Clone, Debug, Deserialize)]
pub struct Asset {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// `uploaded`, or what is left of an upload that broke.
    pub state: String,
    /// `sha256:` and the digest; none on older servers.
    #[serde(default)]
    pub digest: Option<String>,
}

impl Asset {
    /// Whether GitHub has all of it, as far as it says.
    pub fn is_uploaded(&self) -> bool {
        self.state == "uploaded"
    }
}

/// A comment.
#[derive(Clone, Debug, Deserialize)]
pub struct Comment {
    /// Its number.
    pub id: u64,
    /// Its text.
    pub body: Option<String>,
    /// Who wrote it; none if they are gone.
    pub user: Option<User>,
}

/// Somebody.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct User {
    /// Their name.
    pub login: String,
    /// `User`, `Bot`, `Organization`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// A check run.
#[derive(Clone, Debug, Deserialize)]
pub struct CheckRun {
    /// Its number.
    pub id: u64,
    /// What it says.
    pub output: CheckOutput,
}

/// What a check run says.
#[derive(Clone, Debug, Deserialize)]
pub struct CheckOutput {
    /// How many annotations it has.
    pub annotations_count: usize,
}

/// A pull request.
#[derive(Clone, Debug, Deserialize)]
pub struct Pull {
    /// Its number.
    pub number: u64,
    /// `open` or `closed`.
    pub state: String,
    /// Its last commit.
    pub head: PullHead,
}

/// The last commit of a pull request.
#[derive(Clone, Debug, Deserialize)]
pub struct PullHead {
    /// Its name.
    pub sha: String,
}
