//! What is done for a request, as GitHub does it.

use serde_json::{Value, json};

use super::github::{Seen, State, Store};
use super::http::{Head, decoded};
use super::shapes::{self, Asset, Check, Comment, REPO};

pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    fn json(status: u16, body: &Value) -> Self {
        let kind = "application/json; charset=utf-8".to_owned();
        let headers = vec![("Content-Type".to_owned(), kind)];
        Self { status, headers, body: body.to_string().into_bytes() }
    }

    fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }
}

pub fn refusal(status: u16, message: &str, codes: &[&str]) -> Answer {
    let page = "https://docs.github.com/rest";
    let mut body = json!({"message": message, "documentation_url": page});
    if !codes.is_empty() {
        let error =
            |code: &&str| json!({"resource": "ReleaseAsset", "code": code, "field": "name"});
        body["errors"] = codes.iter().map(error).collect();
    }
    if matches!(status, 401 | 404 | 403) {
        body["status"] = json!(status.to_string());
    }
    Answer::json(status, &body)
}

fn missing() -> Answer {
    refusal(404, "Not Found", &[])
}

fn rights(seen: &Seen, store: &Store) -> Result<(), Answer> {
    if !seen.authorized {
        return Err(refusal(401, "Bad credentials", &[]));
    }
    if store.read_only && seen.method != "GET" {
        return Err(refusal(403, "Resource not accessible by integration", &[]));
    }
    Ok(())
}

pub fn answer(seen: &Seen, state: &State) -> Answer {
    // Storage knows no token: the signature is what lets in.
    if let Some(id) = seen.path.strip_prefix("/storage/") {
        assert!(!seen.authorized, "the token went to another host");
        let store = state.store();
        let mut assets = store.releases.iter().flat_map(|release| &release.assets);
        // Another run may have removed it since it was asked for.
        let Some(asset) = assets.find(|asset| asset.id.to_string() == id) else {
            return missing();
        };
        return Answer { status: 200, headers: Vec::new(), body: asset.bytes.clone() };
    }
    let mut store = state.store();
    if store.everybody_downloads
        && let Some(answer) = public_download(seen, &store)
    {
        return answer;
    }
    if let Err(refusal) = rights(seen, &store) {
        return refusal;
    }
    let public = state.public();
    let path = seen.path.clone();
    if path == "/user" {
        return match &store.me {
            Some(login) => Answer::json(200, &shapes::myself(login)),
            None => refusal(403, "Resource not accessible by integration", &[]),
        };
    }
    let Some(rest) = path.strip_prefix(&format!("/repos/{REPO}/")) else { return missing() };
    let parts: Vec<String> = rest.split('/').map(decoded).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match (seen.method.as_str(), &parts[..]) {
        (method, ["releases", rest @ ..]) => {
            releases(method, rest, seen, &mut store, [&public, &state.storage])
        }
        (method, ["issues", rest @ ..]) => comments(method, rest, seen, &mut store),
        (method, ["check-runs", rest @ ..]) => checks(method, rest, seen, &mut store),
        ("GET", ["commits", sha, "check-runs"]) => {
            let name = query(seen, "check_name");
            let ours = store.checks.iter().filter(|check| check.head == *sha && check.name == name);
            let runs: Vec<_> = ours.map(shapes::check).collect();
            Answer::json(200, &json!({"total_count": runs.len(), "check_runs": runs}))
        }
        ("GET", ["commits", sha, "pulls"]) => {
            let ours = store.pulls.iter().filter(|pull| pull.head == *sha);
            Answer::json(
                200,
                &ours.map(|pull| shapes::pull(pull, store.pull_shape.as_ref())).collect(),
            )
        }
        ("GET", ["pulls"]) => {
            let head = query(seen, "head");
            let ours =
                store.pulls.iter().filter(|pull| head.ends_with(&format!(":{}", pull.branch)));
            let ours = ours.filter(|pull| pull.open);
            Answer::json(
                200,
                &ours.map(|pull| shapes::pull(pull, store.pull_shape.as_ref())).collect(),
            )
        }
        _ => missing(),
    }
}

/// An asset of a published release, by the address that a page of GitHub shows.
fn public_download(seen: &Seen, store: &Store) -> Option<Answer> {
    let path = seen.path.strip_prefix(&format!("/{REPO}/releases/download/"))?;
    let (tag, name) = path.split_once('/')?;
    let release = store.releases.iter().find(|it| it.tag == decoded(tag) && !it.draft)?;
    let asset = release.assets.iter().find(|asset| asset.name == decoded(name))?;
    Some(Answer { status: 200, headers: Vec::new(), body: asset.bytes.clone() })
}

fn query(seen: &Seen, name: &str) -> String {
    let named = seen.query.iter().find(|(key, _)| key == name);
    named.map(|(_, value)| value.clone()).unwrap_or_default()
}

/// One page of a list, with the address of the next one.
fn page(seen: &Seen, all: &[Value], public: &str) -> Answer {
    let number = |name: &str, default: usize| query(seen, name).parse().unwrap_or(default);
    let (per_page, page) = (number("per_page", 30).clamp(1, 100), number("page", 1));
    let entries = all.iter().skip(per_page * (page - 1)).take(per_page);
    let mut answer = Answer::json(200, &entries.cloned().collect());
    if all.len() > per_page * page {
        let url = format!("{public}{}?per_page={per_page}&page={}", seen.path, page + 1);
        answer.headers.push(("Link".to_owned(), format!("<{url}>; rel=\"next\"")));
    }
    answer
}

fn releases(
    method: &str,
    rest: &[&str],
    seen: &Seen,
    store: &mut Store,
    [public, storage]: [&str; 2],
) -> Answer {
    let text = |name: &str| seen.body[name].as_str().map(str::to_owned);
    match (method, rest) {
        ("GET", []) => {
            let newest_first = store.releases.iter().rev();
            let all: Vec<_> =
                newest_first.map(|release| shapes::release(release, public)).collect();
            page(seen, &all, public)
        }
        ("POST", []) => {
            let Some(tag) = text("tag_name") else {
                return refusal(422, "Validation Failed", &["missing_field"]);
            };
            let draft = seen.body["draft"] == true;
            if !draft && published(store, &tag) {
                return refusal(422, "Validation Failed", &["already_exists"]);
            }
            let id = store.release(&tag, draft);
            let release = store.releases.last_mut().unwrap();
            release.name = text("name").unwrap_or_default();
            release.target = text("target_commitish").unwrap_or_else(|| "main".to_owned());
            release.prerelease = seen.body["prerelease"] == true;
            assert_eq!(release.id, id);
            Answer::json(201, &shapes::release(release, public))
        }
        ("GET", ["latest"]) => {
            let final_one = |release: &&shapes::Release| !release.draft && !release.prerelease;
            match store.releases.iter().rev().find(final_one) {
                Some(release) => Answer::json(200, &shapes::release(release, public)),
                None => missing(),
            }
        }
        ("GET", ["tags", tag]) => {
            match store.releases.iter().find(|release| release.tag == *tag && !release.draft) {
                Some(release) => Answer::json(200, &shapes::release(release, public)),
                None => missing(),
            }
        }
        (_, ["assets", id]) => one_asset(method, id, seen, store, storage),
        (_, [id, rest @ ..]) => {
            let Some(at) = store.releases.iter().position(|other| other.id.to_string() == *id)
            else {
                return missing();
            };
            match (method, rest) {
                ("GET", []) => Answer::json(200, &shapes::release(&store.releases[at], public)),
                ("GET", ["assets"]) => {
                    let assets = store.releases[at].assets.iter();
                    let all: Vec<_> = assets.map(|asset| shapes::asset(asset, public)).collect();
                    page(seen, &all, public)
                }
                ("DELETE", []) => {
                    store.releases.remove(at);
                    Answer::empty(204)
                }
                ("PATCH", []) => change(at, seen, store, public),
                _ => missing(),
            }
        }
        _ => missing(),
    }
}

fn published(store: &Store, tag: &str) -> bool {
    store.releases.iter().any(|release| release.tag == tag && !release.draft)
}

fn change(at: usize, seen: &Seen, store: &mut Store, public: &str) -> Answer {
    let tag = store.releases[at].tag.clone();
    let publishes = store.releases[at].draft && seen.body["draft"] == false;
    if publishes && published(store, &tag) {
        return refusal(422, "Validation Failed", &["already_exists"]);
    }
    let immutable = store.immutable;
    let release = &mut store.releases[at];
    release.draft &= !publishes;
    release.immutable |= publishes && immutable;
    if let Some(name) = seen.body["name"].as_str() {
        release.name = name.to_owned();
    }
    if let Some(target) = seen.body["target_commitish"].as_str() {
        release.target = target.to_owned();
    }
    if let Some(prerelease) = seen.body["prerelease"].as_bool() {
        release.prerelease = prerelease;
    }
    Answer::json(200, &shapes::release(release, public))
}

fn one_asset(method: &str, id: &str, seen: &Seen, store: &mut Store, storage: &str) -> Answer {
    let holder = |release: &shapes::Release| {
        release.assets.iter().position(|asset| asset.id.to_string() == id)
    };
    let found =
        store.releases.iter().enumerate().find_map(|(at, release)| Some((at, holder(release)?)));
    let Some((at, nth)) = found else { return missing() };
    match method {
        "GET" if seen.query.is_empty() => {
            let url = format!("{storage}/storage/{id}?signature=secret");
            Answer { status: 302, headers: vec![("Location".to_owned(), url)], body: Vec::new() }
        }
        "DELETE" if store.releases[at].immutable => {
            refusal(422, "Cannot delete asset from an immutable release", &[])
        }
        "DELETE" => {
            store.releases[at].assets.remove(nth);
            Answer::empty(204)
        }
        _ => missing(),
    }
}

/// Gives the release and the number of an asset that begins.
pub fn begin_upload(
    head: &Head,
    seen: &Seen,
    state: &State,
    finalize: bool,
) -> Result<(u64, u64), Answer> {
    let mut store = state.store();
    rights(seen, &store)?;
    let release = head.path.trim_end_matches("/assets").rsplit('/').next().unwrap().to_owned();
    let id = store.id();
    let release = store.releases.iter_mut().find(|other| other.id.to_string() == release);
    let Some(release) = release else { return Err(missing()) };
    release.immutable |= finalize;
    release.draft &= !finalize;
    if release.immutable {
        return Err(refusal(422, "Cannot upload assets to an immutable release", &[]));
    }
    // It writes names as it likes them.
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.+".contains(c) { c } else { '.' };
    let name: String = head.query("name").unwrap().chars().map(plain).collect();
    if release.assets.iter().any(|asset| asset.name == name) {
        return Err(refusal(422, "Validation Failed", &["already_exists"]));
    }
    let length: u64 = head.header("content-length").map_or(1, |value| value.parse().unwrap());
    if length == 0 || length >= 2 << 30 {
        return Err(refusal(422, "Validation Failed", &["invalid"]));
    }
    release.assets.push(Asset {
        id,
        name,
        label: head.query("label").unwrap_or_default().to_owned(),
        content_type: head.header("content-type").unwrap().to_owned(),
        size: 0,
        state: "open",
        sha256: None,
        bytes: Vec::new(),
    });
    Ok((release.id, id))
}

/// An upload is over: its asset is whole, unless somebody has removed it meanwhile.
pub fn end_upload(
    state: &State,
    release: u64,
    id: u64,
    size: u64,
    digest: String,
    bytes: Vec<u8>,
) -> Answer {
    let mut store = state.store();
    let no_digests = store.no_digests;
    let public = state.public();
    let release = store.releases.iter_mut().find(|other| other.id == release);
    let Some(asset) =
        release.and_then(|release| release.assets.iter_mut().find(|asset| asset.id == id))
    else {
        return missing();
    };
    asset.state = "uploaded";
    asset.size = size;
    asset.sha256 = (!no_digests).then_some(digest);
    asset.bytes = bytes;
    Answer::json(201, &shapes::asset(asset, &public))
}

fn comments(method: &str, rest: &[&str], seen: &Seen, store: &mut Store) -> Answer {
    let text = || seen.body["body"].as_str().unwrap().to_owned();
    let too_long = || refusal(422, "Body is too long (maximum is 65536 characters)", &["custom"]);
    if method != "GET" && method != "DELETE" && text().chars().count() > 65_536 {
        return too_long();
    }
    match (method, rest) {
        ("GET", [issue, "comments"]) => {
            let ours = store.comments.iter().filter(|comment| comment.issue.to_string() == *issue);
            page(seen, &ours.map(shapes::comment).collect::<Vec<_>>(), "http://elsewhere.example")
        }
        ("POST", [issue, "comments"]) => {
            let author = match &store.me {
                Some(login) => (login.clone(), "User"),
                None => ("github-actions[bot]".to_owned(), "Bot"),
            };
            let id = store.id();
            let issue = issue.parse().unwrap();
            store.comments.push(Comment { id, issue, author: Some(author), body: text() });
            Answer::json(201, &shapes::comment(store.comments.last().unwrap()))
        }
        (_, ["comments", id]) => {
            let at = store.comments.iter().position(|comment| comment.id.to_string() == *id);
            let Some(at) = at else { return missing() };
            match method {
                "PATCH" => {
                    store.comments[at].body = text();
                    Answer::json(200, &shapes::comment(&store.comments[at]))
                }
                "DELETE" => {
                    store.comments.remove(at);
                    Answer::empty(204)
                }
                _ => missing(),
            }
        }
        _ => missing(),
    }
}

fn checks(method: &str, rest: &[&str], seen: &Seen, store: &mut Store) -> Answer {
    let output = &seen.body["output"];
    let annotations = output["annotations"].as_array().cloned().unwrap_or_default();
    let summary = output["summary"].as_str().unwrap_or_default().to_owned();
    if annotations.len() > 50 || summary.chars().count() > 65_535 {
        return refusal(422, "Validation Failed", &["invalid"]);
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match (method, rest) {
        ("POST", []) => {
            let id = store.id();
            store.checks.push(Check {
                id,
                name: text(&seen.body["name"]),
                head: text(&seen.body["head_sha"]),
                conclusion: text(&seen.body["conclusion"]),
                external_id: text(&seen.body["external_id"]),
                title: text(&output["title"]),
                summary,
                annotations,
            });
            Answer::json(201, &shapes::check(store.checks.last().unwrap()))
        }
        (_, [id]) => {
            let check = store.checks.iter_mut().find(|check| check.id.to_string() == *id);
            let Some(check) = check else { return missing() };
            if method == "PATCH" {
                check.annotations.extend(annotations);
            }
            Answer::json(200, &shapes::check(check))
        }
        _ => missing(),
    }
}
