//! Kits that are not built here: out of a file, from a server, or imported before.

use std::io::Write as _;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::kit::{self, Kit, KitRecord, KitStore};
use super::kit_file::{self, MOST_PACKED, Wanted};
use super::{BindingError, KitFault, Surroundings, released_kits};
use crate::io::cancel::Cancel;
use crate::io::clock::Clock;
use crate::io::http::address::printable;
use crate::io::http::resume::{Broken, Length};
use crate::io::http::session::{Ask, Session, SessionError};
use crate::io::http::{Client, ClientOptions, Url};
use crate::io::marked::MarkedDir;
use crate::io::retry::RetryPolicy;
use crate::io::{files, stream};
use crate::model::{Device, Fingerprint, KitChoice, KitInputs, MacabiArch, Sha256};
use crate::store::Lookup;
use crate::ui::Ui;

/// Names the directory that configs are confined to.
const CONFINE_TO: &str = "MLC_PACKAGE_CONFINE_TO";
/// The longest time without a byte.
const STALL: Duration = Duration::from_secs(60);

/// Which kit is wanted.
pub(super) struct KitRequest<'a> {
    pub(super) choice: &'a KitChoice,
    pub(super) device: Device,
    pub(super) macabi_arch: MacabiArch,
    pub(super) given: Surroundings<'a>,
    /// Whether no server is asked.
    pub(super) offline: bool,
    /// Whether it will be used now: then nobody removes it meanwhile.
    pub(super) used: bool,
    /// Whether one that is used is read whole.
    pub(super) read_first: bool,
    pub(super) ui: &'a Ui,
    pub(super) cancel: &'a Cancel,
}

/// Where a kit is that is not built here.
pub(super) enum Found {
    /// In the store.
    Stored(Box<Kit>),
    /// A file that was not read yet, and its SHA-256.
    File(Utf8PathBuf, Sha256),
    /// On a server; it was not asked yet.
    Remote(RemoteKit),
}

/// A kit on a server.
pub(super) struct RemoteKit {
    url: Url,
    sha256: Sha256,
    length: Length,
}

/// The kit that is wanted; none where it is to be built from sources.
///
/// # Errors
/// A file that is named cannot be read, or is another one than its digest says.
pub(super) fn find(
    request: &KitRequest<'_>,
    store: &KitStore,
) -> Result<Option<Found>, BindingError> {
    match request.choice {
        KitChoice::Source => Ok(None),
        KitChoice::Auto if request.given.path("MLC_LLM_SOURCE_DIR").is_some() => Ok(None),
        KitChoice::Auto => {
            match released_kits::find(request.given, request.device, request.macabi_arch)? {
                // As the action's own downloads do, a mirror may be a directory.
                Some(kit) => match kit.url.strip_prefix("file://") {
                    Some(path) => Ok(Some(file(request, path.into(), kit.sha256, store))),
                    None => {
                        let length = Length::Exactly(kit.bytes);
                        remote(request, &kit.url, kit.sha256, length, store).map(Some)
                    }
                },
                None => Ok(imported(request, store).map(|kit| Found::Stored(Box::new(kit)))),
            }
        }
        KitChoice::File(path, wanted) => {
            let path = request.given.directory.join(path);
            let bad = |fault| BindingError::BadKit { kit: path.to_string(), fault };
            // The config of somebody else's pull request names nothing that lies elsewhere.
            if let Some(confined) = request.given.path(CONFINE_TO)
                && !files::real(&path).starts_with(files::canonical(&confined).unwrap_or(confined))
            {
                return Err(bad(KitFault::Outside));
            }
            let found = kit_file::digest(&path).map_err(bad)?;
            if let Some(wanted) = wanted.filter(|wanted| *wanted != found) {
                return Err(bad(KitFault::OtherDigest { found, wanted }));
            }
            Ok(Some(file(request, path, found, store)))
        }
        KitChoice::Url(url, wanted) => {
            remote(request, url, *wanted, Length::AtMost(MOST_PACKED), store).map(Some)
        }
    }
}

/// A kit in a file, unless the store has it.
fn file(request: &KitRequest<'_>, path: Utf8PathBuf, sha256: Sha256, store: &KitStore) -> Found {
    match known(request, sha256, store) {
        Some(kit) => Found::Stored(Box::new(kit)),
        None => Found::File(path, sha256),
    }
}

/// A kit that a server has, unless the store has it.
fn remote(
    request: &KitRequest<'_>,
    url: &str,
    sha256: Sha256,
    length: Length,
    store: &KitStore,
) -> Result<Found, BindingError> {
    if let Some(kit) = known(request, sha256, store) {
        return Ok(Found::Stored(Box::new(kit)));
    }
    let bad = |kit, fault| BindingError::BadKit { kit, fault };
    let url =
        Url::parse(url).map_err(|why| bad(url.to_owned(), KitFault::Address(why.to_string())))?;
    if !matches!(url.scheme(), "http" | "https") {
        let why = "only http and https addresses can be downloaded".to_owned();
        return Err(bad(printable(&url), KitFault::Address(why)));
    }
    if request.offline {
        return Err(bad(printable(&url), KitFault::Offline));
    }
    Ok(Found::Remote(RemoteKit { url, sha256, length }))
}

/// The kit of the store whose file has this SHA-256, if it is for this phone.
fn known(request: &KitRequest<'_>, sha256: Sha256, store: &KitStore) -> Option<Kit> {
    let kit = stored(request, kit_file::fingerprint(sha256), store)?;
    kit_file::matches(&kit.record, request.device, request.macabi_arch).is_ok().then_some(kit)
}

fn stored(request: &KitRequest<'_>, fingerprint: Fingerprint, store: &KitStore) -> Option<Kit> {
    let found = match request.used {
        true => kit::hold(store, fingerprint, request.read_first),
        false => store.lookup(fingerprint),
    };
    match found {
        Lookup::Hit(kit) => Some(*kit),
        Lookup::Miss(_) => None,
    }
}

/// The kit for this phone that was imported last, and is whole. One that was only named once, by its
/// file or its address, is no choice for later builds.
fn imported(request: &KitRequest<'_>, store: &KitStore) -> Option<Kit> {
    let is_for_it =
        |record: &KitRecord| kit_file::matches(record, request.device, request.macabi_arch).is_ok();
    let records = store.records().into_iter().filter(is_for_it);
    let mut found: Vec<_> = records
        .filter_map(|record| Some((kit::imported(&store.path(record.fingerprint))?, record)))
        .collect();
    found.sort_by_key(|(when, record)| std::cmp::Reverse((*when, record.created)));
    found.iter().find_map(|(_, record)| stored(request, record.fingerprint, store))
}

/// Reads a kit into the store.
///
/// # Errors
/// It is not a kit for this device.
pub(super) fn read(
    request: &KitRequest<'_>,
    file: &Utf8Path,
    sha256: Sha256,
    store: &KitStore,
) -> Result<Kit, BindingError> {
    let target = Some((request.device, request.macabi_arch));
    kit_file::read(file, Wanted { sha256: Some(sha256), target }, store, request.cancel)
}

impl RemoteKit {
    /// Its address, without what is secret in it.
    pub(super) fn address(&self) -> String {
        printable(&self.url)
    }

    /// What is known of it before it is here.
    pub(super) fn inputs(&self, device: Device) -> KitInputs {
        let device = ("device".to_owned(), device.to_string());
        KitInputs([device, kit_file::origin(self.sha256)].into())
    }

    /// Downloads it into the store, by way of a file in the cache.
    ///
    /// # Errors
    /// The server does not send it, or something else than that.
    pub(super) fn download(
        &self,
        request: &KitRequest<'_>,
        store: &KitStore,
    ) -> Result<Kit, BindingError> {
        let shown = format!("the kit {}", self.address());
        request.ui.status("Downloading", &shown);
        let of_store = |error| BindingError::from(store.error(error));
        files::create_dir_all(store.cache_dir()).map_err(of_store)?;
        let space = MarkedDir::new_in(store.cache_dir(), ".mlc-package-kit-").map_err(of_store)?;
        let file = space.path().join("kit.tar.zst");
        request.ui.begin("Downloading", &shown);
        let fetched = self.fetch(&file, request, store);
        request.ui.end(&shown);
        fetched?;
        read(request, &file, self.sha256, store).map_err(|error| match error {
            BindingError::BadKit { fault, .. } => self.bad(fault),
            error => error,
        })
    }

    fn bad(&self, fault: KitFault) -> BindingError {
        BindingError::BadKit { kit: self.address(), fault }
    }

    fn fetch(
        &self,
        file: &Utf8Path,
        request: &KitRequest<'_>,
        store: &KitStore,
    ) -> Result<(), BindingError> {
        let of_store = |error| BindingError::from(store.error(error));
        let mut out = stream::create_new(file, false).map_err(of_store)?;
        let options = ClientOptions { stall: STALL, system_proxy: true, clock: Clock::default() };
        let client = Client::new(&options)
            .map_err(|error| self.failed(SessionError::Client(error.to_string())))?;
        let session = Session {
            client: &client,
            home: &self.url,
            token: None,
            cancel: request.cancel,
            retry: &RetryPolicy::default(),
            on_wait: &|why, after| request.ui.retrying(why, after),
        };
        let ask = Ask { url: &self.url, range: None, headers: &[], stranger: true };
        let streamed = session.stream(ask, self.length, &mut |piece| out.write_all(piece));
        streamed.map_err(|broken| match broken {
            Broken::Sink(error) => of_store(error),
            Broken::Session(error) => self.failed(error),
            Broken::Refused(refusal) => self.bad(KitFault::Refused(refusal.status().as_u16())),
        })?;
        out.flush().map_err(of_store)
    }

    fn failed(&self, error: SessionError) -> BindingError {
        let help = error.help();
        match error {
            SessionError::Cancelled => BindingError::Interrupted,
            // Its address is in the message already.
            SessionError::Answer { url, why } if url == self.address() => {
                self.bad(KitFault::Download { why, help })
            }
            error => self.bad(KitFault::Download { why: error.to_string(), help }),
        }
    }
}
