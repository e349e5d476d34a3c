//! The models that MLC LLM itself has downloaded, or that somebody put where it looks.
//!
//! ```text
//! <root>/hf/<user>/<repo>                 of each of MLC_LLM_READONLY_WEIGHT_CACHE
//! <home>/model_weights/hf/<user>/<repo>   MLC_LLM_HOME, else $XDG_CACHE_HOME/mlc_llm,
//!                                         else ~/.cache/mlc_llm
//! ```
//!
//! A directory with a `mlc-chat-config.json` is a model, as upstream has it
//! (python/mlc_llm/support/download_cache.py). Which commit it was downloaded from is not
//! recorded: for a model whose revision is asked for, it is no hit.

use camino::{Utf8Path, Utf8PathBuf};

use crate::io::files;
use crate::model::{ChatConfig, DownloadPolicy, HubRepo};

/// Where MLC LLM's models are, and when they may be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MlcCache {
    /// The roots of `MLC_LLM_READONLY_WEIGHT_CACHE`, in their order.
    pub read_only: Vec<Utf8PathBuf>,
    /// MLC LLM's own cache; none if there is no place for it.
    pub home: Option<Utf8PathBuf>,
    /// `MLC_DOWNLOAD_CACHE_POLICY`.
    pub policy: DownloadPolicy,
}

/// What MLC LLM's caches and its policy say of one hub model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Existing {
    /// The policy is OFF: no model of the hub is had, cached or not.
    Refused,
    /// The model's directory, to be used as it is.
    Found(Utf8PathBuf),
    /// It has to come from elsewhere.
    Missing {
        /// Where it was looked for.
        looked: Vec<Utf8PathBuf>,
        /// A directory that was passed over, since nobody knows its revision, and the config
        /// asks for a certain one.
        unknown_revision: Option<Utf8PathBuf>,
        /// What the policy allows.
        otherwise: Otherwise,
    },
}

/// What the policy allows for a model that MLC LLM's caches do not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// ON: the Hub's own cache is used, and what it lacks is downloaded.
    Download,
    /// REDO: it is downloaded again, whatever the Hub's own cache has.
    DownloadAgain,
    /// READONLY: the Hub's own cache is used; it is an error if that lacks anything.
    CacheOnly,
}

impl MlcCache {
    /// The caches that variables name. Relative paths are taken from `directory`, the working
    /// directory.
    pub fn new<'a>(
        variable: impl Fn(&str) -> Option<&'a str>,
        directory: &Utf8Path,
        policy: DownloadPolicy,
    ) -> Self {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let roots = variable("MLC_LLM_READONLY_WEIGHT_CACHE").unwrap_or_default();
        let read_only = std::env::split_paths(roots)
            .filter_map(|root| Utf8PathBuf::from_path_buf(root).ok())
            // An empty entry is a leftover of `$OLD:new`; it does not mean the directory we are in.
            .filter(|root| !root.as_str().is_empty())
            .map(|root| directory.join(root))
            .collect();
        let named = variable("MLC_LLM_HOME").map(|home| directory.join(home));
        let home = named.filter(|home| !is_source_tree(home)).or_else(|| {
            let cache = match variable("XDG_CACHE_HOME") {
                Some(cache) => directory.join(cache),
                None => directory.join(variable("HOME")?).join(".cache"),
            };
            Some(cache.join("mlc_llm"))
        });
        Self { read_only, home, policy }
    }

    /// Looks for a model.
    pub fn find(&self, repo: &HubRepo) -> Existing {
        let otherwise = match self.policy {
            DownloadPolicy::Off => return Existing::Refused,
            DownloadPolicy::On => Otherwise::Download,
            DownloadPolicy::Redo => Otherwise::DownloadAgain,
            DownloadPolicy::ReadOnly => Otherwise::CacheOnly,
        };
        // REDO is about what was downloaded: the read-only caches count all the same.
        let home = self.home.as_ref().filter(|_| self.policy != DownloadPolicy::Redo);
        let below = |root: &Utf8Path| root.join("hf").join(repo.user()).join(repo.repo());
        let looked: Vec<_> = self
            .read_only
            .iter()
            .map(|root| below(root))
            .chain(home.map(|home| below(&home.join("model_weights"))))
            .collect();
        let found = looked.iter().find(|dir| files::is_file(&dir.join(ChatConfig::FILE_NAME)));
        match (found, repo.revision()) {
            (Some(dir), None) => Existing::Found(dir.clone()),
            (found, _) => Existing::Missing { unknown_revision: found.cloned(), looked, otherwise },
        }
    }
}

/// Whether a directory holds the sources of MLC LLM. Older releases had `MLC_LLM_HOME` for them;
/// today it is the cache. What it means is seen by looking.
pub fn is_source_tree(dir: &Utf8Path) -> bool {
    ["android/mlc4j", "ios", "python/mlc_llm"].iter().all(|part| files::is_dir(&dir.join(part)))
}

#[cfg(test)]
mod tests {
    use camino::{Utf8Path, Utf8PathBuf};

    use super::{Existing, MlcCache, Otherwise};
    use crate::model::{DownloadPolicy, HubRepo};

    struct Scene {
        _temp: tempfile::TempDir,
        root: Utf8PathBuf,
    }

    impl Scene {
        /// Two read-only roots, `a` and `b`, and a home; a model in each of `places`.
        fn with(places: &[&str]) -> Self {
            let temp = tempfile::tempdir().unwrap();
            let root = Utf8PathBuf::from_path_buf(temp.path().to_owned()).unwrap();
            for place in places {
                let dir = root.join(place).join("hf/mlc-ai/phi-2");
                fs_err::create_dir_all(&dir).unwrap();
                fs_err::write(dir.join("mlc-chat-config.json"), "{}").unwrap();
            }
            Self { _temp: temp, root }
        }

        fn cache(&self, policy: DownloadPolicy) -> MlcCache {
            let read_only = ["a", "b"].map(|name| self.root.join(name)).to_vec();
            MlcCache { read_only, home: Some(self.root.join("home")), policy }
        }

        fn found(&self, policy: DownloadPolicy) -> Option<String> {
            match self.cache(policy).find(&repo()) {
                Existing::Found(dir) => {
                    Some(dir.strip_prefix(&self.root).unwrap().as_str().to_owned())
                }
                _ => None,
            }
        }
    }

    fn repo() -> HubRepo {
        "HF://mlc-ai/phi-2".parse().unwrap()
    }

    #[test]
    fn read_only_caches_come_first_in_their_order() {
        let all = ["a", "b", "home/model_weights"];
        for first in 0..3 {
            let scene = Scene::with(&all[first..]);
            let expected = format!("{}/hf/mlc-ai/phi-2", all[first]);
            assert_eq!(scene.found(DownloadPolicy::On), Some(expected.clone()));
            assert_eq!(scene.found(DownloadPolicy::ReadOnly), Some(expected));
        }
    }

    #[test]
    fn a_directory_without_a_chat_config_is_no_model() {
        let scene = Scene::with(&["a"]);
        fs_err::remove_file(scene.root.join("a/hf/mlc-ai/phi-2/mlc-chat-config.json")).unwrap();
        let looked = ["a/hf", "b/hf", "home/model_weights/hf"]
            .map(|place| scene.root.join(place).join("mlc-ai/phi-2"))
            .to_vec();
        let missing = |otherwise| Existing::Missing {
            looked: looked.clone(),
            unknown_revision: None,
            otherwise,
        };
        let found = |policy| scene.cache(policy).find(&repo());
        assert_eq!(found(DownloadPolicy::On), missing(Otherwise::Download));
        assert_eq!(found(DownloadPolicy::ReadOnly), missing(Otherwise::CacheOnly));
    }

    #[test]
    fn off_refuses_and_redo_leaves_out_what_was_downloaded() {
        let scene = Scene::with(&["b", "home/model_weights"]);
        assert_eq!(scene.cache(DownloadPolicy::Off).find(&repo()), Existing::Refused);
        assert_eq!(scene.found(DownloadPolicy::Redo).unwrap(), "b/hf/mlc-ai/phi-2");
        let scene = Scene::with(&["home/model_weights"]);
        let found = scene.cache(DownloadPolicy::Redo).find(&repo());
        let Existing::Missing { looked, otherwise: Otherwise::DownloadAgain, .. } = found else {
            panic!("{found:?}");
        };
        assert!(looked.iter().all(|dir| !dir.starts_with(scene.root.join("home"))));
    }

    #[test]
    fn nobody_knows_the_revision_of_what_is_there() {
        let scene = Scene::with(&["a"]);
        let pinned = repo().with_revision("v1".parse().unwrap());
        let found = scene.cache(DownloadPolicy::On).find(&pinned);
        let Existing::Missing { unknown_revision: Some(dir), .. } = found else {
            panic!("{found:?}");
        };
        assert_eq!(dir, scene.root.join("a/hf/mlc-ai/phi-2"));
    }

    fn of(variables: &[(&'static str, &'static str)]) -> MlcCache {
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
        };
        MlcCache::new(variable, Utf8Path::new("/work"), DownloadPolicy::On)
    }

    #[test]
    fn variables_name_the_caches() {
        let home = |variables: &[(&'static str, &'static str)]| of(variables).home;
        let all = [("MLC_LLM_HOME", "mlc"), ("XDG_CACHE_HOME", "/xdg"), ("HOME", "/me")];
        assert_eq!(home(&all).unwrap(), "/work/mlc");
        assert_eq!(home(&all[1..]).unwrap(), "/xdg/mlc_llm");
        assert_eq!(home(&all[2..]).unwrap(), "/me/.cache/mlc_llm");
        assert_eq!(home(&[("MLC_LLM_HOME", ""), all[2]]).unwrap(), "/me/.cache/mlc_llm");
        assert_eq!(home(&[]), None);
        let read_only = of(&[("MLC_LLM_READONLY_WEIGHT_CACHE", ":/a:b::")]).read_only;
        assert_eq!(read_only, ["/a", "/work/b"]);
        assert!(of(&[]).read_only.is_empty());
    }

    #[test]
    fn a_source_tree_is_no_cache() {
        let temp = tempfile::tempdir().unwrap();
        let sources = Utf8Path::from_path(temp.path()).unwrap();
        let home = || {
            let variable = |name: &str| match name {
                "MLC_LLM_HOME" => Some(sources.as_str()),
                "HOME" => Some("/me"),
                _ => None,
            };
            MlcCache::new(variable, Utf8Path::new("/work"), DownloadPolicy::On).home.unwrap()
        };
        assert_eq!(home(), sources);
        for part in ["android/mlc4j", "ios", "python/mlc_llm"] {
            fs_err::create_dir_all(sources.join(part)).unwrap();
        }
        assert_eq!(home(), "/me/.cache/mlc_llm");
    }
}
