//! The files of a release. Each round looks at what is there, removes what is not whole, and
//! sends what is missing; it ends when everything is there with its digest. Whatever goes wrong
//! in between, the next round starts from what GitHub says.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::file::SUMS;
use super::others::{self, Merged, Sums};
use super::{Happening, OnHappening, PublishError, ReleaseFile, ReleaseRequest};
use crate::github::api::{Api, ApiError, Asset, Call, Permission, Release};
use crate::io::http::Url;
use crate::io::http::send::Body;
use crate::io::retry::{Backoff, Passing};

/// How many rounds an upload of another run may take before it counts as broken, and how many a
/// list of assets may take to show one of ours. Fewer than a [`Backoff`] has.
const PATIENCE: u32 = 4;

/// How often one file is sent while the list of assets does not show it.
const SENDS: u32 = 3;

/// The same of `SHA256SUMS`, which every run that fills the release writes again.
const SENDS_OF_SUMS: u32 = 9;

/// What is known of one file's upload.
#[derive(Default)]
struct State {
    /// The asset that our own upload became.
    ours: Option<u64>,
    /// Whether another run got in the way of it.
    rival: bool,
    /// How many rounds the other run's upload was waited for.
    waited: u32,
    /// How often it was sent.
    sent: u32,
    /// How many rounds the list of assets has not shown it since.
    unseen: u32,
}

/// What there is to do in a round.
#[derive(Default)]
struct Missing<'f> {
    /// Files to be sent.
    send: Vec<&'f ReleaseFile>,
    /// Why there is to be another look: what another run is sending, or the list does not show.
    waiting: Option<String>,
}

/// What became of a file that was sent.
type Sent<'f> = (&'f ReleaseFile, Result<Asset, ApiError>);

/// Fills a release; gives the names of what was sent. All is there when it succeeds.
pub(super) fn fill(
    api: &Api<'_>,
    release: &Release,
    request: &ReleaseRequest,
    on_happening: OnHappening<'_>,
) -> Result<Vec<String>, PublishError> {
    let url = upload_url(api, release)?;
    let mut states: BTreeMap<String, State> = BTreeMap::new();
    let mut files = request.files.clone();
    let mut sums = Sums::of(&files);
    let mut backoff = Backoff::new(&api.options().retry);
    let mut first = true;
    loop {
        let there = assets(api, release)?;
        if let Some(sums) = &mut sums {
            let merged = sums.merge(api, &there, &mut files)?;
            let state = states.entry(SUMS.to_owned()).or_default();
            match merged {
                Merged::Whole(id) => state.ours = Some(id),
                // Another run's is in the place of ours: that is no conflict.
                Merged::ToSend if there.get(SUMS).is_some_and(Asset::is_uploaded) => {
                    state.ours = None;
                }
                Merged::ToSend => {}
            }
        }
        let look = Look { api, release, files: &files, there: &there, on_happening };
        let missing = look.look(&mut states, first, request.replace)?;
        first = false;
        if missing.send.is_empty() && missing.waiting.is_none() {
            let sent =
                |file: &&ReleaseFile| states.get(&file.name).is_some_and(|state| state.sent > 0);
            return Ok(request.files.iter().filter(sent).map(|file| file.name.clone()).collect());
        }
        let mut passing = missing.waiting.map(Passing::new);
        for (file, result) in send_all(api, &url, &missing.send, on_happening)? {
            let state = states.entry(file.name.clone()).or_default();
            match result {
                Ok(asset) => {
                    refuse_damaged(file, &asset)?;
                    (state.ours, state.unseen) = (Some(asset.id), 0);
                    state.sent += 1;
                    backoff.reset();
                }
                Err(error) => {
                    let failure = failed(error, api, release, file, state)?;
                    on_happening(Happening::Failed { file, why: &failure.why });
                    let after = passing.as_ref().and_then(|passing| passing.after);
                    passing = Some(Passing { after: failure.after.max(after), ..failure });
                }
            }
        }
        if let Some(passing) = passing {
            api.wait(&mut backoff, &passing)?;
        }
    }
}

/// A look at what the release has.
struct Look<'f, 'a> {
    api: &'f Api<'a>,
    release: &'f Release,
    files: &'f [ReleaseFile],
    there: &'f BTreeMap<String, Asset>,
    on_happening: OnHappening<'f>,
}

impl<'f> Look<'f, '_> {
    /// Says what there is to do, and removes what is in the way.
    fn look(
        &self,
        states: &mut BTreeMap<String, State>,
        first: bool,
        replace: bool,
    ) -> Result<Missing<'f>, PublishError> {
        let Self { api, release, files, there, on_happening } = *self;
        let mut missing = Missing::default();
        let mut in_the_way = Vec::new();
        for file in files {
            let state = states.entry(file.name.clone()).or_default();
            let most = if file.name == SUMS { SENDS_OF_SUMS } else { SENDS };
            match there.get(&file.name) {
                Some(asset) if is_whole(file, asset, state) => continue,
                Some(asset) if !asset.is_uploaded() && state.rival && state.waited < PATIENCE => {
                    state.waited += 1;
                    missing.waiting = Some(format!("another run is sending `{}`", file.name));
                    continue;
                }
                Some(asset)
                    if asset.is_uploaded() && state.ours.is_some_and(|id| id != asset.id) =>
                {
                    let (name, tag) = (file.name.clone(), release.tag_name.clone());
                    return Err(PublishError::Contended { name, tag });
                }
                // GitHub has said that it has it: the list is behind, or never agrees.
                shown if state.ours.is_some() && state.unseen < PATIENCE => {
                    state.unseen += 1;
                    let shown = differs(file, shown);
                    missing.waiting =
                        Some(format!("`{}` was sent, and the list {shown}", file.name));
                    continue;
                }
                shown if state.sent >= most => {
                    return Err(PublishError::Unconfirmed {
                        name: file.name.clone(),
                        tag: release.tag_name.clone(),
                        sent: state.sent,
                        shown: differs(file, shown),
                    });
                }
                Some(asset) => in_the_way.push((file, asset)),
                None => {}
            }
            state.ours = None;
            missing.send.push(file);
        }
        if first && missing.send.len() < files.len() {
            on_happening(Happening::Kept { files: files.len() - missing.send.len() });
        }
        if release.immutable && !missing.send.is_empty() {
            let files = missing.send.iter().map(|file| file.name.clone()).collect();
            return Err(PublishError::Immutable { tag: release.tag_name.clone(), files });
        }
        if first && !replace {
            let whole = in_the_way.iter().filter(|(_, asset)| asset.is_uploaded());
            let whole: Vec<_> = whole.map(|(file, _)| *file).collect();
            others::refuse_foreign(api, release, files, &whole, there)?;
        }
        // It is sent when all that it names is there: who reads a line of another run finds the asset.
        if missing.send.len() > 1 || missing.waiting.is_some() {
            missing.send.retain(|file| file.name != SUMS);
            in_the_way.retain(|(file, _)| file.name != SUMS);
        }
        for (file, asset) in in_the_way {
            on_happening(Happening::Removing { name: &file.name });
            let id = asset.id.to_string();
            let path = ["releases", "assets", &id];
            let removed = api.delete(Call::delete(&path, Permission::Contents));
            if let Err(error) = removed {
                return Err(final_failure(error, api, release, file));
            }
        }
        Ok(missing)
    }
}

/// Whether an asset is the file. Without a digest, as older servers have it, that is known only
/// of what this run has sent.
fn is_whole(file: &ReleaseFile, asset: &Asset, state: &State) -> bool {
    let same = match &asset.digest {
        Some(digest) => *digest == format!("sha256:{}", file.sha256),
        None => state.ours == Some(asset.id),
    };
    asset.is_uploaded() && asset.size == file.bytes && same
}

/// What a list of assets says of a file instead of that it is whole.
fn differs(file: &ReleaseFile, shown: Option<&Asset>) -> String {
    match shown {
        None => "does not show it".to_owned(),
        Some(asset) if !asset.is_uploaded() => format!("shows it as `{}`", asset.state),
        Some(asset) if asset.size != file.bytes => {
            format!("shows {} bytes instead of {}", asset.size, file.bytes)
        }
        Some(asset) => match &asset.digest {
            Some(digest) => format!("shows the digest {digest} instead of sha256:{}", file.sha256),
            None => "shows another one".to_owned(),
        },
    }
}

/// Every asset of a release by its name.
pub(super) fn assets(
    api: &Api<'_>,
    release: &Release,
) -> Result<BTreeMap<String, Asset>, ApiError> {
    let id = release.id.to_string();
    let mut there = BTreeMap::new();
    api.each_page(
        Call::get(&["releases", &id, "assets"], Permission::Read),
        |page: Vec<Asset>| {
            there.extend(page.into_iter().map(|asset| (asset.name.clone(), asset)));
        },
    )?;
    Ok(there)
}

/// Sends files, several at once, each once.
fn send_all<'f>(
    api: &Api<'_>,
    url: &Url,
    files: &[&'f ReleaseFile],
    on_happening: OnHappening<'_>,
) -> Result<Vec<Sent<'f>>, PublishError> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    let (options, cancel) = (api.options(), api.cancel());
    let work = || -> Result<(), ApiError> {
        let api = Api::new(options, cancel, &|_, _| {})?;
        while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            on_happening(Happening::Begun { file });
            let result = send(&api, url, file, on_happening);
            let limited = matches!(&result, Err(ApiError::Passing(Passing { after: Some(_), .. })));
            let stop = matches!(result, Err(ApiError::Cancelled));
            results.lock().unwrap_or_else(PoisonError::into_inner).push((*file, result));
            if stop {
                return Err(ApiError::Cancelled);
            }
            if limited {
                // Whoever goes on asking is made to wait longer.
                next.store(files.len(), Ordering::Relaxed);
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers = options.connections.clamp(1, files.len().max(1));
        let threads: Vec<_> = (1..workers).map(|_| scope.spawn(work)).collect();
        let mut done = vec![work()];
        done.extend(threads.into_iter().map(|thread| {
            let died = || Err(ApiError::Client("a thread that sent a file died".to_owned()));
            thread.join().unwrap_or_else(|_| died())
        }));
        done.into_iter().collect::<Result<(), _>>()
    })?;
    Ok(results.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Sends a file, once.
fn send(
    api: &Api<'_>,
    url: &Url,
    file: &ReleaseFile,
    on_happening: OnHappening<'_>,
) -> Result<Asset, ApiError> {
    let mut url = url.clone();
    url.query_pairs_mut().append_pair("name", &file.name);
    if let Some(label) = &file.label {
        url.query_pairs_mut().append_pair("label", label);
    }
    let body = Body::File { path: &file.path, bytes: file.bytes };
    let at = &mut |so_far| on_happening(Happening::At { file, so_far });
    let asset = api.upload(&url, body, Permission::Contents, at)?;
    on_happening(Happening::Sent { file });
    Ok(asset)
}

/// What was sent has to be what has arrived.
fn refuse_damaged(file: &ReleaseFile, asset: &Asset) -> Result<(), PublishError> {
    let expected = format!("sha256:{}", file.sha256);
    let (found, expected) = match &asset.digest {
        Some(digest) if *digest != expected => (digest.clone(), expected),
        _ if asset.size != file.bytes => {
            (format!("{} bytes", asset.size), format!("{} bytes", file.bytes))
        }
        _ => return Ok(()),
    };
    Err(PublishError::Damaged { name: file.name.clone(), found, expected })
}

/// What an upload's failure means for the next round; or that there will be none.
fn failed(
    error: ApiError,
    api: &Api<'_>,
    release: &Release,
    file: &ReleaseFile,
    state: &mut State,
) -> Result<Passing, PublishError> {
    match error {
        ApiError::Passing(passing) => Ok(passing),
        // There already, or gone while it was on its way: another run is at work.
        error if error.is_taken() || error.is_missing() => {
            state.rival = true;
            Ok(Passing::new(error.to_string()))
        }
        error => Err(final_failure(error, api, release, file)),
    }
}

/// A failure in the words of its cause, should the release have become final meanwhile.
fn final_failure(
    error: ApiError,
    api: &Api<'_>,
    release: &Release,
    file: &ReleaseFile,
) -> PublishError {
    let id = release.id.to_string();
    let refused = matches!(error, ApiError::Invalid { .. } | ApiError::Refused { .. });
    if refused
        && let Ok(now) = api.get::<Release>(Call::get(&["releases", &id], Permission::Read))
        && now.immutable
    {
        return PublishError::Immutable { tag: now.tag_name, files: vec![file.name.clone()] };
    }
    error.into()
}

/// Where assets are sent: it gets the token, so it must be as safe as the API's own address.
fn upload_url(api: &Api<'_>, release: &Release) -> Result<Url, PublishError> {
    let text = release.upload_url.split('{').next().unwrap_or_default();
    let unsafe_url =
        || PublishError::UploadUrl { tag: release.tag_name.clone(), url: text.to_owned() };
    let url = Url::parse(text).map_err(|_| unsafe_url())?;
    match (api.options().api.scheme(), url.scheme()) {
        (_, "https") | ("http", "http") => Ok(url),
        _ => Err(unsafe_url()),
    }
}
