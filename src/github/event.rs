//! What started the job, from the `GITHUB_*` variables and the event's payload
//! (<https://docs.github.com/webhooks/webhook-events-and-payloads>). A payload has words of
//! strangers in it: numbers, digests and names are checked, and what is wrong is as if it were
//! not there.

use serde_json::Value;

use super::Repository;
use super::payload::{Payload, commit_id};
use crate::io::files;

/// The longest payload that is read, in bytes; GitHub sends no longer ones than 25 MB.
const PAYLOAD_LIMIT: u64 = 32 << 20;

/// Where and why a job runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// `GITHUB_REPOSITORY`.
    pub repository: Option<Repository>,
    /// `GITHUB_SHA`: the commit that is checked out. For a pull request that is the merge, which
    /// nobody sees: see [`Context::head`].
    pub sha: Option<String>,
    /// `GITHUB_REF_NAME` of a tag.
    pub tag: Option<String>,
    /// The page of the run, for links.
    pub run_url: Option<String>,
    /// What happened.
    pub event: Event,
}

/// What happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Event {
    /// `pull_request`, `pull_request_target`, and the other events about one pull request.
    PullRequest(PullRequest),
    /// `push`.
    Push(Push),
    /// `workflow_run`: another workflow has ended, perhaps one of a fork without rights.
    WorkflowRun(WorkflowRun),
    /// `merge_group`: a pull request waits in the merge queue.
    MergeGroup(MergeGroup),
    /// `release`.
    Release(Release),
    /// Any other, by its name; empty outside a job.
    Other(String),
    /// Not in a job.
    #[default]
    None,
}

/// A pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullRequest {
    /// Its number.
    pub number: u64,
    /// Its last commit.
    pub head: Option<String>,
    /// The commit of the base branch that it was compared with.
    pub base: Option<String>,
    /// The branch that it goes into.
    pub base_branch: Option<String>,
    /// Whether it comes from another repository, where the token may not write.
    pub fork: bool,
    /// Its labels.
    pub labels: Vec<String>,
}

/// A push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// The commit before it; none if the branch is new.
    pub before: Option<String>,
    /// The commit after it; none if the branch is gone.
    pub after: Option<String>,
    /// Whether it went to the default branch.
    pub default_branch: bool,
}

/// A run of another workflow that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkflowRun {
    /// Its number, by which its artifacts are found.
    pub run_id: u64,
    /// The event that started it.
    pub event: String,
    /// The commit it ran for: for a pull request, its last.
    pub head: Option<String>,
    /// The branch of that commit.
    pub head_branch: Option<String>,
    /// Where that branch is.
    pub head_repository: Option<Repository>,
    /// Whether that is another repository than this.
    pub fork: bool,
    /// The pull request, where GitHub names it: for a fork it does not, and it has to be looked
    /// up by the branch and held against the commit.
    pub pull_request: Option<u64>,
}

/// An entry of the merge queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergeGroup {
    /// The commit that will be merged.
    pub head: Option<String>,
    /// The commit it comes after.
    pub base: Option<String>,
    /// The pull request, by the name of the queue's branch.
    pub pull_request: Option<u64>,
}

/// A release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Its tag.
    pub tag: String,
}

impl Context {
    /// Reads the variables and the payload that `GITHUB_EVENT_PATH` names. A payload that is not
    /// there, too long or no JSON is an empty one.
    pub fn read(get: &dyn Fn(&str) -> Option<String>) -> Self {
        let payload = set(get, "GITHUB_EVENT_PATH")
            .and_then(|path| files::read_at_most(path.as_str().into(), PAYLOAD_LIMIT).ok()?);
        Self::new(get, payload.as_deref().unwrap_or_default())
    }

    /// The context by the variables and a payload.
    pub fn new(get: &dyn Fn(&str) -> Option<String>, payload: &[u8]) -> Self {
        let repository: Option<Repository> =
            set(get, "GITHUB_REPOSITORY").and_then(|text| text.parse().ok());
        let payload = Payload(serde_json::from_slice(payload).unwrap_or(Value::Null));
        let tag = set(get, "GITHUB_REF").and_then(|name| {
            name.strip_prefix("refs/tags/").map(str::to_owned).filter(|tag| !tag.is_empty())
        });
        let run_url = || {
            let server = set(get, "GITHUB_SERVER_URL")?;
            let run: u64 = set(get, "GITHUB_RUN_ID")?.parse().ok()?;
            Some(format!(
                "{}/{}/actions/runs/{run}",
                server.trim_end_matches('/'),
                repository.as_ref()?
            ))
        };
        let name = set(get, "GITHUB_EVENT_NAME").unwrap_or_default();
        Self {
            sha: set(get, "GITHUB_SHA").and_then(|sha| commit_id(&sha)),
            tag,
            run_url: run_url(),
            event: Event::new(&name, &payload, repository.as_ref()),
            repository,
        }
    }

    /// The pull request that this is about, where the event says so.
    pub fn pull_request(&self) -> Option<u64> {
        match &self.event {
            Event::PullRequest(pull) => Some(pull.number),
            Event::WorkflowRun(run) => run.pull_request,
            Event::MergeGroup(group) => group.pull_request,
            _ => None,
        }
    }

    /// The commit that people look at: a pull request's last one, not the merge that the job has
    /// checked out.
    pub fn head(&self) -> Option<&str> {
        let of_event = match &self.event {
            Event::PullRequest(pull) => pull.head.as_deref(),
            Event::Push(push) => push.after.as_deref(),
            Event::WorkflowRun(run) => run.head.as_deref(),
            Event::MergeGroup(group) => group.head.as_deref(),
            _ => None,
        };
        of_event.or(self.sha.as_deref())
    }

    /// The commit that sizes are compared with, where the event says so.
    pub fn base(&self) -> Option<&str> {
        match &self.event {
            Event::PullRequest(pull) => pull.base.as_deref(),
            Event::Push(push) => push.before.as_deref(),
            Event::MergeGroup(group) => group.base.as_deref(),
            _ => None,
        }
    }

    /// The labels of the pull request.
    pub fn labels(&self) -> &[String] {
        match &self.event {
            Event::PullRequest(pull) => &pull.labels,
            _ => &[],
        }
    }

    /// Whether this is about a pull request of another repository.
    pub fn is_fork(&self) -> bool {
        match &self.event {
            Event::PullRequest(pull) => pull.fork,
            Event::WorkflowRun(run) => run.fork,
            _ => false,
        }
    }
}

impl Event {
    fn new(name: &str, payload: &Payload, repository: Option<&Repository>) -> Self {
        let event = match name {
            "" => return Self::None,
            "push" => Some(Self::Push(Push::new(payload))),
            "workflow_run" => WorkflowRun::new(payload, repository).map(Self::WorkflowRun),
            "merge_group" => Some(Self::MergeGroup(MergeGroup::new(payload))),
            "release" => {
                payload.text("/release/tag_name").map(|tag| Self::Release(Release { tag }))
            }
            name if name.starts_with("pull_request") => {
                PullRequest::new(payload).map(Self::PullRequest)
            }
            _ => None,
        };
        event.unwrap_or_else(|| Self::Other(name.to_owned()))
    }
}

impl PullRequest {
    fn new(payload: &Payload) -> Option<Self> {
        let number =
            payload.number("/pull_request/number").or_else(|| payload.number("/number"))?;
        let (head, base) =
            ("/pull_request/head/repo/full_name", "/pull_request/base/repo/full_name");
        Some(Self {
            number,
            head: payload.commit("/pull_request/head/sha"),
            base: payload.commit("/pull_request/base/sha"),
            base_branch: payload.text("/pull_request/base/ref"),
            // The repository of the head may be gone: then it was another's.
            fork: payload.text(head).is_none() || payload.text(head) != payload.text(base),
            labels: payload.texts("/pull_request/labels", "/name"),
        })
    }
}

impl Push {
    fn new(payload: &Payload) -> Self {
        let default = payload.text("/repository/default_branch");
        let branch = payload.text("/ref");
        Self {
            before: payload.commit("/before"),
            after: payload.commit("/after"),
            default_branch: default
                .is_some_and(|name| branch == Some(format!("refs/heads/{name}"))),
        }
    }
}

impl WorkflowRun {
    fn new(payload: &Payload, repository: Option<&Repository>) -> Option<Self> {
        let head_repository: Option<Repository> = payload
            .text("/workflow_run/head_repository/full_name")
            .and_then(|name| name.parse().ok());
        Some(Self {
            run_id: payload.number("/workflow_run/id")?,
            event: payload.text("/workflow_run/event").unwrap_or_default(),
            head: payload.commit("/workflow_run/head_sha"),
            head_branch: payload.text("/workflow_run/head_branch"),
            fork: head_repository.as_ref() != repository,
            head_repository,
            pull_request: payload.number("/workflow_run/pull_requests/0/number"),
        })
    }
}

impl MergeGroup {
    fn new(payload: &Payload) -> Self {
        let branch = payload.text("/merge_group/head_ref").unwrap_or_default();
        // refs/heads/gh-readonly-queue/main/pr-104-0123456789abcdef…
        let number = branch.rsplit('/').next().and_then(|last| {
            let (number, _) = last.strip_prefix("pr-")?.split_once('-')?;
            number.parse().ok().filter(|number| *number > 0)
        });
        Self {
            head: payload.commit("/merge_group/head_sha"),
            base: payload.commit("/merge_group/base_sha"),
            pull_request: number,
        }
    }
}

/// A variable that is set and not empty.
fn set(get: &dyn Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    get(name).filter(|value| !value.is_empty())
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;
