use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A model entry's `overrides`: what the compiler is told beside `mlc-chat-config.json`.
/// Upstream's `ModelConfigOverride`, and `opt`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overrides {
    /// Tokens of context; -1 leaves the model's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_window_size: Option<i64>,
    /// Tokens of the sliding window; -1 leaves the model's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sliding_window_size: Option<i64>,
    /// Tokens of one prefill step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefill_chunk_size: Option<i64>,
    /// Tokens kept at the start of a sliding window; -1 leaves the model's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attention_sink_size: Option<i64>,
    /// Sequences at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_batch_size: Option<i64>,
    /// Devices a tensor is split over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tensor_parallel_shards: Option<i64>,
    /// Devices the layers are split over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline_parallel_stages: Option<i64>,
    /// Whether prefill and decode run on different machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disaggregation: Option<bool>,
    /// Optimization flags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opt: Option<OptFlags>,
}

/// One override: an integer or a truth value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverrideValue {
    /// Of every field but `disaggregation`.
    Int(i64),
    /// Of `disaggregation`.
    Bool(bool),
}

impl Overrides {
    /// The names of the fields: those of `--overrides` in upstream's order, then `opt`.
    pub const NAMES: [&'static str; 9] = [
        "context_window_size",
        "sliding_window_size",
        "prefill_chunk_size",
        "attention_sink_size",
        "max_batch_size",
        "tensor_parallel_shards",
        "pipeline_parallel_stages",
        "disaggregation",
        "opt",
    ];

    /// Every field that is set, in upstream's order, `opt` left out.
    pub fn set_fields(&self) -> impl Iterator<Item = (&'static str, OverrideValue)> {
        let int = |value: Option<i64>| value.map(OverrideValue::Int);
        let values = [
            int(self.context_window_size),
            int(self.sliding_window_size),
            int(self.prefill_chunk_size),
            int(self.attention_sink_size),
            int(self.max_batch_size),
            int(self.tensor_parallel_shards),
            int(self.pipeline_parallel_stages),
            self.disaggregation.map(OverrideValue::Bool),
        ];
        Self::NAMES.into_iter().zip(values).filter_map(|(name, value)| Some((name, value?)))
    }

    /// The fields that change something: -1 for a context, window or sink leaves it as it is.
    pub fn effective(&self) -> impl Iterator<Item = (&'static str, OverrideValue)> {
        const MINUS_ONE_LEAVES: [&str; 3] =
            ["context_window_size", "sliding_window_size", "attention_sink_size"];
        self.set_fields().filter(|(name, value)| {
            !(*value == OverrideValue::Int(-1) && MINUS_ONE_LEAVES.contains(name))
        })
    }

    /// The compiler's `--overrides`: `context_window_size=2048;prefill_chunk_size=128`.
    pub fn to_argument(&self) -> String {
        let fields: Vec<_> =
            self.effective().map(|(name, value)| format!("{name}={value}")).collect();
        fields.join(";")
    }

    /// The optimization flags, `O2` unless set.
    pub fn opt(&self) -> OptFlags {
        self.opt.unwrap_or(OptFlags::O2)
    }
}

/// As Python prints it, since the compiler reads it with Python.
impl fmt::Display for OverrideValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(value) => write!(f, "{value}"),
            Self::Bool(true) => f.write_str("True"),
            Self::Bool(false) => f.write_str("False"),
        }
    }
}

/// Upstream's `OptimizationFlags`: `O0`..`O3`, or `name=value;…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OptFlags {
    flashinfer: bool,
    cublas_gemm: bool,
    faster_transformer: bool,
    cudagraph: bool,
    cutlass: bool,
    ipc_allreduce_strategy: AllReduce,
}

/// `ipc_allreduce_strategy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllReduce {
    /// Not used.
    None,
    /// One step.
    OneShot,
    /// Two steps.
    TwoShot,
    /// The compiler's choice.
    Auto,
}

/// Why a text is not a set of optimization flags.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptFlagsError {
    /// No flag of this name.
    #[error("unknown optimization flag `{0}`")]
    Flag(String),
    /// Neither a preset nor `name=value`.
    #[error("`{0}` is neither O0, O1, O2, O3 nor of the form name=value;…")]
    Form(String),
    /// A value the flag cannot take.
    #[error("`{flag}` is one of {expected}, not `{found}`")]
    Value {
        /// The flag.
        flag: &'static str,
        /// What it can be.
        expected: &'static str,
        /// What is there.
        found: String,
    },
}

impl OptFlags {
    /// The names of the flags, in upstream's order.
    pub const NAMES: [&'static str; 6] = [
        "flashinfer",
        "cublas_gemm",
        "faster_transformer",
        "cudagraph",
        "cutlass",
        "ipc_allreduce_strategy",
    ];

    /// No optimization.
    pub const O0: Self = Self {
        flashinfer: false,
        cublas_gemm: false,
        faster_transformer: false,
        cudagraph: false,
        cutlass: false,
        ipc_allreduce_strategy: AllReduce::None,
    };
    /// Libraries.
    pub const O1: Self =
        Self { cublas_gemm: true, faster_transformer: true, cutlass: true, ..Self::O0 };
    /// The default.
    pub const O2: Self =
        Self { flashinfer: true, cublas_gemm: true, cudagraph: true, cutlass: true, ..Self::O0 };
    /// Everything.
    pub const O3: Self =
        Self { faster_transformer: true, ipc_allreduce_strategy: AllReduce::Auto, ..Self::O2 };
}

impl FromStr for OptFlags {
    type Err = OptFlagsError;

    fn from_str(text: &str) -> Result<Self, OptFlagsError> {
        match text {
            "O0" => return Ok(Self::O0),
            "O1" => return Ok(Self::O1),
            "O2" => return Ok(Self::O2),
            "O3" => return Ok(Self::O3),
            _ => {}
        }
        // Upstream's parser has flashinfer on unless it is named.
        let mut flags = Self { flashinfer: true, ..Self::O0 };
        let mut any = false;
        for part in text.split(';').filter(|part| !part.is_empty()) {
            any = true;
            let (name, value) =
                part.split_once('=').ok_or_else(|| OptFlagsError::Form(part.to_owned()))?;
            let flag = Self::NAMES
                .into_iter()
                .find(|flag| *flag == name)
                .ok_or_else(|| OptFlagsError::Flag(name.to_owned()))?;
            let wrong = |expected| OptFlagsError::Value { flag, expected, found: value.to_owned() };
            let truth = || match value {
                "0" => Ok(false),
                "1" => Ok(true),
                _ => Err(wrong("0, 1")),
            };
            match flag {
                "flashinfer" => flags.flashinfer = truth()?,
                "cublas_gemm" => flags.cublas_gemm = truth()?,
                "faster_transformer" => flags.faster_transformer = truth()?,
                "cudagraph" => flags.cudagraph = truth()?,
                "cutlass" => flags.cutlass = truth()?,
                _ => {
                    flags.ipc_allreduce_strategy = match value {
                        "NONE" => AllReduce::None,
                        "ONESHOT" => AllReduce::OneShot,
                        "TWOSHOT" => AllReduce::TwoShot,
                        "AUTO" => AllReduce::Auto,
                        _ => return Err(wrong("NONE, ONESHOT, TWOSHOT, AUTO")),
                    }
                }
            }
        }
        if any { Ok(flags) } else { Err(OptFlagsError::Form(text.to_owned())) }
    }
}

/// As upstream prints them, and as its compiler reads them back.
impl fmt::Display for OptFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let strategy = match self.ipc_allreduce_strategy {
            AllReduce::None => "NONE",
            AllReduce::OneShot => "ONESHOT",
            AllReduce::TwoShot => "TWOSHOT",
            AllReduce::Auto => "AUTO",
        };
        write!(
            f,
            "flashinfer={};cublas_gemm={};faster_transformer={};cudagraph={};cutlass={};\
             ipc_allreduce_strategy={strategy}",
            u8::from(self.flashinfer),
            u8::from(self.cublas_gemm),
            u8::from(self.faster_transformer),
            u8::from(self.cudagraph),
            u8::from(self.cutlass),
        )
    }
}

impl TryFrom<String> for OptFlags {
    type Error = OptFlagsError;

    fn try_from(text: String) -> Result<Self, OptFlagsError> {
        text.parse()
    }
}

impl From<OptFlags> for String {
    fn from(flags: OptFlags) -> Self {
        flags.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::{OptFlags, OptFlagsError, Overrides};

    #[test]
    fn the_argument_is_in_upstreams_order_without_minus_ones() {
        let overrides = Overrides {
            prefill_chunk_size: Some(128),
            context_window_size: Some(2048),
            sliding_window_size: Some(-1),
            disaggregation: Some(true),
            ..Overrides::default()
        };
        assert_eq!(
            overrides.to_argument(),
            "context_window_size=2048;prefill_chunk_size=128;disaggregation=True"
        );
        assert_eq!(Overrides::default().to_argument(), "");
    }

    #[test]
    fn flags_print_as_upstream_prints_them() {
        assert_eq!(
            OptFlags::O2.to_string(),
            "flashinfer=1;cublas_gemm=1;faster_transformer=0;cudagraph=1;cutlass=1;\
             ipc_allreduce_strategy=NONE"
        );
        for flags in [OptFlags::O0, OptFlags::O1, OptFlags::O2, OptFlags::O3] {
            assert_eq!(flags.to_string().parse(), Ok(flags));
        }
        let one: OptFlags = "cudagraph=1".parse().unwrap();
        assert!(one.to_string().starts_with("flashinfer=1;cublas_gemm=0;"));
    }

    #[test]
    fn wrong_flags_are_named() {
        assert_eq!("O4".parse::<OptFlags>(), Err(OptFlagsError::Form("O4".into())));
        assert_eq!("".parse::<OptFlags>(), Err(OptFlagsError::Form("".into())));
        assert_eq!("cublas=1".parse::<OptFlags>(), Err(OptFlagsError::Flag("cublas".into())));
        assert_eq!(
            "cutlass=yes".parse::<OptFlags>().unwrap_err().to_string(),
            "`cutlass` is one of 0, 1, not `yes`"
        );
    }
}
