//! Files of the Hub, several at once.

mod part;
mod ranges;
mod transfer;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;

use self::part::{Claim, Claimed, PartialFile};
use super::requests::below;
use super::{Commit, Hub, HubError, RemoteDigest, RemoteFile};
use crate::io::cancel::Cancel;
use crate::model::{HubRepo, ShardPath};

/// How often a thread without work looks for some, and the caller whether it is to stop.
const TICK: Duration = Duration::from_millis(20);

/// What happens while files are fetched. Of files that are in the cache nothing is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchEvent {
    /// A file begins.
    Started {
        /// The file.
        file: ShardPath,
        /// Its size in bytes.
        bytes: u64,
    },
    /// So much of a file is on disk, what earlier runs left included; a few times a second. It
    /// goes back when a file begins anew.
    Progress {
        /// The file.
        file: ShardPath,
        /// The bytes.
        bytes_so_far: u64,
    },
    /// A file is whole and under its name.
    Verified {
        /// The file.
        file: ShardPath,
    },
    /// A cached file is not what it should be, and is downloaded again.
    Damaged {
        /// The file.
        file: ShardPath,
        /// What it is.
        why: String,
    },
    /// A request failed, and is made again.
    Retry {
        /// The file.
        file: ShardPath,
        /// What happened.
        why: String,
        /// When it is made again.
        after: Duration,
    },
}

/// Fetches what is not in the cache.
pub(super) fn fetch(
    hub: &Hub,
    repo: &HubRepo,
    commit: &Commit,
    files: &[RemoteFile],
    events: &dyn Fn(FetchEvent),
) -> Result<(), HubError> {
    let parts = missing(hub, repo, commit, files)?;
    if parts.is_empty() {
        return Ok(());
    }
    hub.cache(repo).prepare()?;
    let ranges = parts.iter().fold(0_usize, |sum, part| sum.saturating_add(part.range_count()));
    let threads = hub.options.connections.clamp(1, ranges);
    // Set when the user cancels or a file fails: nobody goes on then.
    let stop = Cancel::default();
    let failed: Mutex<Option<HubError>> = Mutex::new(None);
    std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for _ in 0..threads {
            let (sender, parts, stop, failed) = (sender.clone(), &parts[..], &stop, &failed);
            scope.spawn(move || {
                if let Err(error) = work(hub, parts, stop, &sender) {
                    let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                    if !stop.is_cancelled() {
                        *failed = Some(error);
                    }
                    stop.cancel();
                }
            });
        }
        drop(sender);
        loop {
            match receiver.recv_timeout(TICK) {
                Ok(event) => events(event),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if hub.cancel.is_cancelled() {
                stop.cancel();
            }
        }
    });
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None if stop.is_cancelled() => Err(HubError::Cancelled),
        None => Ok(()),
    }
}

/// The files that must be downloaded, each content once. Those whose content is there get
/// their names.
fn missing(
    hub: &Hub,
    repo: &HubRepo,
    commit: &Commit,
    files: &[RemoteFile],
) -> Result<Vec<PartialFile>, HubError> {
    let cache = hub.cache(repo);
    let mut parts: BTreeMap<RemoteDigest, PartialFile> = BTreeMap::new();
    for file in files {
        if cache.has_pointer(commit, file) {
            continue;
        }
        if cache.has_blob(file) {
            cache.point(commit, file)?;
            continue;
        }
        if hub.options.offline {
            return Err(HubError::Offline {
                repo: Box::new(repo.clone()),
                what: match cache.bytes_there(commit, file) {
                    // Somebody cut it, or it is another file.
                    Some(bytes) => {
                        let (path, whole) = (&file.path, file.bytes);
                        format!("`{path}` at {commit}, cached with {bytes} of its {whole} bytes,")
                    }
                    None => format!("`{}` at {commit}", file.path),
                },
            });
        }
        if let Some(part) = parts.get_mut(&file.digest) {
            part.names.push(file.clone());
            continue;
        }
        let names = [repo.user(), repo.repo(), "resolve", commit.as_str()];
        let path = file.path.as_str().split('/');
        let url = below(&hub.options.endpoint, names.into_iter().chain(path))?;
        let part = PartialFile::new(repo, commit, file, url, &cache, hub.options.range_bytes);
        parts.insert(file.digest, part);
    }
    Ok(parts.into_values().collect())
}

/// One thread: takes work until there is none.
fn work(
    hub: &Hub,
    parts: &[PartialFile],
    stop: &Cancel,
    events: &Sender<FetchEvent>,
) -> Result<(), HubError> {
    hub.with_client(stop, |asker| {
        let mut own = None;
        loop {
            if stop.is_cancelled() {
                return Err(HubError::Cancelled);
            }
            match next(parts, own, events)? {
                Next::Work(part, claim) => {
                    own = Some(part);
                    transfer::work(asker, part, &claim, events)?;
                }
                Next::Wait => {
                    std::thread::sleep(TICK);
                }
                Next::Nothing => return Ok(()),
            }
        }
    })
}

enum Next<'p> {
    Work(&'p PartialFile, Claim),
    Wait,
    Nothing,
}

/// The next piece of work: of the file that the thread has been at, so that its digest is made
/// as the bytes come; then of a file that nobody is at; then of any.
fn next<'p>(
    parts: &'p [PartialFile],
    own: Option<&'p PartialFile>,
    events: &Sender<FetchEvent>,
) -> Result<Next<'p>, HubError> {
    let mut all_finished = true;
    let untouched = parts.iter().filter(|part| part.is_untouched());
    for part in own.into_iter().chain(untouched).chain(parts) {
        let first = part.is_untouched();
        match part.claim()? {
            Claimed::Work(claim) => return Ok(Next::Work(part, claim)),
            Claimed::Busy => all_finished = false,
            Claimed::Finished if first => {
                // Another process fetched it.
                for name in &part.names {
                    let _ = events.send(FetchEvent::Verified { file: name.path.clone() });
                }
            }
            Claimed::Finished => {}
        }
    }
    Ok(if all_finished { Next::Nothing } else { Next::Wait })
}
