//! Weights that are quantized already: the names and the types of tensors tell.

use std::collections::HashMap;

use camino::Utf8Path;
use safetensors::tensor::{Dtype, Metadata};

use super::Architecture;
use super::checkpoint::{Checkpoint, LIMIT};
use super::error::WeightsError;
use crate::convert::arch;

/// FP8 with a scale for each block of rows and columns.
const BLOCKS: &str = "FP8 in blocks";
/// Two formats of one form.
const AWQ: &str = "AWQ or GPTQ";
/// Weights whose types say that they are quantized, without a name that says by what.
const UNKNOWN: &str = "integers or FP8";

/// Ends of names that only quantized weights have, and whose they are; the first that fits counts.
const QUANTIZED: [(&str, &str); 15] = [
    (".g_idx", "GPTQ"),
    (".qweight", AWQ),
    (".weight.absmax", "bitsandbytes"),
    (".weight.quant_map", "bitsandbytes"),
    (".weight.SCB", "bitsandbytes"),
    (".SCB", "bitsandbytes"),
    (".weight_packed", "compressed-tensors"),
    (".weight_scale_inv", BLOCKS),
    (".weight_scale", "FP8 or INT8"),
    (".input_scale", "FP8 or INT8"),
    (".W_q", "HQQ"),
    (".codes", "AQLM"),
    (".scales", "MLX"),
    (".weight._data", "Quanto"),
    (".weight_blocks", "MXFP4"),
];

/// What most headers of a file of weights fit in.
const FIRST: u64 = 64 << 10;

/// A type of weights that are not quantized.
pub(super) fn is_float(dtype: Dtype) -> bool {
    matches!(dtype, Dtype::F16 | Dtype::BF16 | Dtype::F32)
}

/// Weights that are quantized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantized {
    /// By what.
    pub method: &'static str,
    /// A tensor that says so.
    pub tensor: String,
}

impl Quantized {
    /// Looks at the tensors of a checkpoint.
    pub(super) fn of(checkpoint: &Checkpoint) -> Option<Self> {
        let dtype = |name: &str, file: usize| {
            let tensor = checkpoint.files.get(file).and_then(|file| file.tensor(name));
            tensor.map(|tensor| tensor.dtype)
        };
        Self::among(checkpoint.order.iter().map(|(name, file)| (name.as_str(), dtype(name, *file))))
    }

    /// The same of a directory.
    ///
    /// # Errors
    /// Its weights cannot be read.
    pub fn in_directory(checkpoint: &Utf8Path) -> Result<Option<Self>, WeightsError> {
        Ok(Self::of(&Checkpoint::open(checkpoint)?))
    }

    /// The same of safetensors files that are not here: `read` gives the bytes of a file from one
    /// place to before another, or to its end. Of a file without a header nothing is said: its
    /// conversion does.
    pub fn in_files<E>(
        files: &[&str],
        read: impl Fn(&str, (u64, u64)) -> Result<Vec<u8>, E>,
    ) -> Result<Option<Self>, E> {
        let mut left = LIMIT;
        for file in files {
            let mut header = read(file, (0, FIRST))?;
            let Some(length) = header.first_chunk().map(|bytes| u64::from_le_bytes(*bytes)) else {
                continue;
            };
            if length > left {
                continue;
            }
            left -= length;
            let have = header.len() as u64;
            if have < 8 + length {
                header.extend(read(file, (have, 8 + length))?);
            }
            let json = usize::try_from(8 + length).ok().and_then(|end| header.get(8..end));
            let metadata = json.and_then(|json| serde_json::from_slice::<Metadata>(json).ok());
            let tensors = metadata.iter().flat_map(Metadata::tensors);
            let tensors: Vec<_> = tensors.map(|(name, info)| (name, info.dtype)).collect();
            let found =
                Self::among(tensors.iter().map(|(name, dtype)| (name.as_str(), Some(*dtype))));
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Looks at tensors, by their names and, where they are known, their types. A scale beside weights
    /// of 16 bits or more was left over, as the field may be.
    fn among<'a>(tensors: impl Iterator<Item = (&'a str, Option<Dtype>)>) -> Option<Self> {
        let dtypes: HashMap<&str, Option<Dtype>> = tensors.collect();
        let sign = |name: &&str| {
            let sign = QUANTIZED.iter().position(|(end, _)| name.ends_with(end))?;
            let (end, _) = QUANTIZED.get(sign)?;
            let weight = format!("{}.weight", name.strip_suffix(end)?);
            let is_whole = dtypes.get(weight.as_str()).copied().flatten().is_some_and(is_float);
            (!is_whole).then_some(sign)
        };
        let found = dtypes.keys().filter_map(|name| Some((sign(name)?, *name))).min();
        if let Some((sign, tensor)) = found {
            let method = QUANTIZED.get(sign).map_or("", |(_, method)| method);
            return Some(Self { method, tensor: tensor.to_owned() });
        }
        let is_small = |dtype: &Option<Dtype>| dtype.is_some_and(|dtype| dtype.bitsize() <= 8);
        let weights = dtypes.iter().filter(|(name, of)| name.ends_with(".weight") && is_small(of));
        let tensor = (*weights.map(|(name, _)| name).min()?).to_owned();
        Some(Self { method: UNKNOWN, tensor })
    }

    /// Whether it is FP8 in blocks.
    pub(super) fn is_in_blocks(&self) -> bool {
        self.method == BLOCKS
    }

    /// Whether names say by what it is quantized.
    pub(super) fn is_named(&self) -> bool {
        self.method != UNKNOWN
    }

    /// The quantization that takes the weights as they are, if there is one for this architecture.
    pub fn taken_as(&self, model_type: &str) -> Option<&'static str> {
        match self.method {
            BLOCKS => Architecture::find(model_type)?
                .takes_blocks()
                .then_some("fp8_e4m3fn_bf16_block_scale"),
            AWQ => arch::takes_awq(model_type).then_some(arch::AWQ),
            _ => None,
        }
    }

    /// What to do; `taken_as` is the quantization that takes it as it is.
    pub(super) fn help(&self, taken_as: Option<&str>) -> String {
        let method = if self.method == AWQ { "AWQ" } else { self.method };
        let as_it_is = taken_as.map_or_else(String::new, |name| {
            format!("; {method} is only taken as it is, with --quantization {name}")
        });
        format!("convert the checkpoint that it was quantized from{as_it_is}")
    }
}
