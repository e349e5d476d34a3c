use std::fmt;

use camino::Utf8PathBuf;
use serde::Serialize;

use super::Change;
use crate::model::{Fingerprint, KitInputs};

/// What will be done for the platform binding.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedBinding {
    /// Everything that can change it; nothing where that could not be found out.
    pub inputs: KitInputs,
    /// What its kit is kept under.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Fingerprint>,
    /// Where it is built if it has to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build_dir: Option<Utf8PathBuf>,
    /// Whether there is a kit.
    #[serde(flatten)]
    pub state: BindingState,
}

/// Whether the platform binding has to be built.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "cache", rename_all = "snake_case")]
pub enum BindingState {
    /// There is a kit: it is linked, or copied.
    Hit,
    /// It has to be built.
    Miss {
        /// Why.
        #[serde(flatten)]
        reason: BindingMiss,
    },
    /// It cannot be built here.
    Impossible {
        /// Why.
        why: String,
        /// What to do.
        #[serde(skip_serializing_if = "Option::is_none")]
        help: Option<String>,
    },
}

/// Why there is no kit.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum BindingMiss {
    /// None was ever built for this phone.
    New,
    /// `--rebuild-binding`.
    Rebuild,
    /// There is one that cannot be used.
    Unusable {
        /// Why.
        why: String,
    },
    /// It is not here yet, but where it can be downloaded.
    Download {
        /// The address.
        from: String,
    },
    /// Something that changes it is not as it was.
    Changed {
        /// All that changed.
        changes: Vec<Change>,
    },
}

impl BindingMiss {
    /// Why a binding of these inputs is not there: the difference to the nearest of the kits that
    /// are, given with the time when each was made.
    pub fn find<'a>(
        inputs: &KitInputs,
        kits: impl IntoIterator<Item = (&'a KitInputs, u64)>,
    ) -> Self {
        let device = |inputs: &KitInputs| inputs.0.get("device").cloned();
        kits.into_iter()
            .filter(|(old, _)| device(old) == device(inputs))
            .map(|(old, created)| (between(old, inputs), created))
            .filter(|(changes, _)| !changes.is_empty())
            .min_by_key(|(changes, created)| (changes.len(), std::cmp::Reverse(*created)))
            .map_or(Self::New, |(changes, _)| Self::Changed { changes })
    }
}

fn between(old: &KitInputs, new: &KitInputs) -> Vec<Change> {
    let value = |inputs: &KitInputs, name: &String| {
        inputs.0.get(name).cloned().unwrap_or_else(|| "none".to_owned())
    };
    let mut names: Vec<_> = old.0.keys().chain(new.0.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let changes = names.into_iter().map(|name| Change {
        what: name.clone(),
        from: value(old, name),
        to: value(new, name),
    });
    changes.filter(|change| change.from != change.to).collect()
}

impl fmt::Display for BindingState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hit => f.write_str("cached"),
            Self::Miss { reason: BindingMiss::Download { from } } => write!(f, "download {from}"),
            Self::Miss { reason } => write!(f, "build: {reason}"),
            Self::Impossible { why, .. } => write!(f, "cannot be built: {why}"),
        }
    }
}

impl fmt::Display for BindingMiss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New => f.write_str("not built before"),
            Self::Rebuild => f.write_str("--rebuild-binding"),
            Self::Download { from } => write!(f, "not downloaded from {from}"),
            Self::Unusable { why } => write!(f, "the cached kit cannot be used: {why}"),
            Self::Changed { changes } => super::change::write_changes(f, changes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BindingMiss, KitInputs};

    fn inputs(pairs: &[(&str, &str)]) -> KitInputs {
        KitInputs(pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect())
    }

    #[test]
    fn a_miss_is_explained_by_the_nearest_kit_of_the_same_phone() {
        let new = inputs(&[("device", "android"), ("ndk", "28.0"), ("mlc-llm", "commit b")]);
        let kits = [
            (inputs(&[("device", "iphone"), ("ndk", "28.0"), ("mlc-llm", "commit b")]), 9),
            (inputs(&[("device", "android"), ("ndk", "27.0"), ("mlc-llm", "commit a")]), 2),
            (inputs(&[("device", "android"), ("ndk", "28.0"), ("mlc-llm", "commit a")]), 1),
        ];
        let find = |kits: &[(KitInputs, u64)]| {
            BindingMiss::find(&new, kits.iter().map(|(inputs, time)| (inputs, *time))).to_string()
        };
        assert_eq!(find(&kits), "mlc-llm changed: commit a -> commit b");
        assert_eq!(
            find(&kits[..2]),
            "mlc-llm changed: commit a -> commit b, ndk changed: 27.0 -> 28.0"
        );
        assert_eq!(find(&kits[..1]), "not built before");
        let flags = inputs(&[
            ("device", "android"),
            ("ndk", "28.0"),
            ("mlc-llm", "commit b"),
            ("LDFLAGS", "-x"),
        ]);
        assert_eq!(find(&[(flags, 1)]), "LDFLAGS changed: -x -> none");
    }
}
