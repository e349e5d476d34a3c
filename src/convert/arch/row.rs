//! The language of the tables.

use std::borrow::Cow;

use super::hf_config::{ConfigError, HfConfig};
use crate::model::FloatType;

/// A parameter of every layer, or of the model.
pub(super) struct Row {
    name: &'static str,
    kind: Kind,
    source: Source,
    /// The input size of a matrix; none for a vector.
    columns: Option<Dim>,
    change: ChangeRow,
    in_ffn_out_dtype: bool,
    when: When,
}

enum Source {
    /// One tensor of the same name.
    Same(Dim),
    /// One tensor of another name.
    Other(&'static str, Dim),
    /// Several, one below the other.
    Fused(&'static [(&'static str, Dim)]),
}

/// What a parameter is to the quantization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::convert) enum Kind {
    /// The weight of a linear layer.
    Linear,
    /// A table of embeddings.
    Embedding,
    /// A norm or a bias: never quantized.
    Plain,
}

/// A size that the config names.
#[derive(Clone, Copy)]
pub(super) enum Dim {
    Hidden,
    Intermediate,
    /// Twice the intermediate size: gate and up in one tensor.
    GateUp,
    Vocab,
    /// The vocabulary is as long as the tensor.
    AnyVocab,
    Head,
    /// Rows of all queries: heads times their size.
    Query,
    /// Rows of all keys, or of all values.
    KeyValue,
    /// Queries, keys and values in one tensor.
    Qkv,
}

/// When the model has a parameter.
#[derive(Clone, Copy)]
enum When {
    Always,
    /// `tie_word_embeddings` is not set.
    Untied,
    /// This flag of the config is set.
    Flag(&'static str),
    /// The same, of a config that must have it.
    RequiredFlag(&'static str),
}

#[derive(Clone, Copy)]
enum ChangeRow {
    Nothing,
    PlusOne,
    SplitQkv,
}

/// What is done to a tensor's values or to the order of its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::convert) enum Change {
    /// Nothing.
    Nothing,
    /// One is added, in the checkpoint's type.
    PlusOne,
    /// The rows `[heads, 3, head_dim]` become `[3, heads, head_dim]`.
    SplitQkv {
        /// Attention heads.
        heads: u64,
        /// Rows a head.
        head_dim: u64,
    },
}

/// A parameter of the model, with all names and sizes known.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::convert) struct Parameter {
    pub(in crate::convert) name: String,
    pub(in crate::convert) kind: Kind,
    /// The tensors it is made of, one below the other, and the rows that each must have; none:
    /// as many as it has.
    pub(in crate::convert) parts: Vec<(String, Option<u64>)>,
    /// The input size of a matrix; none for a vector.
    pub(in crate::convert) columns: Option<u64>,
    pub(in crate::convert) change: Change,
    /// Its own type; none: the quantization's.
    pub(in crate::convert) dtype: Option<FloatType>,
}

/// The weight of a linear layer: output size, input size.
pub(super) const fn linear(name: &'static str, rows: Dim, columns: Dim) -> Row {
    row(name, Kind::Linear, Source::Same(rows), Some(columns))
}

/// One whose parts the checkpoint keeps apart.
pub(super) const fn fused(
    name: &'static str,
    parts: &'static [(&'static str, Dim)],
    columns: Dim,
) -> Row {
    row(name, Kind::Linear, Source::Fused(parts), Some(columns))
}

/// A table of embeddings.
pub(super) const fn embedding(name: &'static str, rows: Dim, columns: Dim) -> Row {
    row(name, Kind::Embedding, Source::Same(rows), Some(columns))
}

/// A norm or a bias.
pub(super) const fn vector(name: &'static str, size: Dim) -> Row {
    row(name, Kind::Plain, Source::Same(size), None)
}

/// A bias whose parts the checkpoint keeps apart.
pub(super) const fn fused_vector(name: &'static str, parts: &'static [(&'static str, Dim)]) -> Row {
    row(name, Kind::Plain, Source::Fused(parts), None)
}

const fn row(name: &'static str, kind: Kind, source: Source, columns: Option<Dim>) -> Row {
    let (change, when) = (ChangeRow::Nothing, When::Always);
    Row { name, kind, source, columns, change, in_ffn_out_dtype: false, when }
}

impl Row {
    /// The checkpoint has another name for it.
    pub(super) const fn from(mut self, name: &'static str) -> Self {
        if let Source::Same(rows) = self.source {
            self.source = Source::Other(name, rows);
        }
        self
    }

    /// Gemma's norms are stored less one.
    pub(super) const fn plus_one(mut self) -> Self {
        self.change = ChangeRow::PlusOne;
        self
    }

    /// Queries, keys and values are interleaved head by head.
    pub(super) const fn split_qkv(mut self) -> Self {
        self.change = ChangeRow::SplitQkv;
        self
    }

    /// It has the type that the config gives for the output of the feed-forward layers.
    pub(super) const fn in_ffn_out_dtype(mut self) -> Self {
        self.in_ffn_out_dtype = true;
        self
    }

    /// Models with tied embeddings have none.
    pub(super) const fn untied(mut self) -> Self {
        self.when = When::Untied;
        self
    }

    /// Only models whose config sets this flag have it.
    pub(super) const fn if_set(mut self, flag: &'static str) -> Self {
        self.when = When::Flag(flag);
        self
    }

    /// The same, of a config that must say.
    pub(super) const fn if_required_flag(mut self, flag: &'static str) -> Self {
        self.when = When::RequiredFlag(flag);
        self
    }

    fn is_there(&self, config: &HfConfig) -> Result<bool, ConfigError> {
        match self.when {
            When::Always => Ok(true),
            When::Untied => Ok(!config.flag("tie_word_embeddings")?.unwrap_or(false)),
            When::Flag(name) => Ok(config.flag(name)?.unwrap_or(false)),
            When::RequiredFlag(name) => {
                config.flag(name)?.ok_or(ConfigError::Missing { field: name })
            }
        }
    }

    fn parameter(&self, layer: u64, config: &HfConfig) -> Result<Parameter, ConfigError> {
        let named = |name: &'static str| match name.split_once("{}") {
            Some((before, after)) => Cow::Owned(format!("{before}{layer}{after}")),
            None => Cow::Borrowed(name),
        };
        let part = |name: &'static str, rows: Dim| -> Result<_, ConfigError> {
            Ok((named(name).into_owned(), rows.size(config)?))
        };
        let parts = match &self.source {
            Source::Same(rows) => vec![part(self.name, *rows)?],
            Source::Other(name, rows) => vec![part(name, *rows)?],
            Source::Fused(parts) => {
                parts.iter().map(|(name, rows)| part(name, *rows)).collect::<Result<_, _>>()?
            }
        };
        let columns = self.columns.map(|columns| columns.size(config)).transpose()?.flatten();
        let change = match self.change {
            ChangeRow::Nothing => Change::Nothing,
            ChangeRow::PlusOne => Change::PlusOne,
            ChangeRow::SplitQkv => {
                Change::SplitQkv { heads: config.heads()?, head_dim: config.head_dim()? }
            }
        };
        let dtype = self.in_ffn_out_dtype.then(|| config.ffn_out_dtype()).transpose()?;
        let name = named(self.name).into_owned();
        Ok(Parameter { name, kind: self.kind, parts, columns, change, dtype })
    }
}

impl Dim {
    fn size(self, config: &HfConfig) -> Result<Option<u64>, ConfigError> {
        let size = match self {
            Self::AnyVocab => return Ok(None),
            Self::Hidden => config.size("hidden_size")?,
            Self::Intermediate => config.size("intermediate_size")?,
            Self::GateUp => 2 * config.size("intermediate_size")?,
            Self::Vocab => config.size("vocab_size")?,
            Self::Head => config.head_dim()?,
            Self::Query => config.heads()? * config.head_dim()?,
            Self::KeyValue => config.key_value_heads()? * config.head_dim()?,
            Self::Qkv => (config.heads()? + 2 * config.key_value_heads()?) * config.head_dim()?,
        };
        Ok(Some(size))
    }
}

/// The rows with every layer's number in the place of `{}`.
pub(super) fn expand(rows: &[Row], config: &HfConfig) -> Result<Vec<Parameter>, ConfigError> {
    let mut parameters = Vec::new();
    for row in rows {
        if row.is_there(config)? {
            let layers = if row.name.contains("{}") { config.layers()? } else { 1 };
            for layer in 0..layers {
                parameters.push(row.parameter(layer, config)?);
            }
        }
    }
    Ok(parameters)
}
