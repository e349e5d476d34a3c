//! The architectures, one file each, as upstream's `mlc_llm/model/*/*_loader.py` and `*_model.py`
//! have them: which tensors of a checkpoint become which parameters. The fields of their configs are
//! `model::ConfigClass`.

mod baichuan;
mod bert;
mod block_scale;
mod chatglm;
mod cohere;
mod deepseek;
mod deepseek_v2;
mod gemma;
mod gemma2;
mod gemma3;
mod gpt2;
mod gpt_bigcode;
mod gpt_neox;
mod hf_config;
mod internlm;
mod internlm2;
mod llama;
mod llama4;
mod minicpm;
mod ministral3;
mod mistral;
mod mixtral;
mod nemotron;
mod olmo;
mod olmo2;
mod orion;
mod parts;
mod phi;
mod phi3;
mod phi3_v;
mod phi_msft;
mod qwen;
mod qwen2;
mod qwen2_moe;
mod qwen3;
mod qwen3_5;
mod qwen3_moe;
mod row;
mod rwkv5;
mod rwkv6;
mod stablelm;
mod starcoder2;

use std::collections::HashSet;

use camino::Utf8Path;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::io::files;
use crate::model::{Completed, ConfigClass, Method, Quantization, Refused};
use row::{Row, expand};

use block_scale::InBlocks;
pub(super) use block_scale::SCALE;
pub use hf_config::{ConfigError, HfConfig};
pub(super) use row::{Change, Kind, Parameter};

/// One architecture.
pub(super) struct Architecture {
    /// `model_type` of its `config.json`, and of `mlc-chat-config.json`.
    pub(super) model_type: &'static str,
    /// Its parameters; `{}` in a name is the number of a layer, `{e}` of an expert.
    rows: &'static [Row],
    /// The checkpoint's name for a tensor, of what the rows call it; none where it is the same.
    source_name: Option<SourceName>,
    /// Tensors that checkpoints have and the model does not need; `{}` as above.
    unused: &'static [&'static str],
    /// Tensors that upstream does not count though it uses them.
    uncounted: &'static [&'static str],
    /// Of a model of embeddings, how they are made.
    pub(super) embeds: Option<Embeds>,
    /// Whether upstream has FP8 of whole parameters for it.
    per_tensor: bool,
    /// Whether upstream has FP8 in blocks for it.
    block_scale: Support,
    /// Sizes that have to be whole blocks then.
    in_blocks: &'static [InBlocks],
}

/// Who converts an architecture to a quantization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Support {
    /// This program.
    Native,
    /// MLC LLM alone, and why.
    LeftToMlc(&'static str),
    /// Nobody: MLC LLM does not have it (79d603f0, `python/mlc_llm/model/model.py`).
    Missing,
}

/// What a checkpoint's tensors become: upstream's `ExternMapping`, and what of the config is needed
/// to say what is wrong with a checkpoint.
pub(super) struct Mapping {
    pub(super) model_type: &'static str,
    pub(super) parameters: Vec<Parameter>,
    /// The checkpoint's name for the last layer, whether or not there is one.
    pub(super) head: String,
    /// Whether the config says that it is the embedding, and whether upstream heeds that.
    pub(super) is_tied: bool,
    pub(super) head_may_be_tied: bool,
    /// The flag by which the config says that attention has biases.
    pub(super) attention_bias: Option<&'static str>,
    /// The layers, by the config's name for their number.
    pub(super) layers: (&'static str, u64),
    /// The field of the config that says how many tokens there are.
    pub(super) vocab_field: &'static str,
    /// Rows and columns of a block of FP8, if the config says that the weights are in blocks.
    blocks: Option<(u64, u64)>,
    /// Sizes that have to be whole blocks.
    in_blocks: Vec<(InBlocks, u64)>,
    unused: HashSet<String>,
    uncounted: HashSet<String>,
}

/// The checkpoint's name for a tensor of this one.
type SourceName = fn(&HfConfig, &str) -> Result<String, ConfigError>;

/// How a model of embeddings makes them: upstream's `EmbeddingMetadata`.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Embeds {
    /// `encoder` or `decoder`.
    model_type: &'static str,
    /// Which token's vector it is.
    pooling_strategy: &'static str,
    normalize: bool,
}

impl Embeds {
    /// The warning about a config of sentence-transformers that names another pooling.
    pub(super) fn other_pooling(&self, config: &Utf8Path) -> Option<String> {
        let text = files::read(config).ok()?;
        let config: Map<String, Value> = serde_json::from_slice(&text).ok()?;
        let is_set = |name: &str| config.get(name).and_then(Value::as_bool) == Some(true);
        let kinds = [
            ("pooling_mode_cls_token", "cls"),
            ("pooling_mode_mean_tokens", "mean"),
            ("pooling_mode_lasttoken", "last"),
        ];
        let (_, found) = kinds.into_iter().find(|(name, _)| is_set(name))?;
        (found != self.pooling_strategy).then(|| {
            format!(
                "the checkpoint's 1_Pooling says `{found}`, and MLC LLM writes `{}`: for the checkpoint's \
                 embeddings, set `pooling_strategy` to \"{found}\" in the `embedding_metadata` of \
                 mlc-chat-config.json",
                self.pooling_strategy
            )
        })
    }
}

/// The quantization of weights that AWQ has quantized already.
pub(super) const AWQ: &str = "q4f16_autoawq";

/// The architectures that MLC LLM has it for: it both reads such weights and has a model of them
/// (79d603f0, `python/mlc_llm/model/model.py`).
const WITH_AWQ: [&str; 4] = ["llama", "llava", "eagle", "olmo"];

/// Whether MLC LLM takes weights of AWQ for a `model_type`.
pub(super) fn takes_awq(model_type: &str) -> bool {
    WITH_AWQ.contains(&model_type)
}

/// What most call the layer that gives each token's weight.
const LAST_LAYER: &str = "lm_head.weight";

/// What others call it.
const LAST_LAYERS: [&str; 5] = [
    LAST_LAYER,
    "embed_out.weight",
    "output.weight",
    "head.weight",
    "transformer.output_layer.weight",
];

/// What an architecture is where it does not say.
const PLAIN: Architecture = Architecture {
    model_type: "",
    rows: &[],
    source_name: None,
    unused: &[],
    uncounted: &[],
    embeds: None,
    per_tensor: false,
    block_scale: Support::Missing,
    in_blocks: &[],
};

const ALL: [&Architecture; 43] = [
    &baichuan::BAICHUAN,
    &bert::BERT,
    &bert::BERT_BGE,
    &chatglm::CHATGLM,
    &cohere::COHERE,
    &deepseek::DEEPSEEK,
    &deepseek_v2::DEEPSEEK_V2,
    &deepseek_v2::DEEPSEEK_V3,
    &gemma::GEMMA,
    &gemma2::GEMMA2,
    &gemma3::GEMMA3,
    &gemma3::GEMMA3_TEXT,
    &gpt2::GPT2,
    &gpt_bigcode::GPT_BIGCODE,
    &gpt_neox::GPT_NEOX,
    &internlm::INTERNLM,
    &internlm2::INTERNLM2,
    &llama::LLAMA,
    &llama4::LLAMA4,
    &minicpm::MINICPM,
    &ministral3::MINISTRAL3,
    &mistral::MISTRAL,
    &mixtral::MIXTRAL,
    &nemotron::NEMOTRON,
    &olmo::OLMO,
    &olmo2::OLMO2,
    &orion::ORION,
    &phi::PHI,
    &phi_msft::PHI_MSFT,
    &phi3::PHI3,
    &phi3_v::PHI3_V,
    &qwen::QWEN,
    &qwen2::QWEN2,
    &qwen2_moe::QWEN2_MOE,
    &qwen3::QWEN3,
    &qwen3::QWEN3_EMBEDDING,
    &qwen3_5::QWEN3_5,
    &qwen3_5::QWEN3_5_TEXT,
    &qwen3_moe::QWEN3_MOE,
    &rwkv5::RWKV5,
    &rwkv6::RWKV6,
    &stablelm::STABLELM,
    &starcoder2::STARCODER2,
];

/// The model types of upstream that have no file here, and why (mlc-ai/mlc-llm 79d603f0).
const LEFT_TO_MLC: [(&str, &str); 4] = [
    (
        "eagle",
        "it is the draft of another model, without a head of its own, and answers nothing alone",
    ),
    (
        FAILS_IN_MLC,
        "its own loader fails, since it looks for `self_attn.c_attn` in a model that has \
         `attn.c_attn`; a later version may convert it",
    ),
    (
        "llava",
        "its text model may be described in another repository (`text_config._name_or_path`)",
    ),
    ("medusa", "it is heads for the drafts of another model, and answers nothing alone"),
];

/// Why a model type of upstream's is not converted here; none of one that upstream does not have.
pub(super) fn left_to_mlc(model_type: &str) -> Option<&'static str> {
    LEFT_TO_MLC.iter().find(|(name, _)| *name == model_type).map(|(_, why)| *why)
}

/// The one of these that it cannot convert either.
const FAILS_IN_MLC: &str = "gptj";

/// Whether upstream's own conversion of a model type fails.
pub(super) fn fails_in_mlc(model_type: &str) -> bool {
    model_type == FAILS_IN_MLC
}

impl Architecture {
    /// The architecture of a `model_type`.
    pub(super) fn find(model_type: &str) -> Option<&'static Self> {
        ALL.into_iter().find(|architecture| architecture.model_type == model_type)
    }

    /// Every `model_type` known here.
    pub(super) fn names() -> Vec<&'static str> {
        ALL.iter().map(|architecture| architecture.model_type).collect()
    }

    /// Who converts it to a quantization.
    pub(super) fn support(&self, quantization: Quantization) -> Support {
        match quantization.method {
            Method::Plain | Method::Group(_) => Support::Native,
            Method::PerTensor(_) if self.per_tensor => Support::Native,
            Method::PerTensor(_) => Support::Missing,
            Method::BlockScale => self.block_scale,
        }
    }

    /// Whether this program converts it to FP8 in blocks.
    pub(super) fn takes_blocks(&self) -> bool {
        self.block_scale == Support::Native
    }

    /// The fields of `config.json` that upstream keeps, completed and checked.
    pub(super) fn read(&self, source: Map<String, Value>) -> Result<Completed, Refused> {
        match ConfigClass::of(self.model_type) {
            Some(class) => class.complete(source),
            // A test holds that there is none.
            None => Ok(Completed { fields: source, others: Map::new() }),
        }
    }

    /// The model's parameters, and the tensors that it does not need. Their sizes are those of the
    /// completed config, as upstream's are.
    pub(super) fn mapping(&self, config: &HfConfig) -> Result<Mapping, ConfigError> {
        let completed =
            self.read(config.source()).map_err(|refused| ConfigError::Class(refused.into()))?;
        let vocab_field = config.vocab_field();
        let config = config.completed(completed);
        let mut parameters = expand(self.rows, &config)?;
        let untied = self.rows.iter().find(|row| row.is_untied());
        let is_last = |row: &&Row| LAST_LAYERS.contains(&row.tensor());
        let last = untied.or_else(|| self.rows.iter().find(is_last));
        let mut head = last.map_or(LAST_LAYER, Row::tensor).to_owned();
        if let Some(source_name) = self.source_name {
            for (name, _) in parameters.iter_mut().flat_map(|parameter| &mut parameter.parts) {
                *name = source_name(&config, name)?;
            }
            head = source_name(&config, &head)?;
        }
        let unused = named(self.unused, &config)?;
        let uncounted = named(self.uncounted, &config)?;
        let size = |needed: &InBlocks| Ok((*needed, config.size(needed.0)?));
        let in_blocks: Result<_, ConfigError> = self.in_blocks.iter().map(size).collect();
        Ok(Mapping {
            model_type: self.model_type,
            parameters,
            head,
            is_tied: config.flag("tie_word_embeddings")?.unwrap_or(false),
            head_may_be_tied: untied.is_some(),
            attention_bias: ["attention_bias", "bias"]
                .into_iter()
                .find(|flag| config.flag(flag).ok().flatten() == Some(true)),
            layers: config.named_layers()?,
            vocab_field,
            blocks: config.blocks()?,
            in_blocks: in_blocks?,
            unused,
            uncounted,
        })
    }
}

impl Mapping {
    /// The tensors that the parameters are made of.
    pub(super) fn tensors(&self) -> impl Iterator<Item = &str> {
        let parts = self.parameters.iter().flat_map(|parameter| &parameter.parts);
        parts.map(|(name, _)| name.as_str())
    }

    /// The checkpoint's name for the embedding.
    pub(super) fn embedding(&self) -> Option<&str> {
        let is_embedding =
            |parameter: &&Parameter| parameter.kind == Kind::Embedding && parameter.is_vocab;
        let (name, _) = self.parameters.iter().find(is_embedding)?.parts.first()?;
        Some(name)
    }

    /// Whether a tensor of the checkpoint is known to be needless.
    pub(super) fn ignores(&self, tensor: &str) -> bool {
        self.unused.contains(tensor)
    }

    /// Whether upstream counts the elements of a tensor.
    pub(super) fn counts(&self, tensor: &str) -> bool {
        !self.ignores(tensor) && !self.uncounted.contains(tensor)
    }
}

/// Tensors of the model and of the layers that it has: upstream names those of no other layer.
fn named(patterns: &[&'static str], config: &HfConfig) -> Result<HashSet<String>, ConfigError> {
    let mut names = HashSet::new();
    for pattern in patterns {
        let layers = if pattern.contains("{}") { config.layers()? } else { 1 };
        names.extend((0..layers).map(|layer| pattern.replace("{}", &layer.to_string())));
    }
    Ok(names)
}

#[cfg(test)]
mod tests;
