//! Kits that are not built here: out of a file, from a server, or imported before.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::kit::{Kit, KitStore};
use super::kit_file::{self, MOST_PACKED, Wanted};
use super::{BindingError, Surroundings, released_kits};
use crate::io::cancel::Cancel;
use crate::io::clock::Clock;
use crate::io::http::address::printable;
use crate::io::http::session::{Ask, Failure, Session, SessionError};
use crate::io::http::{Client, ClientOptions, Url};
use crate::io::marked::MarkedDir;
use crate::io::retry::RetryPolicy;
use crate::io::{atomic, files};
use crate::model::{Device, KitChoice, KitInputs, MacabiArch};
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
    pub(super) ui: &'a Ui,
    pub(super) cancel: &'a Cancel,
}

/// Where a kit is that is not built here.
pub(super) enum Found {
    /// In the store.
    Stored(Box<Kit>),
    /// A file that was not read yet, and its SHA-256 in hex.
    File(Utf8PathBuf, String),
    /// On a server; it was not asked yet.
    Remote(RemoteKit),
}

/// A kit on a server.
pub(super) struct RemoteKit {
    url: Url,
    sha256: String,
}

/// The kit that is wanted; none where it is to be built from sources.
///
/// # Errors
/// A file that is named cannot be read, or is another one than its digest says.
pub(super) fn find(
    request: &KitRequest<'_>,
    store: &KitStore,
) -> Result<Option<Found>, BindingError> {
    let stored = |kit: Kit| Found::Stored(Box::new(kit));
    match request.choice {
        KitChoice::Source => Ok(None),
        KitChoice::Auto if request.given.path("MLC_LLM_SOURCE_DIR").is_some() => Ok(None),
        KitChoice::Auto => {
            match released_kits::find(request.given, request.device, request.macabi_arch)? {
                // As the action's own downloads do, a mirror may be a directory.
                Some((url, sha256)) => match url.strip_prefix("file://") {
                    Some(path) => Ok(Some(file(request, path.into(), sha256, store))),
                    None => remote(request, &url, &sha256, store).map(Some),
                },
                None => Ok(imported(request, store, |_| true).map(stored)),
            }
        }
        KitChoice::File(path, wanted) => {
            let path = request.given.directory.join(path);
            let bad = |why| BindingError::BadKit { kit: path.to_string(), why };
            // The config of somebody else's pull request names nothing that lies elsewhere.
            if let Some(confined) = request.given.path(CONFINE_TO)
                && !files::real(&path).starts_with(files::canonical(&confined).unwrap_or(confined))
            {
                return Err(bad(
                    "it is not in the directory that MLC_PACKAGE_CONFINE_TO names".into()
                ));
            }
            let found = kit_file::digest(&path).map_err(bad)?;
            if let Some(wanted) = wanted.as_ref().filter(|wanted| **wanted != found) {
                return Err(bad(format!("its SHA-256 is {found} instead of {wanted}")));
            }
            Ok(Some(file(request, path, found, store)))
        }
        KitChoice::Url(url, wanted) => remote(request, url, wanted, store).map(Some),
    }
}

/// A kit in a file, unless the store has it.
fn file(request: &KitRequest<'_>, path: Utf8PathBuf, sha256: String, store: &KitStore) -> Found {
    match known(request, store, &sha256) {
        Some(kit) => Found::Stored(Box::new(kit)),
        None => Found::File(path, sha256),
    }
}

/// A kit that a server has, unless the store has it.
fn remote(
    request: &KitRequest<'_>,
    url: &str,
    sha256: &str,
    store: &KitStore,
) -> Result<Found, BindingError> {
    if let Some(kit) = known(request, store, sha256) {
        return Ok(Found::Stored(Box::new(kit)));
    }
    let bad = |kit, why| BindingError::BadKit { kit, why };
    let url = Url::parse(url).map_err(|why| bad(url.to_owned(), why.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad(
            printable(&url),
            "only http and https addresses can be downloaded".to_owned(),
        ));
    }
    if request.offline {
        let why = "it is not in the cache, and `--offline` does not let it be downloaded";
        return Err(bad(printable(&url), why.to_owned()));
    }
    Ok(Found::Remote(RemoteKit { url, sha256: sha256.to_owned() }))
}

/// The kit of the store whose file has this SHA-256.
fn known(request: &KitRequest<'_>, store: &KitStore, sha256: &str) -> Option<Kit> {
    let origin = format!("sha256:{sha256}");
    imported(request, store, |value| value == origin)
}

/// Reads a kit into the store.
///
/// # Errors
/// It is not a kit for this device.
pub(super) fn read(
    request: &KitRequest<'_>,
    file: &Utf8Path,
    sha256: &str,
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
        let file = (KitInputs::FILE.to_owned(), format!("sha256:{}", self.sha256));
        KitInputs([("device".to_owned(), device.to_string()), file].into())
    }

    /// Downloads it into the store.
    ///
    /// # Errors
    /// The server does not send it, or something else than that.
    pub(super) fn download(
        &self,
        request: &KitRequest<'_>,
        store: &KitStore,
    ) -> Result<Kit, BindingError> {
        let shown = self.address();
        let bad = |why: String| BindingError::BadKit { kit: shown.clone(), why };
        request.ui.status("Downloading", &format!("the kit {shown}"));
        let packed =
            download(&self.url, request.ui, request.cancel).map_err(|error| match error {
                SessionError::Cancelled => BindingError::Interrupted,
                error => bad(error.to_string()),
            })?;
        files::create_dir_all(store.cache_dir()).map_err(|error| store.error(error))?;
        let space = MarkedDir::new_in(store.cache_dir(), ".mlc-package-kit-")?;
        let file = space.path().join("kit.tar.zst");
        atomic::write_unsynced(&file, &packed).map_err(|error| store.error(error))?;
        read(request, &file, &self.sha256, store).map_err(|error| match error {
            BindingError::BadKit { why, .. } => bad(why),
            error => error,
        })
    }
}

/// The newest whole kit of the store that came as a file, and is for this phone.
fn imported(
    request: &KitRequest<'_>,
    store: &KitStore,
    is_wanted: impl Fn(&str) -> bool,
) -> Option<Kit> {
    let mut records = store.records();
    records.retain(|record| {
        record.inputs.0.get(KitInputs::FILE).is_some_and(|origin| is_wanted(origin))
            && kit_file::matches(record, request.device, request.macabi_arch).is_ok()
    });
    records.sort_by_key(|record| std::cmp::Reverse(record.created));
    records.iter().find_map(|record| match store.hold(record.fingerprint) {
        Lookup::Hit(kit) => Some(*kit),
        Lookup::Miss(_) => None,
    })
}

fn download(url: &Url, ui: &Ui, cancel: &Cancel) -> Result<Vec<u8>, SessionError> {
    let wrong = |why: String| SessionError::Answer { url: printable(url), why };
    let retry = RetryPolicy::default();
    let options = ClientOptions { stall: STALL, system_proxy: true, clock: Clock::default() };
    let client = Client::new(&options).map_err(|error| SessionError::Client(error.to_string()))?;
    let session = Session {
        client: &client,
        home: url,
        token: None,
        cancel,
        retry: &retry,
        on_wait: &|why, after| ui.retrying(why, after),
    };
    let ask = Ask { url, range: None, headers: &[], stranger: true };
    let body = session.insist(|| Session::body(session.ask(ask)?, MOST_PACKED));
    body.map_err(|failure| match failure {
        Failure::Final(error) => error,
        Failure::Passing(passing) => wrong(passing.why),
        Failure::Refused(refusal) => wrong(format!("the server answers {}", refusal.status())),
    })
}
