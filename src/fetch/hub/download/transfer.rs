//! One thread's work on one file: asking for what is missing, writing it, digesting it.

use std::sync::mpsc::Sender;

use super::FetchEvent;
use super::part::{Claim, Ended, PartialFile};
use crate::fetch::hub::HubError;
use crate::fetch::hub::digest::Hasher;
use crate::fetch::hub::requests::{Asker, Failure, Subject, gave_up};
use crate::io::cancel::Cancel;
use crate::io::http::resume::{PROGRESS, content_range};
use crate::io::http::session::{Answer, Session};
use crate::io::http::{Response, StatusCode, Url};
use crate::io::positioned::PositionedFile;
use crate::io::retry::Backoff;

/// What is read back at once for a digest.
const BLOCK: usize = 256 << 10;

/// Why a request ended early.
enum Stop {
    Failure(Failure),
    /// The claim is to be let go: the file begins anew, or is asked for otherwise.
    LetGo,
}

impl<E: Into<Failure>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failure(error.into())
    }
}

/// Does a claim, and gives it back whatever happens.
pub(super) fn work(
    asker: &Asker<'_>,
    part: &PartialFile,
    claim: &Claim,
    events: &Sender<FetchEvent>,
) -> Result<(), HubError> {
    let tell = |event| {
        // Nobody listens any more when the caller has gone; then nobody waits for the file.
        let _ = events.send(event);
    };
    let file = &part.file.path;
    if let Some(there) = claim.begins {
        tell(FetchEvent::Started { file: file.clone(), bytes: part.file.bytes });
        tell(FetchEvent::Progress { file: file.clone(), bytes_so_far: there });
    }
    let done = go_on(asker, part, claim, &tell);
    let done = done.and_then(|()| catch_up(part, claim, asker.session.cancel));
    match (done, part.release(claim)) {
        (Err(error), _) | (Ok(()), Err(error)) => Err(error),
        (Ok(()), Ok(Ended::Open)) => Ok(()),
        (Ok(()), Ok(Ended::Verified)) => {
            for name in &part.names {
                tell(FetchEvent::Verified { file: name.path.clone() });
            }
            Ok(())
        }
        (Ok(()), Ok(Ended::Again(why))) => {
            let after = std::time::Duration::ZERO;
            tell(FetchEvent::Retry { file: file.clone(), why, after });
            Ok(())
        }
    }
}

/// Asks until nothing of the claim is missing.
fn go_on(
    asker: &Asker<'_>,
    part: &PartialFile,
    claim: &Claim,
    tell: &dyn Fn(FetchEvent),
) -> Result<(), HubError> {
    let mut backoff = Backoff::new(asker.session.retry);
    let retried = |why: &str, after| {
        tell(FetchEvent::Retry { file: part.file.path.clone(), why: why.to_owned(), after });
    };
    let session = Session { on_wait: &retried, ..asker.session };
    while let Some(missing) = part.missing(claim) {
        catch_up(part, claim, asker.session.cancel)?;
        let mut got = 0;
        let passing = match request(asker, part, claim, missing, &mut got, tell) {
            Ok(()) => continue,
            Err(Stop::LetGo) => return Ok(()),
            Err(Stop::Failure(Failure::Final(error))) => return Err(error),
            Err(Stop::Failure(Failure::Passing(passing))) => passing,
        };
        // It may have been redirected to a host that is in trouble, or for a time that is over.
        part.set_location(None);
        if got >= PROGRESS {
            backoff.reset();
        }
        let waited = session.again(&mut backoff, &passing);
        waited.map_err(|error| gave_up(error, &part.url))?;
    }
    Ok(())
}

/// Asks once for what is missing, and writes what comes.
fn request(
    asker: &Asker<'_>,
    part: &PartialFile,
    claim: &Claim,
    (start, end): (u64, u64),
    got: &mut u64,
    tell: &dyn Fn(FetchEvent),
) -> Result<(), Stop> {
    let all = claim.range.is_none() || (start == 0 && end == part.file.bytes);
    let url = part.location();
    let range = (!all).then_some((start, end));
    let subject = Subject::File(&part.repo, &part.file.path);
    let Answer { mut response, url: from } = asker.ask(&url, range, subject)?;
    let until = check_head(part, &response, range)?;
    if part.is_changed(response.header("etag"))? {
        return Err(Stop::LetGo);
    }
    if from.origin() != part.url.origin() {
        part.set_location(Some(from.clone()));
    }
    match claim.range {
        Some(index) => {
            let mut hasher = part.take_hasher(start);
            let mut sink =
                Sink { part, disk: &claim.disk, index, at: start, until, hasher: hasher.as_mut() };
            let done = sink.fill(&mut response, &from, asker.session.cancel, tell);
            let at = sink.at;
            *got = at - start;
            if let Some(hasher) = hasher {
                part.put_hasher(hasher, at);
            }
            done
        }
        None => {
            let cancel = asker.session.cancel;
            fill_gaps(part, &claim.disk, (&mut response, &from), cancel, got, tell)
        }
    }
}

/// Holds the head of an answer against what was asked for; gives the byte after the last one
/// that it brings.
fn check_head(
    part: &PartialFile,
    response: &Response<'_>,
    range: Option<(u64, u64)>,
) -> Result<u64, Stop> {
    let bytes = part.file.bytes;
    let wrong = |why: String| Stop::Failure(Failure::passing(why));
    if let Some(encoding) = response.header("content-encoding").filter(|name| *name != "identity") {
        return Err(wrong(format!("the server encoded it as {encoding}, which was not requested")));
    }
    let size = |found: u64| {
        wrong(format!("it has {found} bytes there, and the Hub's listing says {bytes}"))
    };
    if response.status() == StatusCode::PARTIAL_CONTENT {
        let Some((start, end)) = range else {
            return Err(wrong("a part of it came, and all was asked for".to_owned()));
        };
        let header = response.header("content-range").unwrap_or("");
        let Some((first, last, total)) = content_range(header) else {
            return Err(wrong(format!(
                "the part that came has no place (Content-Range: {header})"
            )));
        };
        if total.is_some_and(|total| total != bytes) {
            return Err(size(total.unwrap_or_default()));
        }
        if first != start || last < first || last >= end {
            return Err(wrong(format!("bytes {first} to {last} came, not {start} to {}", end - 1)));
        }
        return Ok(last + 1);
    }
    let length = response.header("content-length").and_then(|value| value.parse().ok());
    match length {
        Some(length) if length != bytes => Err(size(length)),
        _ if range.is_some() => {
            part.set_whole_only();
            Err(Stop::LetGo)
        }
        _ => Ok(bytes),
    }
}

/// Where the bytes of one range go.
struct Sink<'p> {
    part: &'p PartialFile,
    disk: &'p PositionedFile,
    index: usize,
    at: u64,
    until: u64,
    hasher: Option<&'p mut Hasher>,
}

impl Sink<'_> {
    fn fill(
        &mut self,
        response: &mut Response<'_>,
        from: &Url,
        cancel: &Cancel,
        tell: &dyn Fn(FetchEvent),
    ) -> Result<(), Stop> {
        while let Some(piece) = response.next_piece().map_err(|error| Failure::of(error, from))? {
            let piece = piece.as_ref();
            if self.at + piece.len() as u64 > self.until {
                return Err(Failure::passing("more bytes came than were announced").into());
            }
            write(self.part, self.disk, piece, self.at)?;
            if let Some(hasher) = &mut self.hasher {
                hasher.update(piece);
            }
            self.at += piece.len() as u64;
            go_further(self.part, self.index, piece.len(), cancel, tell)?;
        }
        ended(self.at, self.until)
    }
}

/// Reads the whole file from its beginning and writes what is missing. What is there is never
/// written again: it may be part of the digest already.
fn fill_gaps(
    part: &PartialFile,
    disk: &PositionedFile,
    (response, from): (&mut Response<'_>, &Url),
    cancel: &Cancel,
    got: &mut u64,
    tell: &dyn Fn(FetchEvent),
) -> Result<(), Stop> {
    let mut at = 0;
    while let Some(piece) = response.next_piece().map_err(|error| Failure::of(error, from))? {
        let piece = piece.as_ref();
        let end = at + piece.len() as u64;
        if end > part.file.bytes {
            return Err(Failure::passing("more bytes came than were announced").into());
        }
        for (index, from, to) in part.missing_in(at, end) {
            let place = |offset: u64| usize::try_from(offset - at).unwrap_or(usize::MAX);
            let Some(missing) = piece.get(place(from)..place(to)) else { continue };
            write(part, disk, missing, from)?;
            *got += missing.len() as u64;
            go_further(part, index, missing.len(), cancel, tell)?;
        }
        at = end;
    }
    ended(at, part.file.bytes)
}

fn write(part: &PartialFile, disk: &PositionedFile, bytes: &[u8], at: u64) -> Result<(), Stop> {
    let written = disk.write_all_at(bytes, at);
    written.map_err(|error| Stop::Failure(Failure::Final(part.disk_error(error))))
}

fn go_further(
    part: &PartialFile,
    index: usize,
    bytes: usize,
    cancel: &Cancel,
    tell: &dyn Fn(FetchEvent),
) -> Result<(), Stop> {
    let advanced = part.advance(index, bytes as u64)?;
    if let Some(bytes_so_far) = advanced.tell {
        tell(FetchEvent::Progress { file: part.file.path.clone(), bytes_so_far });
    }
    if cancel.is_cancelled() {
        return Err(Failure::Final(HubError::Cancelled).into());
    }
    if advanced.stop { Err(Stop::LetGo) } else { Ok(()) }
}

fn ended(at: u64, until: u64) -> Result<(), Stop> {
    if at == until {
        return Ok(());
    }
    Err(Failure::passing(format!("the answer ended {} bytes early", until - at)).into())
}

/// Brings the digest as far as the file goes without a gap, from the disk: the system still
/// has in memory what was just written.
fn catch_up(part: &PartialFile, claim: &Claim, cancel: &Cancel) -> Result<(), HubError> {
    let mut block = Vec::new();
    while let Some((mut hasher, mut at, end)) = part.take_lagging_hasher(claim.range) {
        let mut done = Ok(());
        while at < end && done.is_ok() {
            let len = usize::try_from(end - at).map_or(BLOCK, |rest| rest.min(BLOCK));
            block.resize(len, 0);
            done = claim.disk.read_exact_at(&mut block, at).map_err(HubError::from);
            if done.is_ok() {
                hasher.update(&block);
                at += len as u64;
            }
            if cancel.is_cancelled() {
                done = Err(HubError::Cancelled);
            }
        }
        part.put_hasher(hasher, at);
        done?;
    }
    Ok(())
}
