//! Releases of GitHub: what an address or a short name says of one, and where the API has the assets
//! of one that is not for everybody.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::UnpackError;
use crate::github::Repository;
use crate::github::api::{Api, ApiError, Call, Permission};
use crate::io::http::{Url, address};
use crate::publish::pack::assets::SUFFIX;

/// A release: `OWNER/REPO@TAG`, or the address of its page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseName {
    /// The server, where it was named.
    pub(super) server: Option<Url>,
    pub(super) repository: Repository,
    /// None for the latest release.
    pub(super) tag: Option<String>,
}

impl ReleaseName {
    /// Reads `OWNER/REPO@TAG`.
    pub(super) fn short(text: &str) -> Option<Self> {
        let (repository, tag) = text.split_once('@')?;
        let (repository, tag) = (repository.parse().ok()?, Some(tag.to_owned()));
        tag.as_deref().is_some_and(|tag| !tag.is_empty()).then_some(Self {
            server: None,
            repository,
            tag,
        })
    }

    /// Reads the address of a release's page: `…/OWNER/REPO/releases/tag/TAG`, or
    /// `…/OWNER/REPO/releases/latest`. A server may have a path of its own.
    pub(super) fn page(url: &Url) -> Option<Self> {
        let parts: Vec<&str> = url.path_segments()?.collect();
        let at = parts.iter().rposition(|part| *part == "releases")?;
        let (before, after) = parts.split_at(at);
        let [above @ .., owner, name] = before else { return None };
        let tag = match after {
            [_, "latest"] | [_, "latest", ""] => None,
            // A tag may have slashes, which are not always encoded.
            [_, "tag", tag @ ..] => {
                let tag = address::decoded(tag.join("/").trim_end_matches('/'))?;
                Some(tag).filter(|tag| !tag.is_empty()).map(Some)?
            }
            _ => return None,
        };
        let mut server = url.clone();
        server.set_query(None);
        server.set_fragment(None);
        server.set_path(&above.join("/"));
        Some(Self { server: Some(server), repository: repository(owner, name)?, tag })
    }

    /// Reads the address of a release's asset: `/OWNER/REPO/releases/download/TAG/NAME`, or
    /// `…/releases/latest/download/NAME`, at this server.
    pub(super) fn of_asset(url: &Url, server: &Url) -> Option<Self> {
        if url.origin() != server.origin() {
            return None;
        }
        let path = url.path().strip_prefix(server.path().trim_end_matches('/'))?;
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let (owner, name, tag) = match parts[..] {
            [owner, name, "releases", "latest", "download", _] => (owner, name, None),
            [owner, name, "releases", "download", ref tag @ .., _] if !tag.is_empty() => {
                (owner, name, Some(address::decoded(&tag.join("/"))?))
            }
            _ => return None,
        };
        Some(Self { server: None, repository: repository(owner, name)?, tag })
    }

    /// The assets of the release by name, and its tag.
    pub(super) fn assets(
        &self,
        api: &Api<'_>,
    ) -> Result<(String, BTreeMap<String, Url>), UnpackError> {
        #[derive(Deserialize)]
        struct Release {
            id: u64,
            tag_name: Option<String>,
        }
        #[derive(Deserialize)]
        struct Asset {
            name: String,
            id: u64,
        }
        let path = match &self.tag {
            Some(tag) => vec!["releases", "tags", tag],
            None => vec!["releases", "latest"],
        };
        let release: Release = api.get(Call::get(&path, Permission::Read))?;
        let id = release.id.to_string();
        let mut found = Vec::new();
        let path = ["releases", &id, "assets"];
        api.each_page(Call::get(&path, Permission::Read), |page: Vec<Asset>| found.extend(page))?;
        let mut assets = BTreeMap::new();
        for asset in found {
            let url = api.address(&["releases", "assets", &asset.id.to_string()])?;
            assets.insert(asset.name, url);
        }
        let tag = release.tag_name.or_else(|| self.tag.clone());
        Ok((tag.unwrap_or_default(), assets))
    }

    /// The one list of assets among those of a release.
    pub(super) fn list<'n>(
        &self,
        tag: &str,
        mut names: impl Iterator<Item = &'n String>,
    ) -> Result<&'n str, UnpackError> {
        let lists: Vec<_> = names.by_ref().filter(|name| name.ends_with(SUFFIX)).collect();
        let (message, help) = match lists.as_slice() {
            [one] => return Ok(one),
            [] => (
                format!("the release `{tag}` of {} holds no …{SUFFIX}", self.repository),
                "name a release that `mlc-package publish` made".to_owned(),
            ),
            several => {
                let names: Vec<_> = several.iter().map(|name| name.as_str()).collect();
                (
                    format!(
                        "the release `{tag}` of {} holds several packages: {}",
                        self.repository,
                        names.join(", ")
                    ),
                    format!(
                        "name one by its address: …/{}/releases/download/{tag}/{}",
                        self.repository, names[0]
                    ),
                )
            }
        };
        Err(UnpackError::Source { message, help })
    }
}

fn repository(owner: &str, name: &str) -> Option<Repository> {
    format!("{owner}/{name}").parse().ok()
}

impl From<ApiError> for UnpackError {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Cancelled => Self::Interrupted,
            ApiError::Client(why) => Self::client(why),
            ApiError::Refused { status, url, .. } => Self::refused(url, status, true),
            ApiError::BadToken { url, .. } => Self::refused(url, 401, true),
            ApiError::Answer { url, why } => {
                let why = format!("the answer is not what GitHub's API gives: {why}");
                Self::Http { url, why, help: None }
            }
            error => {
                let help = error.help();
                Self::Http { url: "GitHub's API".to_owned(), why: error.to_string(), help }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::stage_error::StageError as _;
    use proptest::prelude::*;

    use super::{ReleaseName, Url};
    use crate::github::api::{Api, ApiOptions};
    use crate::io::cancel::Cancel;

    fn parts(name: ReleaseName) -> (String, String) {
        (name.repository.to_string(), name.tag.unwrap_or_default())
    }

    fn some(tag: &str) -> Option<(String, String)> {
        Some(("o/r".to_owned(), tag.to_owned()))
    }

    #[test]
    fn addresses_of_assets_are_known_and_others_are_not() {
        let server = Url::parse("https://github.com").unwrap();
        let parse =
            |url: &str| ReleaseName::of_asset(&Url::parse(url).unwrap(), &server).map(parts);
        assert_eq!(parse("https://github.com/o/r/releases/download/v1/a.json"), some("v1"));
        assert_eq!(parse("https://github.com/o/r/releases/download/a%2Fb/a.json"), some("a/b"));
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

    #[test]
    fn a_release_is_named_shortly_or_by_its_page() {
        let short = |text: &str| ReleaseName::short(text).map(parts);
        assert_eq!(short("o/r@v1.0"), some("v1.0"));
        assert_eq!(short("o/r@a/b@c"), some("a/b@c"));
        for other in ["o/r", "o@v1", "o/r@", "./o/r@v1", "o/r/s@v1", "dist"] {
            assert_eq!(short(other), None, "{other}");
        }
        let page = |url: &str| {
            let page = ReleaseName::page(&Url::parse(url).unwrap())?;
            Some((page.server.clone().unwrap().to_string(), parts(page)))
        };
        let at = |server: &str, tag: &str| some(tag).map(|parts| (server.to_owned(), parts));
        let hub = "https://github.com/";
        assert_eq!(page("https://github.com/o/r/releases/tag/v1"), at(hub, "v1"));
        assert_eq!(page("https://github.com/o/r/releases/tag/a%2Fb/?x#y"), at(hub, "a/b"));
        assert_eq!(page("https://github.com/o/r/releases/latest"), at(hub, ""));
        let ghes = page("https://ghes.example/git/o/r/releases/tag/v1");
        assert_eq!(ghes, at("https://ghes.example/git", "v1"));
        for other in [
            "https://github.com/o/r/releases",
            "https://github.com/o/r/releases/tag/",
            "https://github.com/o/releases/tag/v1",
            "https://github.com/o/r/releases/download/v1/a-assets.json",
        ] {
            assert_eq!(page(other), None, "{other}");
        }
    }

    #[test]
    fn of_several_lists_none_is_guessed() {
        let name = ReleaseName::short("o/r@v1").unwrap();
        let list = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            name.list("v1", names.iter()).map(str::to_owned)
        };
        assert_eq!(list(&["a.tar.zst", "x-android-assets.json"]).unwrap(), "x-android-assets.json");
        assert!(list(&["a"]).unwrap_err().to_string().contains("holds no …-assets.json"));
        let error = list(&["x-assets.json", "y-assets.json"]).unwrap_err();
        assert!(error.to_string().ends_with("several packages: x-assets.json, y-assets.json"));
        assert!(error.help().unwrap().ends_with("/o/r/releases/download/v1/x-assets.json"));
    }

    proptest! {
        /// The token goes to the API's address of a release, whatever the address said.
        #[test]
        fn any_address_leads_to_a_release_or_nowhere(
            parts in proptest::collection::vec(
                "o|r|[.]{1,3}|%2e%2E|[a-z%0-9@:?#\\\\ ]{0,8}|\\PC{0,4}", 2..6,
            ),
        ) {
            let get = |name: &str| match name {
                "GITHUB_API_URL" => Some("https://api.github.com/v3".to_owned()),
                _ => None,
            };
            let mut options = ApiOptions::without_repository(&get).unwrap();
            let (repo, tag) = parts.split_at(2);
            let (repo, tag) = (repo.join("/"), tag.join("/"));
            for url in [
                format!("https://github.com/{repo}/releases/download/{tag}/a.json"),
                format!("https://github.com/{repo}/releases/tag/{tag}"),
            ] {
                let Ok(url) = Url::parse(&url) else { continue };
                let found = ReleaseName::of_asset(&url, &options.server);
                let Some(found) = found.or_else(|| ReleaseName::page(&url)) else { continue };
                options.repository = Some(found.repository.clone());
                let cancel = Cancel::default();
                let api = Api::new(&options, &cancel, &|_, _| {}).unwrap();
                let tag = found.tag.unwrap_or_default();
                let address = api.address(&["releases", "tags", &tag]).unwrap();
                prop_assert_eq!(address.origin(), options.api.origin());
                let begin = format!("/v3/repos/{}/releases/tags", found.repository);
                prop_assert!(address.path().starts_with(&begin), "{}", address);
                prop_assert!(address.query().is_none() && address.fragment().is_none());
            }
        }
    }
}
