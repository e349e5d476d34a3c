//! Assets of a release -> `dist/`.

use std::cell::OnceCell;

use crate::error::Error;
use crate::io::cancel::Cancel;
use crate::model::ByteSize;
use crate::publish::pack::assets::AssetsManifest;
use crate::publish::unpack::{self, Source, UnpackEvent, UnpackRequest};
use crate::ui::{Transfer, Ui};

/// Lays out `dist/` again from the assets that a release has.
pub fn unpack(request: &UnpackRequest, ui: &Ui, cancel: &Cancel) -> Result<AssetsManifest, Error> {
    let remote = matches!(request.source, Source::Url(_));
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
            ui.warn(&format!("{name}: {why}; again in {:.1} s", after.as_secs_f64()));
        }
        _ => {}
    };
    Ok(unpack::unpack(request, cancel, &tell)?)
}
