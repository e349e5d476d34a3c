//! What sizes are compared with: the manifests of the latest release, or of any address.

use super::PublishError;
use crate::github::api::{Api, ApiError, Asset, Call, Permission, Release};
use crate::io::http::{HttpError, StatusCode, Url};

/// The end of a manifest's name in a release.
pub const SUFFIX: &str = "-manifest.json";

/// The longest manifest that is read, in bytes.
pub const LIMIT: u64 = 64 << 20;

/// Where files are is told by one redirect; more than a few are a loop.
const MAX_REDIRECTS: usize = 8;

/// A manifest that was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Baseline {
    /// Where it comes from, for people.
    pub origin: String,
    /// Its text, which anybody may have written.
    pub text: Vec<u8>,
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
    api.insist(|| follow(api, url)).map_err(|error| match error {
        ApiError::Answer { url, why } => PublishError::Download { url, why },
        error => error.into(),
    })
}

fn follow(api: &Api<'_>, start: &Url) -> Result<Vec<u8>, ApiError> {
    let printed = || {
        let mut url = start.clone();
        url.set_query(None);
        url.to_string()
    };
    let wrong = |why: String| ApiError::Answer { url: printed(), why };
    let mut url = start.clone();
    for _ in 0..=MAX_REDIRECTS {
        let response = api.download(&url, "application/octet-stream")?;
        let status = response.status();
        if status == StatusCode::OK {
            return response.body(LIMIT).map_err(|error| match error {
                HttpError::Cancelled => ApiError::Cancelled,
                HttpError::TooLong(limit) => wrong(format!("it is longer than {limit} bytes")),
                error => ApiError::Passing { why: format!("{}: {error}", printed()), after: None },
            });
        }
        if !status.is_redirection() {
            return Err(api.refusal(response, &url));
        }
        let location = response.header("location").unwrap_or_default();
        let next = url.join(location).map_err(|error| wrong(format!("a redirect: {error}")))?;
        match (url.scheme(), next.scheme()) {
            ("https", "https") | ("http", "http" | "https") => url = next,
            (_, scheme) => return Err(wrong(format!("a redirect to {scheme}://"))),
        }
    }
    Err(wrong(format!("more than {MAX_REDIRECTS} redirects")))
}
