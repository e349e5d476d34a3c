//! Tokens that are named beside `tokenizer.json`: loading a tokenizer with `transformers` adds
//! those that it lacks, and upstream counts them.

use std::collections::HashSet;

use camino::Utf8Path;
use serde_json::{Map, Value};

use crate::convert::ConvertError;
use crate::convert::chat::read_object_if_there;

/// The roles a token may be named for.
const ROLES: [&str; 9] = [
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
    "additional_special_tokens",
    "extra_special_tokens",
];

/// What the Python class of a tokenizer names its tokens where no file does: the defaults of its
/// constructor in `transformers` 5.24.0 (`models/*/tokenization_*.py`), for the classes that read a
/// `tokenizer.json`.
const CLASSES: [(&str, &[(&str, &str)]); 12] = [
    (
        "BertTokenizer",
        &[
            ("unk_token", "[UNK]"),
            ("sep_token", "[SEP]"),
            ("pad_token", "[PAD]"),
            ("cls_token", "[CLS]"),
            ("mask_token", "[MASK]"),
        ],
    ),
    ("CodeGenTokenizer", END_OF_TEXT),
    ("CodeLlamaTokenizer", SENTENCE),
    (
        "CohereTokenizer",
        &[
            ("unk_token", "<UNK>"),
            ("bos_token", "<BOS_TOKEN>"),
            ("eos_token", "<|END_OF_TURN_TOKEN|>"),
            ("pad_token", "<PAD>"),
            ("cls_token", "<CLS>"),
            ("sep_token", "<SEP>"),
            ("mask_token", "<MASK_TOKEN>"),
        ],
    ),
    (
        "GemmaTokenizer",
        &[
            ("unk_token", "<unk>"),
            ("bos_token", "<bos>"),
            ("eos_token", "<eos>"),
            ("pad_token", "<pad>"),
            ("mask_token", "<mask>"),
        ],
    ),
    ("GPT2Tokenizer", END_OF_TEXT),
    (
        "GPTNeoXTokenizer",
        &[
            ("unk_token", "<|endoftext|>"),
            ("bos_token", "<|endoftext|>"),
            ("eos_token", "<|endoftext|>"),
            ("pad_token", "<|padding|>"),
        ],
    ),
    ("LlamaTokenizer", SENTENCE),
    ("Qwen2Tokenizer", QWEN),
    ("Qwen3_5Tokenizer", QWEN),
    (
        "RobertaTokenizer",
        &[
            ("bos_token", "<s>"),
            ("eos_token", "</s>"),
            ("sep_token", "</s>"),
            ("cls_token", "<s>"),
            ("unk_token", "<unk>"),
            ("pad_token", "<pad>"),
            ("mask_token", "<mask>"),
        ],
    ),
    ("T5Tokenizer", &[("eos_token", "</s>"), ("unk_token", "<unk>"), ("pad_token", "<pad>")]),
];

const END_OF_TEXT: &[(&str, &str)] = &[
    ("unk_token", "<|endoftext|>"),
    ("bos_token", "<|endoftext|>"),
    ("eos_token", "<|endoftext|>"),
];

const QWEN: &[(&str, &str)] = &[
    ("unk_token", "<|endoftext|>"),
    ("eos_token", "<|endoftext|>"),
    ("pad_token", "<|endoftext|>"),
];

const SENTENCE: &[(&str, &str)] =
    &[("unk_token", "<unk>"), ("bos_token", "<s>"), ("eos_token", "</s>")];

/// A class that names nothing, by its several names.
const PLAIN: &str = "TokenizersBackend";

/// The class that `transformers` 5.24.0 has for a model type (`models/auto/tokenization_auto.py`),
/// for the types that MLC LLM knows.
const REGISTERED: [(&str, &str); 24] = [
    ("bert", "BertTokenizer"),
    ("cohere", "CohereTokenizer"),
    ("gemma", "GemmaTokenizer"),
    ("gemma2", "GemmaTokenizer"),
    ("gemma3", "GemmaTokenizer"),
    ("gemma3_text", "GemmaTokenizer"),
    ("gpt2", "GPT2Tokenizer"),
    ("gpt_bigcode", PLAIN),
    ("gpt_neox", "GPTNeoXTokenizer"),
    ("gptj", "GPT2Tokenizer"),
    ("internlm2", PLAIN),
    ("llava", PLAIN),
    ("ministral3", PLAIN),
    ("mistral", PLAIN),
    ("mixtral", PLAIN),
    ("nemotron", PLAIN),
    ("olmo", "GPTNeoXTokenizer"),
    ("olmo2", PLAIN),
    ("phi", "GPT2Tokenizer"),
    ("phi3", PLAIN),
    ("phi3_v", PLAIN),
    ("stablelm", PLAIN),
    ("starcoder2", "GPT2Tokenizer"),
    ("qwen3_5_text", "Qwen3_5Tokenizer"),
];

/// The rest of them: one class for the whole family.
const REGISTERED_QWEN: [(&str, &str); 5] = [
    ("qwen2", "Qwen2Tokenizer"),
    ("qwen2_moe", "Qwen2Tokenizer"),
    ("qwen3", "Qwen2Tokenizer"),
    ("qwen3_moe", "Qwen2Tokenizer"),
    ("qwen3_5", "Qwen3_5Tokenizer"),
];

/// The types whose registered class is taken whatever their files name, because many name a wrong
/// one. Of the others on `transformers`' list the registered class is the plain one anyway.
const NAME_A_WRONG_CLASS: [&str; 2] = ["qwen2", "qwen3_5"];

/// The class of a checkpoint's tokenizer, as `AutoTokenizer` finds it.
fn class(model_type: &str, named: Option<&str>, byte_level: bool) -> Option<&'static str> {
    let registered = REGISTERED
        .iter()
        .chain(&REGISTERED_QWEN)
        .find(|(name, _)| *name == model_type)
        .map(|(_, class)| *class);
    let Some(named) = named.map(|name| name.strip_suffix("Fast").unwrap_or(name)) else {
        return registered;
    };
    if named == "LlamaTokenizer" && byte_level && !NAME_A_WRONG_CLASS.contains(&model_type) {
        return None;
    }
    let class = match registered {
        Some(PLAIN) => PLAIN,
        Some(registered) if NAME_A_WRONG_CLASS.contains(&model_type) => registered,
        _ => named,
    };
    CLASSES.iter().map(|(name, _)| *name).find(|name| *name == class)
}

/// The tokens that only the class names: those of roles that no file mentions.
fn of_class(class: &str, roles: &Map<String, Value>) -> impl Iterator<Item = String> {
    CLASSES
        .iter()
        .filter(move |(name, _)| *name == class)
        .flat_map(|(_, tokens)| *tokens)
        // A role that is null has no token.
        .filter(|(role, _)| !roles.contains_key(*role))
        .map(|(_, token)| (*token).to_owned())
}

/// Every token that one of the files beside `tokenizer.json` names. The files from before
/// `added_tokens_decoder` count only where that is not. `byte_level` says whether `tokenizer.json`
/// splits bytes.
pub(super) fn read(
    checkpoint: &Utf8Path,
    byte_level: bool,
) -> Result<HashSet<String>, ConvertError> {
    let object = |name: &str| read_object_if_there(&checkpoint.join(name));
    let mut config = object("tokenizer_config.json")?.unwrap_or_default();
    let mut tokens = HashSet::new();
    if let Some(Value::Object(decoder)) = config.get("added_tokens_decoder") {
        tokens.extend(decoder.values().flat_map(names));
    } else {
        config.extend(object("special_tokens_map.json")?.unwrap_or_default());
        let added: Map<String, Value> = object("added_tokens.json")?.unwrap_or_default();
        tokens.extend(added.into_iter().map(|(token, _)| token));
    }
    for role in ROLES {
        tokens.extend(config.get(role).map(names).unwrap_or_default());
    }
    let model = object("config.json")?.unwrap_or_default();
    let text = |fields: &Map<String, Value>, name: &str| {
        fields.get(name).and_then(Value::as_str).map(str::to_owned)
    };
    let named = text(&config, "tokenizer_class").or_else(|| text(&model, "tokenizer_class"));
    let model_type = text(&model, "model_type").unwrap_or_default();
    // With code of its own the tokenizer is loaded by that.
    if config.get("auto_map").is_none_or(Value::is_null)
        && let Some(class) = class(&model_type, named.as_deref(), byte_level)
    {
        tokens.extend(of_class(class, &config));
    }
    tokens.remove("");
    Ok(tokens)
}

/// The tokens in a value: a text, an object with its `content`, or a list of these.
fn names(value: &Value) -> Vec<String> {
    match value {
        Value::String(token) => vec![token.clone()],
        Value::Object(token) => match token.get("content") {
            Some(Value::String(token)) => vec![token.clone()],
            _ => Vec::new(),
        },
        Value::Array(tokens) => {
            tokens.iter().filter(|token| !token.is_array()).flat_map(names).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::{class, of_class};

    #[test]
    fn the_class_is_the_one_that_transformers_takes() {
        for (model_type, named, byte_level, expected) in [
            ("llama", Some("GPT2Tokenizer"), false, Some("GPT2Tokenizer")),
            ("llama", Some("LlamaTokenizerFast"), false, Some("LlamaTokenizer")),
            ("llama", Some("LlamaTokenizerFast"), true, None),
            ("llama", Some("PreTrainedTokenizerFast"), true, None),
            ("llama", None, false, None),
            ("qwen2", Some("LlamaTokenizerFast"), true, Some("Qwen2Tokenizer")),
            ("qwen3", Some("Qwen2Tokenizer"), true, Some("Qwen2Tokenizer")),
            ("qwen3", Some("GPT2TokenizerFast"), true, Some("GPT2Tokenizer")),
            ("gemma2", None, false, Some("GemmaTokenizer")),
            ("gpt_neox", Some("GPTNeoXTokenizerFast"), true, Some("GPTNeoXTokenizer")),
            ("phi3", Some("LlamaTokenizer"), false, None),
            ("mistral", Some("LlamaTokenizer"), false, None),
        ] {
            assert_eq!(class(model_type, named, byte_level), expected, "{model_type} {named:?}");
        }
    }

    #[test]
    fn a_role_that_a_file_mentions_is_not_the_classs() {
        let roles: Map<String, Value> = match json!({"eos_token": "</s>", "pad_token": null}) {
            Value::Object(roles) => roles,
            _ => Map::new(),
        };
        let tokens: Vec<_> = of_class("GemmaTokenizer", &roles).collect();
        assert_eq!(tokens, ["<unk>", "<bos>", "<mask>"]);
    }
}
