use camino::Utf8PathBuf;
use serde::Serialize;

use super::kind::Kind;
use super::{CacheError, CacheRequest, short};
use crate::binding::KitRecord;
use crate::convert::ConvertedRecord;
use crate::fetch::weights;
use crate::io::cancel::Cancel;
use crate::model::{ByteSize, CompileRecord};
use crate::ui::Ui;

/// What a look at every byte of the caches found.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CacheVerdict {
    /// Compiled libraries that were read.
    pub libraries: usize,
    /// Kits of platform bindings that were read.
    #[serde(skip_serializing_if = "is_zero")]
    pub kits: usize,
    /// Models converted from raw checkpoints that were read.
    #[serde(skip_serializing_if = "is_zero")]
    pub converted: usize,
    /// Snapshots of models that were read.
    pub models: usize,
    /// Their files.
    pub files: usize,
    /// Files of which the Hugging Face cache does not say what they should be: copies in place of
    /// links.
    pub unnamed: usize,
    /// The bytes of all that.
    pub bytes: ByteSize,
    /// What is not what was put there.
    pub problems: Vec<CacheProblem>,
    /// Why parts of the Hugging Face cache could not be looked at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
}

/// One file, compiled library or kit that is not what was put there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CacheProblem {
    /// What to remove to have it made or downloaded again.
    pub path: Utf8PathBuf,
    /// What it belongs to.
    pub of: String,
    /// What is wrong.
    pub why: String,
}

/// Reads every byte of the caches.
///
/// # Errors
/// A cache cannot be listed, or somebody asked to stop. Damage is no error.
pub fn verify(
    request: &CacheRequest,
    ui: &Ui,
    cancel: &Cancel,
) -> Result<CacheVerdict, CacheError> {
    let mut verdict = CacheVerdict::default();
    if request.libraries {
        verdict.libraries = verify_store::<CompileRecord>(request, &mut verdict, cancel)?;
        verdict.kits = verify_store::<KitRecord>(request, &mut verdict, cancel)?;
        verdict.converted = verify_store::<ConvertedRecord>(request, &mut verdict, cancel)?;
    }
    let Some(hub_cache) = &request.hub_cache else {
        return Ok(verdict);
    };
    let scan = weights::scan(hub_cache)?;
    verdict.unreadable = scan.unreadable;
    for model in &scan.models {
        let title = format!("{} at {}", model.repo, short(model.commit.as_str()));
        ui.begin("Verifying", &title);
        let verified = weights::verify(model, cancel);
        ui.end(&title);
        let verified = verified.map_err(|error| match error.kind() {
            std::io::ErrorKind::Interrupted => CacheError::Interrupted,
            _ => CacheError::Io(error),
        })?;
        verdict.models += 1;
        verdict.files += verified.good + verified.bad.len() + verified.unnamed;
        verdict.unnamed += verified.unnamed;
        verdict.bytes.0 += model.bytes();
        verdict.problems.extend(verified.bad.into_iter().map(|bad| CacheProblem {
            path: bad.culprit,
            of: format!("{} of {title}", bad.path),
            why: bad.why,
        }));
    }
    Ok(verdict)
}

/// Reads the entries of one store; gives how many there are.
fn verify_store<R: Kind>(
    request: &CacheRequest,
    verdict: &mut CacheVerdict,
    cancel: &Cancel,
) -> Result<usize, CacheError> {
    let store = request.store::<R>();
    let entries = store.entries()?;
    let count = entries.len();
    for entry in entries {
        if cancel.is_cancelled() {
            return Err(CacheError::Interrupted);
        }
        verdict.bytes.0 += entry.bytes;
        if let Err(why) = store.verify(&entry) {
            let of = entry.record.as_ref().map_or_else(|_| short(&entry.name).into(), Kind::title);
            verdict.problems.push(CacheProblem { path: entry.path, of, why: why.to_string() });
        }
    }
    Ok(count)
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}
