use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::Quantization;

/// The name of a quantization that upstream's registry has
/// (`python/mlc_llm/quantization/quantization.py`), native or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheme(&'static str);

/// A name that upstream's registry does not have.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown quantization `{0:.80}`")]
pub struct UnknownScheme(String);

impl Scheme {
    /// What raw checkpoints are converted to unless somebody says otherwise: upstream's usual choice for
    /// phones.
    pub const USUAL: &str = "q4f16_1";

    /// What a name without its layout usually means: `q4f16_1` for `q4f16`.
    pub fn with_usual_layout(name: &str) -> Option<&'static str> {
        let usual = format!("{name}_1");
        Self::NAMES.into_iter().find(|known| *known == usual)
    }

    /// Every name, in upstream's order.
    pub const NAMES: [&'static str; 18] = [
        "q0f16",
        "q0bf16",
        "q0f32",
        "q3f16_0",
        "q3f16_1",
        "q4f16_0",
        "q4f16_1",
        "q4bf16_0",
        "q4bf16_1",
        "q4f32_1",
        "q4f16_2",
        "q4f16_autoawq",
        "q4f16_ft",
        "e5m2_e5m2_f16",
        "e4m3_e4m3_f16",
        "e4m3_e4m3_f16_max_calibrate",
        "fp8_e4m3fn_bf16_block_scale",
        "fp8_e4m3fn_bf16_block_scale_static_activation",
    ];

    /// Upstream's name.
    pub fn name(self) -> &'static str {
        self.0
    }

    /// Why this program does not convert to it (mlc-ai/mlc-llm 79d603f0,
    /// `python/mlc_llm/quantization/`).
    pub fn left_to_mlc(self) -> Option<&'static str> {
        match self.0 {
            "q4f16_autoawq" => Some("its weights are those that AWQ has quantized"),
            "q4f16_ft" => Some("it needs CUDA and a TVM with CUTLASS"),
            "e4m3_e4m3_f16" => Some(
                "its `q_calibration_scale` is set by a calibration, and is arbitrary before that",
            ),
            "fp8_e4m3fn_bf16_block_scale_static_activation" => Some(
                "only Ministral 3 has scales of activations, and MLC LLM spreads the scale of a \
                 whole tensor over other rows than those that it belongs to",
            ),
            _ => None,
        }
    }

    /// How its weights are stored, if this program converts to it itself.
    pub fn native(self) -> Option<Quantization> {
        self.0.parse().ok()
    }
}

impl FromStr for Scheme {
    type Err = UnknownScheme;

    fn from_str(name: &str) -> Result<Self, UnknownScheme> {
        let found = Self::NAMES.into_iter().find(|known| *known == name);
        found.map(Self).ok_or_else(|| UnknownScheme(name.to_owned()))
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

impl Serialize for Scheme {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Scheme;
    use crate::model::Quantization;

    #[test]
    fn the_native_ones_are_those_that_are_converted() {
        let native: Vec<_> = Scheme::NAMES
            .into_iter()
            .filter_map(|name| name.parse::<Scheme>().unwrap().native())
            .collect();
        assert_eq!(native, Quantization::ALL);
        for name in Scheme::NAMES {
            let scheme: Scheme = name.parse().unwrap();
            assert_eq!(scheme.native().is_none(), scheme.left_to_mlc().is_some(), "{name}");
        }
        assert!("q4f16".parse::<Scheme>().is_err());
        assert_eq!(Scheme::with_usual_layout("q4f16"), Some("q4f16_1"));
        assert_eq!(Scheme::with_usual_layout("q5f16"), None);
    }
}
