//! What the verb says of the entries of each store.

use serde::Serialize;

use super::RemovedKind;
use crate::binding::KitRecord;
use crate::convert::{ConvertedRecord, Extent};
use crate::model::{CompileRecord, CompilerIdentity, Device, KitInputs, LibraryName, Target};
use crate::store::Record;

/// A kind of entries.
pub(super) trait Kind: Record {
    /// What is listed of an entry; nothing of a damaged one.
    type About: Serialize + Default;
    /// What is listed of how it was made.
    type Making: Serialize + Default;
    /// What it is when it is removed.
    const REMOVED: RemovedKind;
    /// The same of one that cannot be used.
    const DAMAGED: RemovedKind;

    /// What a person calls it.
    fn title(&self) -> String;

    fn about(self) -> (Self::About, Self::Making);
}

/// Of a compiled library.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AboutLibrary {
    /// Its name.
    pub model_lib: Option<LibraryName>,
    /// What it was compiled for.
    pub device: Option<Target>,
    /// The quantization of the model.
    pub quantization: Option<String>,
    /// What compiled it.
    pub compiler: Option<CompilerIdentity>,
}

/// Of the kit of a platform binding.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AboutKit {
    /// What it was built for.
    pub device: Option<Device>,
    /// What it was built from and with.
    pub inputs: Option<KitInputs>,
}

/// How long a kit took.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct BuildTime {
    /// In seconds.
    pub build_seconds: Option<f64>,
}

/// Of a model converted from a raw checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AboutConverted {
    /// The checkpoint, as the config named it.
    pub model: Option<String>,
    /// The quantization.
    pub quantization: Option<String>,
    /// The conversation template.
    pub conv_template: Option<String>,
    /// Whether it is a whole model or what `gen_config` writes of it.
    pub part: Option<Extent>,
    /// Who converted it, `native` or `mlc`.
    pub engine: Option<String>,
}

impl Kind for CompileRecord {
    type About = AboutLibrary;
    type Making = ();
    const REMOVED: RemovedKind = RemovedKind::Library;
    const DAMAGED: RemovedKind = RemovedKind::DamagedLibrary;

    fn title(&self) -> String {
        self.inputs.model_lib.to_string()
    }

    fn about(self) -> (AboutLibrary, ()) {
        let about = AboutLibrary {
            model_lib: Some(self.inputs.model_lib),
            device: Some(self.inputs.device),
            quantization: Some(self.inputs.quantization),
            compiler: Some(self.inputs.compiler),
        };
        (about, ())
    }
}

impl Kind for KitRecord {
    type About = AboutKit;
    type Making = BuildTime;
    const REMOVED: RemovedKind = RemovedKind::Kit;
    const DAMAGED: RemovedKind = RemovedKind::DamagedKit;

    fn title(&self) -> String {
        format!("{} binding", self.device)
    }

    fn about(self) -> (AboutKit, BuildTime) {
        let about = AboutKit { device: Some(self.device), inputs: Some(self.inputs) };
        (about, BuildTime { build_seconds: Some(self.seconds) })
    }
}

impl Kind for ConvertedRecord {
    type About = AboutConverted;
    type Making = ();
    const REMOVED: RemovedKind = RemovedKind::Model;
    const DAMAGED: RemovedKind = RemovedKind::DamagedModel;

    fn title(&self) -> String {
        format!("{} in {}", self.model, self.quantization)
    }

    fn about(self) -> (AboutConverted, ()) {
        let about = AboutConverted {
            model: Some(self.model),
            quantization: Some(self.quantization),
            conv_template: self.conv_template,
            part: Some(self.part),
            engine: Some(self.engine),
        };
        (about, ())
    }
}
