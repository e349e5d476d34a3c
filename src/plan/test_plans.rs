//! Plans for tests.

use super::{Cached, MissReason, Origin, Plan, PlannedLibrary, fingerprint};
use crate::model::{
    CompileInputs, CompilerIdentity, Device, JitPolicy, LibraryFormat, LibraryName, PackageIdentity,
};

pub(super) fn compiled(name: &str, opt: &str, cached: Cached) -> PlannedLibrary {
    let package = PackageIdentity { distribution: None, version: None, files: None };
    let model_lib: LibraryName = name.parse().unwrap();
    let inputs = CompileInputs {
        model_type: "llama".into(),
        quantization: "q4f16_1".into(),
        chat_config: serde_json::Map::new(),
        overrides: String::new(),
        opt: opt.into(),
        device: Device::Android.into(),
        host: None,
        enable_subgroups: false,
        format: LibraryFormat::Tar,
        macabi_arch: None,
        metal: Default::default(),
        model_lib: model_lib.clone(),
        compiler: CompilerIdentity {
            mlc_llm: package.clone(),
            tvm: package.clone(),
            tvm_ffi: package,
            tools: [].into(),
        },
    };
    PlannedLibrary {
        model_lib,
        models: vec![name.parse().unwrap()],
        origin: Origin::Compiled {
            fingerprint: fingerprint(&inputs),
            chat_config: "mlc-chat-config.json".into(),
            inputs: Box::new(inputs),
            cached,
        },
    }
}

pub(super) fn miss() -> Cached {
    Cached::Miss { reason: MissReason::New }
}

pub(super) fn plan(libraries: Vec<PlannedLibrary>) -> Plan {
    let models = Vec::new();
    let draft = super::draft(&super::DraftRequest {
        config: &crate::model::PackageConfig { device: Device::Android, models, prepared: vec![] },
        models: &[],
        fetch: None,
        compiler: None,
        macabi_arch: crate::model::MacabiArch::Arm64,
        metal: Default::default(),
    });
    let empty = draft.unwrap().resolve(&Default::default(), &[], JitPolicy::On);
    Plan { libraries, ..empty }
}
