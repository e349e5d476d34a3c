//! The libraries of a package without the package: what one of several jobs compiles for
//! another, which makes `dist/`.

use serde::Serialize;

use super::{BuildRequest, Clock, make_plan, require_clang};
use crate::compile::package::{check_stored, compile};
use crate::error::Error;
use crate::io::process::Cancel;
use crate::manifest::LibraryOrigin;
use crate::model::{ByteSize, Device, Fingerprint, LibraryName, ModelId};
use crate::plan::Origin;
use crate::ui::Ui;

/// The libraries that a build would take out of the store, all in it now.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Libraries {
    /// The phone they are for.
    pub device: Device,
    /// Each once; those that the user compiled are not among them.
    pub libraries: Vec<StoreLibrary>,
}

/// One library of the store.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StoreLibrary {
    /// Its name.
    pub model_lib: LibraryName,
    /// The models that load it.
    pub models: Vec<ModelId>,
    /// Its name in the store.
    pub fingerprint: Fingerprint,
    /// How it got there.
    pub origin: LibraryOrigin,
    /// Its size.
    pub bytes: ByteSize,
}

/// Compiles what the store lacks, and makes nothing else: no weights are downloaded, `dist/` is
/// not touched.
pub fn libraries(request: &BuildRequest, ui: &Ui, cancel: &Cancel) -> Result<Libraries, Error> {
    let planned = make_plan(&request.package, true, &mut Clock::start(), ui, cancel)?;
    planned.plan.require_fetched()?;
    let gate = request.gate(cancel);
    require_clang(&gate, &planned)?;
    let obtained = compile(&request.libraries(&planned, &gate), ui, cancel)?;
    check_stored(&gate, &planned.store, obtained.values().map(|library| &library.stored))?;
    request.tell_kernels(&gate, &obtained, ui);
    let libraries = planned.plan.libraries.iter().filter_map(|library| {
        let Origin::Compiled { fingerprint, .. } = &library.origin else { return None };
        let obtained = obtained.get(fingerprint)?;
        Some(StoreLibrary {
            model_lib: library.model_lib.clone(),
            models: library.models.clone(),
            fingerprint: *fingerprint,
            origin: obtained.origin,
            bytes: ByteSize(obtained.stored.record.bytes),
        })
    });
    Ok(Libraries { device: planned.plan.device, libraries: libraries.collect() })
}

impl Libraries {
    /// How many were compiled just now.
    pub fn compiled(&self) -> usize {
        self.libraries.iter().filter(|library| library.origin == LibraryOrigin::Compiled).count()
    }
}
