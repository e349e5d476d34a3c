//! What sizes are compared with, where it is not on this machine.

use std::time::Duration;

use crate::error::Error;
use crate::github::api::{Api, ApiOptions};
use crate::io::http::Url;
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
        url: url.to_owned(),
        why: "this is no address of http:// or https://".to_owned(),
    })?;
    let text = baseline::download(&api, &parsed)?;
    Ok(Baseline { origin: url.split('?').next().unwrap_or_default().to_owned(), text })
}

fn wait(ui: &Ui, why: &str, time: Duration) {
    ui.warn(&format!("{why}; going on in {:.1} s", time.as_secs_f64()));
}
