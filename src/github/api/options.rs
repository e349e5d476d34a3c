use std::time::Duration;

use super::error::ApiError;
use crate::github::Repository;
use crate::io::http::{Url, address};
use crate::io::retry::RetryPolicy;
use crate::io::secret::Secret;

/// Which repository on which server, and who asks.
#[derive(Clone, Debug)]
pub struct ApiOptions {
    /// The API's address: `https://api.github.com`, or that of a GitHub Enterprise Server.
    pub api: Url,
    /// Where people look at repositories: `https://github.com`, or a GitHub Enterprise Server.
    pub server: Url,
    /// The repository; none for who asks of none.
    pub repository: Option<Repository>,
    /// Who asks.
    pub token: Option<Secret>,
    /// The longest time without a byte.
    pub stall: Duration,
    /// How failed requests are repeated.
    pub retry: RetryPolicy,
    /// Uploads at once.
    pub connections: usize,
    /// Whether proxies are obeyed.
    pub system_proxy: bool,
}

impl ApiOptions {
    /// The public API.
    pub const API: &'static str = "https://api.github.com";

    /// Where people look at it.
    pub const SERVER: &'static str = "https://github.com";

    /// Options for a repository, everything else as it is by default.
    pub fn new(api: Url, repository: Repository, token: Option<Secret>) -> Self {
        Self::of(api.clone(), api, Some(repository), token)
    }

    fn of(server: Url, api: Url, repository: Option<Repository>, token: Option<Secret>) -> Self {
        Self {
            api,
            server,
            repository,
            token,
            stall: Duration::from_secs(60),
            // Limits on requests end after minutes, and a job that has built for an hour waits.
            retry: RetryPolicy {
                longest_asked: Duration::from_secs(15 * 60),
                ..RetryPolicy::default()
            },
            connections: 4,
            system_proxy: true,
        }
    }

    /// Options by the variables that a job has: `GITHUB_API_URL`, else by `GITHUB_SERVER_URL`;
    /// `GITHUB_REPOSITORY`, unless `repo` names another; `GH_TOKEN`, else `GITHUB_TOKEN`, in the
    /// order of GitHub's own `gh`.
    pub fn from_variables(
        get: &dyn Fn(&str) -> Option<String>,
        repo: Option<&str>,
    ) -> Result<Self, ApiError> {
        let set = |name: &str| get(name).filter(|value| !value.is_empty());
        let repository = match repo {
            Some(repo) => repo.to_owned(),
            None => set("GITHUB_REPOSITORY")
                .ok_or_else(|| ApiError::NoRepository("GITHUB_REPOSITORY is not set".to_owned()))?,
        };
        let repository =
            repository.parse().map_err(|error| ApiError::NoRepository(format!("{error}")))?;
        Ok(Self { repository: Some(repository), ..Self::without_repository(get)? })
    }

    /// The same for who asks of no repository, for a file at some address.
    pub fn without_repository(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, ApiError> {
        let set = |name: &str| get(name).filter(|value| !value.is_empty());
        let server = set("GITHUB_SERVER_URL").unwrap_or_else(|| Self::SERVER.to_owned());
        let server = named("GITHUB_SERVER_URL", &server)?;
        let api = match set("GITHUB_API_URL") {
            Some(api) => named("GITHUB_API_URL", &api)?,
            None => of_server(&server)?,
        };
        let token = ["GH_TOKEN", "GITHUB_TOKEN"].iter().find_map(|name| Secret::new(&set(name)?));
        Ok(Self::of(server, api, None, token))
    }
}

fn named(name: &str, text: &str) -> Result<Url, ApiError> {
    address::server(text).map_err(|why| ApiError::Address {
        name: name.to_owned(),
        url: text.to_owned(),
        why: why.to_string(),
    })
}

/// Where a server has its API.
fn of_server(server: &Url) -> Result<Url, ApiError> {
    match server.host_str() {
        Some("github.com") => named("GITHUB_API_URL", ApiOptions::API),
        Some(host) if host.ends_with(".ghe.com") => {
            named("GITHUB_SERVER_URL", &format!("https://api.{host}"))
        }
        _ => below(server, ["api", "v3"]),
    }
}

/// An address below another, its parts encoded.
pub(super) fn below<'s>(
    base: &Url,
    parts: impl IntoIterator<Item = &'s str>,
) -> Result<Url, ApiError> {
    address::below(base, parts).map_err(|why| ApiError::Address {
        name: "GITHUB_API_URL".to_owned(),
        url: base.to_string(),
        why: why.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::{ApiError, ApiOptions, Secret};

    fn options(variables: &[(&str, &str)]) -> Result<ApiOptions, ApiError> {
        let get = |name: &str| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        ApiOptions::from_variables(&get, None)
    }

    #[test]
    fn the_api_is_where_the_server_has_it() {
        let api = |variables: &[(&str, &str)]| {
            let all = [variables, &[("GITHUB_REPOSITORY", "a/b")]].concat();
            options(&all).unwrap().api.to_string()
        };
        assert_eq!(api(&[]), "https://api.github.com/");
        assert_eq!(api(&[("GITHUB_SERVER_URL", "https://github.com")]), "https://api.github.com/");
        let server = ("GITHUB_SERVER_URL", "https://ghes.example");
        assert_eq!(api(&[server]), "https://ghes.example/api/v3");
        assert_eq!(
            api(&[server, ("GITHUB_API_URL", "https://ghes.example/v9/")]),
            "https://ghes.example/v9"
        );
        let cloud = ("GITHUB_SERVER_URL", "https://octo.ghe.com");
        assert_eq!(api(&[cloud]), "https://api.octo.ghe.com/");
    }

    #[test]
    fn what_is_missing_is_said() {
        assert!(matches!(options(&[]), Err(ApiError::NoRepository(_))));
        assert!(matches!(options(&[("GITHUB_REPOSITORY", "a")]), Err(ApiError::NoRepository(_))));
        let wrong = options(&[("GITHUB_REPOSITORY", "a/b"), ("GITHUB_API_URL", "ftp://x")]);
        assert!(matches!(wrong, Err(ApiError::Address { .. })));
        let both =
            options(&[("GITHUB_REPOSITORY", "a/b"), ("GITHUB_TOKEN", ""), ("GH_TOKEN", "t")]);
        assert!(both.unwrap().token.is_some());
        // `gh` has the same order.
        let both =
            options(&[("GITHUB_REPOSITORY", "a/b"), ("GITHUB_TOKEN", "job"), ("GH_TOKEN", "mine")]);
        assert_eq!(both.unwrap().token, Secret::new("mine"));
    }
}
