//! HTTP from plain threads, bodies read as they come. It follows no redirects and
//! repeats nothing: whoever asks knows what an answer means.

pub mod send;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use reqwest::header::{self, HeaderValue};
pub use reqwest::{StatusCode, Url};

use super::cancel::Cancel;
use super::secret::Secret;

/// How often a wait looks whether somebody asked to stop.
const TICK: Duration = Duration::from_millis(50);

/// How a [`Client`] behaves.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// The longest time without a byte.
    pub stall: Duration,
    /// Whether `HTTPS_PROXY` and its kin, and the system's own settings, are obeyed.
    pub system_proxy: bool,
}

/// One thread's connections. They are kept and used again, and live only while something of
/// the client is being waited for, so that a client is of no use to two threads.
pub struct Client {
    runtime: tokio::runtime::Runtime,
    inner: reqwest::Client,
    stall: Duration,
}

/// Why there is no answer, or no whole one.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The client itself cannot be made.
    #[error("the HTTP client cannot be made: {0}")]
    Setup(String),
    /// The server was not reached, or the connection broke: the text says how.
    #[error("{0}")]
    Broken(String),
    /// The server is silent.
    #[error("no byte for {} s", .0.as_secs_f32())]
    Stalled(Duration),
    /// A body that was to be held in memory is too long for it.
    #[error("the answer is longer than {0} bytes")]
    TooLong(u64),
    /// Somebody asked to stop.
    #[error("cancelled")]
    Cancelled,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Get<'a> {
    /// Where.
    pub url: &'a Url,
    /// The token, for the host that it belongs to.
    pub bearer: Option<&'a Secret>,
    /// The first byte and the one after the last.
    pub range: Option<(u64, u64)>,
    /// The kind of answer that is wanted, where an address has several.
    pub accept: Option<&'static str>,
}

/// An answer, its body not yet read.
pub struct Response<'c> {
    client: &'c Client,
    cancel: &'c Cancel,
    inner: reqwest::Response,
}

impl Client {
    /// A client with no connections yet.
    pub fn new(options: &ClientOptions) -> Result<Self, HttpError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| HttpError::Setup(error.to_string()))?;
        // reqwest panics without one. That another part of the program was first is no error.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = || {
            let builder = reqwest::Client::builder()
                .user_agent(concat!("mlc-package/", env!("CARGO_PKG_VERSION")))
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .referer(false)
                .connect_timeout(options.stall);
            if options.system_proxy { builder } else { builder.no_proxy() }
        };
        // A bare container has no certificates, and the client is not made then, even for HTTP.
        let inner = builder().build().or_else(|_| builder().tls_certs_only(roots()).build());
        let inner = inner.map_err(|error| HttpError::Setup(chain(error)))?;
        Ok(Self { runtime, inner, stall: options.stall })
    }

    /// Asks, and waits for the head of the answer.
    pub fn get<'c>(&'c self, get: &Get<'_>, cancel: &'c Cancel) -> Result<Response<'c>, HttpError> {
        // A body that somebody compressed on the way has neither our size nor our digest.
        let mut request =
            self.inner.get(get.url.clone()).header(header::ACCEPT_ENCODING, "identity");
        if let Some(token) = get.bearer {
            let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))
                .map_err(|_| HttpError::Setup("the token has control characters".to_owned()))?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        if let Some(accept) = get.accept {
            request = request.header(header::ACCEPT, accept);
        }
        if let Some((start, end)) = get.range {
            let last = end.saturating_sub(1);
            request = request.header(header::RANGE, format!("bytes={start}-{last}"));
        }
        let inner = self.wait(request.send(), cancel)?;
        Ok(Response { client: self, cancel, inner })
    }

    fn wait<T>(
        &self,
        future: impl Future<Output = reqwest::Result<T>>,
        cancel: &Cancel,
    ) -> Result<T, HttpError> {
        self.runtime.block_on(async {
            let mut future = std::pin::pin!(future);
            let begun = Instant::now();
            loop {
                if cancel.is_cancelled() {
                    return Err(HttpError::Cancelled);
                }
                let tick = TICK.min(self.stall);
                match tokio::time::timeout(tick, future.as_mut()).await {
                    Ok(done) => return done.map_err(|error| HttpError::Broken(chain(error))),
                    Err(_) if begun.elapsed() >= self.stall => {
                        return Err(HttpError::Stalled(self.stall));
                    }
                    Err(_) => {}
                }
            }
        })
    }
}

impl Response<'_> {
    /// The answer's status.
    pub fn status(&self) -> StatusCode {
        self.inner.status()
    }

    /// A header that is there once and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.inner.headers().get(name)?.to_str().ok()
    }

    /// The next piece of the body, of any size; `None` at its end. A body that ends before its
    /// `Content-Length` or its last chunk is an error.
    pub fn next_piece(&mut self) -> Result<Option<impl AsRef<[u8]> + use<>>, HttpError> {
        self.client.wait(self.inner.chunk(), self.cancel)
    }

    /// The whole body, if it is not longer than `limit` bytes.
    pub fn body(mut self, limit: u64) -> Result<Vec<u8>, HttpError> {
        let mut body = Vec::new();
        while let Some(piece) = self.next_piece()? {
            let piece = piece.as_ref();
            if (body.len() + piece.len()) as u64 > limit {
                return Err(HttpError::TooLong(limit));
            }
            body.extend_from_slice(piece);
        }
        Ok(body)
    }
}

/// Mozilla's root certificates.
fn roots() -> impl Iterator<Item = reqwest::Certificate> {
    let certificates = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
    certificates.filter_map(|der| reqwest::Certificate::from_der(der).ok())
}

/// An error with its causes. Without the URL: it may be a signed one, and who asked names it.
fn chain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        let said = cause.to_string();
        if !text.ends_with(&said) {
            let _ = write!(text, ": {said}");
        }
        source = cause.source();
    }
    text
}
