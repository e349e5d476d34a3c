//! What an app needs of a model's directory to load it, as MLC LLM's runtime reads it:
//! `cpp/json_ffi/json_ffi_engine.cc` and `conv_template.cc`, `cpp/serve/model.cc` and `config.cc`,
//! `cpp/tokenizers/tokenizers.cc`.

use serde_json::Value;

use super::ChatConfig;
use super::tokenizer_json::TokenizerFault;

/// Something without which an app cannot load a model, told of the model as "it".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unloadable {
    /// None of the files that hold a tokenizer is there.
    #[error("it has no tokenizer that an app opens")]
    NoTokenizer,
    /// An app downloads the files that `tokenizer_files` names, and no others.
    #[error("`tokenizer_files` of its mlc-chat-config.json names no tokenizer that an app opens")]
    NoTokenizerNamed,
    /// A file of the tokenizer that the model's own config names is not there.
    #[error(
        "`tokenizer_files` of its mlc-chat-config.json names `{}`, which it does not have",
        .0.escape_debug()
    )]
    TokenizerFile(String),
    /// Its `tokenizer.json`, which an app prefers to every other tokenizer, is none.
    #[error("its tokenizer.json is not a tokenizer: {0}")]
    TokenizerContent(TokenizerFault),
    /// The conversation template is a name, as MLC LLM wrote it before 2024.
    #[error(
        "`conv_template` of its mlc-chat-config.json is the name `{}`, and apps read the template \
         itself",
        .0.escape_debug()
    )]
    TemplateName(String),
    /// A field of `mlc-chat-config.json` that is not as the runtime reads it.
    #[error(
        "`{path}` of its mlc-chat-config.json {} {wanted}",
        if *.missing { "is missing, and has to be" } else { "is not" }
    )]
    Field {
        /// Its path.
        path: String,
        /// What it has to be.
        wanted: &'static str,
        /// Whether there is no such field.
        missing: bool,
    },
}

impl Unloadable {
    /// What to do about it.
    pub fn help(&self) -> &'static str {
        match self {
            Self::NoTokenizer | Self::NoTokenizerNamed => {
                "apps open tokenizer.json, tokenizer.model, tokenizer_model, or vocab.json with \
                 merges.txt and added_tokens.json: copy them from the checkpoint and name them in \
                 `tokenizer_files`, or convert the model again with `mlc-package convert`"
            }
            Self::TokenizerFile(_) => {
                "an app looks for every file that is named there: copy it from the checkpoint, or \
                 convert the model again with `mlc-package convert`"
            }
            Self::TokenizerContent(_) => {
                "copy it from the checkpoint that the model was converted from, or get the model again"
            }
            Self::TemplateName(_) => {
                "convert the model again with `mlc-package convert --conv-template NAME`: it writes the \
                 whole template for the name"
            }
            Self::Field { .. } => {
                "convert the model again with `mlc-package convert`: it writes every field"
            }
        }
    }

    /// Whether it is the model's config that is wrong.
    pub fn is_config(&self) -> bool {
        matches!(self, Self::TemplateName(_) | Self::Field { .. })
    }
}

/// What an app that gets a model's whole directory cannot load of it. `has` says which files there
/// are.
pub fn bundled(chat_config: &ChatConfig, has: impl Fn(&str) -> bool) -> Vec<Unloadable> {
    let mut found = tokenizer(chat_config, &has);
    found.extend(config(chat_config));
    found
}

/// The same for an app that downloads the model: of its tokenizer it gets what is named.
pub fn downloaded(chat_config: &ChatConfig, has: impl Fn(&str) -> bool) -> Vec<Unloadable> {
    let mut found = tokenizer(chat_config, &has);
    let is_named = |name: &str| chat_config.tokenizer_files().any(|file| file == name);
    if found.is_empty() && !is_tokenizer(&is_named) {
        found.push(Unloadable::NoTokenizerNamed);
    }
    found.extend(config(chat_config));
    found
}

/// The files of the tokenizer that are missing, or that there is none.
fn tokenizer(chat_config: &ChatConfig, has: &impl Fn(&str) -> bool) -> Vec<Unloadable> {
    let missing = chat_config.tokenizer_files().filter(|file| !has(file));
    let missing: Vec<_> = missing.map(|file| Unloadable::TokenizerFile(file.to_owned())).collect();
    match missing.is_empty() && !is_tokenizer(has) {
        true => vec![Unloadable::NoTokenizer],
        false => missing,
    }
}

/// The tokenizer that the runtime opens where it is there, whatever else is.
pub const TOKENIZER_JSON: &str = "tokenizer.json";

/// Whether these files are a tokenizer to the runtime.
fn is_tokenizer(has: &impl Fn(&str) -> bool) -> bool {
    const ALONE: [&str; 3] = [TOKENIZER_JSON, "tokenizer.model", "tokenizer_model"];
    const TOGETHER: [&str; 3] = ["merges.txt", "vocab.json", "added_tokens.json"];
    ALONE.into_iter().any(has) || TOGETHER.into_iter().all(has)
}

/// A kind of values, and how it is called in a message.
type Kind = (fn(&Value) -> bool, &'static str);

// TVM's reader of JSON takes a truth for an integer, and either for a number.
const INTEGER: Kind =
    (|value| value.is_i64() || value.is_u64() || value.is_boolean(), "an integer");
const TRUTH: Kind = (|value| INTEGER.0(value), "true or false");
const NUMBER: Kind = (|value| value.is_number() || value.is_boolean(), "a number");
const TEXT: Kind = (Value::is_string, "a string");
const TEXTS: Kind = (|value| all(value, Value::is_string), "a list of strings");
const POSITIVE: Kind = (|value| value.as_u64().is_some_and(|size| size > 0), "a positive integer");
const TOKENS: Kind = (
    |value| all(value, |one| one.as_u64().is_some_and(|id| i32::try_from(id).is_ok())),
    "a list of ids of tokens",
);
const OBJECT_OF_TEXTS: Kind = (
    |value| value.as_object().is_some_and(|object| object.values().all(Value::is_string)),
    "an object of strings",
);
const SEPARATORS: Kind = (
    |value| TEXTS.0(value) && value.as_array().is_some_and(|list| !list.is_empty()),
    "a list of one or two strings",
);
const ROLES: Kind = (
    |value| {
        let has = |role| value.get(role).is_some();
        OBJECT_OF_TEXTS.0(value) && has("user") && has("assistant")
    },
    "an object of strings with `user` and `assistant`",
);
const MESSAGES: Kind = (|value| all(value, is_message), "a list of pairs of role and content");

/// What the runtime reads of the config itself; it does not start without the first two.
const NEEDED: [(&str, Kind); 2] = [("vocab_size", POSITIVE), ("prefill_chunk_size", INTEGER)];
const OPTIONAL: [(&str, Kind); 8] = [
    ("tokenizer_files", TEXTS),
    ("context_window_size", INTEGER),
    ("sliding_window_size", INTEGER),
    ("attention_sink_size", INTEGER),
    ("temperature", NUMBER),
    ("top_p", NUMBER),
    ("frequency_penalty", NUMBER),
    ("presence_penalty", NUMBER),
];

/// What it reads of a conversation template.
const OF_TEMPLATE: [(&str, Kind); 10] = [
    ("system_template", TEXT),
    ("system_message", TEXT),
    ("add_role_after_system_message", TRUTH),
    ("roles", ROLES),
    ("messages", MESSAGES),
    ("seps", SEPARATORS),
    ("role_content_sep", TEXT),
    ("role_empty_sep", TEXT),
    ("stop_str", TEXTS),
    ("stop_token_ids", TOKENS),
];
const OPTIONAL_OF_TEMPLATE: [(&str, Kind); 4] = [
    ("name", TEXT),
    ("system_prefix_token_ids", TOKENS),
    ("role_templates", OBJECT_OF_TEXTS),
    ("strip_reasoning_in_history", TRUTH),
];

fn config(chat_config: &ChatConfig) -> Vec<Unloadable> {
    let fields = chat_config.fields();
    let mut found = Vec::new();
    let mut look = |within: &str, value: Option<&Value>, (name, kind): (&str, Kind), must: bool| {
        let (is_kind, wanted) = kind;
        // Optional fields may be null, the others not.
        let value = value.filter(|value| must || !value.is_null());
        if value.map_or(must, |value| !is_kind(value)) {
            let path = format!("{within}{name}");
            found.push(Unloadable::Field { path, wanted, missing: value.is_none() });
        }
    };
    for (field, must) in
        NEEDED.map(|it| (it, true)).into_iter().chain(OPTIONAL.map(|it| (it, false)))
    {
        look("", fields.get(field.0), field, must);
    }
    match fields.get("conv_template") {
        Some(Value::String(name)) => found.push(Unloadable::TemplateName(name.clone())),
        Some(Value::Object(template)) => {
            let needed = OF_TEMPLATE.map(|it| (it, true)).into_iter();
            for (field, must) in needed.chain(OPTIONAL_OF_TEMPLATE.map(|it| (it, false))) {
                look("conv_template.", template.get(field.0), field, must);
            }
        }
        other => found.push(Unloadable::Field {
            path: "conv_template".to_owned(),
            wanted: "an object",
            missing: other.is_none(),
        }),
    }
    found
}

fn all(value: &Value, is_kind: impl Fn(&Value) -> bool) -> bool {
    value.as_array().is_some_and(|list| list.iter().all(is_kind))
}

/// A role, and a text or a list of parts.
fn is_message(value: &Value) -> bool {
    let Some([role, content]) = value.as_array().map(Vec::as_slice) else { return false };
    role.is_string() && (content.is_string() || all(content, Value::is_object))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{bundled, downloaded};
    use crate::model::ChatConfig;

    fn whole() -> Value {
        json!({
            "model_type": "llama", "quantization": "q0f16", "model_config": {}, "vocab_size": 8,
            "prefill_chunk_size": 4, "sliding_window_size": null, "temperature": 1,
            "tokenizer_files": ["tokenizer.json"],
            "conv_template": {
                "name": "nobody knows it", "system_template": "{system_message}",
                "system_message": "", "system_prefix_token_ids": null,
                "add_role_after_system_message": true,
                "roles": {"user": "U", "assistant": "A", "tool": "T"}, "role_templates": {},
                "messages": [["user", "hi"], ["assistant", [{"type": "text"}]]], "seps": ["\n"],
                "role_content_sep": "", "role_empty_sep": "", "stop_str": ["x"],
                "stop_token_ids": [2], "function_string": "", "novelty": 1,
            },
        })
    }

    fn of(config: &Value, files: &[&str]) -> Vec<String> {
        let config = ChatConfig::parse(config.to_string().as_bytes()).unwrap();
        let found = bundled(&config, |name| files.contains(&name));
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_the_runtime_reads_is_enough() {
        assert_eq!(of(&whole(), &["tokenizer.json"]), [""; 0]);
    }

    #[test]
    fn each_field_that_the_runtime_reads_is_missed_and_held_against_its_type() {
        let mut wrong = 0;
        let whole = whole();
        let template = whole["conv_template"].as_object().unwrap();
        let optional = ["name", "system_prefix_token_ids", "role_templates"];
        for name in template.keys() {
            let mut config = whole.clone();
            config["conv_template"].as_object_mut().unwrap().remove(name);
            let missing = of(&config, &["tokenizer.json"]);
            config["conv_template"][name] = json!(1.5);
            let other = of(&config, &["tokenizer.json"]);
            if ["function_string", "novelty"].contains(&&**name) {
                assert_eq!((missing.len(), other.len()), (0, 0), "{name}");
                continue;
            }
            assert_eq!(missing.len(), usize::from(!optional.contains(&&**name)), "{name}");
            let said = format!("`conv_template.{name}` of its mlc-chat-config.json is not ");
            assert!(other.iter().any(|why| why.starts_with(&said)), "{other:?}");
            wrong += 1;
        }
        assert_eq!(wrong, 13);
        for (field, value) in [
            ("vocab_size", json!("8")),
            ("vocab_size", json!(0)),
            ("vocab_size", json!(-1)),
            ("prefill_chunk_size", Value::Null),
            ("sliding_window_size", json!(1.5)),
            ("tokenizer_files", json!("tokenizer.json")),
            ("tokenizer_files", json!([7])),
            ("temperature", json!("hot")),
            ("conv_template", json!([])),
        ] {
            let mut config = whole.clone();
            config[field] = value;
            let found = of(&config, &["tokenizer.json"]);
            assert_eq!(found.len(), 1, "{field}: {found:?}");
            assert!(found[0].starts_with(&format!("`{field}` of its")), "{found:?}");
        }
    }

    #[test]
    fn a_template_must_have_what_a_chat_begins_with() {
        for (field, value) in [
            ("seps", json!([])),
            ("roles", json!({"user": "U"})),
            ("messages", json!([["user"]])),
            ("stop_token_ids", json!([1.5])),
            ("stop_token_ids", json!([-1])),
            ("system_prefix_token_ids", json!([1_u64 << 31])),
        ] {
            let mut config = whole();
            config["conv_template"][field] = value;
            assert_eq!(of(&config, &["tokenizer.json"]).len(), 1, "{field}");
        }
        let mut config = whole();
        config["conv_template"] = json!("llama-2");
        let found = of(&config, &["tokenizer.json"]);
        let said = "`conv_template` of its mlc-chat-config.json is the name `llama-2`, and";
        assert!(found[0].starts_with(said), "{found:?}");
    }

    #[test]
    fn a_tokenizer_is_what_the_runtime_opens() {
        let mut config = whole();
        config["tokenizer_files"] = json!([]);
        for files in [
            &["tokenizer.model"][..],
            &["tokenizer_model"],
            &["vocab.json", "merges.txt", "added_tokens.json"],
        ] {
            assert_eq!(of(&config, files), [""; 0]);
        }
        for files in [&["vocab.json", "merges.txt"][..], &["tokenizer_config.json"], &[]] {
            assert_eq!(of(&config, files), ["it has no tokenizer that an app opens"]);
        }
        let named = ChatConfig::parse(config.to_string().as_bytes()).unwrap();
        let found = downloaded(&named, |name| name == "tokenizer.json");
        assert!(found[0].to_string().contains("names no tokenizer"), "{found:?}");
        let found = of(&whole(), &["tokenizer.model"]);
        assert!(found[0].contains("names `tokenizer.json`, which it does not"), "{found:?}");
    }
}
