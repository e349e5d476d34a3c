use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::{ByteSize, ModelId};

/// The three sizes of a package, which are never added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Measure {
    /// What is in the app when it is installed: linked code and bundled models.
    Shipped,
    /// What the phone downloads later.
    Download,
    /// The memory of a running model; of a package, that of its largest model.
    Ram,
}

impl Measure {
    /// Every measure, in the order they are shown in.
    pub const ALL: [Self; 3] = [Self::Shipped, Self::Download, Self::Ram];

    /// The name in `mlc-package.yml`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shipped => "shipped",
            Self::Download => "download",
            Self::Ram => "ram",
        }
    }
}

/// As people read it.
impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Shipped | Self::Download => self.as_str(),
            Self::Ram => "RAM",
        })
    }
}

/// How bad it is to be over a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// It is said.
    Warn,
    /// The run fails.
    Fail,
}

/// Limits of one measure. Sizes in bytes; what is not set is not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Limits {
    /// The size itself.
    pub max: Option<ByteSize>,
    /// What it may grow by against the baseline.
    pub growth: Option<ByteSize>,
    /// The same in percent of the baseline.
    pub growth_percent: Option<f64>,
}

impl Limits {
    /// Whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        self.max.is_none() && self.growth.is_none() && self.growth_percent.is_none()
    }
}

/// The limits of one measure at each level.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Levels {
    /// Over these, it is said.
    pub warn: Limits,
    /// Over these, the run fails.
    pub fail: Limits,
}

impl Levels {
    /// Whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        self.warn.is_empty() && self.fail.is_empty()
    }
}

/// The limits of one package or one model.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Budget {
    /// Linked code and bundled files.
    pub shipped: Levels,
    /// What the phone downloads.
    pub download: Levels,
    /// Memory.
    pub ram: Levels,
}

impl Budget {
    /// The limits of one measure.
    pub fn of(&self, measure: Measure) -> &Levels {
        match measure {
            Measure::Shipped => &self.shipped,
            Measure::Download => &self.download,
            Measure::Ram => &self.ram,
        }
    }

    /// These limits, and for a measure that has none the general ones.
    #[must_use]
    pub fn or(self, general: Self) -> Self {
        let pick = |own: Levels, general: Levels| if own.is_empty() { general } else { own };
        Self {
            shipped: pick(self.shipped, general.shipped),
            download: pick(self.download, general.download),
            ram: pick(self.ram, general.ram),
        }
    }
}

/// The limits of a project: `budgets` of `mlc-package.yml`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Budgets {
    /// The label of a pull request that accepts any growth. It does not lift a `max`.
    pub accept_label: Option<String>,
    /// Of every package as a whole.
    pub package: Budget,
    /// Of every model.
    pub model: Budget,
}

/// The limits that hold for one package: its own before the general ones.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PackageBudgets {
    /// Of the package as a whole.
    pub package: Budget,
    /// Of models that are named.
    pub models: BTreeMap<ModelId, Budget>,
    /// Of any other model.
    pub any_model: Budget,
}

impl PackageBudgets {
    /// The limits of a model.
    pub fn of_model(&self, model: &ModelId) -> Budget {
        self.models.get(model).copied().unwrap_or_default().or(self.any_model)
    }
}

#[cfg(test)]
mod tests {
    use super::{Budget, ByteSize, Levels, Limits};

    #[test]
    fn a_measure_of_its_own_replaces_the_general_one_whole() {
        let max = |bytes| Limits { max: Some(ByteSize(bytes)), ..Limits::default() };
        let general = Budget {
            shipped: Levels { warn: max(1), fail: max(2) },
            ram: Levels { warn: max(3), ..Levels::default() },
            ..Budget::default()
        };
        let own =
            Budget { shipped: Levels { fail: max(9), ..Levels::default() }, ..Budget::default() };
        let both = own.or(general);
        assert_eq!(both.shipped, own.shipped);
        assert_eq!(both.ram, general.ram);
        assert!(both.download.is_empty());
    }
}
