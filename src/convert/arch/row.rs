//! The language of the tables.

use std::ops::Range;

use super::hf_config::{ConfigError, HfConfig};
use crate::model::{FloatType, Quantization};

/// A parameter of every layer, or of the model.
pub(super) struct Row {
    name: &'static str,
    kind: Kind,
    source: Source,
    /// The input size of a matrix; none for a vector.
    columns: Option<Dim>,
    /// Of a tensor that is neither: its sizes.
    shape: &'static [Dim],
    change: ChangeRow,
    dtype: TypeRow,
    when: When,
    /// Which layers have it; all unless it is said.
    layers: Option<LayerTest>,
    /// How many layers there are of its kind; none: those of the model.
    count: Option<Dim>,
}

/// Whether the layer of this number has a parameter.
pub(super) type LayerTest = fn(&HfConfig, u64) -> Result<bool, ConfigError>;

enum Source {
    /// One tensor of the same name.
    Same(Dim),
    /// One tensor of another name.
    Other(&'static str, Dim),
    /// Several, one below the other.
    Fused(&'static [(&'static str, Dim)]),
    /// Several of each expert, whose number is `{e}` in their names; expert after expert.
    Experts(Dim, &'static [(&'static str, Dim)]),
}

/// What a parameter is to the quantization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The weight of a linear layer.
    Linear,
    /// A table of embeddings.
    Embedding,
    /// The weights of all experts, in three dimensions.
    Experts,
    /// A norm, a bias, or what upstream keeps out of the quantization.
    Plain,
    /// Weights that are FP8 in the checkpoint, and stay so.
    Fp8,
}

/// A size that the config names.
#[derive(Clone, Copy)]
pub(super) enum Dim {
    Hidden,
    Intermediate,
    /// Twice the intermediate size: gate and up in one tensor.
    GateUp,
    /// The vocabulary. Upstream has any number of rows in some architectures; its runtime stops
    /// at the first token there, unless they are as many.
    Vocab,
    Head,
    /// Rows of all queries: heads times their size.
    Query,
    /// Rows of all keys, or of all values.
    KeyValue,
    /// Queries, keys and values in one tensor.
    Qkv,
    /// A number.
    Is(u64),
    /// A size by its name in the config.
    Named(&'static str),
    /// A size that follows from others.
    Of(fn(&HfConfig) -> Result<u64, ConfigError>),
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
    /// The config says so.
    If(fn(&HfConfig) -> Result<bool, ConfigError>),
}

#[derive(Clone, Copy)]
enum ChangeRow {
    Nothing,
    PlusOne,
    PlusOneInSingle,
    Transposed,
    Regroup(fn(&HfConfig) -> Result<Regroup, ConfigError>),
    /// Divided by two to this power, which the layer decides.
    Halved(fn(&HfConfig, u64) -> Result<u32, ConfigError>),
    ExpOfExp,
}

#[derive(Clone, Copy)]
enum TypeRow {
    /// The quantization's.
    Model,
    FfnOut,
    F32,
}

/// What is done to a tensor's values or to the order of its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing.
    Nothing,
    /// One is added, in the checkpoint's type.
    PlusOne,
    /// One is added in f32, and the sum has the parameter's type.
    PlusOneInSingle,
    /// Rows become columns: the checkpoint has the input size first.
    Transposed,
    /// Rows are put into another order, or a part of them is taken.
    Regroup(Regroup),
    /// Divided by two to this power, once they have the parameter's type.
    Halved(u32),
    /// e to the minus e to the power of each, in f32.
    ExpOfExp,
}

/// Rows `[groups, rows]` of a tensor, of which each range of rows is taken from every group before
/// the next range is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Regroup {
    pub(crate) groups: u64,
    /// Rows a group.
    pub(crate) rows: u64,
    pub(crate) taken: Vec<Range<u64>>,
    /// Whether what is taken of a group is transposed in itself.
    pub(crate) transposed: bool,
}

impl Regroup {
    /// Rows that are taken of each group.
    pub(crate) fn height(&self) -> u64 {
        self.taken.iter().map(|taken| taken.end - taken.start).sum()
    }
}

/// A parameter of the model, with all names and sizes known.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// The tensors it is made of, one below the other, and the rows that each must have.
    pub(crate) parts: Vec<(String, u64)>,
    /// Whether these are a row for each token.
    pub(crate) is_vocab: bool,
    /// The input size of a matrix; none for a vector.
    pub(crate) columns: Option<u64>,
    /// Its sizes where they are not those of a vector or a matrix.
    pub(crate) shape: Option<Vec<u64>>,
    pub(crate) change: Change,
    /// Its own type; none: the quantization's.
    pub(crate) dtype: Option<FloatType>,
}

impl Parameter {
    /// Whether upstream quantizes it: by what it is, and by two rules about names.
    pub(crate) fn is_quantized(&self, quantization: Quantization) -> bool {
        let layer = self.name.strip_suffix(".weight").unwrap_or(&self.name);
        let is_last = matches!(layer, "head" | "lm_head" | "lm_head.linear" | "embed_out");
        let rows: u64 = self.parts.iter().map(|(_, rows)| rows).sum();
        let is_gate = layer.ends_with("gate") && rows <= 256;
        match self.kind {
            Kind::Plain | Kind::Fp8 => false,
            Kind::Experts => true,
            Kind::Embedding => quantization.first_and_last,
            Kind::Linear => !is_gate && (quantization.first_and_last || !is_last),
        }
    }
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

/// The weights of experts, of each the parts one below the other.
pub(super) const fn experts(
    name: &'static str,
    count: Dim,
    parts: &'static [(&'static str, Dim)],
    columns: Dim,
) -> Row {
    row(name, Kind::Experts, Source::Experts(count, parts), Some(columns))
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

/// What is stored as it comes, in as many dimensions as it has.
pub(super) const fn tensor(name: &'static str, shape: &'static [Dim]) -> Row {
    let mut row = row(name, Kind::Plain, Source::Same(Dim::Is(1)), None);
    row.shape = shape;
    row
}

const fn row(name: &'static str, kind: Kind, source: Source, columns: Option<Dim>) -> Row {
    let (change, dtype, when) = (ChangeRow::Nothing, TypeRow::Model, When::Always);
    let (layers, count) = (None, None);
    Row { name, kind, source, columns, shape: &[], change, dtype, when, layers, count }
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

    /// The same, where upstream adds in f32.
    pub(super) const fn plus_one_in_single(mut self) -> Self {
        self.change = ChangeRow::PlusOneInSingle;
        self
    }

    /// The checkpoint has the input size first.
    pub(super) const fn transposed(mut self) -> Self {
        self.change = ChangeRow::Transposed;
        self
    }

    /// Rows are in another order than the checkpoint's.
    pub(super) const fn regrouped(
        mut self,
        regroup: fn(&HfConfig) -> Result<Regroup, ConfigError>,
    ) -> Self {
        self.change = ChangeRow::Regroup(regroup);
        self
    }

    /// A part of a matrix of the checkpoint, never quantized: its sizes here.
    pub(super) const fn taken_as(mut self, shape: &'static [Dim]) -> Self {
        self.kind = Kind::Plain;
        self.shape = shape;
        self
    }

    /// Divided by two to the power that the layer has.
    pub(super) const fn halved(
        mut self,
        times: fn(&HfConfig, u64) -> Result<u32, ConfigError>,
    ) -> Self {
        self.change = ChangeRow::Halved(times);
        self
    }

    /// e to the minus e to the power of it.
    pub(super) const fn exp_of_exp(mut self) -> Self {
        self.change = ChangeRow::ExpOfExp;
        self
    }

    /// It is f32 whatever the quantization is.
    pub(super) const fn in_f32(mut self) -> Self {
        self.dtype = TypeRow::F32;
        self
    }

    /// Only these layers have it.
    pub(super) const fn in_layers(mut self, test: LayerTest) -> Self {
        self.layers = Some(test);
        self
    }

    /// There are so many layers of its kind.
    pub(super) const fn repeated(mut self, count: Dim) -> Self {
        self.count = Some(count);
        self
    }

    /// Only some models have it.
    pub(super) const fn when(mut self, test: fn(&HfConfig) -> Result<bool, ConfigError>) -> Self {
        self.when = When::If(test);
        self
    }

    /// It has the type that the config gives for the output of the feed-forward layers.
    pub(super) const fn in_ffn_out_dtype(mut self) -> Self {
        self.dtype = TypeRow::FfnOut;
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

    /// Whether models with tied embeddings have none.
    pub(super) fn is_untied(&self) -> bool {
        matches!(self.when, When::Untied)
    }

    /// The table's name for the first tensor it is made of.
    pub(super) fn tensor(&self) -> &'static str {
        match self.source {
            Source::Same(_) => self.name,
            Source::Other(name, _) => name,
            Source::Fused(parts) | Source::Experts(_, parts) => {
                parts.first().map_or(self.name, |(name, _)| name)
            }
        }
    }

    fn is_there(&self, config: &HfConfig) -> Result<bool, ConfigError> {
        match self.when {
            When::Always => Ok(true),
            When::Untied => Ok(!config.flag("tie_word_embeddings")?.unwrap_or(false)),
            When::Flag(name) => Ok(config.flag(name)?.unwrap_or(false)),
            When::RequiredFlag(name) => {
                config.flag(name)?.ok_or(ConfigError::Missing { field: name })
            }
            When::If(test) => test(config),
        }
    }

    fn parameter(&self, layer: u64, config: &HfConfig) -> Result<Parameter, ConfigError> {
        let named = |name: &str| name.replace("{}", &layer.to_string());
        let part = |name: &str, rows: Dim| -> Result<_, ConfigError> {
            Ok((named(name), rows.size(config)?))
        };
        let size = |dim: Dim| dim.size(config);
        let mut shape = self.shape.iter().map(|dim| size(*dim)).collect::<Result<Vec<_>, _>>()?;
        let columns = self.columns.map(size).transpose()?;
        let parts = match &self.source {
            Source::Same(rows) => vec![part(self.name, *rows)?],
            Source::Other(name, rows) => vec![part(name, *rows)?],
            Source::Fused(parts) => {
                parts.iter().map(|(name, rows)| part(name, *rows)).collect::<Result<_, _>>()?
            }
            Source::Experts(count, parts) => {
                let count = config.bounded_experts(size(*count)?)?;
                let mut rows = 0;
                for (_, part) in *parts {
                    rows += size(*part)?;
                }
                shape = vec![count, rows, columns.unwrap_or_default()];
                let experts = (0..count).flat_map(|expert| {
                    parts
                        .iter()
                        .map(move |(name, rows)| (name.replace("{e}", &expert.to_string()), rows))
                });
                experts.map(|(name, rows)| part(&name, *rows)).collect::<Result<_, _>>()?
            }
        };
        let change = match self.change {
            ChangeRow::Nothing => Change::Nothing,
            ChangeRow::PlusOne => Change::PlusOne,
            ChangeRow::PlusOneInSingle => Change::PlusOneInSingle,
            ChangeRow::Transposed => Change::Transposed,
            ChangeRow::Regroup(regroup) => Change::Regroup(regroup(config)?),
            ChangeRow::Halved(times) => match times(config, layer)? {
                0 => Change::Nothing,
                times => Change::Halved(times),
            },
            ChangeRow::ExpOfExp => Change::ExpOfExp,
        };
        let dtype = match self.dtype {
            TypeRow::Model => None,
            TypeRow::FfnOut => Some(config.ffn_out_dtype()?),
            TypeRow::F32 => Some(FloatType::F32),
        };
        let (name, kind) = (named(self.name), self.kind);
        let shape = (!shape.is_empty()).then_some(shape);
        let rows = match &self.source {
            Source::Same(rows) | Source::Other(_, rows) => Some(rows),
            Source::Fused(_) | Source::Experts(..) => None,
        };
        let is_vocab = matches!(rows, Some(Dim::Vocab));
        Ok(Parameter { name, kind, parts, is_vocab, columns, shape, change, dtype })
    }
}

impl Dim {
    fn size(self, config: &HfConfig) -> Result<u64, ConfigError> {
        Ok(match self {
            Self::Hidden => config.size("hidden_size")?,
            Self::Intermediate => config.size("intermediate_size")?,
            Self::GateUp => 2 * config.size("intermediate_size")?,
            Self::Vocab => config.size("vocab_size")?,
            Self::Head => config.head_dim()?,
            Self::Query => config.heads()? * config.head_dim()?,
            Self::KeyValue => config.key_value_heads()? * config.head_dim()?,
            Self::Qkv => (config.heads()? + 2 * config.key_value_heads()?) * config.head_dim()?,
            Self::Is(size) => size,
            Self::Named(field) => config.size(field)?,
            Self::Of(size) => size(config)?,
        })
    }
}

/// The rows with every layer's number in the place of `{}`.
pub(super) fn expand(rows: &[Row], config: &HfConfig) -> Result<Vec<Parameter>, ConfigError> {
    let mut parameters = Vec::new();
    for row in rows {
        if row.is_there(config)? {
            let layers = match row.count {
                Some(count) => count.size(config)?,
                None if row.name.contains("{}") => config.layers()?,
                None => 1,
            };
            for layer in 0..layers {
                if row.layers.map_or(Ok(true), |test| test(config, layer))? {
                    parameters.push(row.parameter(layer, config)?);
                }
            }
        }
    }
    Ok(parameters)
}
