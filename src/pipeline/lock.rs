//! `mlc-package lock`: config -> fetch.

use camino::Utf8PathBuf;

use super::{PackageRequest, read_whole_config};
use crate::config;
use crate::error::Error;
use crate::fetch::Lock;
use crate::fetch::update_lock::{self, LockRequest, Locked, Update};
use crate::io::cancel::Cancel;
use crate::model::PackageConfig;
use crate::ui::Ui;

/// Pins every hub model of a config. Those of `others` that have the same lock file stay in it.
pub fn lock(
    request: &PackageRequest,
    others: &[Utf8PathBuf],
    update: &Update,
    ui: &Ui,
    cancel: &Cancel,
) -> Result<Locked, Error> {
    let (config, _) = read_whole_config(request, ui)?;
    let path = Lock::path_for(&request.package_config);
    let beside = others.iter().filter(|other| Lock::path_for(other) == path);
    let beside: Vec<_> = beside.map(|other| package(other, ui)).collect::<Result<_, _>>()?;
    let request = LockRequest {
        config: &config,
        package_config: &request.package_config,
        beside: &beside,
        only: &request.only,
        update,
        hub: request.hub(),
    };
    Ok(update_lock::lock(&request, ui, cancel)?)
}

fn package(path: &Utf8PathBuf, ui: &Ui) -> Result<PackageConfig, Error> {
    let checked = config::check_file(path);
    if checked.errors() > 0 {
        ui.block(true, |width, out| config::render::human(&checked, width, out));
    }
    Ok(checked.into_package()?)
}
