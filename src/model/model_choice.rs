use std::fmt;
use std::str::FromStr;

use super::{ModelId, ModelIdError, PackageName, PackageNameError};

/// A model that somebody names: `model_id`, or `package/model_id` where packages may have models
/// of one name. No `model_id` holds a `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelChoice {
    /// The package; none for any that has the model.
    pub package: Option<PackageName>,
    /// The model.
    pub model_id: ModelId,
}

/// Why a text names no model.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelChoiceError {
    /// What is before the `/`.
    #[error("before the `/`: {0}")]
    Package(#[from] PackageNameError),
    /// The rest.
    #[error(transparent)]
    Model(#[from] ModelIdError),
}

impl FromStr for ModelChoice {
    type Err = ModelChoiceError;

    fn from_str(text: &str) -> Result<Self, ModelChoiceError> {
        let (package, model_id) = match text.split_once('/') {
            Some((package, model_id)) => (Some(package.parse()?), model_id),
            None => (None, text),
        };
        Ok(Self { package, model_id: model_id.parse()? })
    }
}

impl fmt::Display for ModelChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.package {
            Some(package) => write!(f, "{package}/{}", self.model_id),
            None => self.model_id.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_neither_is_refused() {
        for bad in ["", "/", "a/", "/b", "a/b/c", "HF://user/repo", "../b", "a\nb", "a b/c"] {
            assert!(bad.parse::<ModelChoice>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn it_is_read_as_it_is_written(
            package in proptest::option::of("[a-zA-Z0-9][a-zA-Z0-9._-]{0,20}"),
            model_id in "\\PC{1,20}",
        ) {
            let Ok(model_id) = model_id.parse::<ModelId>() else { return Ok(()) };
            let choice = ModelChoice { package: package.map(|it| it.parse().unwrap()), model_id };
            prop_assert_eq!(choice.to_string().parse(), Ok(choice));
        }
    }
}
