use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::policy::{UnknownChoice, choose};

/// The name of a container image, by tag or by digest: `ghcr.io/owner/name@sha256:…`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageName(String);

/// The most characters of a name that an engine takes.
const LONGEST: usize = 512;
const DIGEST: &str = "@sha256:";

/// Not the name of an image.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the name of an image: expected name:tag or name@sha256:…")]
pub struct ImageNameError;

impl ImageName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The digest in the name, `sha256:…`; none for a name by tag, which may mean another image
    /// tomorrow.
    pub fn digest(&self) -> Option<&str> {
        self.0.split_once('@').map(|(_, digest)| digest)
    }
}

impl FromStr for ImageName {
    type Err = ImageNameError;

    fn from_str(text: &str) -> Result<Self, ImageNameError> {
        // No option of an engine, and nothing that a shell or a terminal reads in another way.
        let first = text.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
        let rest = text.chars().all(|c| c.is_ascii_alphanumeric() || "._:/@-".contains(c));
        let whole = match text.find('@') {
            None => !text.ends_with(['/', ':']),
            Some(at) => {
                text.get(at..).and_then(|rest| rest.strip_prefix(DIGEST)).is_some_and(|hex| {
                    at > 0
                        && hex.len() == 64
                        && hex.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c))
                })
            }
        };
        if first && rest && whole && text.len() <= LONGEST {
            Ok(Self(text.to_owned()))
        } else {
            Err(ImageNameError)
        }
    }
}

impl TryFrom<String> for ImageName {
    type Error = ImageNameError;

    fn try_from(text: String) -> Result<Self, ImageNameError> {
        text.parse()
    }
}

impl From<ImageName> for String {
    fn from(name: ImageName) -> Self {
        name.0
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `--compiler-image`: an image, or the word that stands against the one of mlc-package.yml.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageChoice {
    /// `none`: the Python of this machine.
    None,
    /// This one.
    Image(ImageName),
}

impl ImageChoice {
    /// The image, if it is one.
    pub fn image(&self) -> Option<&ImageName> {
        match self {
            Self::None => None,
            Self::Image(image) => Some(image),
        }
    }
}

impl FromStr for ImageChoice {
    type Err = ImageNameError;

    fn from_str(text: &str) -> Result<Self, ImageNameError> {
        match text {
            "none" => Ok(Self::None),
            name => name.parse().map(Self::Image),
        }
    }
}

/// `--container-engine`: the program that runs images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EngineChoice {
    /// The first of the others that is on `PATH` and answers.
    #[default]
    Auto,
    /// `docker`
    Docker,
    /// `podman`
    Podman,
    /// `nerdctl`
    Nerdctl,
}

impl EngineChoice {
    /// The words for it, in the order of the variants.
    pub const WORDS: &str = "auto, docker, podman, nerdctl";
}

impl FromStr for EngineChoice {
    type Err = UnknownChoice;

    fn from_str(text: &str) -> Result<Self, UnknownChoice> {
        let all = [Self::Auto, Self::Docker, Self::Podman, Self::Nerdctl];
        choose(text, Self::WORDS, all)
    }
}

/// Which compiler is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CompilerChoice {
    /// `--python`, as the user names it. Where there is an image too, it only runs upstream's scripts.
    pub python: Option<String>,
    /// The image that has the compiler, if not this machine has it.
    pub image: Option<ImageName>,
    /// What runs the image.
    pub engine: EngineChoice,
}

#[cfg(test)]
mod tests {
    use super::{ImageChoice, ImageName};

    #[test]
    fn a_name_is_by_tag_or_by_digest() {
        let digest = format!("sha256:{}", "0f".repeat(32));
        let by_digest: ImageName = format!("ghcr.io/o/n@{digest}").parse().unwrap();
        assert_eq!(by_digest.digest(), Some(&*digest));
        for text in ["mlc-package", "localhost:5000/o/n:1.2", "a/b:latest", "n"] {
            assert_eq!(text.parse::<ImageName>().unwrap().digest(), None, "{text}");
        }
        let upper = format!("n@sha256:{}", "0F".repeat(32));
        let bad = ["", "--privileged", "a b", "n@", "n@sha256:12", "@sha256:", "n:", "a/", "é"];
        for text in bad.into_iter().chain([&*upper]) {
            assert!(text.parse::<ImageName>().is_err(), "{text}");
        }
        assert_eq!("none".parse(), Ok(ImageChoice::None));
    }
}
