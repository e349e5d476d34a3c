use camino::Utf8Path;
use proptest::prelude::*;

use super::*;
use crate::model::{ByteSize, Device, LocalModel, Overrides, ResolvedConversion, TemplateOrigin};
use crate::plan::test_plans::{compiled, miss, plan};
use crate::plan::{
    Cached, CachedModel, PlannedBundle, PlannedConversion, PlannedEngine, PlannedModel,
};

const CACHE: &str = "/runner/temp/cache";

fn prefix() -> KeyPrefix {
    "mlc-package".parse().unwrap()
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

/// The same for another phone.
fn on(device: Device, libraries: Vec<PlannedLibrary>) -> Plan {
    Plan { device, ..plan(libraries) }
}

#[test]
fn the_same_libraries_are_the_same_entry_in_any_order_and_state() {
    let key = |libraries| super::libraries(&[&plan(libraries)], &prefix(), Utf8Path::new(CACHE));
    let one = key(vec![compiled("a", "O2", miss()), compiled("b", "O2", miss())]);
    let other = key(vec![compiled("b", "O2", Cached::Hit), compiled("a", "O2", Cached::Hit)]);
    assert_eq!(one, other);
    assert_eq!(one.paths, ["/runner/temp/cache/libs"]);
    let changed = key(vec![compiled("a", "O3", miss()), compiled("b", "O2", miss())]);
    assert_ne!(one.key, changed.key);
    // What is restored for the changed package is the entry of before, and at the same place.
    assert_eq!(changed.restore_keys, ["mlc-package-libs-android-"]);
    assert!(one.key.starts_with("mlc-package-libs-android-"));
    assert_eq!(one.paths, changed.paths);
}

#[test]
fn manifests_are_told_apart_by_their_config() {
    let keys = |config: &str| {
        let packages = [(&plan(Vec::new()), config.into())];
        super::manifests(&packages, &["mlc-package.yml".to_owned()], &prefix())
    };
    assert_eq!(keys("a/config.json"), keys("a/config.json"));
    assert_ne!(keys("a/config.json").key, keys("b/config.json").key);
    let ManifestKeys { key, restore_keys } = keys("a");
    assert!(key.starts_with("mlc-package-manifest-android-") && key.ends_with('-'));
    assert_eq!(restore_keys, [key]);
}

#[test]
fn another_package_leaves_those_of_before_their_manifests() {
    let (android, iphone) = (plan(Vec::new()), on(Device::Iphone, Vec::new()));
    let keys = |packages: &[(&Plan, Utf8PathBuf)], choice: &[&str]| {
        let choice: Vec<_> = choice.iter().map(|part| (*part).to_owned()).collect();
        super::manifests(packages, &choice, &prefix())
    };
    let project = ["app/mlc-package.yml"];
    let two = keys(&[(&android, "a".into()), (&iphone, "b".into())], &project);
    let three = [(&android, "a".into()), (&iphone, "b".into()), (&android, "c".into())];
    assert_eq!(keys(&three, &project).key, two.key);
    // The entry of the time when it was one package helps too.
    let one = keys(&[(&android, "a".into())], &project);
    assert_eq!(two.restore_keys[..2], [two.key.clone(), one.key]);
    let many: Vec<_> = (0..30).map(|at| (&android, format!("{at}").into())).collect();
    assert_eq!(keys(&many, &project).restore_keys.len(), 9);
    assert_eq!(keys(&many, &project).key, two.key);
    // Jobs that make different packages do not take each other's.
    let chosen = keys(&three[..2], &["app/mlc-package.yml", "a", "b"]);
    assert_ne!(chosen.key, two.key);
    assert_ne!(keys(&three, &["mlc-package.yml"]).key, two.key);
}

#[test]
fn several_packages_share_one_entry() {
    let key = |plans: &[&Plan]| super::libraries(plans, &prefix(), Utf8Path::new(CACHE));
    let of = |names: &[&str]| plan(names.iter().map(|name| compiled(name, "O2", miss())).collect());
    // What both need is there once; who needs it does not matter.
    let apart = [&of(&["a", "b"]), &of(&["b", "c"])];
    assert_eq!(key(&apart), key(&[&of(&["c", "b", "a"])]));
    assert_eq!(fingerprints(&apart).len(), 3);
    let mixed = key(&[&of(&["a"]), &on(Device::Iphone, Vec::new())]);
    assert_eq!(
        mixed.restore_keys,
        [
            "mlc-package-libs-android.iphone-",
            "mlc-package-libs-android-",
            "mlc-package-libs-iphone-"
        ]
    );
    assert!(mixed.key.starts_with("mlc-package-libs-android.iphone-"));
    assert_eq!(mixed.paths, key(&apart).paths);
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
        super::kits(&[&plan], &prefix(), Utf8Path::new(CACHE))
    };
    let print = |text: &str| Fingerprint(Digest::of(text.as_bytes()));
    assert_eq!(kit(None), None);
    assert_eq!(kit(Some(binding(None))), None);
    let one = kit(Some(binding(Some(print("a"))))).unwrap();
    assert_eq!(one.paths, ["/runner/temp/cache/kits"]);
    assert_eq!(one.restore_keys, [""; 0]);
    assert_ne!(one.key, kit(Some(binding(Some(print("b"))))).unwrap().key);

    let kits = |plans: &[&Plan]| super::kits(plans, &prefix(), Utf8Path::new(CACHE));
    let with = |text| Plan { binding: Some(binding(Some(print(text)))), ..plan(Vec::new()) };
    // Packages of one device and the same sources share a kit; those without one count for nothing.
    let without = on(Device::Iphone, Vec::new());
    assert_eq!(kits(&[&with("a"), &without, &with("a")]).unwrap(), one);
    let two = kits(&[&with("a"), &with("b")]).unwrap();
    assert_eq!(kits(&[&with("b"), &with("a")]).unwrap(), two);
    assert!(two.key != one.key && two.paths == one.paths);
}

#[test]
fn weights_are_those_of_bundled_models_of_the_hub_at_their_commit() {
    let entry = |models| {
        let plan = Plan { models, ..plan(Vec::new()) };
        super::weights(&[&plan], &prefix(), Utf8Path::new(CACHE))
    };
    assert_eq!(entry(vec![hub_model("u/linked", "c1", false)]), None);
    let one = entry(vec![hub_model("u/linked", "c1", false), hub_model("u/in", "c1", true)]);
    let one = one.unwrap();
    assert_eq!(
        one.paths,
        ["/hub/models--u--in", "/runner/temp/cache/weights", "/runner/temp/cache/hub-listings"]
    );
    assert_eq!(one.restore_keys, [""; 0]);
    let moved = entry(vec![hub_model("u/in", "c2", true)]).unwrap();
    assert_ne!(one.key, moved.key);
    let twice = entry(vec![hub_model("u/in", "c1", true), hub_model("u/in", "c1", true)]).unwrap();
    assert_eq!(one, twice);
    let of = |commit| Plan { models: vec![hub_model("u/in", commit, true)], ..plan(Vec::new()) };
    let other = Plan { models: vec![hub_model("u/b", "c2", true)], ..plan(Vec::new()) };
    let plans = [&of("c1"), &other, &of("c3")];
    let all = super::weights(&plans, &prefix(), Utf8Path::new(CACHE)).unwrap();
    assert_eq!(all.paths[..2], ["/hub/models--u--in", "/hub/models--u--b"]);
    assert_eq!(all.paths.len(), 4);
}

#[test]
fn a_converted_model_is_kept_and_its_checkpoint_is_not() {
    let converted = |source: ModelSource, text: &str| {
        let fingerprint = Fingerprint(Digest::of(text.as_bytes()));
        let conversion = PlannedConversion {
            what: ResolvedConversion {
                quantization: "q4f16_1".parse().unwrap(),
                conv_template: "llama-3".parse().unwrap(),
                conv_template_from: TemplateOrigin::Config,
            },
            fingerprint,
            engine: PlannedEngine::Native,
            cached: CachedModel::Miss { damaged: None },
        };
        let dir = format!("{CACHE}/converted/{}/model", fingerprint.dir_name());
        let bundle =
            PlannedBundle { dir: dir.into(), files: 0, bytes: ByteSize(0), to_fetch: ByteSize(1) };
        let model = hub_model("u/raw", "c1", true);
        PlannedModel { source, conversion: Some(conversion), bundle: Some(bundle), ..model }
    };
    let entry = |models: Vec<PlannedModel>| {
        let plan = Plan { models, ..plan(Vec::new()) };
        super::weights(&[&plan], &prefix(), Utf8Path::new(CACHE)).unwrap()
    };
    let hub = || hub_model("u/raw", "c1", true).source;
    let local = ModelSource::Local(LocalModel { written: "raw".into(), dir: "/app/raw".into() });
    let one = entry(vec![converted(hub(), "a")]);
    let name = Fingerprint(Digest::of(b"a")).dir_name();
    assert_eq!(one.paths, [format!("{CACHE}/converted/{name}")]);
    // The fingerprint says what the checkpoint was; where it lay does not matter.
    assert_eq!(entry(vec![converted(local, "a")]), one);
    assert_ne!(entry(vec![converted(hub(), "b")]).key, one.key);
    let both = entry(vec![converted(hub(), "a"), hub_model("u/in", "c1", true)]);
    assert_eq!(both.paths.len(), 4);
    assert_ne!(both.key, one.key);
}

proptest! {
    #[test]
    fn keys_are_what_github_takes(text in "[ -~]{0,120}|\\PC{0,9}") {
        let Ok(prefix) = text.parse::<KeyPrefix>() else { return Ok(()) };
        let entry = super::libraries(&[&plan(Vec::new())], &prefix, Utf8Path::new(CACHE));
        prop_assert!(entry.key.len() <= 512 && !entry.key.contains([',', '\n', ' ']));
        prop_assert!(entry.key.starts_with(&text));
    }
}
