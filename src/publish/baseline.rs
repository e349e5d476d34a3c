//! What sizes are compared with: the manifests of the latest release, or of any address.

use std::time::Duration;

use super::PublishError;
use crate::exit::Exit;
use crate::github::api::{Api, ApiError, ApiOptions, Asset, Call, Permission, Release};
use crate::io::http::session::SessionError;
use crate::io::http::{Url, address};
use crate::io::process::Cancel;
use crate::stage_error::StageError;
use crate::ui::Ui;

/// The end of a manifest's name in a release.
pub const SUFFIX: &str = "-manifest.json";

/// The longest manifest that is read, in bytes.
pub const LIMIT: u64 = 64 << 20;

/// A manifest that was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Baseline {
    /// Where it comes from, for people.
    pub origin: String,
    /// Its text, which anybody may have written.
    pub text: Vec<u8>,
}

/// Why a baseline cannot be had. Exit 11, 2 if nobody says of which repository, or 130.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct BaselineError(#[from] PublishError);

impl StageError for BaselineError {
    fn exit(&self) -> Exit {
        match self.0.exit() {
            Exit::Publish => Exit::Fetch,
            exit => exit,
        }
    }

    /// That of other errors is for those who publish.
    fn help(&self) -> Option<String> {
        match &self.0 {
            PublishError::Api(error) => error.help_to_read(),
            error => error.help(),
        }
    }
}

/// The manifests of a repository's latest release; none if it has none.
pub fn baselines(
    options: &ApiOptions,
    ui: &Ui,
    cancel: &Cancel,
) -> Result<Vec<Baseline>, BaselineError> {
    let on_wait = |why: &str, time: Duration| wait(ui, why, time);
    let api = Api::new(options, cancel, &on_wait).map_err(PublishError::from)?;
    Ok(latest_release(&api)?)
}

/// The manifest at an address. No token goes to another host than the API's own.
pub fn baseline_at(
    url: &str,
    options: &ApiOptions,
    ui: &Ui,
    cancel: &Cancel,
) -> Result<Baseline, BaselineError> {
    let on_wait = |why: &str, time: Duration| wait(ui, why, time);
    let api = Api::new(options, cancel, &on_wait).map_err(PublishError::from)?;
    let parsed = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let parsed = parsed.ok_or_else(|| PublishError::Download {
        url: printable(url),
        why: "this is not an address that begins with http:// or https://".to_owned(),
    })?;
    let text = download(&api, &parsed)?;
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

/// The manifests of the latest release; none if there is no release, or none in it.
pub fn latest_release(api: &Api<'_>) -> Result<Vec<Baseline>, PublishError> {
    let latest = Call::get(&["releases", "latest"], Permission::Read);
    let Some(release) = api.find::<Release>(latest)? else { return Ok(Vec::new()) };
    let id = release.id.to_string();
    let mut manifests = Vec::new();
    let assets = ["releases", &id, "assets"];
    api.each_page(Call::get(&assets, Permission::Read), |page: Vec<Asset>| {
        manifests.extend(page.into_iter().filter(|asset| asset.name.ends_with(SUFFIX)));
    })?;
    let mut baselines = Vec::new();
    for asset in manifests {
        let url = api.address(&["releases", "assets", &asset.id.to_string()])?;
        let origin = format!("{} of {}", asset.name, release.tag_name);
        baselines.push(Baseline { text: download(api, &url)?, origin });
    }
    Ok(baselines)
}

/// Downloads a file of [`LIMIT`] bytes at most. The token goes to the API's own host only.
pub fn download(api: &Api<'_>, url: &Url) -> Result<Vec<u8>, PublishError> {
    api.download(url, LIMIT).map_err(|error| match error {
        ApiError::Answer { url, why } => PublishError::Download { url, why },
        ApiError::Session(error @ SessionError::Redirect { .. }) => {
            PublishError::Download { url: address::printable(url), why: error.to_string() }
        }
        error => error.into(),
    })
}
