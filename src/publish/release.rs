//! A release: found or made as a draft, filled, held against what we have, and published only
//! then. A run that fails leaves a draft, and the next one goes on with it.

use std::collections::BTreeMap;

use serde_json::json;

use super::file::refuse_impossible;
use super::upload::fill;
use super::{Happening, OnHappening, PublishError, ReleaseFile};
use crate::github::api::{Api, ApiError, ApiOptions, Asset, Call, Permission, Release};
use crate::io::cancel::Cancel;

/// How often another release of the same tag may get in the way.
const ROUNDS: usize = 3;

/// What is to be published.
#[derive(Clone, Debug, Default)]
pub struct ReleaseRequest {
    /// The release's tag; GitHub makes it when the release is published, if it is not there.
    pub tag: String,
    /// The commit that a tag is made at: else the last one of the default branch.
    pub target: Option<String>,
    /// Whether it stays a draft.
    pub draft: bool,
    /// Whether it is no final version.
    pub prerelease: bool,
    /// Its title; the tag, where none is given and the release is new.
    pub title: Option<String>,
    /// Its text, in Markdown.
    pub notes: Option<String>,
    /// Whether it becomes the latest release.
    pub latest: Option<Latest>,
    /// Whether assets of another package may be replaced.
    pub replace: bool,
    /// Its files, in the order in which they are sent.
    pub files: Vec<ReleaseFile>,
}

/// Whether a release becomes the one that GitHub calls the latest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Latest {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// It does if its version is the highest.
    Legacy,
}

impl Latest {
    /// The word that the API has for it.
    fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "true",
            Self::No => "false",
            Self::Legacy => "legacy",
        }
    }
}

/// A release that is there before anything is published.
#[derive(Clone, Debug)]
pub struct Existing {
    /// The release.
    pub release: Release,
    /// Its assets, by name.
    pub assets: BTreeMap<String, Asset>,
}

/// Looks whether a release is there, and what it has. It changes nothing, and finds out whether the
/// token and the repository are right.
pub fn look_up(
    options: &ApiOptions,
    tag: &str,
    cancel: &Cancel,
    on_happening: OnHappening<'_>,
) -> Result<Option<Existing>, PublishError> {
    if options.token.is_none() {
        return Err(ApiError::NoToken.into());
    }
    let on_wait = |why: &str, time| on_happening(Happening::Waiting { why, time });
    let api = Api::new(options, cancel, &on_wait)?;
    let Some(release) = find(&api, tag)? else { return Ok(None) };
    let assets = super::upload::assets(&api, &release)?;
    Ok(Some(Existing { release, assets }))
}

/// A release that has all its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its page.
    pub url: String,
    /// Whether it is a draft.
    pub draft: bool,
    /// The files that were sent, in the request's order; the others were there.
    pub sent: Vec<String>,
}

/// Publishes a release.
pub fn release(
    options: &ApiOptions,
    request: &ReleaseRequest,
    cancel: &Cancel,
    on_happening: OnHappening<'_>,
) -> Result<Published, PublishError> {
    refuse_impossible(&request.files)?;
    if options.token.is_none() {
        return Err(ApiError::NoToken.into());
    }
    let on_wait = |why: &str, time| on_happening(Happening::Waiting { why, time });
    let api = Api::new(options, cancel, &on_wait)?;
    let mut round = 1;
    loop {
        let (release, made) = find_or_make(&api, request, on_happening)?;
        let stopped = |error: PublishError| {
            if error.is_interrupted() {
                on_happening(Happening::Stays { release: &release });
            }
            unfinished(&release, error)
        };
        let sent = fill(&api, &release, request, on_happening).map_err(stopped)?;
        let done = match finish(&api, &release, request) {
            // Another run made a draft of its own, and was faster: its release is filled now.
            Err(error) if error.is_taken() && round < ROUNDS => {
                if made {
                    remove(&api, &release)?;
                }
                round += 1;
                continue;
            }
            done => done.map_err(|error| unfinished(&release, error.into()))?,
        };
        return Ok(Published { url: done.html_url, draft: done.draft, sent });
    }
}

/// The release of a tag, and whether it was made now. A published one comes before a draft, and
/// of several drafts the oldest counts.
fn find_or_make(
    api: &Api<'_>,
    request: &ReleaseRequest,
    on_happening: OnHappening<'_>,
) -> Result<(Release, bool), PublishError> {
    let mut made = None;
    let made = &mut made;
    let release = api.insist(|| {
        if let Some(release) = find(api, &request.tag)? {
            return Ok(release);
        }
        let mut body = json!({
            "tag_name": request.tag,
            "name": request.title.as_ref().unwrap_or(&request.tag),
            "draft": true,
            "prerelease": request.prerelease,
        });
        if let Some(notes) = &request.notes {
            body["body"] = json!(notes);
        }
        if let Some(target) = &request.target {
            body["target_commitish"] = json!(target);
        }
        let call = Call::post(&["releases"], Permission::Contents);
        let release: Release = api.make(call, &body)?;
        *made = Some(release.id);
        Ok(release)
    })?;
    let Some(made) = *made else { return Ok((release, false)) };
    // Two runs at once may both have made one: they agree on the older.
    match find(api, &request.tag)? {
        Some(older) if older.id != made => {
            remove(api, &release)?;
            Ok((older, false))
        }
        _ => {
            on_happening(Happening::Drafted { tag: &request.tag });
            Ok((release, true))
        }
    }
}

/// The release of a tag. Drafts are found by no tag: the list has to be looked through.
fn find(api: &Api<'_>, tag: &str) -> Result<Option<Release>, ApiError> {
    let path = ["releases", "tags", tag];
    if let Some(release) = api.find::<Release>(Call::get(&path, Permission::Read))? {
        return Ok(Some(release));
    }
    let mut found: Option<Release> = None;
    api.each_page(Call::get(&["releases"], Permission::Read), |releases: Vec<Release>| {
        for release in releases.into_iter().filter(|release| release.tag_name == tag) {
            let before = |other: &Release| (release.draft, release.id) < (other.draft, other.id);
            if found.as_ref().is_none_or(before) {
                found = Some(release);
            }
        }
    })?;
    Ok(found)
}

/// Publishes a draft that is full, unless it stays one; and says what it is.
fn finish(api: &Api<'_>, release: &Release, request: &ReleaseRequest) -> Result<Release, ApiError> {
    let publish = release.draft && !request.draft;
    let mark = request.prerelease && !release.prerelease;
    let differs = |asked: &Option<String>, is: &Option<String>| asked.is_some() && asked != is;
    let mut body = json!({});
    if differs(&request.title, &release.name) {
        body["name"] = json!(request.title);
    }
    if differs(&request.notes, &release.body) {
        body["body"] = json!(request.notes);
    }
    let is_draft = release.draft && !publish;
    let is_prerelease = release.prerelease || mark;
    // Neither drafts nor prereleases can be the latest.
    if let Some(latest) = request.latest.filter(|_| !is_draft && !is_prerelease) {
        body["make_latest"] = json!(latest.as_str());
    }
    let nothing = body.as_object().is_none_or(serde_json::Map::is_empty);
    if release.immutable || (nothing && !(publish || mark)) {
        return Ok(release.clone());
    }
    if publish {
        body["draft"] = json!(false);
        // The draft may be of a run at another commit.
        if let Some(target) = &request.target {
            body["target_commitish"] = json!(target);
        }
    }
    if mark {
        body["prerelease"] = json!(true);
    }
    let id = release.id.to_string();
    api.set(Call::patch(&["releases", &id], Permission::Contents), &body)
}

/// Removes a draft that nobody needs.
fn remove(api: &Api<'_>, release: &Release) -> Result<(), ApiError> {
    let id = release.id.to_string();
    api.delete(Call::delete(&["releases", &id], Permission::Contents))
}

fn unfinished(release: &Release, error: PublishError) -> PublishError {
    if !release.draft || error.is_interrupted() {
        return error;
    }
    let (tag, url) = (release.tag_name.clone(), release.html_url.clone());
    PublishError::Unfinished { tag, url, source: Box::new(error) }
}
