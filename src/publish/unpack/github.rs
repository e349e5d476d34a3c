//! Assets of a release that is not for everybody: GitHub gives them to who has a token, at
//! addresses of its API alone.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::UnpackError;
use super::requests::{Address, Asker, printable, refused};
use crate::io::http::Url;
use crate::io::secret::Secret;

/// Assets on one page of their list.
const PAGE: usize = 100;

/// Pages that are read: a release has at most 1000 assets.
const PAGES: usize = 11;

/// The largest answer that is read, in bytes.
const MOST_BYTES: u64 = 16 << 20;

const JSON: &str = "application/vnd.github+json";
const BYTES: &str = "application/octet-stream";

/// A GitHub, and who asks.
#[derive(Clone, Debug)]
pub struct GithubHost {
    /// Where people look at repositories: `https://github.com`.
    pub server: Url,
    /// Where programs ask: `https://api.github.com`.
    pub api: Url,
    /// Who asks. It is sent to the API's own host and to no other.
    pub token: Option<Secret>,
}

impl GithubHost {
    /// By the variables that GitHub's own tools read: `GITHUB_SERVER_URL` and `GITHUB_API_URL`;
    /// the token from `GH_TOKEN`, else `GITHUB_TOKEN`.
    pub fn from_variables(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, UnpackError> {
        let address = |name: &str, default: &str| {
            let text = get(name).filter(|text| !text.is_empty());
            let text = text.unwrap_or_else(|| default.to_owned());
            Url::parse(text.trim_end_matches('/')).map_err(|error| UnpackError::Source {
                message: format!("{name} is `{text}`, which is no address: {error}"),
                help: format!("leave {name} unset for {default}"),
            })
        };
        Ok(Self {
            server: address("GITHUB_SERVER_URL", "https://github.com")?,
            api: address("GITHUB_API_URL", "https://api.github.com")?,
            token: ["GH_TOKEN", "GITHUB_TOKEN"].iter().find_map(|name| Secret::new(&get(name)?)),
        })
    }
}

/// What an address of a release's asset says: `/<owner>/<repo>/releases/download/<tag>/<name>`,
/// or `…/releases/latest/download/<name>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReleaseUrl {
    owner: String,
    repo: String,
    /// None for the latest release.
    tag: Option<String>,
}

impl ReleaseUrl {
    pub(super) fn parse(url: &Url, server: &Url) -> Option<Self> {
        if url.origin() != server.origin() {
            return None;
        }
        let path = url.path().strip_prefix(server.path().trim_end_matches('/'))?;
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let (owner, repo, tag) = match parts[..] {
            [owner, repo, "releases", "latest", "download", _] => (owner, repo, None),
            // A tag may have slashes, which are not always encoded.
            [owner, repo, "releases", "download", ref tag @ .., _] if !tag.is_empty() => {
                (owner, repo, Some(tag.join("/")))
            }
            _ => return None,
        };
        Some(Self { owner: owner.to_owned(), repo: repo.to_owned(), tag })
    }

    /// The API's address of the repository's releases.
    fn releases(&self, api: &Url) -> String {
        let (owner, repo) = (&self.owner, &self.repo);
        format!("{api}/repos/{owner}/{repo}/releases").replace("//repos", "/repos")
    }

    /// The API's address of the release.
    fn release(&self, releases: &str) -> String {
        match &self.tag {
            Some(tag) => format!("{releases}/tags/{tag}"),
            None => format!("{releases}/latest"),
        }
    }

    /// Where the API has the release's assets, by name.
    pub(super) fn assets(
        &self,
        asker: &Asker<'_>,
        host: &GithubHost,
        token: &Secret,
    ) -> Result<BTreeMap<String, Url>, UnpackError> {
        #[derive(Deserialize)]
        struct Release {
            id: u64,
        }
        #[derive(Deserialize)]
        struct Asset {
            name: String,
            id: u64,
        }
        let releases = self.releases(&host.api);
        let release = self.release(&releases);
        let Release { id } = ask(asker, &release, token)?;
        let mut assets = BTreeMap::new();
        for page in 1..=PAGES {
            let url = format!("{releases}/{id}/assets?per_page={PAGE}&page={page}");
            let found: Vec<Asset> = ask(asker, &url, token)?;
            let last = found.len() < PAGE;
            for Asset { name, id } in found {
                assets.insert(name, parse(&format!("{releases}/assets/{id}"))?);
            }
            if last {
                break;
            }
        }
        Ok(assets)
    }
}

/// The address of an asset's bytes.
pub(super) fn bytes_of<'t>(url: &Url, token: &'t Secret) -> Address<'t> {
    Address { url: url.clone(), token: Some(token), accept: Some(BYTES) }
}

fn ask<T: serde::de::DeserializeOwned>(
    asker: &Asker<'_>,
    url: &str,
    token: &Secret,
) -> Result<T, UnpackError> {
    let address = Address { url: parse(url)?, token: Some(token), accept: Some(JSON) };
    let printed = printable(&address.url);
    let body = asker.small("the release", &address, MOST_BYTES)?;
    let body = body.map_err(|status| refused(printed.clone(), status, true))?;
    serde_json::from_slice(&body).map_err(|error| UnpackError::Http {
        url: printed,
        why: format!("the answer is not what GitHub's API gives: {error}"),
        help: None,
    })
}

fn parse(url: &str) -> Result<Url, UnpackError> {
    Url::parse(url).map_err(|error| UnpackError::Http {
        url: url.to_owned(),
        why: error.to_string(),
        help: None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{GithubHost, ReleaseUrl, Url};

    #[test]
    fn addresses_of_assets_are_known_and_others_are_not() {
        let server = Url::parse("https://github.com").unwrap();
        let parse = |url: &str| {
            ReleaseUrl::parse(&Url::parse(url).unwrap(), &server)
                .map(|ReleaseUrl { owner, repo, tag }| (owner, repo, tag.unwrap_or_default()))
        };
        let some = |tag: &str| Some(("o".to_owned(), "r".to_owned(), tag.to_owned()));
        assert_eq!(parse("https://github.com/o/r/releases/download/v1/a.json"), some("v1"));
        assert_eq!(parse("https://github.com/o/r/releases/download/a%2Fb/a.json"), some("a%2Fb"));
        assert_eq!(parse("https://github.com/o/r/releases/download/a/b/a.json"), some("a/b"));
        assert_eq!(parse("https://github.com/o/r/releases/latest/download/a.json"), some(""));
        for other in [
            "https://github.com/o/r/raw/main/a.json",
            "https://github.com/o/r/releases/download/a.json",
            "https://evil.example/o/r/releases/download/v1/a.json",
            "http://github.com/o/r/releases/download/v1/a.json",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    proptest! {
        /// The token goes to the API's address of a release, whatever the address said.
        #[test]
        fn any_address_leads_to_a_release_or_nowhere(
            parts in proptest::collection::vec(
                "o|r|[.]{1,3}|%2e%2E|[a-z%0-9@:?#\\\\ ]{0,8}|\\PC{0,4}", 2..6,
            ),
        ) {
            let server = Url::parse("https://github.com").unwrap();
            let api = Url::parse("https://api.github.com/v3").unwrap();
            let (repo, tag) = parts.split_at(2);
            let (repo, tag) = (repo.join("/"), tag.join("/"));
            let url = format!("https://github.com/{repo}/releases/download/{tag}/a.json");
            let url = Url::parse(&url);
            if let Some(found) = url.ok().and_then(|url| ReleaseUrl::parse(&url, &server)) {
                let address = Url::parse(&found.release(&found.releases(&api))).unwrap();
                prop_assert_eq!(address.origin(), api.origin());
                let begin = format!("/v3/repos/{}/{}/releases/", found.owner, found.repo);
                prop_assert!(address.path().starts_with(&begin), "{}", address);
                prop_assert!(address.query().is_none() && address.fragment().is_none());
            }
        }
    }

    #[test]
    fn a_variable_that_is_empty_is_none() {
        let get = |name: &str| match name {
            "GITHUB_API_URL" => Some("https://ghes.example/api/v3/".to_owned()),
            "GITHUB_TOKEN" => Some("secret".to_owned()),
            _ => Some(String::new()),
        };
        let host = GithubHost::from_variables(&get).unwrap();
        assert_eq!(host.api.as_str(), "https://ghes.example/api/v3");
        assert_eq!(host.server.as_str(), "https://github.com/");
        assert!(host.token.is_some() && !format!("{host:?}").contains("secret"));
    }
}
