//! Requests that send something: a method, headers, a body. A file's body is read while it is
//! sent, so that its size is of no matter.

use std::io::Read as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use camino::Utf8Path;
use http_body::{Frame, SizeHint};
pub use reqwest::Method;

use super::{Cancel, Client, HttpError, Response, Secret, TICK, Url, broken, dressed, outcome};
use crate::io::trace;

/// What is read of a file at once, in bytes.
const BLOCK: usize = 64 << 10;

/// A request.
pub struct Request<'a> {
    /// What is to be done.
    pub method: Method,
    /// With what.
    pub url: &'a Url,
    /// The token, for the host that it belongs to.
    pub bearer: Option<&'a Secret>,
    /// Other headers.
    pub headers: &'a [(&'static str, &'a str)],
    /// What is sent.
    pub body: Body<'a>,
}

/// What is sent.
pub enum Body<'a> {
    /// Nothing.
    Empty,
    /// This.
    Bytes(Vec<u8>),
    /// A file of this many bytes; one that is shorter breaks the request.
    File {
        /// The file.
        path: &'a Utf8Path,
        /// Its size.
        bytes: u64,
    },
}

impl Client {
    /// Sends a request, and waits for the head of the answer. `at` hears now and then how many
    /// bytes of a file have been taken for the way. A body that moves may take its time.
    pub fn send<'c>(
        &'c self,
        request: Request<'_>,
        cancel: &'c Cancel,
        at: &mut dyn FnMut(u64),
    ) -> Result<Response<'c>, HttpError> {
        let (method, url) = (request.method.to_string(), request.url);
        let building = self.inner.request(request.method, request.url.clone());
        let mut building = dressed(building, request.headers, request.bearer)?;
        let sent = Arc::new(AtomicU64::new(0));
        building = match request.body {
            Body::Empty => building,
            Body::Bytes(bytes) => building.body(bytes),
            Body::File { path, bytes } => {
                let file = fs_err::File::open(path)
                    .map_err(|error| HttpError::Setup(error.to_string()))?;
                let body = FileBody::new(file, bytes, sent.clone());
                building.body(reqwest::Body::wrap(body))
            }
        };
        let answer = self.runtime.block_on(async {
            let mut answer = std::pin::pin!(building.send());
            let (mut moved, mut before) = (Instant::now(), 0);
            loop {
                if cancel.is_cancelled() {
                    return Err(HttpError::Cancelled);
                }
                match tokio::time::timeout(TICK.min(self.stall), answer.as_mut()).await {
                    Ok(done) => return done.map_err(broken),
                    Err(_) => {
                        let now = sent.load(Ordering::Relaxed);
                        if now != before {
                            (moved, before) = (Instant::now(), now);
                            at(now);
                        } else if moved.elapsed() >= self.stall {
                            return Err(HttpError::Stalled(self.stall));
                        }
                    }
                }
            }
        });
        trace::request(&method, url, || outcome(&answer));
        Ok(Response { client: self, cancel, inner: answer?, slow: Default::default() })
    }
}

/// A file on its way. It is read where it is sent: each thread has a connection and a runtime of
/// its own, in which nothing else could run meanwhile.
struct FileBody {
    file: fs_err::File,
    left: u64,
    sent: Arc<AtomicU64>,
    blocks: Blocks,
}

/// Memory to read into, used again once what was in it is on its way. New memory for each block
/// costs more than sending it: the kernel clears every page.
#[derive(Default)]
struct Blocks {
    /// All there are but the one that is read into; who sends them holds them too.
    lent: Vec<Bytes>,
}

impl Blocks {
    /// A block of which nobody sends anything any more.
    fn take(&mut self) -> BytesMut {
        let free = self.lent.iter().position(Bytes::is_unique);
        let free = free.map(|at| self.lent.swap_remove(at)).map(Bytes::try_into_mut);
        free.and_then(Result::ok).unwrap_or_else(|| BytesMut::zeroed(BLOCK))
    }

    /// Its first bytes, to be sent.
    fn lend(&mut self, block: BytesMut, length: usize) -> Bytes {
        let block = block.freeze();
        let part = block.slice(..length);
        self.lent.push(block);
        part
    }
}

impl FileBody {
    fn new(file: fs_err::File, left: u64, sent: Arc<AtomicU64>) -> Self {
        Self { file, left, sent, blocks: Blocks::default() }
    }

    /// The next bytes; none where the file ends.
    fn read(&mut self) -> std::io::Result<Bytes> {
        let mut block = self.blocks.take();
        let want = block.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let part = block.get_mut(..want).unwrap_or_default();
        let read = loop {
            match self.file.read(part) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                done => break done?,
            }
        };
        Ok(self.blocks.lend(block, read))
    }
}

impl http_body::Body for FileBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(match self.read() {
            Err(error) => Err(error),
            Ok(read) if read.is_empty() => {
                let path = self.file.path().display();
                Err(std::io::Error::other(format!("`{path}` became shorter while it was sent")))
            }
            Ok(read) => {
                let length = read.len() as u64;
                self.left -= length;
                self.sent.fetch_add(length, Ordering::Relaxed);
                Ok(Frame::data(read))
            }
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use http_body::Body as _;

    use super::*;

    fn next(body: &mut FileBody) -> Option<Bytes> {
        let mut context = Context::from_waker(std::task::Waker::noop());
        match Pin::new(body).poll_frame(&mut context) {
            Poll::Ready(frame) => frame.map(|frame| frame.unwrap().into_data().unwrap()),
            Poll::Pending => panic!("a file is always ready"),
        }
    }

    #[test]
    fn what_is_on_its_way_is_not_written_over_and_what_was_sent_is_used_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("asset");
        let bytes: Vec<u8> = (0..BLOCK * 5 / 2).map(|at| (at / 1000) as u8).collect();
        fs_err::write(&path, &bytes).unwrap();
        let body = || {
            let file = fs_err::File::open(&path).unwrap();
            FileBody::new(file, bytes.len() as u64, Arc::default())
        };
        let mut kept = body();
        let pieces: Vec<_> = std::iter::from_fn(|| next(&mut kept)).collect();
        assert_eq!(pieces.concat(), bytes);
        assert_eq!(kept.blocks.lent.len(), pieces.len());

        let mut sent = body();
        let mut all = Vec::new();
        while let Some(piece) = next(&mut sent) {
            all.extend_from_slice(&piece);
        }
        assert_eq!(all, bytes);
        assert_eq!(sent.blocks.lent.len(), 1);
    }
}
