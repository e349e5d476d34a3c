use std::fmt;
use std::str::FromStr;

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use super::{Conversion, Device, LibraryName, ModelId, Overrides, Revision};

/// A `mlc-package-config.json` that has passed every check of `config`.
#[derive(Clone, Debug, PartialEq)]
pub struct PackageConfig {
    /// The phone the package is for.
    pub device: Device,
    /// The models, in the config's order.
    pub models: Vec<ModelEntry>,
    /// Libraries compiled beforehand: `model_lib_path_for_prepare_libs`, in the config's order.
    /// All are linked, used or not.
    pub prepared: Vec<PreparedLibrary>,
}

/// One entry of `model_list`.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelEntry {
    /// Where the model comes from.
    pub source: ModelSource,
    /// Its name in the app.
    pub model_id: ModelId,
    /// Its library's name, where the config gives one.
    pub model_lib: Option<LibraryName>,
    /// The memory that the app is told it needs, in bytes.
    pub estimated_vram_bytes: u64,
    /// Whether its weights are shipped with the app.
    pub bundle_weight: bool,
    /// What the compiler is told beside the model's own config.
    pub overrides: Overrides,
    /// How the source, a raw checkpoint, becomes a model; none where it is one.
    pub conversion: Option<Conversion>,
}

/// A library that the user compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreparedLibrary {
    /// Its name.
    pub name: LibraryName,
    /// The `.tar`, `.a` or `.o`.
    pub path: Utf8PathBuf,
}

/// Where a model's directory comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelSource {
    /// A repository on the Hugging Face Hub.
    Hub(HubRepo),
    /// A directory on this machine.
    Local(LocalModel),
}

impl ModelSource {
    /// The text of the config's `model`.
    pub fn as_written(&self) -> &str {
        match self {
            Self::Hub(repo) => &repo.written,
            Self::Local(local) => &local.written,
        }
    }
}

/// A model directory on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalModel {
    /// The text of the config's `model`.
    pub written: String,
    /// The directory, found from the config's directory or the working directory.
    pub dir: Utf8PathBuf,
}

/// `HF://user/repo`, or `https://huggingface.co/user/repo`, and which state of it is meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "HubRepoRecord")]
pub struct HubRepo {
    written: String,
    user: String,
    repo: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<Revision>,
}

/// What is needed of a [`HubRepo`] in JSON to have it again, with its names checked.
#[derive(Deserialize)]
struct HubRepoRecord {
    written: String,
    revision: Option<Revision>,
}

impl TryFrom<HubRepoRecord> for HubRepo {
    type Error = SourceError;

    fn try_from(record: HubRepoRecord) -> Result<Self, SourceError> {
        Ok(Self { revision: record.revision, ..record.written.parse()? })
    }
}

/// Why a text is not a repository on the Hub.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// A URL of something else.
    #[error("models come from https://huggingface.co only")]
    OtherHost,
    /// Not two names.
    #[error("a Hugging Face model is named by its user and its repository: HF://user/repo")]
    NotTwoNames,
    /// A name with characters the Hub does not allow.
    #[error("`{0}` is not a name on the Hugging Face Hub")]
    Name(String),
    /// A repository and its revision in one: `HF://user/repo@v1`, `HF://user/repo/tree/v1`.
    #[error("the revision `{revision}` is not part of the name of {repo}")]
    WithRevision {
        /// The repository alone.
        repo: Box<HubRepo>,
        /// What is behind its name.
        revision: Revision,
    },
    /// The address that Git clones from.
    #[error("`.git` is not part of the name of {0}")]
    WithGit(Box<HubRepo>),
}

impl HubRepo {
    /// Whether the text means a URL rather than a path on this machine.
    pub fn is_url(text: &str) -> bool {
        text.contains("://")
    }

    /// Reads an argument, which has no other place for a revision than `HF://user/repo@revision`.
    pub fn of_argument(text: &str) -> Result<Self, SourceError> {
        match text.parse() {
            Err(SourceError::WithRevision { repo, revision }) => Ok(repo.with_revision(revision)),
            Err(SourceError::WithGit(repo)) => Ok(*repo),
            read => read,
        }
    }

    /// The owner's name.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The repository's name.
    pub fn repo(&self) -> &str {
        &self.repo
    }

    /// The branch, tag or commit that the config asks for; none means the Hub's `main`.
    pub fn revision(&self) -> Option<&Revision> {
        self.revision.as_ref()
    }

    /// The same repository in a certain state.
    #[must_use]
    pub fn with_revision(self, revision: Revision) -> Self {
        Self { revision: Some(revision), ..self }
    }

    /// `https://huggingface.co/user/repo`.
    pub fn url(&self) -> String {
        format!("https://huggingface.co/{}/{}", self.user, self.repo)
    }
}

impl FromStr for HubRepo {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        let rest = ["HF://", "hf://", "https://huggingface.co/", "https://hf.co/"]
            .iter()
            .find_map(|scheme| text.strip_prefix(scheme))
            .ok_or(SourceError::OtherHost)?;
        if let Some((plain, revision)) = text.rsplit_once('@')
            && let (Ok(repo), Ok(revision)) = (Self::of_argument(plain), revision.parse())
        {
            return Err(SourceError::WithRevision { repo: Box::new(repo), revision });
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        // The address of a revision's page.
        if let Some((plain, revision)) = text.trim_end_matches('/').split_once("/tree/")
            && let (Ok(repo), Ok(revision)) = (plain.parse(), revision.parse())
        {
            return Err(SourceError::WithRevision { repo: Box::new(repo), revision });
        }
        let (user, repo) = rest.split_once('/').ok_or(SourceError::NotTwoNames)?;
        if user.is_empty() || repo.is_empty() || repo.contains('/') {
            return Err(SourceError::NotTwoNames);
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        for name in [user, repo] {
            if !name.chars().all(allowed) || name.starts_with('.') || name.len() > 96 {
                return Err(SourceError::Name(name.to_owned()));
            }
        }
        // The Hub gives no repository such a name.
        if let Some(plain) = text.trim_end_matches('/').strip_suffix(".git")
            && let Ok(repo) = plain.parse()
        {
            return Err(SourceError::WithGit(Box::new(repo)));
        }
        let [written, user, repo] = [text, user, repo].map(str::to_owned);
        Ok(Self { written, user, repo, revision: None })
    }
}

impl fmt::Display for HubRepo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.user, self.repo)
    }
}

#[cfg(test)]
mod tests {
    use super::{HubRepo, SourceError};

    #[test]
    fn both_spellings_name_one_repository() {
        for text in
            ["HF://mlc-ai/phi-2-q4f16_1-MLC", "https://huggingface.co/mlc-ai/phi-2-q4f16_1-MLC/"]
        {
            let repo: HubRepo = text.parse().unwrap();
            assert_eq!(repo.url(), "https://huggingface.co/mlc-ai/phi-2-q4f16_1-MLC");
        }
    }

    #[test]
    fn json_keeps_the_revision_and_checks_the_names() {
        let repo: HubRepo = "HF://a/b".parse().unwrap();
        let pinned = repo.clone().with_revision("v1".parse().unwrap());
        for repo in [repo, pinned] {
            let json = serde_json::to_string(&repo).unwrap();
            assert_eq!(serde_json::from_str::<HubRepo>(&json).unwrap(), repo);
            assert_eq!(json.contains("revision"), repo.revision().is_some(), "{json}");
        }
        let evil = r#"{"written": "HF://a/../..", "user": "..", "repo": ".."}"#;
        assert!(serde_json::from_str::<HubRepo>(evil).is_err());
    }

    #[test]
    fn what_is_no_repository_is_said() {
        let why = |text: &str| text.parse::<HubRepo>().unwrap_err();
        assert_eq!(why("https://example.com/a/b"), SourceError::OtherHost);
        assert_eq!(why("HF://phi-2"), SourceError::NotTwoNames);
        assert_eq!(why("HF://a/b/blob/main/x"), SourceError::NotTwoNames);
        assert_eq!(why("HF://a/.."), SourceError::Name("..".into()));
        assert_eq!(why("HF://a/b c"), SourceError::Name("b c".into()));
        assert_eq!(why("HF://a/b@-x"), SourceError::Name("b@-x".into()));
        assert_eq!(why("HF://a/.git"), SourceError::Name(".git".into()));
    }

    #[test]
    fn a_revision_and_a_clones_address_are_told_from_the_name() {
        let plain: HubRepo = "HF://a/b".parse().unwrap();
        let v1 = plain.clone().with_revision("feature/v1".parse().unwrap());
        let (repo, revision) = (Box::new(plain.clone()), "feature/v1".parse().unwrap());
        let with_revision = SourceError::WithRevision { repo, revision };
        for text in ["HF://a/b@feature/v1", "HF://a/b/tree/feature/v1/"] {
            assert_eq!(text.parse::<HubRepo>().unwrap_err(), with_revision);
        }
        let git = SourceError::WithGit(Box::new(plain.clone()));
        assert_eq!("HF://a/b.git".parse::<HubRepo>().unwrap_err(), git);
        for (text, meant) in [
            ("HF://a/b", &plain),
            ("HF://a/b.git", &plain),
            ("HF://a/b@feature/v1", &v1),
            ("HF://a/b.git@feature/v1", &v1),
        ] {
            assert_eq!(&HubRepo::of_argument(text).unwrap(), meant, "{text}");
        }
    }
}
