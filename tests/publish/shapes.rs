//! Answers in the shapes that GitHub's description of its API gives.

use serde_json::{Value, json};

pub const REPO: &str = "octo/app";
const TIME: &str = "2026-01-02T03:04:05Z";

#[derive(Clone, Debug)]
pub struct Release {
    pub id: u64,
    pub tag: String,
    pub name: String,
    pub draft: bool,
    pub prerelease: bool,
    pub immutable: bool,
    pub target: String,
    pub assets: Vec<Asset>,
}

#[derive(Clone, Debug)]
pub struct Asset {
    pub id: u64,
    pub name: String,
    pub label: String,
    pub content_type: String,
    pub size: u64,
    pub state: &'static str,
    /// In hex; none on a server that does not know digests.
    pub sha256: Option<String>,
    /// Kept of small ones.
    pub bytes: Vec<u8>,
}

#[derive(Clone, Debug)]
pub struct Comment {
    pub id: u64,
    pub issue: u64,
    pub author: Option<(String, &'static str)>,
    pub body: String,
}

#[derive(Clone, Debug)]
pub struct Check {
    pub id: u64,
    pub name: String,
    pub head: String,
    pub conclusion: String,
    pub external_id: String,
    pub title: String,
    pub summary: String,
    pub annotations: Vec<Value>,
}

#[derive(Clone, Debug)]
pub struct Pull {
    pub number: u64,
    pub head: String,
    pub branch: String,
    pub open: bool,
}

pub fn user(login: &str, kind: &str) -> Value {
    let encoded = login.replace('[', "%5B").replace(']', "%5D");
    let url = format!("https://api.github.com/users/{encoded}");
    let below = |name: &str| format!("{url}/{name}");
    json!({
        "login": login, "id": 41, "node_id": "MDM6Qm90NDE=", "type": kind, "site_admin": false,
        "avatar_url": "https://avatars.githubusercontent.com/in/1?v=4", "gravatar_id": null,
        "url": url, "html_url": format!("https://github.com/{encoded}"),
        "followers_url": below("followers"), "following_url": below("following{/other_user}"),
        "gists_url": below("gists{/gist_id}"), "starred_url": below("starred{/owner}{/repo}"),
        "subscriptions_url": below("subscriptions"), "organizations_url": below("orgs"),
        "repos_url": below("repos"), "events_url": below("events{/privacy}"),
        "received_events_url": below("received_events"),
    })
}

/// Somebody, as they see themselves.
pub fn myself(login: &str) -> Value {
    let mut me = user(login, "User");
    for name in ["name", "company", "blog", "location", "email", "hireable", "bio"] {
        me[name] = Value::Null;
    }
    for name in ["public_repos", "public_gists", "followers", "following"] {
        me[name] = json!(1);
    }
    me["created_at"] = json!(TIME);
    me["updated_at"] = json!(TIME);
    me
}

pub fn release(release: &Release, public: &str) -> Value {
    let url = format!("{public}/repos/{REPO}/releases/{}", release.id);
    let page = if release.draft { format!("untagged-{}", release.id) } else { release.tag.clone() };
    json!({
        "id": release.id, "node_id": "RE_1", "url": url, "assets_url": format!("{url}/assets"),
        "upload_url": format!("{url}/assets{{?name,label}}"),
        "html_url": format!("https://github.com/{REPO}/releases/tag/{page}"),
        "tarball_url": null, "zipball_url": null, "tag_name": release.tag,
        "target_commitish": release.target, "name": release.name, "body": null,
        "draft": release.draft, "prerelease": release.prerelease, "immutable": release.immutable,
        "created_at": TIME, "published_at": if release.draft { Value::Null } else { json!(TIME) },
        "author": user("github-actions[bot]", "Bot"),
        "assets": release.assets.iter().map(|a| asset(a, public)).collect::<Vec<_>>(),
    })
}

pub fn asset(asset: &Asset, public: &str) -> Value {
    json!({
        "id": asset.id, "node_id": "RA_1", "name": asset.name, "label": asset.label,
        "url": format!("{public}/repos/{REPO}/releases/assets/{}", asset.id),
        "browser_download_url": format!("https://github.com/{REPO}/releases/download/x/{}", asset.id),
        "state": asset.state, "content_type": asset.content_type, "size": asset.size,
        "digest": asset.sha256.as_ref().map(|digest| format!("sha256:{digest}")),
        "download_count": 0, "created_at": TIME, "updated_at": TIME,
        "uploader": user("github-actions[bot]", "Bot"),
    })
}

pub fn comment(comment: &Comment) -> Value {
    let url = format!("https://api.github.com/repos/{REPO}/issues/comments/{}", comment.id);
    let page =
        format!("https://github.com/{REPO}/pull/{0}#issuecomment-{1}", comment.issue, comment.id);
    json!({
        "id": comment.id, "node_id": "IC_1", "url": url, "html_url": page, "body": comment.body,
        "user": comment.author.as_ref().map(|(login, kind)| user(login, kind)),
        "issue_url": format!("https://api.github.com/repos/{REPO}/issues/{}", comment.issue),
        "created_at": TIME, "updated_at": TIME, "author_association": "NONE",
        "performed_via_github_app": null,
    })
}

pub fn check(check: &Check) -> Value {
    let url = format!("https://api.github.com/repos/{REPO}/check-runs/{}", check.id);
    json!({
        "id": check.id, "node_id": "CR_1", "name": check.name, "head_sha": check.head, "url": url,
        "external_id": check.external_id, "html_url": null, "details_url": null,
        "status": "completed", "conclusion": check.conclusion, "started_at": TIME,
        "completed_at": TIME, "check_suite": null, "app": null, "pull_requests": [],
        "output": {
            "title": check.title, "summary": check.summary, "text": null,
            "annotations_count": check.annotations.len(),
            "annotations_url": format!("{url}/annotations"),
        },
    })
}

/// As much of a pull request as is read, over a whole one if there is one: its shape is a
/// repository's, twice.
pub fn pull(pull: &Pull, whole: Option<&Value>) -> Value {
    let mut shape = whole.cloned().unwrap_or_else(|| json!({"head": {}}));
    shape["number"] = json!(pull.number);
    shape["state"] = json!(if pull.open { "open" } else { "closed" });
    shape["head"]["sha"] = json!(pull.head);
    shape["head"]["ref"] = json!(pull.branch);
    shape
}
