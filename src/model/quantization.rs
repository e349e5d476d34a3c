use std::fmt;
use std::str::FromStr;

/// How upstream stores a model's weights, by its name for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantization {
    name: &'static str,
    /// The type of what is not quantized, of the scales, and of every step of the arithmetic.
    pub model_dtype: FloatType,
    /// How linear layers, experts and embeddings are quantized.
    pub method: Method,
    /// Whether embeddings and the last layer are quantized too.
    pub first_and_last: bool,
}

/// What is done to the weights of linear layers and experts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Nothing: they have the type of everything else.
    Plain,
    /// They become integers of a few bits.
    Group(GroupQuantization),
    /// They become FP8, and each parameter has one scale at most.
    PerTensor(PerTensor),
    /// They stay the FP8 that the checkpoint has, with its scale for each block of rows and columns.
    BlockScale,
}

/// FP8 of whole parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PerTensor {
    /// `float8_e5m2`: the upper half of a half-precision number, with no scale.
    E5m2,
    /// `float8_e4m3fn`, with the scale that gives the largest weight the largest number.
    E4m3,
}

/// A floating-point type of weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloatType {
    /// IEEE half precision.
    F16,
    /// The upper half of single precision.
    Bf16,
    /// IEEE single precision.
    F32,
}

/// The name in `tensor-cache.json` of the FP8 that checkpoints have.
pub const E4M3: &str = "float8_e4m3fn";

/// Integers of a few bits, with one scale a group of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupQuantization {
    /// Bits an element.
    pub bits: u32,
    /// Elements a group, along the input axis of a layer.
    pub size: usize,
    /// How linear layers lie in the file.
    pub layout: Layout,
}

/// The order of a linear layer's axes. Embeddings are always stored as they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Output, input: as checkpoints have it.
    Nk,
    /// Input, output: transposed.
    Kn,
}

/// A name that is none of the quantizations known here.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown quantization `{name}`; known are {}", Quantization::names().join(", "))]
pub struct UnknownQuantization {
    /// What was asked for.
    pub name: String,
}

impl Quantization {
    /// Those that are converted natively.
    pub const ALL: [Self; 14] = [
        plain("q0f16", FloatType::F16),
        plain("q0bf16", FloatType::Bf16),
        plain("q0f32", FloatType::F32),
        grouped("q3f16_0", FloatType::F16, 3, 40, Layout::Kn),
        grouped("q3f16_1", FloatType::F16, 3, 40, Layout::Nk),
        grouped("q4f16_0", FloatType::F16, 4, 32, Layout::Kn),
        grouped("q4f16_1", FloatType::F16, 4, 32, Layout::Nk),
        grouped("q4bf16_0", FloatType::Bf16, 4, 32, Layout::Kn),
        grouped("q4bf16_1", FloatType::Bf16, 4, 32, Layout::Nk),
        grouped("q4f32_1", FloatType::F32, 4, 32, Layout::Nk),
        Self { first_and_last: false, ..grouped("q4f16_2", FloatType::F16, 4, 32, Layout::Nk) },
        fp8("e5m2_e5m2_f16", FloatType::F16, Method::PerTensor(PerTensor::E5m2)),
        fp8("e4m3_e4m3_f16_max_calibrate", FloatType::F16, Method::PerTensor(PerTensor::E4m3)),
        fp8("fp8_e4m3fn_bf16_block_scale", FloatType::Bf16, Method::BlockScale),
    ];

    /// The names of [`ALL`](Self::ALL).
    pub fn names() -> Vec<&'static str> {
        Self::ALL.iter().map(|quantization| quantization.name).collect()
    }

    /// Upstream's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The groups of integers that weights become, if they do.
    pub fn group(&self) -> Option<GroupQuantization> {
        match self.method {
            Method::Group(group) => Some(group),
            _ => None,
        }
    }
}

impl PerTensor {
    /// The type's name in `tensor-cache.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::E5m2 => "float8_e5m2",
            Self::E4m3 => E4M3,
        }
    }
}

impl FloatType {
    /// The type's name in `tensor-cache.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::F16 => "float16",
            Self::Bf16 => "bfloat16",
            Self::F32 => "float32",
        }
    }

    /// Bytes an element.
    pub fn size(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
        }
    }
}

impl GroupQuantization {
    /// Elements in a word of 32 bits.
    pub fn per_word(&self) -> usize {
        (32 / self.bits) as usize
    }

    /// Words that hold a group.
    pub fn words(&self) -> usize {
        self.size / self.per_word()
    }

    /// What stands for zero: the largest integer of so many bits with a sign.
    pub fn max_int(&self) -> u32 {
        (1 << (self.bits - 1)) - 1
    }
}

const fn plain(name: &'static str, model_dtype: FloatType) -> Quantization {
    Quantization { name, model_dtype, method: Method::Plain, first_and_last: true }
}

const fn fp8(name: &'static str, model_dtype: FloatType, method: Method) -> Quantization {
    Quantization { name, model_dtype, method, first_and_last: false }
}

const fn grouped(
    name: &'static str,
    model_dtype: FloatType,
    bits: u32,
    size: usize,
    layout: Layout,
) -> Quantization {
    let method = Method::Group(GroupQuantization { bits, size, layout });
    Quantization { name, model_dtype, method, first_and_last: true }
}

impl FromStr for Quantization {
    type Err = UnknownQuantization;

    fn from_str(name: &str) -> Result<Self, UnknownQuantization> {
        let found = Self::ALL.into_iter().find(|quantization| quantization.name == name);
        found.ok_or_else(|| UnknownQuantization { name: name.to_owned() })
    }
}

impl fmt::Display for Quantization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::Quantization;

    #[test]
    fn groups_fill_whole_words() {
        for quantization in Quantization::ALL {
            assert_eq!(quantization.name().parse::<Quantization>().unwrap(), quantization);
            if let Some(group) = quantization.group() {
                assert_eq!(group.words() * group.per_word(), group.size, "{quantization}");
            }
        }
        let error = "q4f16".parse::<Quantization>().unwrap_err().to_string();
        assert!(error.contains("`q4f16`; known are q0f16, q0bf16"), "{error}");
    }
}
