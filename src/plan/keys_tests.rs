use camino::Utf8Path;
use proptest::prelude::*;

use super::*;
use crate::model::{
    ByteSize, CompileInputs, CompilerIdentity, Device, JitPolicy, LibraryFormat, LibraryName,
    Overrides, PackageIdentity,
};
use crate::plan::{Cached, MissReason, PlannedBundle, PlannedLibrary, PlannedModel, fingerprint};

const CACHE: &str = "/runner/temp/cache";

fn prefix() -> KeyPrefix {
    "mlc-package".parse().unwrap()
}

fn compiled(name: &str, opt: &str, cached: Cached) -> PlannedLibrary {
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
        format: LibraryFormat::Tar,
        macabi_arch: None,
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

fn miss() -> Cached {
    Cached::Miss { reason: MissReason::New }
}

fn plan(libraries: Vec<PlannedLibrary>) -> Plan {
    let models = Vec::new();
    let draft = crate::plan::draft(&crate::plan::DraftRequest {
        config: &crate::model::PackageConfig { device: Device::Android, models, prepared: vec![] },
        facts: &[],
        fetch: None,
        compiler: None,
        macabi_arch: crate::model::MacabiArch::Arm64,
    });
    let empty = draft.unwrap().resolve(&Default::default(), &[], JitPolicy::On);
    Plan { libraries, ..empty }
}

fn hub_model(repo: &str, commit: &str, bundled: bool) -> PlannedModel {
    let dir = format!("/hub/models--{}/snapshots/{commit}", repo.replace('/', "--"));
    PlannedModel {
        model_id: repo.replace('/', "-").parse().unwrap(),
        model_lib: "lib".parse().unwrap(),
        source: ModelSource::Hub(format!("HF://{repo}").parse().unwrap()),
        commit: Some(commit.into()),
        model_type: "llama".into(),
        quantization: "q4f16_1".into(),
        estimated_vram_bytes: 1,
        overrides: Overrides::default(),
        bundle: bundled.then(|| PlannedBundle {
            dir: dir.into(),
            files: 1,
            bytes: ByteSize(1),
            to_fetch: ByteSize(1),
        }),
        conversion: None,
    }
}

#[test]
fn the_same_libraries_are_the_same_entry_in_any_order_and_state() {
    let key = |libraries| super::libraries(&plan(libraries), &prefix(), Utf8Path::new(CACHE));
    let one = key(vec![compiled("a", "O2", miss()), compiled("b", "O2", miss())]);
    let other = key(vec![compiled("b", "O2", Cached::Hit), compiled("a", "O2", Cached::Hit)]);
    assert_eq!(one, other);
    assert_eq!(one.paths, ["/runner/temp/cache/libs"]);
    let changed = key(vec![compiled("a", "O3", miss()), compiled("b", "O2", miss())]);
    assert_ne!(one.key, changed.key);
    // What is restored for the changed package is the entry of before, and at the same place.
    let family = changed.restore_key.unwrap();
    assert_eq!(family, "mlc-package-libs-android-");
    assert!(one.key.starts_with(&family));
    assert_eq!(one.paths, changed.paths);
}

#[test]
fn manifests_are_told_apart_by_their_config() {
    let key = |config| super::manifests(&plan(Vec::new()), &prefix(), Utf8Path::new(config));
    assert_eq!(key("a/config.json"), key("a/config.json"));
    assert_ne!(key("a/config.json"), key("b/config.json"));
    assert!(key("a").starts_with("mlc-package-manifest-android-") && key("a").ends_with('-'));
}

#[test]
fn a_kit_is_found_by_all_that_it_was_built_from() {
    let binding = |fingerprint| crate::plan::PlannedBinding {
        inputs: crate::model::KitInputs([].into()),
        fingerprint,
        build_dir: None,
        state: crate::plan::BindingState::Hit,
    };
    let kit = |binding| {
        let plan = Plan { binding, ..plan(Vec::new()) };
        super::kit(&plan, &prefix(), Utf8Path::new(CACHE))
    };
    let print = |text: &str| Fingerprint(Digest::of(text.as_bytes()));
    assert_eq!(kit(None), None);
    assert_eq!(kit(Some(binding(None))), None);
    let one = kit(Some(binding(Some(print("a"))))).unwrap();
    assert_eq!(one.paths, ["/runner/temp/cache/kits"]);
    assert_eq!(one.restore_key, None);
    assert_ne!(one.key, kit(Some(binding(Some(print("b"))))).unwrap().key);
}

#[test]
fn weights_are_those_of_bundled_models_of_the_hub_at_their_commit() {
    let entry = |models| {
        let plan = Plan { models, ..plan(Vec::new()) };
        super::weights(&plan, &prefix(), Utf8Path::new(CACHE))
    };
    assert_eq!(entry(vec![hub_model("u/linked", "c1", false)]), None);
    let one = entry(vec![hub_model("u/linked", "c1", false), hub_model("u/in", "c1", true)]);
    let one = one.unwrap();
    assert_eq!(
        one.paths,
        ["/hub/models--u--in", "/runner/temp/cache/weights", "/runner/temp/cache/hub-listings"]
    );
    assert_eq!(one.restore_key, None);
    let moved = entry(vec![hub_model("u/in", "c2", true)]).unwrap();
    assert_ne!(one.key, moved.key);
    let twice = entry(vec![hub_model("u/in", "c1", true), hub_model("u/in", "c1", true)]).unwrap();
    assert_eq!(one, twice);
}

#[test]
fn a_matrix_has_every_library_that_must_be_compiled_once() {
    let libraries = vec![
        compiled("a", "O2", miss()),
        compiled("b", "O2", Cached::Hit),
        compiled("c", "O2", miss()),
        compiled("d", "O2", miss()),
    ];
    let two = Matrix::new(&plan(libraries), 2);
    let jobs: Vec<_> = two.include.iter().map(|j| (j.job, &*j.name, &*j.only)).collect();
    assert_eq!(jobs, [(1, "a and 1 more", "a\nd"), (2, "c", "c")]);
    assert_eq!(Matrix::new(&plan(vec![compiled("b", "O2", Cached::Hit)]), 9).include, []);
}

proptest! {
    #[test]
    fn keys_are_what_github_takes(text in "[ -~]{0,120}|\\PC{0,9}") {
        let Ok(prefix) = text.parse::<KeyPrefix>() else { return Ok(()) };
        let entry = super::libraries(&plan(Vec::new()), &prefix, Utf8Path::new(CACHE));
        prop_assert!(entry.key.len() <= 512 && !entry.key.contains([',', '\n', ' ']));
        prop_assert!(entry.key.starts_with(&text));
    }

    #[test]
    fn shares_are_even_and_lose_nothing(libraries in 0..600_usize, most in 0..400_usize) {
        let all: Vec<_> =
            (0..libraries).map(|n| compiled(&format!("lib{n}"), "O2", miss())).collect();
        let matrix = Matrix::new(&plan(all), most);
        let sizes: Vec<_> = matrix.include.iter().map(|job| job.only.lines().count()).collect();
        prop_assert!(sizes.len() <= Matrix::MOST);
        prop_assert_eq!(sizes.iter().sum::<usize>(), libraries);
        let (low, high) = (sizes.iter().min().copied(), sizes.iter().max().copied());
        prop_assert!(high.unwrap_or(0) - low.unwrap_or(0) <= 1);
    }
}
