use std::collections::BTreeMap;

use super::*;
use crate::model::{
    ChatConfig, CompileRecord, Digest, JitPolicy, LocalModel, ModelEntry, PackageConfig,
    PackageIdentity, PreparedLibrary,
};

fn compiler(tvm: &str) -> CompilerIdentity {
    let package = |version: &str| PackageIdentity {
        distribution: None,
        version: Some(version.into()),
        files: None,
    };
    CompilerIdentity {
        mlc_llm: package("0.20"),
        tvm: package(tvm),
        tvm_ffi: package("0.1"),
        tools: [].into(),
    }
}

fn entry(id: &str, model_lib: Option<&str>, overrides: Overrides) -> ModelEntry {
    ModelEntry {
        source: ModelSource::Local(LocalModel { written: id.into(), dir: id.into() }),
        model_id: id.parse().unwrap(),
        model_lib: model_lib.map(|name| name.parse().unwrap()),
        estimated_vram_bytes: 1,
        bundle_weight: false,
        overrides,
        conversion: None,
    }
}

fn facts(extra: &str) -> FoundModel {
    facts_of(64, extra)
}

fn facts_of(hidden_size: u32, extra: &str) -> FoundModel {
    let text = format!(
        r#"{{"model_type": "llama", "quantization": "q4f16_1", "temperature": 0.7 {extra},
            "model_config": {{"hidden_size": {hidden_size}, "context_window_size": 4096}}}}"#
    );
    FoundModel::Known(Box::new(ModelFacts {
        chat_config: ChatConfig::parse(text.as_bytes()).unwrap(),
        chat_config_path: "mlc-chat-config.json".into(),
        commit: None,
        bundle: None,
        conversion: None,
    }))
}

fn drafted(
    models: Vec<(ModelEntry, FoundModel)>,
    prepared: &[&str],
    tvm: &str,
) -> Result<Draft, PlanError> {
    let (models, found): (Vec<_>, Vec<_>) = models.into_iter().unzip();
    let prepared = prepared
        .iter()
        .map(|name| PreparedLibrary { name: name.parse().unwrap(), path: "lib.tar".into() })
        .collect();
    draft(&DraftRequest {
        config: &PackageConfig { device: Device::Android, models, prepared },
        models: &found,
        fetch: None,
        compiler: Some(&compiler(tvm)),
        macabi_arch: MacabiArch::Arm64,
        metal: Metal::default(),
    })
}

fn one(extra: &str, overrides: Overrides, tvm: &str) -> Draft {
    drafted(vec![(entry("a", None, overrides), facts(extra))], &[], tvm).unwrap()
}

fn name_and_fingerprint(draft: Draft) -> (String, Fingerprint) {
    let fingerprint = draft.fingerprints().next().unwrap();
    let plan = draft.resolve(&BTreeMap::new(), &[], JitPolicy::On);
    (plan.libraries[0].model_lib.to_string(), fingerprint)
}

/// A store that holds what a draft needs.
fn record(draft: Draft) -> CompileRecord {
    let plan = draft.resolve(&BTreeMap::new(), &[], JitPolicy::On);
    let Origin::Compiled { fingerprint, inputs, .. } = plan.libraries[0].origin.clone() else {
        panic!("it is compiled")
    };
    CompileRecord {
        fingerprint,
        inputs: *inputs,
        seconds: 1.0,
        bytes: 1,
        digest: Digest::of(b""),
        created: 1,
        kernels: None,
    }
}

fn window(size: i64) -> Overrides {
    Overrides { context_window_size: Some(size), ..Overrides::default() }
}

#[test]
fn a_new_compiler_changes_the_fingerprint_and_not_the_name() {
    let old = name_and_fingerprint(one("", Overrides::default(), "0.26"));
    let new = name_and_fingerprint(one("", Overrides::default(), "0.27"));
    assert_eq!(old.0, new.0);
    assert_ne!(old.1, new.1);
}

#[test]
fn what_upstream_completes_makes_no_other_library() {
    let whole = |extra: &str| {
        let FoundModel::Known(mut facts) = facts("") else { panic!("known") };
        let text = format!(
            r#"{{"model_type": "llama", "quantization": "q4f16_1" {extra}, "model_config":
                {{"hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 4,
                "num_hidden_layers": 2, "rms_norm_eps": 1e-5, "vocab_size": 64,
                "context_window_size": 4096, "prefill_chunk_size": 2048}}}}"#
        );
        facts.chat_config = ChatConfig::parse(text.as_bytes()).unwrap();
        FoundModel::Known(facts)
    };
    let both = |extra: &str| {
        let (a, b) = (entry("a", None, window(4096)), entry("b", None, window(4096)));
        drafted(vec![(a, whole("")), (b, whole(extra))], &[], "0.26")
    };
    for extra in [
        r#", "pipeline_parallel_stages": 1"#,
        r#", "disaggregation": false, "tensor_parallel_shards": 1"#,
        r#", "attention_sink_size": 4, "pipeline_parallel_stages": 1"#,
    ] {
        let plan = both(extra).unwrap().resolve(&BTreeMap::new(), &[], JitPolicy::On);
        assert_eq!(plan.libraries.len(), 1, "{extra}");
        assert_eq!(plan.libraries[0].models.len(), 2, "{extra}");
    }
    // Of these, upstream hashes nothing into the name, and the compiler reads them.
    assert!(both(r#", "active_vocab_size": 60"#).is_err());
}

#[test]
fn what_only_the_running_app_reads_changes_nothing() {
    let plain = name_and_fingerprint(one("", Overrides::default(), "0.27"));
    let tuned = name_and_fingerprint(one(r#", "top_p": 0.5"#, Overrides::default(), "0.27"));
    assert_eq!(plain, tuned);
    let vocabulary =
        name_and_fingerprint(one(r#", "active_vocab_size": 5"#, Overrides::default(), "0.27"));
    assert_ne!(plain.1, vocabulary.1);
    let unknown = name_and_fingerprint(one(r#", "new_field": 5"#, Overrides::default(), "0.27"));
    assert_ne!(plain.1, unknown.1);
}

#[test]
fn a_miss_says_what_changed_since_the_nearest_library() {
    let records = [record(one("", window(1024), "0.26")), record(one("", window(2048), "0.26"))];
    let why = |draft: Draft| {
        let plan = draft.resolve(&BTreeMap::new(), &records, JitPolicy::On);
        let Origin::Compiled { cached, .. } = &plan.libraries[0].origin else { panic!() };
        cached.to_string()
    };
    assert_eq!(why(one("", window(2048), "0.27")), "compile: tvm changed: 0.26 -> 0.27");
    assert_eq!(
        why(one("", window(512), "0.26")),
        "compile: overrides changed: context_window_size=2048 -> context_window_size=512"
            .replace("2048", "1024")
    );
    assert_eq!(
        why(one(r#", "active_vocab_size": 5"#, window(2048), "0.26")),
        "compile: active_vocab_size changed: none -> 5"
    );
}

#[test]
fn another_model_explains_no_miss() {
    let drafted_of = |hidden_size, name| {
        let entry = entry("a", name, Overrides::default());
        drafted(vec![(entry, facts_of(hidden_size, ""))], &[], "0.27").unwrap()
    };
    let records = [record(drafted_of(64, Some("mine")))];
    let why = |draft: Draft| {
        let plan = draft.resolve(&BTreeMap::new(), &records, JitPolicy::On);
        let Origin::Compiled { cached, .. } = &plan.libraries[0].origin else { panic!() };
        cached.to_string()
    };
    assert_eq!(why(drafted_of(128, None)), "compile: not compiled before");
    // Under the name of the library that it is to be, a model was changed.
    assert_eq!(
        why(drafted_of(128, Some("mine"))),
        "compile: model_config.hidden_size changed: 64 -> 128"
    );
}

#[test]
fn time_is_estimated_by_what_was_compiled_before() {
    let of = |hidden_size, seconds: &[f64]| {
        let entry = entry("a", None, window(if seconds.len() > 1 { 512 } else { 1024 }));
        let draft = drafted(vec![(entry, facts_of(hidden_size, ""))], &[], "0.26").unwrap();
        let record = record(draft);
        let of = |seconds: &f64| CompileRecord { seconds: *seconds, ..record.clone() };
        seconds.iter().map(of).collect::<Vec<_>>()
    };
    let records = [of(64, &[10.0, 90.0, 20.0]), of(128, &[400.0])].concat();
    let estimate = |hidden_size, records: &[CompileRecord]| {
        let entry = entry("a", None, Overrides::default());
        let draft = drafted(vec![(entry, facts_of(hidden_size, ""))], &[], "0.27").unwrap();
        draft.resolve(&BTreeMap::new(), records, JitPolicy::On).estimated_seconds
    };
    assert_eq!(estimate(64, &records), Some(Estimate(20.0)), "the median of its like");
    assert_eq!(estimate(128, &records), Some(Estimate(400.0)));
    assert_eq!(estimate(256, &records), Some(Estimate(90.0)), "the median of all");
    assert_eq!(estimate(64, &[]), None);
}

#[test]
fn the_store_and_the_policy_decide() {
    let cached = |found: Option<Result<(), String>>, policy| {
        let draft = one("", Overrides::default(), "0.27");
        let fingerprint = draft.fingerprints().next().unwrap();
        let found = found.map(|found| (fingerprint, found)).into_iter().collect();
        let plan = draft.resolve(&found, &[], policy);
        let Origin::Compiled { cached, .. } = &plan.libraries[0].origin else { panic!() };
        cached.to_string()
    };
    assert_eq!(cached(None, JitPolicy::On), "compile: not compiled before");
    assert_eq!(cached(Some(Ok(())), JitPolicy::On), "cached");
    assert_eq!(cached(Some(Ok(())), JitPolicy::Redo), "compile: MLC_JIT_POLICY=REDO");
    assert_eq!(
        cached(Some(Err("no record".into())), JitPolicy::On),
        "compile: the cached library is damaged: no record"
    );
}

#[test]
fn models_share_a_library_only_if_it_is_the_same() {
    let two = |second: Overrides| {
        drafted(
            vec![
                (entry("a", Some("lib"), Overrides::default()), facts("")),
                (entry("b", Some("lib"), second), facts(r#", "top_p": 0.1"#)),
            ],
            &[],
            "0.27",
        )
    };
    let plan = two(Overrides::default()).unwrap().resolve(&BTreeMap::new(), &[], JitPolicy::On);
    assert_eq!(plan.libraries.len(), 1);
    assert_eq!(plan.libraries[0].models.len(), 2);
    let error = two(window(128)).err().unwrap();
    assert_eq!(
        error.to_string(),
        "`a` and `b` share model_lib `lib` but compile differently: overrides changed: none -> \
         context_window_size=128"
    );
}

#[test]
fn prepared_libraries_are_linked_whether_used_or_not() {
    let draft = drafted(
        vec![(entry("a", Some("mine"), Overrides::default()), facts(""))],
        &["unused", "mine"],
        "0.27",
    )
    .unwrap();
    assert_eq!(draft.fingerprints().count(), 0);
    let plan = draft.resolve(&BTreeMap::new(), &[], JitPolicy::On);
    let libraries: Vec<_> = plan
        .libraries
        .iter()
        .map(|library| (library.model_lib.as_str(), library.models.len(), library.is_miss()))
        .collect();
    assert_eq!(libraries, [("unused", 0, false), ("mine", 1, false)]);
}

#[test]
fn hub_models_are_listed_and_nothing_is_made_up_about_them() {
    let mut hub = entry("a", None, Overrides::default());
    hub.source = ModelSource::Hub("HF://mlc-ai/phi-2".parse().unwrap());
    let plan = drafted(vec![(hub, FoundModel::NotHere { why: "offline".into() })], &[], "0.27")
        .unwrap()
        .resolve(&BTreeMap::new(), &[], JitPolicy::On);
    assert_eq!(plan.unfetched.len(), 1);
    assert!(plan.models.is_empty() && plan.libraries.is_empty());
}
