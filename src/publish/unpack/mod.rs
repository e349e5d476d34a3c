//! A `dist/` laid out again from the assets of a release, byte for byte what was packed.
//!
//! Everything that is read may come from anybody: the list says what there may be and how large
//! it is, and whatever differs from it is refused before `dist/` changes.

mod error;
mod extract;
mod feed;
mod github;
mod local;
mod remote;
mod shown;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

pub use error::UnpackError;
pub use github::ReleaseName;
pub use shown::unpack_shown;

use self::local::LocalAssets;
use self::remote::RemoteAssets;
use crate::github::api::{Api, ApiOptions};
use crate::io::cancel::Cancel;
use crate::io::http::Url;
use crate::io::http::address::printable;
use crate::io::swap::KnownBy;
use crate::io::{files, space, swap};
use crate::manifest;
use crate::model::{ByteSize, Sha256};
use crate::publish::pack::assets::{ArchiveRecord, AssetsManifest, MOST_BYTES, PartRecord};
use crate::publish::pack::{AssetName, sums};

/// The largest `SHA256SUMS` that is read, in bytes.
const MOST_SUMS: u64 = 1 << 20;

/// Where a package is.
#[derive(Clone, Debug)]
pub enum Source {
    /// Its list of assets, the others beside it.
    File(Utf8PathBuf),
    /// The same on a server.
    Url(Url),
    /// A release that has one list of assets.
    Release(ReleaseName),
}

impl Source {
    /// What a person names: an address, a directory that holds one list, a list, or a release.
    pub fn find(text: &str) -> Result<Self, UnpackError> {
        if text.starts_with("https://") || text.starts_with("http://") {
            let page = Url::parse(text).ok().and_then(|url| ReleaseName::page(&url));
            return match page {
                Some(release) => Ok(Self::Release(release)),
                None => remote::list_url(text).map(Self::Url),
            };
        }
        let path = Utf8Path::new(text);
        match ReleaseName::short(text) {
            Some(release) if !files::is_dir(path) && !files::is_file(path) => {
                Ok(Self::Release(release))
            }
            _ => local::find(path).map(Self::File),
        }
    }
}

/// What to unpack, and how.
#[derive(Clone, Debug)]
pub struct UnpackRequest {
    /// Where the package is.
    pub source: Source,
    /// `dist/`.
    pub output: Utf8PathBuf,
    /// How servers are asked; where releases that are not public are, and who asks for them.
    pub github: ApiOptions,
}

/// What happens meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnpackEvent<'a> {
    /// All there is to do.
    Package(&'a AssetsManifest),
    /// An asset begins.
    Started {
        /// Its name.
        name: &'a AssetName,
        /// Its size in bytes.
        bytes: u64,
    },
    /// So much of it was read.
    Progress {
        /// Its name.
        name: &'a AssetName,
        /// The bytes.
        bytes_so_far: u64,
    },
    /// It is what the list says.
    Verified {
        /// Its name.
        name: &'a AssetName,
    },
    /// A request failed, and is made again.
    Retry {
        /// What is asked for.
        name: &'a str,
        /// What happened.
        why: String,
        /// When.
        after: Duration,
    },
}

/// A place that assets come from.
trait Assets {
    /// A small one in memory; none where there is none.
    fn small(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, UnpackError>;
    /// Looks, before anything is unpacked, as far as it costs nothing.
    fn look_at(&self, part: &PartRecord) -> Result<(), UnpackError>;
    /// Gives the bytes of one to `sink`, piece by piece.
    fn read(&self, part: &PartRecord, sink: Sink<'_>) -> Result<(), UnpackError>;
}

/// Takes a piece of an asset.
type Sink<'s> = &'s mut dyn FnMut(&[u8]) -> Result<(), UnpackError>;

/// Who is told what happens.
type Events<'e> = &'e dyn Fn(UnpackEvent<'_>);

/// Unpacks a package. `output` is exchanged at the end, and stays as it was if anything fails.
/// Files there that no build made are kept.
pub fn unpack(
    request: &UnpackRequest,
    cancel: &Cancel,
    events: Events<'_>,
) -> Result<AssetsManifest, UnpackError> {
    match &request.source {
        Source::File(path) => {
            let name = path.file_name().unwrap_or_default();
            let assets = LocalAssets::beside(path, cancel);
            from(&assets, name, path.as_str(), request, cancel, events)
        }
        Source::Url(url) => {
            let release = ReleaseName::of_asset(url, &request.github.server);
            remote(release, Some(url), request, cancel, events)
        }
        Source::Release(release) => remote(Some(release.clone()), None, request, cancel, events),
    }
}

/// Unpacks from a server: a list of assets, or a release that has one.
fn remote(
    release: Option<ReleaseName>,
    list: Option<&Url>,
    request: &UnpackRequest,
    cancel: &Cancel,
    events: Events<'_>,
) -> Result<AssetsManifest, UnpackError> {
    let repository = release.as_ref().map(|release| release.repository.clone());
    let options = ApiOptions { repository, ..request.github.clone() };
    let on_wait = |why: &str, after| {
        events(UnpackEvent::Retry { name: "the release", why: why.to_owned(), after });
    };
    let api = Api::new(&options, cancel, &on_wait)?;
    let list = match (list, &release) {
        (None, Some(release)) => remote::list_of(release, &api)?,
        (Some(list), _) => list.clone(),
        (None, None) => return Err(UnpackError::client("nothing was named".to_owned())),
    };
    let assets = RemoteAssets::new(&list, release, &api, events);
    from(&assets, assets.list_name(), &printable(&list), request, cancel, events)
}

fn from(
    assets: &dyn Assets,
    name: &str,
    place: &str,
    request: &UnpackRequest,
    cancel: &Cancel,
    events: Events<'_>,
) -> Result<AssetsManifest, UnpackError> {
    let wrong = |why: String| UnpackError::List { place: place.to_owned(), why };
    let text = assets.small(name, MOST_BYTES)?;
    let text = text.ok_or_else(|| wrong("there is no such file".to_owned()))?;
    hold_against_sums(assets, name, &text)?;
    let list = AssetsManifest::parse(&text).map_err(|error| wrong(error.to_string()))?;
    for part in list.parts() {
        assets.look_at(part)?;
    }
    let output = &request.output;
    let home = files::parent(output);
    let needed = list.unpacked_bytes();
    // Where nobody can say how much is free, what does not fit fails when it is written.
    let free = space::free_bytes(home).unwrap_or(u64::MAX);
    if needed > free {
        let (needed, free) = (ByteSize(needed), ByteSize(free));
        return Err(UnpackError::NoRoom { needed, free, place: home.to_owned() });
    }
    events(UnpackEvent::Package(&list));
    let failed = |error| UnpackError::write(output, error);
    let staging = swap::Staging::beside(output).map_err(failed)?;
    for archive in &list.archives {
        one(assets, &list, archive, staging.path(), cancel, events)?;
    }
    for plain in &list.plain {
        feed::file(assets, plain, staging.path(), events)?;
    }
    if cancel.is_cancelled() {
        return Err(UnpackError::Interrupted);
    }
    let previous = |dist: &Utf8Path| {
        let text = files::read_if_there(&dist.join(manifest::FILE_NAME));
        let outputs = text.ok().flatten().map(|text| manifest::outputs_of(&text));
        let outputs = outputs.unwrap_or_default().into_iter();
        outputs.map(|(path, (bytes, digest))| (path, KnownBy::Content(bytes, digest))).collect()
    };
    staging.publish(previous).map_err(failed)?;
    Ok(list)
}

/// The list is the one file that it does not itself give a digest for.
fn hold_against_sums(assets: &dyn Assets, name: &str, text: &[u8]) -> Result<(), UnpackError> {
    let Some(listed) = assets.small(sums::FILE_NAME, MOST_SUMS)? else { return Ok(()) };
    let listed = sums::digest_of(&String::from_utf8_lossy(&listed), name);
    let found = Sha256::of(text);
    match listed {
        Some(listed) if listed != found => Err(UnpackError::Digest {
            name: name.to_owned(),
            found: found.to_string(),
            listed: listed.to_string(),
            list: sums::FILE_NAME,
        }),
        _ => Ok(()),
    }
}

/// One archive: this thread reads and digests its parts, another one unpacks them.
fn one(
    assets: &dyn Assets,
    list: &AssetsManifest,
    archive: &ArchiveRecord,
    staging: &Utf8Path,
    cancel: &Cancel,
    events: Events<'_>,
) -> Result<(), UnpackError> {
    let (sender, receiver) = feed::pipe();
    // Set where nothing that is still to come can change why it fails.
    let hopeless = &AtomicBool::new(false);
    std::thread::scope(|scope| {
        let unpacking = scope.spawn(move || {
            let done = extract::extract(receiver, list.compression, archive, staging, cancel);
            if let Err(UnpackError::Write { .. } | UnpackError::Interrupted) = &done {
                hopeless.store(true, Ordering::Relaxed);
            }
            done
        });
        let read = feed::read(assets, archive, sender, hopeless, events);
        let unpacked = unpacking.join().unwrap_or_else(|_| {
            let why = "the unpacking thread failed".to_owned();
            Err(UnpackError::Damaged { archive: archive.name.clone(), why })
        });
        match (read, unpacked) {
            (Err(_), Err(error)) if hopeless.load(Ordering::Relaxed) => Err(error),
            // What is damaged on its way is rarely an archive any more.
            (Err(error), _) | (Ok(()), Err(error)) => Err(error),
            (Ok(()), Ok(())) => Ok(()),
        }
    })
}
