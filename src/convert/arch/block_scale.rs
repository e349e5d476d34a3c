//! FP8 in blocks, as upstream's `block_scale_quantization.py` and the loaders of the architectures
//! that have it take it: weights stay as the checkpoint has them, and beside each there is a parameter
//! for the scales of its blocks.

use std::collections::HashSet;

use super::Mapping;
use super::hf_config::ConfigError;
use super::row::{Change, Kind, Parameter, Regroup};
use crate::model::{FloatType, Quantization};

/// A side of a block.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side {
    Rows,
    Columns,
}

/// A size of the config, by its name, that must be a multiple of a side of the blocks.
pub(super) type InBlocks = (&'static str, Side);

/// What the scales of a tensor or of a parameter are called.
pub(crate) const SCALE: &str = "_scale_inv";

impl Mapping {
    /// The parameters of a model that is FP8 in blocks.
    pub(crate) fn in_blocks(mut self, quantization: Quantization) -> Result<Self, ConfigError> {
        let blocks = self.blocks.ok_or_else(|| {
            ConfigError::Model(format!(
                "{quantization} only takes weights that are FP8 in blocks, and config.json does not \
                 say how large the blocks are: add the `quantization_config` with its \
                 `weight_block_size` from the repository that the weights are from"
            ))
        })?;
        self.refuse_cut_blocks(blocks)?;
        let quantized = self.parameters.iter().filter(|each| each.is_quantized(quantization));
        let tensors: HashSet<String> =
            quantized.flat_map(|each| &each.parts).map(|(name, _)| name.clone()).collect();
        let mut parameters = Vec::with_capacity(2 * self.parameters.len());
        for mut parameter in self.parameters {
            // What is taken of a tensor that is FP8 is FP8 too.
            if parameter.parts.iter().any(|(name, _)| tensors.contains(name)) {
                let scales = scales(&parameter, blocks)?;
                parameter.kind = Kind::Fp8;
                parameters.extend([parameter, scales]);
            } else {
                parameters.push(parameter);
            }
        }
        self.parameters = parameters;
        Ok(self)
    }

    /// Upstream and NumPy refuse sizes that are not whole blocks where a tensor is taken apart.
    fn refuse_cut_blocks(&self, (rows, columns): (u64, u64)) -> Result<(), ConfigError> {
        for ((name, side), size) in &self.in_blocks {
            let (block, sides) = match side {
                Side::Rows => (rows, "rows"),
                Side::Columns => (columns, "columns"),
            };
            if !size.is_multiple_of(block) {
                return Err(ConfigError::Model(format!(
                    "`{name}` is {size}, and MLC LLM needs a multiple of {block}, which is the \
                     number of {sides} of a block in `weight_block_size` ([{rows}, {columns}])"
                )));
            }
        }
        Ok(())
    }
}

/// The scales of a parameter's blocks.
fn scales(weight: &Parameter, (rows, columns): (u64, u64)) -> Result<Parameter, ConfigError> {
    let part = |(name, of_part): &(String, u64)| (format!("{name}{SCALE}"), of_part.div_ceil(rows));
    let parts: Vec<_> = weight.parts.iter().map(part).collect();
    let size = weight.columns.unwrap_or(1);
    let (mut shape, mut change) = (weight.shape.clone(), Change::Nothing);
    match &weight.change {
        Change::Nothing => {
            // Blocks do not go from one of the tensors that are fused into the next.
            let each = match (weight.kind, weight.shape.as_deref()) {
                (Kind::Experts, Some([count, ..])) => weight.parts.len() / *count as usize,
                _ => weight.parts.len(),
            };
            let fused = weight.parts.get(..each).unwrap_or_default();
            let before = fused.split_last().map_or(&[][..], |(_, before)| before);
            if before.iter().any(|(_, of_part)| !of_part.is_multiple_of(rows)) {
                return Err(unfit(weight, fused, rows));
            }
            if let Some([.., height, width]) = shape.as_deref_mut() {
                (*height, *width) = (height.div_ceil(rows), width.div_ceil(columns));
            }
        }
        Change::Regroup(regroup) => {
            let blocks = in_blocks(regroup, rows).filter(|_| size.is_multiple_of(columns));
            let blocks = blocks.ok_or_else(|| unfit(weight, &weight.parts, rows))?;
            let width = size / columns;
            shape = Some(match blocks.transposed {
                true => vec![blocks.groups, width, blocks.height()],
                false => vec![blocks.groups, blocks.height(), width],
            });
            change = Change::Regroup(blocks);
        }
        _ => return Err(unfit(weight, &weight.parts, rows)),
    }
    Ok(Parameter {
        name: format!("{}{SCALE}", weight.name),
        kind: Kind::Plain,
        parts,
        is_vocab: false,
        columns: Some(size.div_ceil(columns)),
        shape,
        change,
        dtype: Some(FloatType::F32),
    })
}

/// The same of blocks, if all of it is whole blocks.
fn in_blocks(regroup: &Regroup, size: u64) -> Option<Regroup> {
    let whole = |rows: u64| rows.is_multiple_of(size).then(|| rows / size);
    let taken = regroup.taken.iter().map(|rows| Some(whole(rows.start)?..whole(rows.end)?));
    Some(Regroup {
        rows: whole(regroup.rows)?,
        taken: taken.collect::<Option<_>>()?,
        ..regroup.clone()
    })
}

fn unfit(weight: &Parameter, parts: &[(String, u64)], rows: u64) -> ConfigError {
    let parts: Vec<_> = parts.iter().map(|(name, rows)| format!("`{name}` has {rows}")).collect();
    ConfigError::Model(format!(
        "the blocks of {rows} rows of `weight_block_size` do not fit `{}`, which MLC LLM makes of \
         rows of whole blocks: {}",
        weight.name,
        parts.join(", ")
    ))
}
