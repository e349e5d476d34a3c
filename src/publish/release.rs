//! A release: found or made as a draft, filled, held against what we have, and published only
//! then. A run that fails leaves a draft, and the next one goes on with it.

use serde_json::json;

use super::file::refuse_impossible;
use super::upload::fill;
use super::{Happening, OnHappening, PublishError, ReleaseFile};
use crate::github::api::{Api, ApiError, ApiOptions, Call, Permission, Release};
use crate::io::cancel::Cancel;

/// How often another release of the same tag may get in the way.
const ROUNDS: usize = 3;

/// What is to be published.
#[derive(Clone, Debug)]
pub struct ReleaseRequest {
    /// The release's tag; GitHub makes it when the release is published, if it is not there.
    pub tag: String,
    /// The commit that a tag is made at: else the last one of the default branch.
    pub target: Option<String>,
    /// Whether it stays a draft.
    pub draft: bool,
    /// Whether it is no final version.
    pub prerelease: bool,
    /// Its files, in the order in which they are sent.
    pub files: Vec<ReleaseFile>,
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
        let sent = fill(&api, &release, request, on_happening)
            .map_err(|error| unfinished(&release, error))?;
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
            "name": request.tag,
            "draft": true,
            "prerelease": request.prerelease,
        });
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
    if release.immutable || !(publish || mark) {
        return Ok(release.clone());
    }
    let mut body = json!({});
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
