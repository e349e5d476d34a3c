use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::HubError;
use crate::io::environment::Environment;
use crate::io::files;
use crate::io::http::{Url, address};
use crate::io::retry::RetryPolicy;
use crate::io::secret::Secret;
use crate::store::Bucket;

/// Where the Hub is, who asks, and where files are kept.
#[derive(Clone, Debug)]
pub struct HubOptions {
    /// The Hub's address: `https://huggingface.co`, or a mirror.
    pub endpoint: Url,
    /// Who asks. It is sent to the endpoint's own host and to no other.
    pub token: Option<Secret>,
    /// Where the token is from: a variable, a file.
    pub token_from: String,
    /// The Hub's cache, shared with every other Hugging Face tool.
    pub cache_dir: Utf8PathBuf,
    /// Where our own listings of repositories are kept.
    pub listings_dir: Utf8PathBuf,
    /// Whether nothing may be asked of the Hub.
    pub offline: bool,
    /// The longest time without a byte.
    pub stall: Duration,
    /// How failed requests are repeated.
    pub retry: RetryPolicy,
    /// Connections at once.
    pub connections: usize,
    /// The piece of a big file, in bytes, that one connection gets at a time.
    pub range_bytes: u64,
    /// Whether proxies are obeyed.
    pub system_proxy: bool,
    /// Who is told that the Hub is asked again for what is no file.
    pub notices: Notices,
}

/// Who is told why something is waited for, and how long.
#[derive(Clone)]
pub struct Notices(Arc<Tell>);

type Tell = dyn Fn(&str, Duration) + Send + Sync;

impl Notices {
    /// Tells them.
    pub fn new(tell: impl Fn(&str, Duration) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    pub(super) fn tell(&self, why: &str, time: Duration) {
        (self.0)(why, time);
    }
}

impl Default for Notices {
    fn default() -> Self {
        Self::new(|_, _| {})
    }
}

impl fmt::Debug for Notices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Notices")
    }
}

impl HubOptions {
    /// The Hub's public address.
    pub const ENDPOINT: &'static str = "https://huggingface.co";

    /// Options for a cache, everything else as it is by default.
    pub fn new(endpoint: Url, cache_dir: Utf8PathBuf, listings_dir: Utf8PathBuf) -> Self {
        Self {
            endpoint,
            token: None,
            token_from: "HF_TOKEN".to_owned(),
            cache_dir,
            listings_dir,
            offline: false,
            stall: Duration::from_secs(30),
            // The Hub counts requests over five minutes.
            retry: RetryPolicy {
                longest_asked: Duration::from_secs(15 * 60),
                ..RetryPolicy::default()
            },
            connections: 8,
            range_bytes: 32 << 20,
            system_proxy: true,
            notices: Notices::default(),
        }
    }

    /// Where the Hub's cache is: `HF_HUB_CACHE`, else `hub` in Hugging Face's own directory.
    pub fn cache_dir(get: &dyn Fn(&str) -> Option<String>, home: &Utf8Path) -> Utf8PathBuf {
        ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"]
            .iter()
            .find_map(|name| set(get, name))
            .map_or_else(|| Self::home(get, home).join("hub"), |dir| expand(&dir, get, home))
    }

    /// Hugging Face's own directory: `HF_HOME`, else `huggingface` where caches are.
    fn home(get: &dyn Fn(&str) -> Option<String>, home: &Utf8Path) -> Utf8PathBuf {
        let path = |name: &str| set(get, name).map(|value| expand(&value, get, home));
        path("HF_HOME").unwrap_or_else(|| {
            path("XDG_CACHE_HOME").unwrap_or_else(|| home.join(".cache")).join("huggingface")
        })
    }

    /// The cache that the variables of this process name; none where they are wrong.
    pub fn cache_of(environment: &Environment, our_cache: &Utf8Path) -> Option<Utf8PathBuf> {
        let get = |name: &str| environment.text(name).map(str::to_owned);
        let home = environment.directory.join(environment.text("HOME").unwrap_or_default());
        let options = Self::from_variables(&get, &home, our_cache).ok()?;
        Some(environment.directory.join(&options.cache_dir))
    }

    /// Options by the variables that Hugging Face's own tools read. `home` is the user's home
    /// directory, `our_cache` is where this program keeps its own things. Reads the token's
    /// file, if the token is in none of the variables.
    pub fn from_variables(
        get: &dyn Fn(&str) -> Option<String>,
        home: &Utf8Path,
        our_cache: &Utf8Path,
    ) -> Result<Self, HubError> {
        let var = |name: &str| set(get, name);
        let is_set = |name: &str| var(name).is_some_and(|value| is_true(&value));
        let path = |name: &str| var(name).map(|value| expand(&value, get, home));
        let hf_home = Self::home(get, home);
        let cache_dir = Self::cache_dir(get, home);
        let endpoint = endpoint(var("HF_ENDPOINT").as_deref().unwrap_or(Self::ENDPOINT))?;
        let mut options = Self::new(endpoint, cache_dir, Bucket::LISTINGS.path(our_cache));
        if !is_set("HF_HUB_DISABLE_IMPLICIT_TOKEN") {
            let token_file = path("HF_TOKEN_PATH").unwrap_or_else(|| hf_home.join("token"));
            for name in ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"] {
                if options.token.is_none() {
                    options.token = var(name).and_then(|text| Secret::new(&text));
                    options.token_from = name.to_owned();
                }
            }
            if options.token.is_none() {
                options.token = token_in(&token_file)?;
                options.token_from = token_file.into_string();
            }
        }
        options.offline = is_set("HF_HUB_OFFLINE") || is_set("TRANSFORMERS_OFFLINE");
        if let Some(text) = var("HF_HUB_DOWNLOAD_TIMEOUT") {
            let seconds = text.trim().parse().map_err(|_| HubError::Timeout { text })?;
            options.stall = Duration::from_secs(u64::max(seconds, 1));
        }
        Ok(options)
    }
}

/// A variable that is set and not empty.
fn set(get: &dyn Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    get(name).filter(|value| !value.is_empty())
}

fn endpoint(text: &str) -> Result<Url, HubError> {
    address::server(text)
        .map_err(|why| HubError::Endpoint { url: text.to_owned(), why: why.to_string() })
}

fn token_in(path: &Utf8Path) -> Result<Option<Secret>, HubError> {
    // A token has some 40 characters; whatever is longer is another file.
    let bytes = if files::is_file(path) { files::read_at_most(path, 4096)? } else { None };
    Ok(bytes.and_then(|bytes| Secret::new(std::str::from_utf8(&bytes).ok()?)))
}

/// What the Hub's tools take for yes.
fn is_true(value: &str) -> bool {
    ["1", "ON", "YES", "TRUE"].iter().any(|yes| value.eq_ignore_ascii_case(yes))
}

/// `~` at the beginning, and `$NAME` and `${NAME}` anywhere; an unknown name stays as it is.
fn expand(text: &str, get: &dyn Fn(&str) -> Option<String>, home: &Utf8Path) -> Utf8PathBuf {
    let mut out = String::new();
    let mut rest = match text.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => {
            out.push_str(home.as_str());
            rest
        }
        _ => text,
    };
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let braced = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let (name, next) = braced.unwrap_or_else(|| {
            let word = |c: char| !c.is_ascii_alphanumeric() && c != '_';
            after.split_at(after.find(word).unwrap_or(after.len()))
        });
        match get(name).filter(|_| !name.is_empty()) {
            Some(value) => out.push_str(&value),
            None => out.push_str(&rest[before.len()..rest.len() - next.len()]),
        }
        rest = next;
    }
    out.push_str(rest);
    Utf8PathBuf::from(out)
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;

    use super::{HubOptions, Secret};

    fn options(variables: &[(&str, &str)]) -> HubOptions {
        let get = |name: &str| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        HubOptions::from_variables(&get, Utf8Path::new("/home/me"), Utf8Path::new("/ours")).unwrap()
    }

    #[test]
    fn the_cache_is_where_hugging_face_has_it() {
        let dir = |variables: &[(&str, &str)]| options(variables).cache_dir.into_string();
        assert_eq!(dir(&[]), "/home/me/.cache/huggingface/hub");
        assert_eq!(dir(&[("XDG_CACHE_HOME", "/x")]), "/x/huggingface/hub");
        assert_eq!(dir(&[("XDG_CACHE_HOME", "/x"), ("HF_HOME", "~/hf")]), "/home/me/hf/hub");
        assert_eq!(dir(&[("HF_HOME", "/hf"), ("HF_HUB_CACHE", "${HF_HOME}/c")]), "/hf/c");
        assert_eq!(dir(&[("HUGGINGFACE_HUB_CACHE", "/old/$NONE/x")]), "/old/$NONE/x");
        assert_eq!(dir(&[("HF_HOME", "")]), "/home/me/.cache/huggingface/hub");
    }

    #[test]
    fn the_token_is_the_variables_or_the_files() {
        let dir = tempfile::tempdir().unwrap();
        let file = Utf8Path::from_path(dir.path()).unwrap().join("token");
        fs_err::write(&file, "hf_of_file\n").unwrap();
        let token = |variables: &[(&str, &str)]| options(variables).token;
        let path = ("HF_TOKEN_PATH", file.as_str());
        assert_eq!(token(&[path]), Secret::new("hf_of_file"));
        assert_eq!(token(&[path, ("HF_TOKEN", " hf_mine ")]), Secret::new("hf_mine"));
        assert_eq!(token(&[path, ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")]), None);
        assert_eq!(token(&[("HF_TOKEN_PATH", "/nonexistent")]), None);
    }

    #[test]
    fn the_endpoint_is_an_address() {
        let endpoint = |url: &str| options(&[("HF_ENDPOINT", url)]).endpoint.to_string();
        assert_eq!(endpoint("https://mirror.example/hub/"), "https://mirror.example/hub");
        for url in ["mirror.example", "ftp://mirror.example", "https://a/?b", "http://"] {
            let get = |name: &str| (name == "HF_ENDPOINT").then(|| url.to_owned());
            let home = Utf8Path::new("/");
            let error = HubOptions::from_variables(&get, home, home).unwrap_err();
            assert!(error.to_string().contains(url), "{error}");
        }
    }

    #[test]
    fn yes_is_said_in_four_words() {
        assert!(options(&[("HF_HUB_OFFLINE", "true")]).offline);
        assert!(options(&[("TRANSFORMERS_OFFLINE", "1")]).offline);
        assert!(!options(&[("HF_HUB_OFFLINE", "0")]).offline);
    }
}
