//! The schema says what the checker says.

use regex::Regex;
use serde_json::{Map, Value};

use super::checked;
use super::diagnostics::configs;
use crate::config::{Code, schema};

const COMMITTED: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/schema/mlc-package-config.schema.json");

#[test]
fn the_committed_schema_is_current() {
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        fs_err::write(COMMITTED, schema()).unwrap();
    }
    let committed = fs_err::read_to_string(COMMITTED).unwrap();
    assert_eq!(committed, schema(), "set UPDATE_SCHEMA=1 to write it again");
}

#[test]
fn good_configs_validate() {
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    for (name, bytes) in configs("good") {
        let config = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(faults(&schema, &schema, &config), <[&str; 0]>::default(), "{name}");
    }
}

/// Of each single value: that the checker refuses it, or that it accepts it.
#[track_caller]
fn schema_and_checker_agree(fields: &[(&str, &[&str])]) {
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    for (field, values) in fields {
        for value in *values {
            let text = config_with(field, value);
            // An estimate of 0 is only warned about: real apps' configs have it.
            let checked = checked(text.as_bytes());
            let found = checked.diagnostics().iter();
            let found = found.filter(|found| found.code != Code::VramTooLow).count();
            let faults = faults(&schema, &schema, &serde_json::from_str(&text).unwrap());
            assert_eq!(
                found == 0,
                faults.is_empty(),
                "{field} = {value}: {found} found, {faults:?}"
            );
        }
    }
}

/// A text of so many letters, as JSON.
fn long(length: usize) -> String {
    format!("\"{}\"", "x".repeat(length))
}

#[test]
fn schema_and_checker_agree_on_names_and_sources() {
    schema_and_checker_agree(&[
        ("device", &["\"android\"", "\"ios\"", "1", "null"]),
        (
            "model",
            &[
                "\"HF://a/b\"",
                "\"https://huggingface.co/a/b/\"",
                "\"HF://a\"",
                "\" \"",
                "\"http://huggingface.co/a/b\"",
                "\"HF://a/b/c\"",
                "\"HF://a/.b\"",
                "\"HF://a/b.git\"",
                "\"HF://a/b.git/\"",
                "\"HF://a/b.github\"",
                "\"HF://a/b@v1\"",
                "\"models/llama\"",
                "1",
            ],
        ),
        (
            "revision",
            &[
                "\"main\"",
                "\"refs/pr/1\"",
                "\"v1.0\"",
                "\"-a\"",
                "\"a-\"",
                "\"_a\"",
                "\"/a\"",
                "\"a/\"",
                "\"a//b\"",
                "\"a/.b\"",
                "\"a./b\"",
                "\".a\"",
                "\"a.\"",
                "\"a..b\"",
                "\"a.lock\"",
                "\"a.lock/b\"",
                "\"a.lockb\"",
                "\"a b\"",
                "\"a\\nb\"",
                "\"a\\n\"",
                "\"\"",
                "1",
                "null",
                &long(201),
                &long(256),
            ],
        ),
        (
            "model_id",
            &[
                "\"phi 2\"",
                "\"模型\"",
                "\"\"",
                "\"  \"",
                "\".\"",
                "\"..\"",
                "\"...\"",
                "\"a/b\"",
                "\"a\\\\b\"",
                "\"a\\u0000\"",
                "\"a\\u0085\"",
                "\"mlc-app-config.json\"",
                "1",
                &long(256),
            ],
        ),
        (
            "model_lib",
            &[
                "null",
                "\"library-a\"",
                "\"-------\"",
                "\"\"",
                "\"3b\"",
                "\"a b\"",
                "1",
                &long(200),
                &long(201),
            ],
        ),
    ]);
}

#[test]
fn schema_and_checker_agree_on_numbers_and_overrides() {
    schema_and_checker_agree(&[
        ("estimated_vram_bytes", &["1", "0", "-1", "1.5", "\"1\"", "null", "9223372036854775807"]),
        ("bundle_weight", &["true", "1", "null"]),
        (
            "overrides",
            &[
                "{}",
                "null",
                "[]",
                "{\"x\": 1}",
                "{\"opt\": \"O4\"}",
                "{\"opt\": null}",
                "{\"opt\": \"cutlass=1;;cudagraph=0;\"}",
                "{\"opt\": \"cutlass=2\"}",
                "{\"opt\": \"\"}",
                "{\"opt\": \"ipc_allreduce_strategy=AUTO\"}",
                "{\"disaggregation\": 1}",
                "{\"context_window_size\": -1}",
                "{\"context_window_size\": 0}",
                "{\"context_window_size\": -2}",
                "{\"sliding_window_size\": 1}",
                "{\"sliding_window_size\": 0}",
                "{\"attention_sink_size\": 0}",
                "{\"attention_sink_size\": -2}",
                "{\"prefill_chunk_size\": 0}",
                "{\"prefill_chunk_size\": 1}",
                "{\"max_batch_size\": \"1\"}",
                "{\"tensor_parallel_shards\": -1}",
                "{\"pipeline_parallel_stages\": 0}",
                "{\"pipeline_parallel_stages\": null}",
            ],
        ),
        (
            "model_lib_path_for_prepare_libs",
            &["{}", "null", "{\"a b\": \"x\"}", "{\"a\": \"\"}", "{\"a\": 1}"],
        ),
        ("unknown", &["1"]),
    ]);
}

#[test]
fn a_local_model_has_no_revision_to_either() {
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    for (revision, good) in [("", true), (", \"revision\": \"main\"", false)] {
        let text =
            config_with("model", &format!("\"models/llama\", \"bundle_weight\": true{revision}"));
        assert_eq!(checked(text.as_bytes()).errors() == 0, good, "{text}");
        let faults = faults(&schema, &schema, &serde_json::from_str(&text).unwrap());
        assert_eq!(faults.is_empty(), good, "{faults:?}");
    }
}

#[test]
fn what_is_converted_has_a_quantization_and_is_bundled_to_either() {
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    let (quantization, template) = ("\"q4f16_1\"", "\"llama-3\"");
    for (quantization, template, bundled, good) in [
        (Some(quantization), Some(template), true, true),
        (Some(quantization), Some(template), false, false),
        (Some(quantization), None, true, true),
        (Some(quantization), None, false, false),
        (Some(quantization), Some("null"), true, false),
        (Some(quantization), Some("\"auto\""), true, false),
        (None, Some(template), true, false),
        (Some("\"q4f16\""), Some(template), true, false),
        (Some(quantization), Some("\"llama3\""), true, false),
        (Some("null"), Some(template), true, false),
        (None, None, true, true),
    ] {
        let mut entry = format!("\"HF://a/b\", \"bundle_weight\": {bundled}");
        for (name, value) in [("quantization", quantization), ("conv_template", template)] {
            entry += &value.map_or_else(String::new, |value| format!(", \"{name}\": {value}"));
        }
        let text = config_with("model", &entry);
        assert_eq!(checked(text.as_bytes()).errors() == 0, good, "{text}");
        let faults = faults(&schema, &schema, &serde_json::from_str(&text).unwrap());
        assert_eq!(faults.is_empty(), good, "{text}: {faults:?}");
    }
}

/// A good config with one field set, or added.
fn config_with(field: &str, value: &str) -> String {
    let mut entry =
        vec![("model", "\"HF://a/b\""), ("model_id", "\"m\""), ("estimated_vram_bytes", "1")];
    let mut top = vec![("device", "\"android\"")];
    let list = if ["device", "model_lib_path_for_prepare_libs"].contains(&field) {
        &mut top
    } else {
        &mut entry
    };
    list.retain(|(name, _)| *name != field);
    list.push((field, value));
    let join = |fields: &[(&str, &str)]| {
        let pairs: Vec<_> =
            fields.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
        pairs.join(", ")
    };
    format!("{{{}, \"model_list\": [{{{}}}]}}", join(&top), join(&entry))
}

/// A validator of the keywords that our schema uses. Any other keyword fails the test: nothing is
/// left unchecked for being unknown.
pub(crate) fn faults(root: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let Some(keywords) = schema.as_object() else {
        return if schema == &Value::Bool(false) { vec!["forbidden".into()] } else { Vec::new() };
    };
    keywords
        .iter()
        .flat_map(|(keyword, wanted)| {
            let found = keyword_faults(root, keywords, keyword, wanted, value);
            found.into_iter().map(move |fault| format!("{keyword}: {fault}"))
        })
        .collect()
}

fn keyword_faults(
    root: &Value,
    schema: &Map<String, Value>,
    keyword: &str,
    wanted: &Value,
    value: &Value,
) -> Vec<String> {
    let valid = |schema: &Value| faults(root, schema, value).is_empty();
    let unless = |good: bool| if good { Vec::new() } else { vec![value.to_string()] };
    match keyword {
        "$schema" | "$id" | "title" | "description" | "default" | "examples" | "definitions"
        | "format" | "then" => Vec::new(),
        "$ref" => {
            let pointer = wanted.as_str().unwrap().strip_prefix('#').unwrap();
            faults(root, root.pointer(pointer).unwrap(), value)
        }
        "not" => unless(!valid(wanted)),
        "allOf" => {
            wanted.as_array().unwrap().iter().flat_map(|all| faults(root, all, value)).collect()
        }
        "anyOf" => unless(wanted.as_array().unwrap().iter().any(valid)),
        "oneOf" => unless(wanted.as_array().unwrap().iter().filter(|one| valid(one)).count() == 1),
        "if" if valid(wanted) => faults(root, &schema["then"], value),
        "if" => Vec::new(),
        "required"
        | "items"
        | "properties"
        | "dependencies"
        | "propertyNames"
        | "additionalProperties" => faults_inside(root, schema, keyword, wanted, value),
        _ => unless(is_valid_alone(keyword, wanted, value)),
    }
}

/// The keywords that are about a value without what is in it.
fn is_valid_alone(keyword: &str, wanted: &Value, value: &Value) -> bool {
    match keyword {
        "type" => {
            let is = |name: &Value| match name.as_str().unwrap() {
                "integer" => value.is_i64() || value.is_u64(),
                "number" => value.is_number(),
                "string" => value.is_string(),
                "boolean" => value.is_boolean(),
                "null" => value.is_null(),
                "array" => value.is_array(),
                "object" => value.is_object(),
                other => panic!("type {other}"),
            };
            wanted.as_array().map_or_else(|| is(wanted), |types| types.iter().any(is))
        }
        "const" => value == wanted,
        "enum" => wanted.as_array().unwrap().contains(value),
        "pattern" => value
            .as_str()
            .is_none_or(|text| Regex::new(wanted.as_str().unwrap()).unwrap().is_match(text)),
        "minimum" => value.as_f64().is_none_or(|number| number >= wanted.as_f64().unwrap()),
        "maximum" => value.as_f64().is_none_or(|number| number <= wanted.as_f64().unwrap()),
        "minLength" => value
            .as_str()
            .is_none_or(|text| text.chars().count() as u64 >= wanted.as_u64().unwrap()),
        "maxLength" => value
            .as_str()
            .is_none_or(|text| text.chars().count() as u64 <= wanted.as_u64().unwrap()),
        "minItems" => {
            value.as_array().is_none_or(|items| items.len() as u64 >= wanted.as_u64().unwrap())
        }
        other => panic!("this validator does not know `{other}`"),
    }
}

/// The keywords that are about what is in a value.
fn faults_inside(
    root: &Value,
    schema: &Map<String, Value>,
    keyword: &str,
    wanted: &Value,
    value: &Value,
) -> Vec<String> {
    let unless = |good: bool| if good { Vec::new() } else { vec![value.to_string()] };
    match keyword {
        "required" => {
            let has = |name: &&Value| value.get(name.as_str().unwrap()).is_some();
            unless(!value.is_object() || wanted.as_array().unwrap().iter().all(|name| has(&name)))
        }
        "items" => value
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|item| faults(root, wanted, item))
            .collect(),
        "properties" => wanted
            .as_object()
            .unwrap()
            .iter()
            .filter_map(|(name, schema)| Some(faults(root, schema, value.get(name)?)))
            .flatten()
            .collect(),
        "dependencies" => wanted
            .as_object()
            .unwrap()
            .iter()
            .filter(|(name, _)| value.get(name.as_str()).is_some())
            .flat_map(|(_, schema)| faults(root, schema, value))
            .collect(),
        "propertyNames" => value
            .as_object()
            .into_iter()
            .flat_map(Map::keys)
            .flat_map(|name| faults(root, wanted, &Value::String(name.clone())))
            .collect(),
        "additionalProperties" => {
            let known =
                |name: &String| schema.get("properties").is_some_and(|all| all.get(name).is_some());
            value
                .as_object()
                .into_iter()
                .flatten()
                .filter(|(name, _)| !known(name))
                .flat_map(|(_, value)| faults(root, wanted, value))
                .collect()
        }
        other => panic!("this validator does not know `{other}`"),
    }
}
