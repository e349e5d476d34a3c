//! What holds of every text.

use camino::Utf8PathBuf;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{Checked, checked, codes};
use crate::config::render::{Repository, github, human, json as as_json};
use crate::config::syntax;
use crate::model::{Device, HubRepo, ModelSource, OverrideValue, Overrides};

/// A text, rather one that means something in a config.
fn text() -> impl Strategy<Value = String> {
    const KNOWN: [&str; 29] = [
        "",
        "android",
        "ios",
        "model",
        "model_id",
        "revision",
        "v1/..",
        "HF://a/b",
        "https://huggingface.co/a/b",
        "models/llama",
        "models/gemma",
        "models/bare",
        "lib/llama.tar",
        "phi-2",
        "phi_2",
        "O3",
        "~",
        "../evil",
        "device",
        "model_list",
        "model_lib",
        "overrides",
        "opt",
        "bundle_weight",
        "estimated_vram_bytes",
        "model_lib_path_for_prepare_libs",
        "context_window_size",
        "\0",
        "“",
    ];
    prop_oneof![
        4 => proptest::sample::select(&KNOWN[..]).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        prop_oneof![-2..3_i64, any::<i64>()].prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::vec((text(), inner), 0..9)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// A config that is wrong in few places: the checks behind the first ones are reached.
fn nearly_config() -> impl Strategy<Value = Value> {
    let entry = proptest::collection::vec(
        (proptest::sample::select(&crate::config::entry::NAMES[..]), any_json()),
        0..3,
    )
    .prop_map(|changes| {
        let mut entry = json!({"model": "HF://a/b", "model_id": "m", "estimated_vram_bytes": 1});
        for (name, value) in changes {
            entry[name] = value;
        }
        entry
    });
    (proptest::collection::vec(entry, 0..4), any_json(), text()).prop_map(|(list, value, name)| {
        let mut config = json!({"device": "iphone", "model_list": list});
        config[name] = value;
        config
    })
}

/// What must hold of every result.
fn assert_sound(bytes: &[u8], checked: &Checked) -> Result<(), TestCaseError> {
    prop_assert_eq!(checked.package().is_some(), checked.errors() == 0);
    for found in checked.diagnostics() {
        let spans = found.span.iter().chain(found.related.iter().map(|(span, _)| span));
        for span in spans {
            prop_assert!(span.start <= span.end && span.end <= bytes.len(), "{:?}", found);
            if let Ok(text) = str::from_utf8(bytes) {
                prop_assert!(text.get(span.start..span.end).is_some(), "{:?}", found);
            }
        }
        prop_assert!(!found.message.is_empty() && !found.help.is_empty(), "{:?}", found);
        prop_assert!(found.message.len() < 1000 && found.help.len() < 2000, "{:?}", found);
    }
    let mut out = Vec::new();
    human(checked, 80, &mut out).unwrap();
    out.clear();
    as_json(checked, &mut out).unwrap();
    prop_assert!(serde_json::from_slice::<Value>(&out).is_ok());
    out.clear();
    github(checked, &Repository::default(), &mut out).unwrap();
    let lines = String::from_utf8(out).unwrap().lines().count();
    prop_assert_eq!(lines, checked.diagnostics().len() + 1);
    Ok(())
}

fn overrides() -> impl Strategy<Value = Overrides> {
    let size = || proptest::option::of(1..i64::MAX);
    let or_own = || proptest::option::of(prop_oneof![Just(-1), 1..i64::MAX]);
    let sink = proptest::option::of(-1..i64::MAX);
    let opt = proptest::option::of(proptest::sample::select(&["O0", "O3", "cutlass=1"][..]));
    let sizes = (or_own(), or_own(), size(), sink, size(), size(), size());
    (sizes, proptest::option::of(any::<bool>()), opt).prop_map(|(sizes, disaggregation, opt)| {
        Overrides {
            context_window_size: sizes.0,
            sliding_window_size: sizes.1,
            prefill_chunk_size: sizes.2,
            attention_sink_size: sizes.3,
            max_batch_size: sizes.4,
            tensor_parallel_shards: sizes.5,
            pipeline_parallel_stages: sizes.6,
            disaggregation,
            opt: opt.map(|opt| opt.parse().unwrap()),
        }
    })
}

fn as_value(overrides: &Overrides) -> Value {
    let mut fields: Map<String, Value> = overrides
        .set_fields()
        .map(|(name, value)| {
            let value = match value {
                OverrideValue::Int(int) => Value::from(int),
                OverrideValue::Bool(truth) => Value::from(truth),
            };
            (name.to_owned(), value)
        })
        .collect();
    fields.insert("opt".into(), overrides.opt.map_or(Value::Null, |opt| opt.to_string().into()));
    fields.into()
}

proptest! {
    #[test]
    fn any_json_is_checked_without_a_panic(value in any_json(), pretty: bool) {
        let text = if pretty { format!("{value:#}") } else { value.to_string() };
        assert_sound(text.as_bytes(), &checked(text.as_bytes()))?;
    }

    #[test]
    fn configs_that_are_nearly_right_are_checked_without_a_panic(value in nearly_config()) {
        let text = format!("{value:#}");
        assert_sound(text.as_bytes(), &checked(text.as_bytes()))?;
    }

    #[test]
    fn any_bytes_are_checked_without_a_panic(
        value in nearly_config(), bom: bool, at: proptest::sample::Index, byte: u8, cut: bool,
    ) {
        let mut bytes = if bom { b"\xef\xbb\xbf".to_vec() } else { Vec::new() };
        bytes.extend_from_slice(value.to_string().as_bytes());
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if cut {
            bytes.truncate(at);
        }
        assert_sound(&bytes, &checked(&bytes))?;
    }

    /// The parser takes more than JSON; together with `lexical` it takes what serde_json takes.
    #[test]
    fn what_is_json_is_what_serde_json_takes(
        value in any_json(), pretty: bool, at: proptest::sample::Index, inserted in "[\\PC\\s]{0,2}|[-+.0-9eE{}\\[\\]\",:/\\\\']{1,2}",
        removed in 0..2_usize,
    ) {
        let text = if pretty { format!("{value:#}") } else { value.to_string() };
        let mut characters: Vec<char> = text.chars().collect();
        let at = at.index(characters.len());
        characters.splice(at..at + removed, inserted.chars());
        let text: String = characters.into_iter().collect();
        let theirs = serde_json::from_str::<Value>(&text);
        // A number beyond f64 is JSON all the same.
        if theirs.as_ref().is_err_and(|error| error.to_string().contains("out of range")) {
            return Ok(());
        }
        prop_assert_eq!(syntax::parse(&text).is_ok(), theirs.is_ok(), "{:?} {:?}", text, theirs);
    }

    #[test]
    fn a_good_config_is_read_as_it_was_written(
        device in proptest::sample::select(&Device::ALL[..]),
        models in proptest::collection::vec(
            ("[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", 1..i64::MAX, any::<bool>(), overrides(),
             proptest::option::of("[a-z][a-z0-9_-]{0,9}"),
             proptest::option::of("[a-z0-9_][a-z0-9_-]{0,9}(/[a-z0-9_](\\.?[a-z0-9_]){0,3}x)?")),
            0..6,
        ),
    ) {
        let list: Vec<_> = models.iter().enumerate().map(|(index, (name, vram, bundle, over, lib, revision))| {
            let mut entry = json!({
                "model": format!("HF://user/{name}"),
                "model_id": format!("{name}-{index}"),
                "estimated_vram_bytes": vram,
                "bundle_weight": bundle,
                "overrides": as_value(over),
                "model_lib": lib.as_ref().map(|lib| format!("{lib}{index}_model")),
            });
            if let Some(revision) = revision {
                entry["revision"] = revision.as_str().into();
            }
            entry
        }).collect();
        let text = json!({"device": device, "model_list": list}).to_string();
        let checked = checked(text.as_bytes());
        prop_assert_eq!(codes(&checked), if models.is_empty() { vec!["no-models"] } else { vec![] });
        let package = checked.into_package().unwrap();
        prop_assert_eq!(package.device, device);
        prop_assert_eq!(package.models.len(), models.len());
        for (index, (read, (name, vram, bundle, over, lib, revision))) in
            package.models.iter().zip(&models).enumerate()
        {
            let repo: HubRepo = format!("HF://user/{name}").parse().unwrap();
            let repo = match revision {
                Some(revision) => repo.with_revision(revision.parse().unwrap()),
                None => repo,
            };
            prop_assert_eq!(&read.source, &ModelSource::Hub(repo));
            prop_assert_eq!(read.model_id.as_str(), format!("{name}-{index}"));
            prop_assert_eq!(read.estimated_vram_bytes, *vram as u64);
            prop_assert_eq!(read.bundle_weight, *bundle);
            prop_assert_eq!(&read.overrides, over);
            let lib = lib.as_ref().map(|lib| format!("{lib}{index}_model").replace('-', "_"));
            prop_assert_eq!(read.model_lib.as_ref().map(|lib| lib.as_str().to_owned()), lib);
        }
    }
}

#[test]
fn paths_are_found_beside_the_config_first() {
    let text = r#"{"device": "android", "model_list": [{"model": "models/llama", "model_id": "m",
        "estimated_vram_bytes": 1, "bundle_weight": true, "model_lib": "a"},
        {"model": "app/models/gemma", "model_id": "n", "estimated_vram_bytes": 1,
        "bundle_weight": true}], "model_lib_path_for_prepare_libs": {"a": "app/lib/llama.tar"}}"#;
    let package = checked(text.as_bytes()).into_package().unwrap();
    let dir = |index: usize| match &package.models[index].source {
        ModelSource::Local(local) => local.dir.clone(),
        ModelSource::Hub(_) => Utf8PathBuf::new(),
    };
    assert_eq!(dir(0), "/repo/app/models/llama");
    // Not beside the config, but below the working directory, where upstream looks.
    assert_eq!(dir(1), "/repo/app/models/gemma");
    assert_eq!(package.prepared[0].path, "/repo/app/lib/llama.tar");
}

/// What the fuzzer begins with, and whatever it has found.
#[test]
fn the_fuzzers_corpus_is_checked_without_a_panic() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/config");
    let mut count = 0;
    for entry in fs_err::read_dir(corpus).unwrap() {
        let bytes = fs_err::read(entry.unwrap().path()).unwrap();
        assert_sound(&bytes, &checked(&bytes)).unwrap();
        count += 1;
    }
    assert!(count > 20, "{count} files");
}
