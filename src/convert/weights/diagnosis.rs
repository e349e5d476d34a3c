//! What a checkpoint is that is not what its config says: often it is whole, and only another
//! one than it was taken for.

use std::collections::{BTreeSet, HashSet};
use std::fmt;

use super::checkpoint::Checkpoint;
use super::quantized::Quantized;
use crate::convert::arch::Mapping;

/// Prefixes of tensors that come from how a checkpoint was saved, and the remedy; the first that is in
/// one counts.
const SAVED_WITH: [(&str, &str); 5] = [
    (
        "_orig_mod.",
        "it was saved from a model that torch.compile had wrapped: save the model inside \
         (`model._orig_mod.save_pretrained`)",
    ),
    (
        "base_model.model.",
        "it was saved from a model of PEFT's: merge its adapter first (`model.merge_and_unload()`), \
         and save what that gives",
    ),
    (
        "language_model.",
        "it is the text model of one that sees or hears too, with the prefix that it has there: \
         config.json is of another checkpoint, or the tensors are to be renamed",
    ),
    (
        "_fsdp_wrapped_module.",
        "it was saved from a model that FSDP had wrapped: save its full state dict",
    ),
    (
        "module.",
        "it was saved from a model that was wrapped for several GPUs: save the model inside \
         (`model.module.save_pretrained`)",
    ),
];

/// Names that are looked for under another prefix.
const PROBES: usize = 4;

/// Why tensors are missing.
#[derive(Debug, PartialEq, Eq)]
pub enum Diagnosis {
    /// They are there, and their names begin otherwise.
    Prefix {
        /// How they begin.
        found: String,
        /// How they should.
        wanted: String,
        /// One as it is called, and as it should be.
        example: Box<(String, String)>,
        /// Those that are not there under any name.
        lacking: Box<[String]>,
        /// Whether the head is there by its own name.
        has_head: bool,
        /// A `--model-type` whose tensors are called so.
        other_type: Option<&'static str>,
    },
    /// The weights of an adapter lie beside those that it changes.
    Adapter {
        /// A tensor of it.
        tensor: String,
    },
    /// The weights are quantized.
    Quantized {
        /// By what, and what says so.
        found: Quantized,
        /// The method that config.json names, if it names one.
        by_config: Option<String>,
        /// The quantization that takes them as they are, if there is one.
        taken_as: Option<&'static str>,
    },
    /// All are there but the head.
    Head {
        /// Its name.
        tensor: String,
        /// The embedding's.
        embedding: String,
        /// Whether the config says that it is the embedding.
        is_tied: bool,
        /// Whether MLC LLM's model can do without it.
        may_be_tied: bool,
        /// The architecture.
        model_type: &'static str,
    },
    /// All experts of a layer are in one tensor.
    Stacked {
        /// It.
        tensor: String,
    },
    /// Tensors are fused that MLC LLM fuses itself, or the reverse.
    Fused {
        /// One that is there.
        found: String,
        /// One that should be.
        wanted: String,
        /// The architecture.
        model_type: &'static str,
    },
    /// Nothing is missing, and there is a norm that the architecture does not have.
    OtherNorm {
        /// It.
        tensor: String,
        /// The architecture.
        model_type: &'static str,
    },
    /// A layer has no experts, where MLC LLM has some in each.
    Dense {
        /// A tensor of it.
        tensor: String,
        /// The architecture.
        model_type: &'static str,
    },
    /// No biases, where there should be some.
    Biases {
        /// The first of them.
        tensor: String,
        /// The architecture.
        model_type: &'static str,
        /// The flag of config.json that asks for them.
        by_config: Option<&'static str>,
    },
    /// The config has more experts than the checkpoint.
    Experts {
        /// The config's name for their number.
        field: Option<&'static str>,
        /// How many it has.
        wanted: u64,
        /// How many there are.
        found: u64,
    },
    /// The config has more layers than the checkpoint.
    Layers {
        /// The config's name for their number.
        field: &'static str,
        /// How many it has.
        wanted: u64,
        /// How many there are.
        found: u64,
    },
}

impl Diagnosis {
    /// Looks at a checkpoint that lacks these tensors; none where it may be damaged. It may be
    /// meant to be FP8 `in_blocks`.
    pub(super) fn of(
        checkpoint: &Checkpoint,
        mapping: &Mapping,
        missing: &BTreeSet<&str>,
        in_blocks: bool,
    ) -> Option<Self> {
        let names: HashSet<&str> = checkpoint.order.iter().map(|(name, _)| name.as_str()).collect();
        let adapter = names.iter().filter(|name| {
            [".lora_A.", ".lora_B.", ".base_layer."].iter().any(|part| name.contains(part))
        });
        if let Some(tensor) = adapter.min() {
            return Some(Self::Adapter { tensor: (*tensor).to_owned() });
        }
        let needed: HashSet<&str> = mapping.tensors().collect();
        let stacked = names.difference(&needed).filter(|name| {
            let parts = [".experts.gate_up_proj", ".experts.down_proj"];
            parts.iter().any(|part| name.trim_end_matches(".weight").ends_with(part))
        });
        if let Some(tensor) =
            stacked.min().filter(|_| missing.iter().any(|it| it.contains(".experts.")))
        {
            return Some(Self::Stacked { tensor: (*tensor).to_owned() });
        }
        let quantized = Quantized::of(checkpoint);
        if let Some(found) = quantized.filter(|found| !(in_blocks && found.is_in_blocks())) {
            let taken_as = found.taken_as(mapping.model_type);
            return Some(Self::Quantized { found, by_config: None, taken_as });
        }
        // An index that names a head which its file lacks is another matter.
        let is_head = |name: &&str| **name == mapping.head && !names.contains(name);
        if missing.len() == 1 && missing.iter().all(is_head) {
            return Some(Self::Head {
                tensor: mapping.head.clone(),
                embedding: mapping.embedding().unwrap_or_default().to_owned(),
                is_tied: mapping.is_tied,
                may_be_tied: mapping.head_may_be_tied,
                model_type: mapping.model_type,
            });
        }
        let others = names.difference(&needed).copied().collect();
        prefix(&others, mapping, missing)
            .or_else(|| layers(&names, mapping, missing))
            .or_else(|| experts(&names, missing))
            .or_else(|| dense(&others, mapping, missing))
            .or_else(|| fused(&others, mapping, missing))
            .or_else(|| biases(&names, mapping, missing))
    }

    /// What to do.
    pub(super) fn help(&self) -> String {
        let text = match self {
            Self::Prefix { other_type: Some(model_type), .. } => {
                return format!("those of a {model_type} are called so: --model-type {model_type}");
            }
            Self::Prefix { found, wanted, has_head: true, .. } if found.is_empty() => {
                return format!(
                    "save it again by transformers, or put `{wanted}` before the names"
                );
            }
            Self::Prefix { found, wanted, .. } if found == "transformer." && wanted.is_empty() => {
                "it was saved with its head: save the model inside \
                 (`model.transformer.save_pretrained`), or remove the prefix from the names"
            }
            Self::Prefix { found, wanted, .. } if found == "bert." && wanted.is_empty() => {
                "it was saved with a head: save it by AutoModel"
            }
            Self::Prefix { found, .. } if found.is_empty() => {
                "it was saved without its head (by AutoModel for instance, or because it makes \
                 embeddings): for a model that writes text, save it by AutoModelForCausalLM"
            }
            Self::Prefix { found, wanted, .. }
                if found == "model.language_model." && wanted == "language_model.model." =>
            {
                "transformers 5 names them so, and MLC LLM does not: save it by transformers 4, or \
                 rename the tensors"
            }
            Self::Prefix { found, .. } => {
                let known = SAVED_WITH.iter().find(|(prefix, _)| found.contains(prefix));
                known.map_or("save it again by transformers, or rename the tensors", |(_, help)| {
                    help
                })
            }
            Self::Adapter { .. } => {
                "merge the adapter (`model.merge_and_unload()` of PEFT), and save what that gives"
            }
            Self::Quantized { found, taken_as, .. } => return found.help(*taken_as),
            Self::Head { is_tied, may_be_tied: true, .. } if !is_tied => {
                "if the model's head is its embedding, set `tie_word_embeddings` to true in \
                 config.json; else a file of weights is missing"
            }
            Self::Head { embedding, .. } => {
                return format!("save it with a head of its own: a copy of `{embedding}`");
            }
            Self::Stacked { .. } => {
                "save it with tensors of its own for each expert, as the repository that it is from \
                 has them"
            }
            Self::Fused { .. } => {
                "the checkpoint is of another architecture than config.json (or --model-type) says, \
                 or it was not saved by transformers"
            }
            Self::OtherNorm { .. } => {
                "config.json (or --model-type) names another architecture than the checkpoint's: \
                 converted, it would answer nonsense"
            }
            Self::Dense { .. } => "MLC LLM cannot run this model",
            Self::Biases { by_config: Some(flag), .. } => {
                return format!(
                    "if the model has none, set `{flag}` to false in config.json; else a file of \
                     weights is missing"
                );
            }
            Self::Biases { .. } => {
                "the checkpoint is of another architecture than config.json (or --model-type) says"
            }
            Self::Layers { .. } | Self::Experts { .. } => {
                "config.json belongs to another checkpoint, or was edited"
            }
        };
        text.to_owned()
    }
}

/// After "`PATH`".
impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix { found, wanted, example, lacking, .. } => {
                match (found.as_str(), wanted.as_str()) {
                    ("", wanted) => write!(f, "has tensors without the prefix `{wanted}`")?,
                    (found, "") => write!(f, "has tensors with the prefix `{found}`")?,
                    _ => write!(f, "has tensors with the prefix `{found}` instead of `{wanted}`")?,
                }
                let (found, wanted) = &**example;
                write!(f, ": `{found}` should be `{wanted}`")?;
                match &**lacking {
                    [] => Ok(()),
                    [name] => write!(f, "; and it lacks `{name}`"),
                    [name, rest @ ..] => {
                        write!(f, "; and it lacks `{name}` and {} more", rest.len())
                    }
                }
            }
            Self::Adapter { tensor } => {
                write!(f, "holds a LoRA adapter that is not merged: `{tensor}`")
            }
            Self::Quantized { found: Quantized { method, tensor }, by_config, .. } => {
                write!(f, "is quantized already ({method}), ")?;
                match by_config {
                    Some(name) => write!(f, "as `quantization_config` says ({name}): `{tensor}`"),
                    None => {
                        write!(f, "though config.json has no `quantization_config`: `{tensor}`")
                    }
                }
            }
            Self::Stacked { tensor } => {
                write!(f, "has the experts of a layer in one tensor: `{tensor}`")
            }
            Self::Head { tensor, is_tied, may_be_tied, model_type, .. } => {
                write!(f, "has no `{tensor}`, ")?;
                match (may_be_tied, is_tied) {
                    (true, _) => {
                        f.write_str("and by config.json `tie_word_embeddings` is not true")
                    }
                    (false, true) => write!(
                        f,
                        "and MLC LLM's {model_type} has a head of its own though \
                         `tie_word_embeddings` is true"
                    ),
                    (false, false) => {
                        write!(f, "and MLC LLM's {model_type} always has a head of its own")
                    }
                }
            }
            Self::Fused { found, wanted, model_type } => {
                write!(
                    f,
                    "has `{found}`, but a {model_type} has tensors such as `{wanted}` instead"
                )
            }
            Self::OtherNorm { tensor, model_type } => {
                write!(f, "has `{tensor}`, and MLC LLM's {model_type} has no such tensor")
            }
            Self::Dense { tensor, model_type } => write!(
                f,
                "has a layer without experts (`{tensor}`), and MLC LLM's {model_type} has experts in \
                 every layer"
            ),
            Self::Biases { tensor, by_config: Some(flag), .. } => {
                write!(f, "has no `{tensor}`, and by config.json `{flag}` is true")
            }
            Self::Biases { tensor, model_type, .. } => {
                write!(f, "has no `{tensor}`, and MLC LLM's {model_type} always has these biases")
            }
            Self::Experts { field, wanted, found } => {
                let experts = if *found == 1 { "expert" } else { "experts" };
                write!(f, "has tensors of {found} {experts} in each layer, and by config.json ")?;
                match field {
                    Some(field) => write!(f, "`{field}` is {wanted}"),
                    None => write!(f, "there are {wanted}"),
                }
            }
            Self::Layers { field, wanted, found } => {
                let layers = if *found == 1 { "layer" } else { "layers" };
                write!(
                    f,
                    "has tensors of {found} {layers}, and by config.json `{field}` is {wanted}"
                )
            }
        }
    }
}

/// Whether the missing tensors are there under names that begin otherwise.
fn prefix(names: &HashSet<&str>, mapping: &Mapping, missing: &BTreeSet<&str>) -> Option<Diagnosis> {
    let mut candidates = BTreeSet::new();
    for probe in missing.iter().filter(|name| **name != mapping.head).take(PROBES) {
        // The longest end first; one of a single word says nothing of where it is from.
        let mut ends = vec![*probe];
        ends.extend(
            probe.match_indices('.').map(|(dot, _)| probe.get(dot + 1..).unwrap_or_default()),
        );
        for end in ends.into_iter().filter(|end| end.contains('.')) {
            let wanted = probe.strip_suffix(end).unwrap_or_default();
            let before = names.iter().filter_map(|name| name.strip_suffix(end));
            let found = before.filter(|found| found.is_empty() || found.ends_with('.'));
            candidates.extend(found.filter(|found| *found != wanted).map(|found| (found, wanted)));
        }
    }
    let there = |(found, wanted): (&str, &str), name: &str| {
        let renamed = name.strip_prefix(wanted).map(|end| format!("{found}{end}"));
        renamed.filter(|renamed| names.contains(renamed.as_str()))
    };
    let count = |candidate: &(&str, &str)| {
        missing.iter().filter(|name| there(*candidate, name).is_some()).count()
    };
    let best = candidates.into_iter().map(|candidate| (count(&candidate), candidate)).max()?;
    let (resolved, (found, wanted)) = best;
    if resolved * 2 < missing.len() || resolved < 2 {
        return None;
    }
    let but_head = missing.iter().filter(|name| **name != mapping.head);
    let mut pairs = but_head.filter_map(|name| Some((there((found, wanted), name)?, *name)));
    let first = pairs.next()?;
    let lacking = missing.iter().filter(|name| there((found, wanted), name).is_none());
    let lacking: Vec<String> = lacking.map(|name| (*name).to_owned()).collect();
    let other_type = match mapping.model_type {
        "qwen3" if found.is_empty() && lacking.iter().all(|name| *name == mapping.head) => {
            Some("qwen3-embedding")
        }
        "bert" if found.is_empty() && lacking.is_empty() => Some("bert-bge"),
        _ => None,
    };
    Some(Diagnosis::Prefix {
        found: found.to_owned(),
        wanted: wanted.to_owned(),
        example: Box::new((first.0, first.1.to_owned())),
        lacking: lacking.into(),
        has_head: names.contains(mapping.head.as_str()),
        other_type,
    })
}

/// Whether what is missing is all of the last layers, and nothing else.
fn layers(names: &HashSet<&str>, mapping: &Mapping, missing: &BTreeSet<&str>) -> Option<Diagnosis> {
    let needed: BTreeSet<&str> = mapping.tensors().collect();
    let there = needed.iter().filter(|name| names.contains(**name));
    let found = there.filter_map(|name| layer(name)).max().map_or(0, |last| last + 1);
    let (field, wanted) = mapping.layers;
    let of_last = |name: &&str| layer(name).is_some_and(|layer| layer >= found);
    let is_all = missing.iter().all(of_last) && 0 < found && found < wanted;
    is_all.then_some(Diagnosis::Layers { field, wanted, found })
}

/// Whether what is missing is all of the last experts, and nothing else.
fn experts(names: &HashSet<&str>, missing: &BTreeSet<&str>) -> Option<Diagnosis> {
    let wanted = missing.iter().filter_map(|name| expert(name)).max()? + 1;
    let found = names.iter().filter_map(|name| expert(name)).max()? + 1;
    let of_last = |name: &&str| expert(name).is_some_and(|expert| expert >= found);
    let is_all = found < wanted && missing.iter().all(of_last);
    is_all.then_some(Diagnosis::Experts { field: None, wanted, found })
}

/// The number of a tensor's expert.
fn expert(name: &str) -> Option<u64> {
    let (_, rest) = name.split_once(".experts.")?;
    rest.split('.').next()?.parse().ok()
}

/// A tensor of a layer that has one network where there should be experts.
fn dense(others: &HashSet<&str>, mapping: &Mapping, missing: &BTreeSet<&str>) -> Option<Diagnosis> {
    let lacks_experts: HashSet<&str> = missing
        .iter()
        .filter_map(|name| name.split_once(".experts.").map(|(layer, _)| layer))
        .collect();
    let is_dense = |name: &&&str| {
        ["gate_proj", "up_proj", "down_proj"].iter().any(|part| {
            let layer = name.strip_suffix(".weight").and_then(|name| name.strip_suffix(part));
            layer
                .and_then(|layer| layer.strip_suffix('.'))
                .is_some_and(|layer| lacks_experts.contains(layer))
        })
    };
    let tensor = (*others.iter().filter(is_dense).min()?).to_owned();
    Some(Diagnosis::Dense { tensor, model_type: mapping.model_type })
}

/// What checkpoints have in one tensor, or in several.
const FUSED: [(&[&str], &[&str]); 2] = [
    (
        &["qkv_proj", "W_pack", "query_key_value", "c_attn", "wqkv", "qkv"],
        &["q_proj", "k_proj", "v_proj", "query", "key", "value"],
    ),
    (&["gate_up_proj", "dense_h_to_4h"], &["gate_proj", "up_proj", "w1", "w3"]),
];

/// Tensors that are in one instead of several, or the reverse.
fn fused(others: &HashSet<&str>, mapping: &Mapping, missing: &BTreeSet<&str>) -> Option<Diagnosis> {
    let is_of = |name: &str, parts: &[&str]| {
        let name = name.trim_end_matches(".weight");
        parts.iter().any(|part| name.strip_suffix(part).is_some_and(|name| name.ends_with('.')))
    };
    let sides = FUSED.into_iter().flat_map(|(one, several)| [(one, several), (several, one)]);
    sides.into_iter().find_map(|(there, lacking)| {
        let wanted = missing.iter().find(|name| is_of(name, lacking))?;
        let layer = layer(wanted);
        let in_layer = |name: &&&str| self::layer(name) == layer && is_of(name, there);
        let found = others.iter().filter(in_layer).min()?;
        Some(Diagnosis::Fused {
            found: (*found).to_owned(),
            wanted: (*wanted).to_owned(),
            model_type: mapping.model_type,
        })
    })
}

/// Whether all that is missing are the biases of attention, of which there is none.
fn biases(names: &HashSet<&str>, mapping: &Mapping, missing: &BTreeSet<&str>) -> Option<Diagnosis> {
    let is_bias = |name: &str| {
        name.ends_with(".bias") && (name.contains("attn") || name.contains("attention"))
    };
    let first = missing.iter().find(|_| missing.iter().all(|name| is_bias(name)))?;
    (!names.iter().any(|name| is_bias(name))).then(|| Diagnosis::Biases {
        tensor: (*first).to_owned(),
        model_type: mapping.model_type,
        by_config: mapping.attention_bias,
    })
}

/// Norms that some architectures have in their layers, and that change what others compute.
const NORMS: [&str; 6] = [
    ".q_norm.weight",
    ".k_norm.weight",
    ".q_layernorm.weight",
    ".k_layernorm.weight",
    ".pre_feedforward_layernorm.weight",
    ".post_feedforward_layernorm.weight",
];

/// Whether a tensor that no parameter is made of tells that the checkpoint is of another architecture.
pub(super) fn other_norm(unused: &[String], mapping: &Mapping) -> Option<Diagnosis> {
    // The layers of an encoder beside the text have norms of their own.
    let (stem, _) = mapping.embedding()?.split_once("embed")?;
    let layers = format!("{stem}layers.");
    let is_other = |name: &&String| {
        name.starts_with(&layers)
            && NORMS.iter().any(|norm| name.ends_with(norm))
            && layer(name).is_some_and(|layer| layer < mapping.layers.1)
    };
    let tensor = unused.iter().find(is_other)?.clone();
    Some(Diagnosis::OtherNorm { tensor, model_type: mapping.model_type })
}

/// The number of a tensor's layer.
fn layer(name: &str) -> Option<u64> {
    name.split('.').find_map(|part| part.parse().ok())
}
