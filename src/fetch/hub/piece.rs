//! Some bytes of a file, without the file: what its header says is known before gigabytes come.

use super::requests::{Asker, Failure, Subject, below};
use super::{Commit, Hub, HubError, RemoteFile};
use crate::io::http::resume::Ahead;
use crate::io::positioned::PositionedFile;
use crate::model::HubRepo;

impl Hub {
    /// The bytes of a file from `start` to before `end`, or to its end: out of the cache, or by one
    /// request. Nothing is kept, and no digest is of a part: what follows from it must be looked at
    /// again in the whole file.
    pub fn piece(
        &self,
        repo: &HubRepo,
        commit: &Commit,
        file: &RemoteFile,
        (start, end): (u64, u64),
    ) -> Result<Vec<u8>, HubError> {
        let end = end.min(file.bytes);
        let mut piece = vec![0; usize::try_from(end.saturating_sub(start)).unwrap_or_default()];
        if piece.is_empty() {
            return Ok(piece);
        }
        let cache = self.cache(repo);
        let cached = match cache.has_pointer(commit, file) {
            true => Some(cache.snapshot(commit).join(file.path.as_path())),
            false => cache.has_blob(file).then(|| cache.blob(file.digest)),
        };
        if let Some(path) = cached {
            PositionedFile::open_to_read(&path)?.read_exact_at(&mut piece, start)?;
            return Ok(piece);
        }
        if self.options.offline {
            let what = format!("`{}` at {commit}", file.path);
            return Err(HubError::Offline { repo: Box::new(repo.clone()), what });
        }
        let names = [repo.user(), repo.repo(), "resolve", commit.as_str()];
        let path = file.path.as_str().split('/');
        let url = below(&self.options.endpoint, names.into_iter().chain(path))?;
        self.with_client(&self.cancel, |asker| {
            asker.insist(&url, || ask(asker, &url, (repo, file), (start, end)))
        })
    }
}

/// Asks once.
fn ask(
    asker: &Asker<'_>,
    url: &crate::io::http::Url,
    (repo, file): (&HubRepo, &RemoteFile),
    (start, end): (u64, u64),
) -> Result<Vec<u8>, Failure> {
    let answer = asker.ask(url, Some((start, end)), Subject::File(repo, &file.path))?;
    let (mut response, from) = (answer.response, answer.url);
    let mut ahead = Ahead::of(&response, start).map_err(Failure::Passing)?;
    let wanted = usize::try_from(end - start).unwrap_or(usize::MAX);
    let mut found = Vec::with_capacity(wanted.min(1 << 20));
    while found.len() < wanted {
        let piece = response.next_piece().map_err(|error| Failure::of(error, &from))?;
        let Some(piece) = piece else {
            let missing = wanted - found.len();
            return Err(Failure::passing(format!("the answer ended {missing} bytes early")));
        };
        let rest = ahead.pass(piece.as_ref());
        found.extend_from_slice(rest.get(..rest.len().min(wanted - found.len())).unwrap_or(rest));
    }
    Ok(found)
}
