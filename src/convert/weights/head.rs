//! A head that a checkpoint has though its config says that the embedding is the head.

use serde::Serialize;

use super::checkpoint::{Checkpoint, Tensor};
use super::error::WeightsError;
use crate::convert::arch::Mapping;
use crate::io::cancel::Cancel;
use crate::io::positioned::PositionedFile;

/// Bytes that are compared at a time.
const PIECE: usize = 1 << 20;

/// The head that upstream leaves out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TiedHead {
    /// Its name.
    pub tensor: String,
    /// Whether `tie_word_embeddings` decides that; else the architecture does.
    pub by_config: bool,
    /// Whether it is another tensor than the embedding: something is lost then.
    #[serde(skip)]
    pub(super) differs: bool,
}

impl TiedHead {
    /// Looks for one, and compares it with the embedding.
    pub(super) fn find(
        checkpoint: &Checkpoint,
        mapping: &Mapping,
        cancel: &Cancel,
    ) -> Result<Option<Self>, WeightsError> {
        let find = |name: &str| {
            let (name, file) = checkpoint.order.iter().find(|(known, _)| known == name)?;
            let file = checkpoint.files.get(*file)?;
            Some((&file.file, file.tensor(name)?))
        };
        let is_used = mapping.tensors().any(|name| name == mapping.head);
        let Some(head) =
            find(&mapping.head).filter(|_| !is_used && !mapping.ignores(&mapping.head))
        else {
            return Ok(None);
        };
        let differs = match mapping.embedding().and_then(find) {
            Some(embedding) => differ(head, embedding, cancel)?,
            None => true,
        };
        let (tensor, by_config) = (mapping.head.clone(), mapping.head_may_be_tied);
        Ok(Some(Self { tensor, by_config, differs }))
    }
}

fn differ(
    (one_file, one): (&PositionedFile, &Tensor),
    (other_file, other): (&PositionedFile, &Tensor),
    cancel: &Cancel,
) -> Result<bool, WeightsError> {
    if (one.dtype, &one.shape) != (other.dtype, &other.shape) {
        return Ok(true);
    }
    let bytes = one.shape.iter().product::<usize>() * one.dtype.bitsize() / 8;
    let (mut left, mut right) = (vec![0; PIECE], vec![0; PIECE]);
    let mut at = 0;
    while at < bytes {
        if cancel.is_cancelled() {
            return Err(WeightsError::Interrupted);
        }
        let length = PIECE.min(bytes - at);
        let (left, _) = left.split_at_mut(length);
        let (right, _) = right.split_at_mut(length);
        one_file.read_exact_at(left, one.offset + at as u64).map_err(WeightsError::Read)?;
        other_file.read_exact_at(right, other.offset + at as u64).map_err(WeightsError::Read)?;
        if left != right {
            return Ok(true);
        }
        at += length;
    }
    Ok(false)
}
