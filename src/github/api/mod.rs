//! GitHub's JSON API: requests, what their answers mean, and limits that are obeyed
//! (<https://docs.github.com/rest>).

mod answer;
mod error;
mod options;
mod types;

use serde::Serialize;
use serde::de::DeserializeOwned;

use self::answer::Refusal;
pub use self::error::{ApiError, Permission};
pub use self::options::ApiOptions;
pub use self::types::{Asset, CheckRun, Comment, Pull, Release, User};
use crate::io::cancel::Cancel;
use crate::io::http::send::{Body, Method, Request};
use crate::io::http::session::{self, Answer, Ask, Failure, Session};
use crate::io::http::{Client, ClientOptions, Response, Url, address};
use crate::io::retry::{Backoff, Passing};

/// What is sent with each request: the version of the API that we know, among others.
const HEADERS: [(&str, &str); 2] =
    [("accept", "application/vnd.github+json"), ("x-github-api-version", "2022-11-28")];

/// The longest answer that is read, in bytes: a page of a hundred comments, each as long as may be.
const ANSWER_LIMIT: u64 = 32 << 20;

/// Entries of a page; GitHub gives no more.
const PER_PAGE: usize = 100;

/// The most pages that are read of a list: GitHub itself lists no more than 10,000 entries.
const MAX_PAGES: usize = 100;

/// A wait, for whoever shows it: why, and how long.
pub type OnWait<'a> = session::OnWait<'a>;

/// The API of one repository. Each thread has its own.
pub struct Api<'a> {
    client: Client,
    options: &'a ApiOptions,
    cancel: &'a Cancel,
    on_wait: OnWait<'a>,
}

/// What is asked of the API.
#[derive(Clone, Copy)]
pub struct Call<'s> {
    method: Verb,
    path: &'s [&'s str],
    query: &'s [(&'s str, &'s str)],
    permission: Permission,
    of_repository: bool,
}

#[derive(Clone, Copy)]
enum Verb {
    Get,
    Post,
    Patch,
    Delete,
}

/// Each of the parts of the path after `/repos/owner/name`, and what the token must be allowed
/// to do.
impl<'s> Call<'s> {
    /// `GET`.
    pub fn get(path: &'s [&'s str], permission: Permission) -> Self {
        Self { method: Verb::Get, path, query: &[], permission, of_repository: true }
    }

    /// `POST`.
    pub fn post(path: &'s [&'s str], permission: Permission) -> Self {
        Self { method: Verb::Post, ..Self::get(path, permission) }
    }

    /// `PATCH`.
    pub fn patch(path: &'s [&'s str], permission: Permission) -> Self {
        Self { method: Verb::Patch, ..Self::get(path, permission) }
    }

    /// `DELETE`.
    pub fn delete(path: &'s [&'s str], permission: Permission) -> Self {
        Self { method: Verb::Delete, ..Self::get(path, permission) }
    }

    /// With a query.
    pub fn query(self, query: &'s [(&'s str, &'s str)]) -> Self {
        Self { query, ..self }
    }
}

impl<'a> Api<'a> {
    /// An API with no connection yet.
    pub fn new(
        options: &'a ApiOptions,
        cancel: &'a Cancel,
        on_wait: OnWait<'a>,
    ) -> Result<Self, ApiError> {
        let client = Client::new(&ClientOptions {
            stall: options.stall,
            system_proxy: options.system_proxy,
            clock: options.retry.clock.clone(),
        });
        let client = client.map_err(|error| ApiError::Client(error.to_string()))?;
        Ok(Self { client, options, cancel, on_wait })
    }

    /// Whom it asks.
    pub fn options(&self) -> &'a ApiOptions {
        self.options
    }

    /// The wish to stop.
    pub fn cancel(&self) -> &'a Cancel {
        self.cancel
    }

    /// Reads something. It is asked for again where that may help.
    pub fn get<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, ApiError> {
        self.insist(|| self.once::<T>(call, None))
    }

    /// Reads something that may not be there.
    pub fn find<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<Option<T>, ApiError> {
        match self.get(call) {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads a list, page by page.
    pub fn each_page<T: DeserializeOwned>(
        &self,
        call: Call<'_>,
        mut visit: impl FnMut(Vec<T>),
    ) -> Result<(), ApiError> {
        let per_page = PER_PAGE.to_string();
        for page in 1..=MAX_PAGES {
            let page = page.to_string();
            let query = [call.query, &[("per_page", &per_page), ("page", &page)]].concat();
            let (entries, more) = self.insist(|| {
                let response = self.answered(Call { query: &query, ..call }, None)?;
                // The page after is ours to name: an address from the answer would be followed
                // with the token.
                let link = response.header("link").unwrap_or_default();
                let next = link.contains("rel=\"next\"");
                let entries = decode::<Vec<T>>(response, &self.address_of(call)?)?;
                // A proxy may have taken the header away.
                let more = next || entries.len() >= PER_PAGE;
                Ok((entries, more))
            })?;
            visit(entries);
            if !more {
                return Ok(());
            }
        }
        let url = address::printable(&self.address_of(call)?);
        Err(ApiError::Endless { url, pages: MAX_PAGES })
    }

    /// Whose token this is. A workflow's own token is nobody's: GitHub then answers 403.
    pub fn me(&self) -> Result<Option<User>, ApiError> {
        let call = Call::get(&["user"], Permission::Read);
        match self.get(Call { of_repository: false, ..call }) {
            Ok(user) => Ok(Some(user)),
            Err(ApiError::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Changes something that may be set twice.
    pub fn set<T: DeserializeOwned>(
        &self,
        call: Call<'_>,
        body: &impl Serialize,
    ) -> Result<T, ApiError> {
        self.insist(|| self.once(call, Some(json(body)?)))
    }

    /// Makes something, once: where nobody knows whether it was made, the failure passes, and
    /// whoever asks looks before asking again.
    pub fn make<T: DeserializeOwned>(
        &self,
        call: Call<'_>,
        body: &impl Serialize,
    ) -> Result<T, ApiError> {
        self.once(call, Some(json(body)?))
    }

    /// Removes something; content with its not being there.
    pub fn delete(&self, call: Call<'_>) -> Result<(), ApiError> {
        match self.insist(|| self.answered(call, None).map(drop)) {
            Err(error) if !error.is_missing() => Err(error),
            _ => Ok(()),
        }
    }

    /// Does something until it succeeds, or fails for good. Limits are waited for, unless that
    /// would take too long.
    pub fn insist<T>(
        &self,
        mut action: impl FnMut() -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let mut backoff = Backoff::new(&self.options.retry);
        loop {
            match action() {
                Err(ApiError::Passing(passing)) => self.wait(&mut backoff, &passing)?,
                done => return done,
            }
        }
    }

    /// Waits after a failure that passes; says why.
    pub fn wait(&self, backoff: &mut Backoff<'_>, passing: &Passing) -> Result<(), ApiError> {
        let longest = self.options.retry.longest_asked;
        if let Some(after) = passing.after.filter(|after| *after > longest) {
            return Err(ApiError::Limited { why: passing.why.clone(), after, longest });
        }
        Ok(self.session().again(backoff, passing)?)
    }

    /// What every request has in common.
    pub fn session(&self) -> Session<'_> {
        Session {
            client: &self.client,
            home: &self.options.api,
            token: self.options.token.as_ref(),
            cancel: self.cancel,
            retry: &self.options.retry,
            on_wait: self.on_wait,
        }
    }

    /// Sends a file, once. `at` hears how much of it has been sent.
    pub fn upload<T: DeserializeOwned>(
        &self,
        url: &Url,
        file: Body<'_>,
        permission: Permission,
        at: &mut dyn FnMut(u64),
    ) -> Result<T, ApiError> {
        let request = Request {
            method: Method::POST,
            url,
            bearer: self.options.token.as_ref(),
            headers: &[
                HEADERS[0],
                HEADERS[1],
                // The one type that GitHub's description of its API has for all assets.
                ("content-type", "application/octet-stream"),
            ],
            body: file,
        };
        let response = self
            .client
            .send(request, self.cancel, at)
            .map_err(|error| ApiError::broken(error, url))?;
        decode(accepted(response, url, permission)?, url)
    }

    /// Downloads a file at any address, of `limit` bytes at most. The token goes to the API's own
    /// host only.
    pub fn download(&self, url: &Url, limit: u64) -> Result<Vec<u8>, ApiError> {
        let headers = [("accept", "application/octet-stream")];
        self.insist(|| {
            let stranger = url.origin() != self.options.api.origin();
            let ask = Ask { url, range: None, headers: &headers, stranger };
            let answer = self.asked(ask, Permission::Read)?;
            let from = answer.url;
            answer.response.body(limit).map_err(|error| ApiError::broken(error, &from))
        })
    }

    /// Asks once, through redirects.
    fn asked(&self, ask: Ask<'_>, permission: Permission) -> Result<Answer<'_>, ApiError> {
        self.session().ask(ask).map_err(|failure| match failure {
            Failure::Final(error) => error.into(),
            Failure::Passing(passing) => ApiError::passing(passing, ask.url),
            Failure::Refused(refusal) => {
                let session::Refusal { response, url, at_home } = *refusal;
                let refusal = Refusal { elsewhere: !at_home, ..Refusal::read(response) };
                refusal.error(&url, permission)
            }
        })
    }

    /// The address of something of the repository.
    pub fn address(&self, path: &[&str]) -> Result<Url, ApiError> {
        let none = || ApiError::NoRepository("none was named".to_owned());
        let repository = self.options.repository.as_ref().ok_or_else(none)?;
        let below = ["repos", repository.owner(), repository.name()];
        options::below(&self.options.api, below.iter().chain(path).copied())
    }

    fn address_of(&self, call: Call<'_>) -> Result<Url, ApiError> {
        match call.of_repository {
            true => self.address(call.path),
            false => options::below(&self.options.api, call.path.iter().copied()),
        }
    }

    fn once<T: DeserializeOwned>(
        &self,
        call: Call<'_>,
        body: Option<Vec<u8>>,
    ) -> Result<T, ApiError> {
        decode(self.answered(call, body)?, &self.address_of(call)?)
    }

    /// Asks once; gives an answer of success.
    fn answered(&self, call: Call<'_>, body: Option<Vec<u8>>) -> Result<Response<'_>, ApiError> {
        let mut url = self.address_of(call)?;
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(call.query);
        }
        let mut headers = HEADERS.to_vec();
        if body.is_some() {
            headers.push(("content-type", "application/json"));
        }
        let method = match call.method {
            Verb::Get => {
                let ask = Ask { url: &url, range: None, headers: &headers, stranger: false };
                return Ok(self.asked(ask, call.permission)?.response);
            }
            Verb::Post => Method::POST,
            Verb::Patch => Method::PATCH,
            Verb::Delete => Method::DELETE,
        };
        let request = Request {
            method,
            url: &url,
            bearer: self.options.token.as_ref(),
            headers: &headers,
            body: body.map_or(Body::Empty, Body::Bytes),
        };
        let response = self
            .client
            .send(request, self.cancel, &mut |_| {})
            .map_err(|error| ApiError::broken(error, &url))?;
        accepted(response, &url, call.permission)
    }
}

fn decode<T: DeserializeOwned>(response: Response<'_>, url: &Url) -> Result<T, ApiError> {
    let body = response.body(ANSWER_LIMIT).map_err(|error| ApiError::broken(error, url))?;
    Ok(session::json(&body, url)?)
}

/// An answer of success, or what another means.
fn accepted<'c>(
    response: Response<'c>,
    url: &Url,
    permission: Permission,
) -> Result<Response<'c>, ApiError> {
    if response.status().is_success() {
        return Ok(response);
    }
    Err(Refusal::read(response).error(url, permission))
}

fn json(body: &impl Serialize) -> Result<Vec<u8>, ApiError> {
    serde_json::to_vec(body).map_err(|error| ApiError::Client(error.to_string()))
}
