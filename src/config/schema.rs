//! The JSON schema of the config, for editors. It is as strict as `check --strict`, as far as a
//! schema can be: it knows neither the disk nor two entries at once, and to JSON Schema `3e9` is
//! an integer.

use std::collections::BTreeMap;

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::model::{ConvTemplate, Device, Scheme};

/// The text of `schema/mlc-package-config.schema.json`.
pub fn schema() -> String {
    render::<Config>()
}

/// The text of a type's schema.
pub(super) fn render<T: JsonSchema>() -> String {
    // Draft 7 is what every editor knows.
    let settings = SchemaSettings::draft07().with_transform(RecursiveTransform(unwrap_lines));
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    let mut ordered = Map::new();
    for name in ["$schema", "$id", "title", "description"] {
        if let Some(value) = schema.remove(name) {
            ordered.insert(name.to_owned(), value);
        }
    }
    if let Value::Object(rest) = schema.to_value() {
        ordered.extend(rest);
    }
    format!("{:#}\n", Value::Object(ordered))
}

/// Makes a description one line, whatever the width of this source.
fn unwrap_lines(schema: &mut Schema) {
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.replace('\n', " ");
    }
}

const ID: &str = concat!(
    "https://raw.githubusercontent.com/mlc-package/mlc-package/main/schema/",
    "mlc-package-config.schema.json"
);

/// A repository on the Hub, as `HubRepo` reads it.
const HUB: &str = r"^(?:HF://|hf://|https://huggingface\.co/|https://hf\.co/)[A-Za-z0-9_-][A-Za-z0-9._-]{0,95}/[A-Za-z0-9_-][A-Za-z0-9._-]{0,95}/?$";

/// A revision's characters, as `Revision` has them.
pub(super) const REVISION: &str = "^[A-Za-z0-9_][A-Za-z0-9._/-]*$";

/// What no revision has.
pub(super) const NO_REVISION: &str = r"\.\.|//|/\.|/$|\./|\.$|\.lock/|\.lock$";

/// One directory name, not blank.
pub(super) const MODEL_ID: &str =
    r"^[^/\\\x00-\x1f\x7f-\x9f]*[^/\\\x00-\x1f\x7f-\x9f\s][^/\\\x00-\x1f\x7f-\x9f]*$";

/// A C identifier once `-` has become `_`.
const MODEL_LIB: &str = "^[A-Za-z_-][A-Za-z0-9_-]{0,199}$";

/// `O0`..`O3`, or `name=value;…`.
const OPT: &str = concat!(
    "^(?:O[0-3]|;*(?:(?:flashinfer|cublas_gemm|faster_transformer|cudagraph|cutlass)=[01]",
    "|ipc_allreduce_strategy=(?:NONE|ONESHOT|TWOSHOT|AUTO))",
    "(?:;+(?:(?:flashinfer|cublas_gemm|faster_transformer|cudagraph|cutlass)=[01]",
    "|ipc_allreduce_strategy=(?:NONE|ONESHOT|TWOSHOT|AUTO)))*;*)$"
);

/// What to package for an app: the models, and for which device.
#[derive(JsonSchema)]
#[schemars(
    title = "MLC package config",
    deny_unknown_fields,
    extend("$id" = ID)
)]
#[expect(dead_code, reason = "only its schema is used")]
struct Config {
    /// The JSON schema, for editors.
    #[schemars(rename = "$schema")]
    schema: Option<String>,
    /// The device that the package is for.
    device: Device,
    /// The models of the package.
    #[schemars(length(min = 1))]
    model_list: Vec<Entry>,
    /// Model libraries that are compiled already: the path of each by its name. Paths are taken
    /// from the config's directory. All of them are linked, used or not.
    #[serde(default)]
    #[schemars(extend(
        "propertyNames" = {"pattern": MODEL_LIB},
        "additionalProperties" = {"type": "string", "minLength": 1}
    ))]
    model_lib_path_for_prepare_libs: BTreeMap<String, String>,
}

/// One model of the package.
#[derive(JsonSchema)]
#[schemars(
    deny_unknown_fields,
    extend(
        "if" = {"required": ["model"], "properties": {"model": {"not": {"pattern": "://"}}}},
        "then" = {
            "required": ["bundle_weight"],
            "properties": {"bundle_weight": {"const": true}},
            "not": {"required": ["revision"]}
        },
        "dependencies" = {
            "quantization": {
                "required": ["bundle_weight"],
                "properties": {"bundle_weight": {"const": true}}
            },
            "conv_template": {"required": ["quantization"]}
        }
    )
)]
#[expect(dead_code, reason = "only its schema is used")]
struct Entry {
    /// Where the model comes from: a repository on the Hugging Face Hub, `HF://user/repo`, or the
    /// directory of a converted model, taken from the config's directory.
    #[schemars(extend(
        "anyOf" = [{"pattern": HUB, "not": {"pattern": r"\.git/?$"}}, {"pattern": r"\S", "not": {"pattern": "://"}}],
        "examples" = ["HF://mlc-ai/Qwen3-0.6B-q0f16-MLC"]
    ))]
    model: String,
    /// The branch, tag or commit of the Hub's repository that is packaged; `main` if absent.
    /// Phones download weights that are not bundled from `main`, whatever is written here.
    #[schemars(
        length(max = 255),
        regex(pattern = REVISION),
        extend("not" = {"pattern": NO_REVISION}, "examples" = ["main", "v1.0"])
    )]
    revision: Option<String>,
    /// What the weights are converted to, where `model` is a raw checkpoint of Hugging Face
    /// (`config.json` and safetensors, or pytorch_model.bin).
    #[schemars(extend("enum" = Scheme::NAMES.to_vec(), "type" = "string"))]
    quantization: Option<String>,
    /// MLC LLM's name of the conversation template that the raw checkpoint was trained with. It
    /// may be absent where the checkpoint's own files leave no doubt about it.
    #[schemars(extend("enum" = ConvTemplate::NAMES.to_vec(), "type" = "string"))]
    conv_template: Option<String>,
    /// The model's unique name in the app, and the directory of its weights.
    #[schemars(
        length(min = 1, max = 255),
        regex(pattern = MODEL_ID),
        extend("not" = {"enum": [".", "..", "mlc-app-config.json"]})
    )]
    model_id: String,
    /// The memory that the model needs, in bytes, as the app shows and checks it. Digits only:
    /// with `3e9` the iOS app would read none of the models.
    #[schemars(range(min = 0))]
    estimated_vram_bytes: i64,
    /// Whether the weights are shipped with the app. A model of this machine must be.
    #[serde(default)]
    bundle_weight: bool,
    /// What the model is compiled with in place of its own settings.
    #[serde(default)]
    overrides: Overrides,
    /// The name of the model's library, a C identifier (`-` counts as `_`). Made from the model
    /// and its settings if absent.
    #[schemars(regex(pattern = MODEL_LIB))]
    model_lib: Option<String>,
}

/// Settings of a model in place of its own.
#[derive(Default, JsonSchema, Serialize)]
#[schemars(deny_unknown_fields)]
struct Overrides {
    /// Tokens of context; -1 leaves the model's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1), extend("not" = {"const": 0}))]
    context_window_size: Option<i64>,
    /// Tokens of the sliding window; -1 leaves the model's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1), extend("not" = {"const": 0}))]
    sliding_window_size: Option<i64>,
    /// Tokens of one prefill step: fewer need less memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    prefill_chunk_size: Option<i64>,
    /// Tokens kept at the start of a sliding window; -1 leaves the model's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1))]
    attention_sink_size: Option<i64>,
    /// Sequences at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    max_batch_size: Option<i64>,
    /// Devices that a tensor is split over.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    tensor_parallel_shards: Option<i64>,
    /// Devices that the layers are split over.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pipeline_parallel_stages: Option<i64>,
    /// Whether prefill and decode run on different machines.
    #[serde(skip_serializing_if = "Option::is_none")]
    disaggregation: Option<bool>,
    /// Optimizations: O0, O1, O2 (the default), O3, or `name=value;…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = OPT), extend("examples" = ["O2", "cublas_gemm=1;cudagraph=0"]))]
    opt: Option<String>,
}
