//! Assets on a server, beside the list of them.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::github::{self, GithubHost, ReleaseUrl};
use super::requests::{Address, Asker, printable, refused, setup};
use super::{Assets, Events, Sink, UnpackError, UnpackRequest};
use crate::io::cancel::Cancel;
use crate::io::http::{Client, ClientOptions, Url};
use crate::publish::pack::assets::PartRecord;

/// The address of a list of assets.
pub(super) fn list_url(text: &str) -> Result<Url, UnpackError> {
    let wrong = |why: String| UnpackError::Source {
        message: format!("`{text}` cannot be unpacked: {why}"),
        help: "name the address of a release's …-assets.json: \
               https://github.com/OWNER/REPO/releases/download/TAG/NAME-assets.json"
            .to_owned(),
    };
    let url = Url::parse(text).map_err(|error| wrong(error.to_string()))?;
    if !url.path().ends_with(".json") {
        return Err(wrong("it is no address of a list of assets".to_owned()));
    }
    Ok(url)
}

/// Files at addresses that differ in their last part.
pub(super) struct RemoteAssets<'a> {
    list: &'a Url,
    asker: Asker<'a>,
    github: &'a GithubHost,
    /// Where GitHub's API has them, once it had to be asked.
    by_api: RefCell<Option<BTreeMap<String, Url>>>,
}

impl<'a> RemoteAssets<'a> {
    pub(super) fn new(
        list: &'a Url,
        request: &'a UnpackRequest,
        cancel: &'a Cancel,
        events: Events<'a>,
    ) -> Result<Self, UnpackError> {
        let options = ClientOptions { stall: request.stall, system_proxy: true };
        let client = Client::new(&options).map_err(|error| setup(&error))?;
        let asker = Asker { client, cancel, retry: &request.retry, events };
        Ok(Self { list, asker, github: &request.github, by_api: RefCell::new(None) })
    }

    /// The name of the list.
    pub(super) fn list_name(&self) -> &str {
        self.list.path_segments().and_then(|mut parts| parts.next_back()).unwrap_or_default()
    }

    /// Where a file is; none if the API was asked and has none of that name.
    fn address(&self, name: &str) -> Option<Address<'a>> {
        if let (Some(assets), Some(token)) = (&*self.by_api.borrow(), &self.github.token) {
            return assets.get(name).map(|url| github::bytes_of(url, token));
        }
        let mut url = self.list.clone();
        if name != self.list_name() {
            if let Ok(mut path) = url.path_segments_mut() {
                path.pop().push(name);
            }
            // A signature is one file's.
            url.set_query(None);
        }
        Some(Address { url, token: None, accept: None })
    }

    fn refused(&self, name: &str, status: u16) -> UnpackError {
        let url = self.address(name).map_or_else(|| self.list.clone(), |address| address.url);
        refused(printable(&url), status, self.github.token.is_some())
    }
}

impl Assets for RemoteAssets<'_> {
    fn small(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, UnpackError> {
        let is_list = name == self.list_name();
        let get = |address: Option<Address<'_>>| match address {
            Some(address) => self.asker.small(name, &address, limit),
            None => Ok(Err(404)),
        };
        let mut body = get(self.address(name))?;
        // What everybody may have is had without the token.
        if let (Err(_), true, Some(token)) = (&body, is_list, &self.github.token)
            && let Some(release) = ReleaseUrl::parse(self.list, &self.github.server)
        {
            let assets = release.assets(&self.asker, self.github, token)?;
            *self.by_api.borrow_mut() = Some(assets);
            body = get(self.address(name))?;
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
        self.asker.stream(name, &address, part.bytes, sink)
    }
}
