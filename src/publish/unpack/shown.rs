//! What `unpack` shows of its work.

use std::cell::OnceCell;

use camino::Utf8Path;

use super::{Source, UnpackError, UnpackEvent, UnpackRequest, unpack};
use crate::io::cancel::Cancel;
use crate::io::files;
use crate::manifest::{self, Manifest};
use crate::model::ByteSize;
use crate::publish::pack::assets::AssetsManifest;
use crate::ui::{Transfer, Ui};

/// The largest manifest that is read, in bytes.
const MAX_MANIFEST: u64 = 16 << 20;

/// Lays out `dist/` again from the assets that a release has, and says what it does.
///
/// # Errors
/// See [`unpack`].
pub fn unpack_shown(
    request: &UnpackRequest,
    ui: &Ui,
    cancel: &Cancel,
) -> Result<AssetsManifest, UnpackError> {
    let remote = !matches!(request.source, Source::File(_));
    // How much is to come is known once the list has come.
    let transfer: OnceCell<Transfer<'_>> = OnceCell::new();
    let tell = |event: UnpackEvent<'_>| match (event, transfer.get()) {
        (UnpackEvent::Package(list), _) => {
            let size = ByteSize(list.packed_bytes());
            ui.status("Unpacking", &format!("{} for {} ({size})", list.package, list.device));
            if remote {
                transfer.get_or_init(|| Transfer::new(ui, list.packed_bytes()));
            }
        }
        (UnpackEvent::Started { name, bytes }, Some(transfer)) => {
            transfer.begin(name.as_str(), bytes);
        }
        (UnpackEvent::Progress { name, bytes_so_far }, Some(transfer)) => {
            transfer.at(name.as_str(), bytes_so_far);
        }
        (UnpackEvent::Verified { name }, Some(transfer)) => transfer.end(name.as_str()),
        (UnpackEvent::Verified { name }, None) => ui.detail("Verified", name.as_str()),
        (UnpackEvent::Retry { name, why, after }, Some(transfer)) => {
            transfer.retry(name, &why, after);
        }
        (UnpackEvent::Retry { name, why, after }, None) => {
            ui.retrying(&format!("{name}: {why}"), after);
        }
        _ => {}
    };
    let list = unpack(request, cancel, &tell)?;
    warn_of_left_out(&request.output, &list, ui);
    Ok(list)
}

/// A release may be without the weights of bundled models: an app of it does not run yet.
fn warn_of_left_out(dist: &Utf8Path, list: &AssetsManifest, ui: &Ui) {
    let path = dist.join(manifest::FILE_NAME);
    // That the manifest can be read is no matter of unpacking.
    let Ok(Some(text)) = files::read_at_most(&path, MAX_MANIFEST) else { return };
    let Ok(manifest) = Manifest::read(&path, &text) else { return };
    let there = |id| list.archives.iter().any(|archive| archive.model_id.as_ref() == Some(id));
    for model in manifest.models.iter().filter(|model| model.bundled && !there(&model.model_id)) {
        let id = &model.model_id;
        ui.warn(&format!(
            "the release is without the weights of `{id}`: put them into {dist}/bundle/{id}"
        ));
    }
}
