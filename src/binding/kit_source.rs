//! Kits that are not built here: out of a file, from a server, or imported before.

use std::time::Duration;

use camino::Utf8Path;

use super::kit::{Kit, KitStore};
use super::kit_file::{self, ORIGIN, Wanted};
use super::{BindingError, Surroundings};
use crate::io::cancel::Cancel;
use crate::io::clock::Clock;
use crate::io::http::address::printable;
use crate::io::http::session::{Ask, Failure, Session, SessionError};
use crate::io::http::{Client, ClientOptions, Url};
use crate::io::marked::MarkedDir;
use crate::io::retry::RetryPolicy;
use crate::io::{atomic, files, sha256};
use crate::model::{Device, KitChoice, MacabiArch};
use crate::store::Lookup;
use crate::ui::Ui;

/// The most that a server may send for a kit, in bytes.
const MOST_PACKED: u64 = 1 << 30;
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

/// The kit that is wanted, in the store; none where it is to be built from sources.
///
/// # Errors
/// The file is not a kit for this device, or it cannot be read or downloaded.
pub(super) fn find(
    request: &KitRequest<'_>,
    store: &KitStore,
) -> Result<Option<Kit>, BindingError> {
    match request.choice {
        KitChoice::Source => Ok(None),
        KitChoice::Auto if request.given.path("MLC_LLM_SOURCE_DIR").is_some() => Ok(None),
        KitChoice::Auto => Ok(imported(request, store, |_| true)),
        KitChoice::File(path, wanted) => {
            let path = request.given.directory.join(path);
            let bad = |why| BindingError::BadKit { kit: path.to_string(), why };
            let (found, _) = sha256::file(&path).map_err(|error| bad(error.to_string()))?;
            if let Some(wanted) = wanted.as_ref().filter(|wanted| **wanted != found) {
                return Err(bad(format!("its SHA-256 is {found} instead of {wanted}")));
            }
            match known(request, store, &found) {
                Some(kit) => Ok(Some(kit)),
                None => read(request, &path, &found, store).map(Some),
            }
        }
        KitChoice::Url(url, wanted) => match known(request, store, wanted) {
            Some(kit) => Ok(Some(kit)),
            None => from_server(request, url, wanted, store).map(Some),
        },
    }
}

/// The kit of the store whose file has this SHA-256.
fn known(request: &KitRequest<'_>, store: &KitStore, sha256: &str) -> Option<Kit> {
    let origin = format!("sha256:{sha256}");
    imported(request, store, |value| value == origin)
}

fn read(
    request: &KitRequest<'_>,
    file: &Utf8Path,
    sha256: &str,
    store: &KitStore,
) -> Result<Kit, BindingError> {
    let target = Some((request.device, request.macabi_arch));
    kit_file::read(file, Wanted { sha256: Some(sha256), target }, store, request.cancel)
}

fn from_server(
    request: &KitRequest<'_>,
    url: &str,
    sha256: &str,
    store: &KitStore,
) -> Result<Kit, BindingError> {
    let address = Url::parse(url)
        .map_err(|why| BindingError::BadKit { kit: url.to_owned(), why: why.to_string() })?;
    let shown = printable(&address);
    let bad = |why: String| BindingError::BadKit { kit: shown.clone(), why };
    if request.offline {
        return Err(bad(
            "it is not in the cache, and `--offline` does not let it be downloaded".into()
        ));
    }
    request.ui.status("Downloading", &format!("the kit {shown}"));
    let packed = download(&address, request.ui, request.cancel).map_err(|error| match error {
        SessionError::Cancelled => BindingError::Interrupted,
        error => bad(error.to_string()),
    })?;
    files::create_dir_all(store.cache_dir()).map_err(|error| store.error(error))?;
    let space = MarkedDir::new_in(store.cache_dir(), ".mlc-package-kit-")?;
    let file = space.path().join("kit.tar.zst");
    atomic::write_unsynced(&file, &packed).map_err(|error| store.error(error))?;
    read(request, &file, sha256, store).map_err(|error| match error {
        BindingError::BadKit { why, .. } => bad(why),
        error => error,
    })
}

/// The newest whole kit of the store that came as a file, and is for this phone.
fn imported(
    request: &KitRequest<'_>,
    store: &KitStore,
    is_wanted: impl Fn(&str) -> bool,
) -> Option<Kit> {
    let mut records = store.records();
    records.retain(|record| {
        record.inputs.0.get(ORIGIN).is_some_and(|origin| is_wanted(origin))
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
