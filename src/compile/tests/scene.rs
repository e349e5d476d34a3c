//! What tests of compilations need beside a [`Scene`]: a compiler, jobs for it and a store.

use std::time::Duration;

use super::{CompileJob, LibraryStore, MlcCompiler};
use crate::model::{
    CompileInputs, CompileRecord, CompilerIdentity, Device, Digest, Fingerprint, LibraryFormat,
    PackageIdentity,
};
use crate::store::{Entry, Removal};
use crate::toolchain::Interpreter;
pub(super) use crate::toolchain::scene::Scene;

impl Scene {
    pub(crate) fn store(&self) -> LibraryStore {
        LibraryStore::new(&self.cache())
    }

    /// A compiler: a shell script that gets the call of `python -m mlc_llm compile`, with
    /// `$output` set to the library's path.
    pub(crate) fn compiler(&self, script: &str) -> MlcCompiler {
        let find = "for arg; do [ \"$last\" = --output ] && output=$arg; last=$arg; done";
        MlcCompiler {
            python: Interpreter::Here(self.script("python", &format!("{find}\n{script}"))),
            environment: self.environment(&[]),
            limit: Duration::from_secs(60),
        }
    }
}

pub(super) fn job(model_lib: &str) -> CompileJob {
    let wheel = |name: &str| PackageIdentity {
        distribution: Some(name.to_owned()),
        version: Some("0.1".to_owned()),
        files: None,
    };
    let inputs = CompileInputs {
        model_type: "llama".to_owned(),
        quantization: "q4f16_1".to_owned(),
        chat_config: serde_json::from_str(r#"{"vocab_size": 8}"#).unwrap(),
        overrides: "context_window_size=128".to_owned(),
        opt: "flashinfer=0".to_owned(),
        device: Device::Android.into(),
        host: None,
        enable_subgroups: false,
        format: LibraryFormat::Tar,
        macabi_arch: None,
        metal: Default::default(),
        model_lib: model_lib.parse().unwrap(),
        compiler: CompilerIdentity {
            mlc_llm: wheel("mlc-llm-nightly-cpu"),
            tvm: wheel("mlc-ai-nightly-cpu"),
            tvm_ffi: wheel("apache-tvm-ffi"),
            tools: [].into(),
        },
    };
    let fingerprint = Fingerprint(Digest::of(model_lib.as_bytes()));
    CompileJob { fingerprint, inputs, chat_config: br#"{"model_type": "llama"}"#.to_vec() }
}

/// Removes an entry that nobody uses. A program that another test starts has the locks of this process
/// between its fork and its start, so that an entry may look used for a moment.
pub(super) fn remove_unused(store: &LibraryStore, entry: &Entry<CompileRecord>, dry_run: bool) {
    while store.remove(entry, dry_run).unwrap() == Removal::InUse {
        std::thread::sleep(Duration::from_millis(5));
    }
}
