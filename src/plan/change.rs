use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::model::{CompileInputs, CompileRecord};

/// Why the store does not have a library.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum MissReason {
    /// Nothing like it was ever compiled here.
    New,
    /// `MLC_JIT_POLICY=REDO`.
    Redo,
    /// The store's entry cannot be used.
    Damaged {
        /// What is wrong with it.
        why: String,
    },
    /// Something that changes it is not as it was.
    Changed {
        /// All that changed.
        changes: Vec<Change>,
    },
}

/// One input of a compilation that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The input, `tvm` or `overrides` for instance.
    pub what: String,
    /// What it was.
    pub from: String,
    /// What it is.
    pub to: String,
}

impl MissReason {
    /// Why `inputs` are not in the store, whose records are given: the difference to the
    /// nearest of them that is of the same model. A record does not know its model; one of the same
    /// library name, or of the same shape, is taken to be.
    pub fn find<'a>(
        inputs: &CompileInputs,
        records: impl IntoIterator<Item = &'a CompileRecord>,
    ) -> Self {
        records
            .into_iter()
            .filter(|record| {
                let old = &record.inputs;
                old.device == inputs.device
                    && old.model_type == inputs.model_type
                    && old.quantization == inputs.quantization
                    && (old.model_lib == inputs.model_lib || shape(old) == shape(inputs))
            })
            .map(|record| (Change::between(&record.inputs, inputs), record.created))
            .filter(|(changes, _)| !changes.is_empty())
            .min_by_key(|(changes, created)| (changes.len(), std::cmp::Reverse(*created)))
            .map_or(Self::New, |(changes, _)| Self::Changed { changes })
    }
}

/// The sizes by which a model is told from others of its architecture, as checkpoints name them.
const SHAPE: [&str; 12] = [
    "hidden_size",
    "n_embd",
    "num_hidden_layers",
    "n_layer",
    "num_layers",
    "num_attention_heads",
    "n_head",
    "num_key_value_heads",
    "intermediate_size",
    "n_inner",
    "head_dim",
    "vocab_size",
];

pub(super) fn shape(inputs: &CompileInputs) -> Vec<Option<&Value>> {
    let config = inputs.chat_config.get("model_config");
    SHAPE.iter().map(|name| config.and_then(|config| config.get(name))).collect()
}

impl Change {
    /// All in which two compilations differ.
    pub fn between(old: &CompileInputs, new: &CompileInputs) -> Vec<Self> {
        let mut changes = Vec::new();
        let mut note = |what: &str, from: String, to: String| {
            if from != to {
                changes.push(Self { what: what.to_owned(), from, to });
            }
        };
        let (a, b) = (&old.compiler, &new.compiler);
        note("mlc_llm", a.mlc_llm.to_string(), b.mlc_llm.to_string());
        note("tvm", a.tvm.to_string(), b.tvm.to_string());
        note("tvm_ffi", a.tvm_ffi.to_string(), b.tvm_ffi.to_string());
        for tool in a.tools.keys().chain(b.tools.keys().filter(|key| !a.tools.contains_key(*key))) {
            let version = |tools: &std::collections::BTreeMap<String, String>| {
                tools.get(tool).cloned().unwrap_or_else(|| "none".into())
            };
            note(tool, version(&a.tools), version(&b.tools));
        }
        note("model_type", old.model_type.clone(), new.model_type.clone());
        note("quantization", old.quantization.clone(), new.quantization.clone());
        note("overrides", or_none(&old.overrides), or_none(&new.overrides));
        note("opt", old.opt.clone(), new.opt.clone());
        let host = |inputs: &CompileInputs| or_none(inputs.host.as_deref().unwrap_or_default());
        note("host", host(old), host(new));
        let subgroups = |inputs: &CompileInputs| inputs.enable_subgroups.to_string();
        note("enable_subgroups", subgroups(old), subgroups(new));
        let format = |inputs: &CompileInputs| inputs.format.suffix().to_owned();
        note("format", format(old), format(new));
        let arch = |inputs: &CompileInputs| match inputs.macabi_arch {
            Some(arch) => arch.to_string(),
            None => "none".into(),
        };
        note("MLC_MACABI_ARCH", arch(old), arch(new));
        note("metal", old.metal.to_string(), new.metal.to_string());
        fields_between("", &old.chat_config, &new.chat_config, &mut note);
        // A default name holds a hash of the rest: it says nothing new when the rest changed.
        if changes.is_empty() && old.model_lib != new.model_lib {
            changes.push(Self {
                what: "model_lib".into(),
                from: old.model_lib.to_string(),
                to: new.model_lib.to_string(),
            });
        }
        changes
    }
}

fn fields_between(
    path: &str,
    old: &Map<String, Value>,
    new: &Map<String, Value>,
    note: &mut dyn FnMut(&str, String, String),
) {
    let mut names: Vec<_> = old.keys().chain(new.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        match (old.get(name), new.get(name)) {
            (Some(Value::Object(old)), Some(Value::Object(new))) => {
                fields_between(&format!("{path}{name}."), old, new, note);
            }
            (old, new) => {
                let text = |value: Option<&Value>| value.map_or("none".into(), Value::to_string);
                note(&format!("{path}{name}"), text(old), text(new));
            }
        }
    }
}

fn or_none(text: &str) -> String {
    if text.is_empty() { "none".into() } else { text.to_owned() }
}

impl fmt::Display for MissReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New => f.write_str("not compiled before"),
            Self::Redo => f.write_str("MLC_JIT_POLICY=REDO"),
            Self::Damaged { why } => write!(f, "the cached library is damaged: {why}"),
            Self::Changed { changes } => write_changes(f, changes),
        }
    }
}

/// The first changes, and how many more there are.
pub(super) fn write_changes(f: &mut fmt::Formatter<'_>, changes: &[Change]) -> fmt::Result {
    const SHOWN: usize = 3;
    for (n, change) in changes.iter().take(SHOWN).enumerate() {
        let separator = if n == 0 { "" } else { ", " };
        write!(f, "{separator}{change}")?;
    }
    match changes.len().saturating_sub(SHOWN) {
        0 => Ok(()),
        more => write!(f, ", {more} more changed"),
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, from, to } = self;
        let long = from.len() + to.len() > 160;
        if long { write!(f, "{what} changed") } else { write!(f, "{what} changed: {from} -> {to}") }
    }
}
