//! Assets on a server, beside the list of them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use super::github::ReleaseName;
use super::{Assets, Events, Sink, UnpackError, UnpackEvent};
use crate::github::api::Api;
use crate::io::http::Url;
use crate::io::http::address::{below, printable};
use crate::io::http::resume::{Broken, Length};
use crate::io::http::session::{Ask, Failure, Session, SessionError};
use crate::publish::pack::assets::PartRecord;

/// How GitHub's API is asked for an asset's bytes.
const BYTES: &[(&str, &str)] = &[("accept", "application/octet-stream")];

/// The address of a list of assets.
pub(super) fn list_url(text: &str) -> Result<Url, UnpackError> {
    let wrong = |why: String| UnpackError::Source {
        message: format!("`{text}` cannot be unpacked: {why}"),
        help: "name a release as OWNER/REPO@TAG, by the address of its page, or by that of its \
               …-assets.json: \
               https://github.com/OWNER/REPO/releases/download/TAG/NAME-assets.json"
            .to_owned(),
    };
    let url = Url::parse(text).map_err(|error| wrong(error.to_string()))?;
    if !url.path().ends_with(".json") {
        return Err(wrong("it is not an address of a list of assets, nor of a release".to_owned()));
    }
    Ok(url)
}

/// The address of the list of assets of a release, which GitHub's API is asked for.
pub(super) fn list_of(release: &ReleaseName, api: &Api<'_>) -> Result<Url, UnpackError> {
    let ours = &api.options().server;
    if let Some(server) = release.server.as_ref().filter(|server| *server != ours) {
        return Err(UnpackError::Source {
            message: format!("the release is on {}, and not on {ours}", printable(server)),
            help: format!("set GITHUB_SERVER_URL to {}", printable(server)),
        });
    }
    let (tag, assets) = release.assets(api)?;
    let list = release.list(&tag, assets.keys())?;
    let repository = &release.repository;
    let parts = [repository.owner(), repository.name(), "releases", "download", &tag, list];
    below(ours, parts).map_err(|why| UnpackError::Http {
        url: printable(ours),
        why: why.to_string(),
        help: None,
    })
}

/// Files at addresses that differ in their last part.
pub(super) struct RemoteAssets<'a> {
    list: &'a Url,
    api: &'a Api<'a>,
    events: Events<'a>,
    /// The release, if the list is one's.
    release: Option<ReleaseName>,
    /// Where GitHub's API has them, once it had to be asked.
    by_api: RefCell<Option<BTreeMap<String, Url>>>,
}

impl<'a> RemoteAssets<'a> {
    pub(super) fn new(
        list: &'a Url,
        release: Option<ReleaseName>,
        api: &'a Api<'a>,
        events: Events<'a>,
    ) -> Self {
        Self { list, api, events, release, by_api: RefCell::new(None) }
    }

    /// The name of the list.
    pub(super) fn list_name(&self) -> &str {
        self.list.path_segments().and_then(|mut parts| parts.next_back()).unwrap_or_default()
    }

    fn has_token(&self) -> bool {
        self.api.options().token.is_some()
    }

    /// Where a file is, and whether that is an address of the API; none if the API was asked and
    /// has none of that name.
    fn address(&self, name: &str) -> Option<(Url, bool)> {
        if let Some(assets) = &*self.by_api.borrow() {
            return assets.get(name).map(|url| (url.clone(), true));
        }
        let mut url = self.list.clone();
        if name != self.list_name() {
            if let Ok(mut path) = url.path_segments_mut() {
                path.pop().push(name);
            }
            // A signature is one file's.
            url.set_query(None);
        }
        Some((url, false))
    }

    /// Does something with the address of a file; what everybody may have is asked for without the
    /// token.
    fn ask<T>(
        &self,
        name: &str,
        (url, of_api): &(Url, bool),
        action: impl FnOnce(Session<'_>, Ask<'_>) -> T,
    ) -> T {
        let retried = |why: &str, after: Duration| {
            (self.events)(UnpackEvent::Retry { name, why: why.to_owned(), after });
        };
        let session = Session { on_wait: &retried, ..self.api.session() };
        let headers = if *of_api { BYTES } else { &[] };
        action(session, Ask { url, range: None, headers, stranger: !of_api })
    }

    /// A small file; or the status of the answer that refuses it.
    fn small_at(
        &self,
        name: &str,
        address: Option<(Url, bool)>,
        limit: u64,
    ) -> Result<Result<Vec<u8>, u16>, UnpackError> {
        let Some(address) = address else { return Ok(Err(404)) };
        self.ask(name, &address, |session, ask| {
            let body = session.insist(|| Session::body(session.ask(ask)?, limit));
            match body {
                Ok(body) => Ok(Ok(body)),
                Err(Failure::Refused(refusal)) => Ok(Err(refusal.status().as_u16())),
                Err(Failure::Final(error)) => Err(UnpackError::of(error, ask.url)),
                Err(Failure::Passing(passing)) => {
                    Err(UnpackError::Http { url: printable(ask.url), why: passing.why, help: None })
                }
            }
        })
    }

    fn refused(&self, name: &str, status: u16) -> UnpackError {
        let url = self.address(name).map_or_else(|| self.list.clone(), |(url, _)| url);
        UnpackError::refused(printable(&url), status, self.has_token())
    }
}

impl Assets for RemoteAssets<'_> {
    fn small(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, UnpackError> {
        let is_list = name == self.list_name();
        let mut body = self.small_at(name, self.address(name), limit)?;
        if let (Err(_), true, true, Some(release)) =
            (&body, is_list, self.has_token(), &self.release)
        {
            let (_, assets) = release.assets(self.api)?;
            *self.by_api.borrow_mut() = Some(assets);
            body = self.small_at(name, self.address(name), limit)?;
        }
        match body {
            Ok(body) => Ok(Some(body)),
            Err(404) if !is_list => Ok(None),
            Err(status) => Err(self.refused(name, status)),
        }
    }

    fn look_at(&self, part: &PartRecord) -> Result<(), UnpackError> {
        match self.address(part.name.as_str()) {
            Some(_) => Ok(()),
            None => Err(self.refused(part.name.as_str(), 404)),
        }
    }

    fn read(&self, part: &PartRecord, sink: Sink<'_>) -> Result<(), UnpackError> {
        let name = part.name.as_str();
        let address = self.address(name).ok_or_else(|| self.refused(name, 404))?;
        self.ask(name, &address, |session, ask| {
            session.stream(ask, Length::Exactly(part.bytes), sink).map_err(|broken| match broken {
                Broken::Sink(error) => error,
                Broken::Session(error) => UnpackError::of(error, ask.url),
                Broken::Refused(refusal) => {
                    let (url, status) = (printable(&refusal.url), refusal.status().as_u16());
                    UnpackError::refused(url, status, self.has_token())
                }
            })
        })
    }
}

impl UnpackError {
    /// A failure of an address, in the words of this stage.
    fn of(error: SessionError, url: &Url) -> Self {
        let help = error.help().map(str::to_owned);
        match error {
            SessionError::Cancelled => Self::Interrupted,
            SessionError::Client(why) => Self::client(why),
            SessionError::GaveUp { why, attempts } => {
                let why = format!("{why} (tried {attempts} times)");
                Self::Http { url: printable(url), why, help }
            }
            SessionError::Redirect { url, why } => {
                Self::Http { url, why: format!("it redirects {why}"), help }
            }
            SessionError::Answer { url, why } => Self::Http { url, why, help },
            SessionError::Certificate { url, why } => {
                let why = format!("the server's certificate is not trusted: {why}");
                Self::Http { url, why, help }
            }
        }
    }
}
