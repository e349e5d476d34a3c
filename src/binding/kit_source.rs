//! Kits that are not built here: out of a file, from a server, or imported before.

use std::time::Duration;

use camino::Utf8Path;

use super::kit::{Kit, KitStore};
use super::kit_file::{self, ORIGIN, Wanted};
use super::{BindingError, Surroundings};
use crate::io::cancel::Cancel;
use crate::io::clock::Clock;
use crate::io::http::session::{Ask, Failure, Session, SessionError};
use crate::io::http::{Client, ClientOptions, Url};
use crate::io::marked::MarkedDir;
use crate::io::retry::RetryPolicy;
use crate::io::{atomic, files};
use crate::model::{Device, KitChoice, MacabiArch};
use crate::store::Lookup;

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
    pub(super) cancel: &'a Cancel,
}

/// The kit that is wanted, in the store; none where it is to be built from sources.
///
/// # Errors
/// It cannot be had, or is none.
pub(super) fn find(
    request: &KitRequest<'_>,
    store: &KitStore,
) -> Result<Option<Kit>, BindingError> {
    let target = Some((request.device, request.macabi_arch));
    let (place, sha256) = match request.choice {
        KitChoice::Source => return Ok(None),
        KitChoice::Auto if request.given.path("MLC_LLM_SOURCE_DIR").is_some() => return Ok(None),
        KitChoice::Auto => return Ok(imported(request, store, |_| true)),
        KitChoice::File(path, sha256) => {
            let path = request.given.directory.join(path);
            let (found, _) = crate::io::sha256::file(&path).map_err(|error| {
                BindingError::BadKit { kit: path.to_string(), why: error.to_string() }
            })?;
            if let Some(wanted) = sha256.as_ref().filter(|wanted| **wanted != found) {
                let why = format!("its SHA-256 is {found} instead of {wanted}");
                return Err(BindingError::BadKit { kit: path.to_string(), why });
            }
            (path.into_string(), found)
        }
        KitChoice::Url(url, sha256) => (url.clone(), sha256.clone()),
    };
    let origin = format!("sha256:{sha256}");
    let is_it = |value: &str| value == origin;
    if let Some(kit) = imported(request, store, is_it) {
        return Ok(Some(kit));
    }
    let wanted = Wanted { sha256: Some(&sha256), target };
    if !matches!(request.choice, KitChoice::Url(..)) {
        return kit_file::read(Utf8Path::new(&place), wanted, store, request.cancel).map(Some);
    }
    let bad = |why: String| BindingError::BadKit { kit: place.clone(), why };
    if request.offline {
        return Err(bad("it is not in the cache, and `--offline` asks no server".to_owned()));
    }
    let packed = download(&place, request.cancel).map_err(|error| match error {
        SessionError::Cancelled => BindingError::Interrupted,
        error => bad(error.to_string()),
    })?;
    files::create_dir_all(store.cache_dir()).map_err(|error| store.error(error))?;
    let space = MarkedDir::new_in(store.cache_dir(), ".mlc-package-kit-")?;
    let file = space.path().join("kit.tar.zst");
    atomic::write_unsynced(&file, &packed).map_err(|error| store.error(error))?;
    match kit_file::read(&file, wanted, store, request.cancel) {
        Err(BindingError::BadKit { why, .. }) => Err(bad(why)),
        other => other.map(Some),
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
        record.inputs.0.get(ORIGIN).is_some_and(|origin| is_wanted(origin))
            && kit_file::matches(record, request.device, request.macabi_arch).is_ok()
    });
    records.sort_by_key(|record| std::cmp::Reverse(record.created));
    records.iter().find_map(|record| match store.hold(record.fingerprint) {
        Lookup::Hit(kit) => Some(*kit),
        Lookup::Miss(_) => None,
    })
}

fn download(url: &str, cancel: &Cancel) -> Result<Vec<u8>, SessionError> {
    let wrong = |why: String| SessionError::Answer { url: url.to_owned(), why };
    let address = Url::parse(url).map_err(|error| wrong(error.to_string()))?;
    let retry = RetryPolicy::default();
    let options = ClientOptions { stall: STALL, system_proxy: true, clock: Clock::default() };
    let client = Client::new(&options).map_err(|error| SessionError::Client(error.to_string()))?;
    let session = Session {
        client: &client,
        home: &address,
        token: None,
        cancel,
        retry: &retry,
        on_wait: &|_, _| {},
    };
    let ask = Ask { url: &address, range: None, headers: &[], stranger: true };
    let body = session.insist(|| Session::body(session.ask(ask)?, MOST_PACKED));
    body.map_err(|failure| match failure {
        Failure::Final(error) => error,
        Failure::Passing(passing) => wrong(passing.why),
        Failure::Refused(refusal) => wrong(format!("the server says {}", refusal.status())),
    })
}
