//! What sizes are compared with, where it is not on this machine.

use std::time::Duration;

use crate::error::Error;
use crate::github::api::{Api, ApiOptions};
use crate::io::http::{Url, address};
use crate::io::process::Cancel;
use crate::publish::PublishError;
use crate::publish::baseline::{self, Baseline};
use crate::ui::Ui;

/// The manifests of a repository's latest release; none if it has none.
pub fn baselines(options: &ApiOptions, ui: &Ui, cancel: &Cancel) -> Result<Vec<Baseline>, Error> {
    let on_wait = |why: &str, time: Duration| wait(ui, why, time);
    let api = Api::new(options, cancel, &on_wait).map_err(PublishError::from)?;
    Ok(baseline::latest_release(&api)?)
}

/// The manifest at an address. No token goes to another host than the API's own.
pub fn baseline_at(
    url: &str,
    options: &ApiOptions,
    ui: &Ui,
    cancel: &Cancel,
) -> Result<Baseline, Error> {
    let on_wait = |why: &str, time: Duration| wait(ui, why, time);
    let api = Api::new(options, cancel, &on_wait).map_err(PublishError::from)?;
    let parsed = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let parsed = parsed.ok_or_else(|| PublishError::Download {
        url: printable(url),
        why: "this is not an address that begins with http:// or https://".to_owned(),
    })?;
    let text = baseline::download(&api, &parsed)?;
    Ok(Baseline { origin: printable(url), text })
}

/// What a person named as an address, without what may be secret in it.
pub fn printable(url: &str) -> String {
    match Url::parse(url) {
        Ok(url) => address::printable(&url),
        Err(_) => url.split(['?', '#']).next().unwrap_or_default().to_owned(),
    }
}

fn wait(ui: &Ui, why: &str, time: Duration) {
    ui.retrying(why, time);
}
