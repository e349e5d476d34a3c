//! HTTP from plain threads, bodies read as they come. A [`Client`] follows no redirects and
//! repeats nothing; a [`session`] does both, and knows whom the token is for.

pub mod address;
pub mod certificates;
pub mod resume;
pub mod send;
pub mod session;

use std::time::{Duration, Instant};

use reqwest::header::{self, HeaderName, HeaderValue};
pub use reqwest::{StatusCode, Url};

use super::cancel::Cancel;
use super::clock::Clock;
use super::secret::Secret;
use super::trace;

/// How often a wait looks whether somebody asked to stop.
const TICK: Duration = Duration::from_millis(50);

/// A body that brings less than this in [`SLOW_WINDOW`] of waiting is given up, in bytes: a server
/// that sends a byte now and then is never silent, and never done.
const SLOW_BYTES: u64 = 60 << 10;

/// See [`SLOW_BYTES`].
const SLOW_WINDOW: Duration = Duration::from_secs(60);

/// How a [`Client`] behaves.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// The longest time without a byte.
    pub stall: Duration,
    /// Whether `HTTPS_PROXY` and its kin, and the system's own settings, are obeyed.
    pub system_proxy: bool,
    /// How time passes while a body comes.
    pub clock: Clock,
}

/// One thread's connections. They are kept and used again, and live only while something of
/// the client is being waited for, so that a client is of no use to two threads.
pub struct Client {
    runtime: tokio::runtime::Runtime,
    inner: reqwest::Client,
    stall: Duration,
    clock: Clock,
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
    /// The server's certificate is not trusted: the text says why.
    #[error("{0}")]
    Certificate(String),
    /// The server is all but silent.
    #[error("fewer than {} KiB came in {} s", SLOW_BYTES >> 10, SLOW_WINDOW.as_secs())]
    TooSlow,
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
    /// Other headers.
    pub headers: &'a [(&'static str, &'a str)],
}

/// An answer, its body not yet read.
pub struct Response<'c> {
    client: &'c Client,
    cancel: &'c Cancel,
    inner: reqwest::Response,
    /// How long it was waited for the body since so many bytes were there, and these bytes.
    slow: (Duration, u64),
}

/// What came of a request, for whoever listens.
fn outcome(answer: &Result<reqwest::Response, HttpError>) -> String {
    match answer {
        Ok(answer) => answer.status().to_string(),
        Err(error) => error.to_string(),
    }
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
        let named = certificates::named().map_err(|error| HttpError::Setup(error.to_string()))?;
        // A bare container has no certificates, and the client is not made then, even for HTTP.
        let all = || certificates::mozillas().chain(named.clone());
        let inner = builder().tls_certs_merge(named.clone()).build();
        let inner = inner.or_else(|_| builder().tls_certs_only(all()).build());
        let inner = inner.map_err(|error| HttpError::Setup(chain(error)))?;
        Ok(Self { runtime, inner, stall: options.stall, clock: options.clock.clone() })
    }

    /// Asks, and waits for the head of the answer.
    pub fn get<'c>(&'c self, get: &Get<'_>, cancel: &'c Cancel) -> Result<Response<'c>, HttpError> {
        let request = self.inner.get(get.url.clone());
        let mut request = dressed(request, get.headers, get.bearer)?;
        if let Some((start, end)) = get.range {
            let last = end.saturating_sub(1);
            request = request.header(header::RANGE, format!("bytes={start}-{last}"));
        }
        let answer = self.wait(request.send(), cancel);
        trace::request("GET", get.url, || outcome(&answer));
        Ok(Response { client: self, cancel, inner: answer?, slow: Default::default() })
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
                    Ok(done) => return done.map_err(broken),
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
        let clock = &self.client.clock;
        let before = clock.elapsed();
        let piece = self.client.wait(self.inner.chunk(), self.cancel)?;
        let (waited, bytes) = &mut self.slow;
        // Longer than this nobody waits: the process was stopped meanwhile.
        *waited += clock.elapsed().saturating_sub(before).min(self.client.stall);
        *bytes += piece.as_ref().map_or(0, |piece| piece.len() as u64);
        if *waited >= SLOW_WINDOW && piece.is_some() {
            if *bytes < SLOW_BYTES {
                return Err(HttpError::TooSlow);
            }
            self.slow = Default::default();
        }
        Ok(piece)
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

/// A request with its headers, and the token if it is to have it.
fn dressed(
    request: reqwest::RequestBuilder,
    headers: &[(&'static str, &str)],
    bearer: Option<&Secret>,
) -> Result<reqwest::RequestBuilder, HttpError> {
    // A body that somebody compressed on the way has neither our size nor our digest.
    let mut request = request.header(header::ACCEPT_ENCODING, "identity");
    for (name, value) in headers {
        let value = HeaderValue::try_from(*value)
            .map_err(|_| HttpError::Setup(format!("the header {name} has control characters")))?;
        request = request.header(HeaderName::from_static(name), value);
    }
    if let Some(token) = bearer {
        let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))
            .map_err(|_| HttpError::Setup("the token has control characters".to_owned()))?;
        value.set_sensitive(true);
        request = request.header(header::AUTHORIZATION, value);
    }
    Ok(request)
}

fn broken(error: reqwest::Error) -> HttpError {
    match certificates::is_untrusted(&error) {
        true => HttpError::Certificate(chain(error)),
        false => HttpError::Broken(chain(error)),
    }
}

/// What layers of the client say of every error of their own, before its cause.
const LAYERS: [&str; 3] =
    ["error sending request", "client error (Connect)", "client error (SendRequest)"];

/// An error with its causes. Without the URL: it may be a signed one, and who asked names it.
fn chain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut said: Vec<String> = vec![error.to_string()];
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        said.push(cause.to_string());
        source = cause.source();
    }
    if said.iter().any(|text| text == "dns error") {
        return "the server's name cannot be resolved (no network?)".to_owned();
    }
    let last = said.pop().unwrap_or_default();
    said.retain(|text| !LAYERS.contains(&text.as_str()) && !text.ends_with(&last));
    said.push(last);
    said.join(": ")
}
