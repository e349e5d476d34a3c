//! Requests that send something: a method, headers, a body. A file's body is read while it is
//! sent, so that its size is of no matter.

use std::io::Read as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use camino::Utf8Path;
use http_body::{Frame, SizeHint};
pub use reqwest::Method;
use reqwest::header::{self, HeaderName, HeaderValue};

use super::{Cancel, Client, HttpError, Response, Secret, TICK, Url, chain};

/// What is read of a file at once, in bytes.
const BLOCK: u64 = 256 << 10;

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
        let mut building = self.inner.request(request.method, request.url.clone());
        building = building.header(header::ACCEPT_ENCODING, "identity");
        for (name, value) in request.headers {
            let value = HeaderValue::try_from(*value).map_err(|_| {
                HttpError::Setup(format!("the header {name} has control characters"))
            })?;
            building = building.header(HeaderName::from_static(name), value);
        }
        if let Some(token) = request.bearer {
            let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))
                .map_err(|_| HttpError::Setup("the token has control characters".to_owned()))?;
            value.set_sensitive(true);
            building = building.header(header::AUTHORIZATION, value);
        }
        let sent = Arc::new(AtomicU64::new(0));
        building = match request.body {
            Body::Empty => building,
            Body::Bytes(bytes) => building.body(bytes),
            Body::File { path, bytes } => {
                let file = fs_err::File::open(path)
                    .map_err(|error| HttpError::Setup(error.to_string()))?;
                let body = FileBody { file, left: bytes, sent: sent.clone() };
                building.body(reqwest::Body::wrap(body))
            }
        };
        let inner = self.runtime.block_on(async {
            let mut answer = std::pin::pin!(building.send());
            let (mut moved, mut before) = (Instant::now(), 0);
            loop {
                if cancel.is_cancelled() {
                    return Err(HttpError::Cancelled);
                }
                match tokio::time::timeout(TICK.min(self.stall), answer.as_mut()).await {
                    Ok(done) => return done.map_err(|error| HttpError::Broken(chain(error))),
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
        })?;
        Ok(Response { client: self, cancel, inner })
    }
}

/// A file on its way. It is read where it is sent: each thread has a connection and a runtime of
/// its own, in which nothing else could run meanwhile.
struct FileBody {
    file: fs_err::File,
    left: u64,
    sent: Arc<AtomicU64>,
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
        let want = self.left.min(BLOCK);
        let mut block = Vec::with_capacity(usize::try_from(want).unwrap_or_default());
        let read = (&mut self.file).take(want).read_to_end(&mut block);
        Poll::Ready(Some(match read {
            Err(error) => Err(error),
            Ok(0) => {
                let path = self.file.path().display();
                Err(std::io::Error::other(format!("`{path}` became shorter while it was sent")))
            }
            Ok(read) => {
                self.left -= read as u64;
                self.sent.fetch_add(read as u64, Ordering::Relaxed);
                Ok(Frame::data(Bytes::from(block)))
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
