//! Which weights hold what is no number. Read only after the logits of a model were none.

use std::io;

use crate::io::positioned::PositionedFile;
use crate::model::{FileRole, ModelFiles, TensorRecord};

/// How much is read at a time, in bytes.
const PIECE: u64 = 1 << 20;

/// The names of the tensors that hold NaN or an infinity, in their order, at most `most`.
pub(super) fn tensors(files: &ModelFiles, most: usize) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    for shard in &files.tensor_cache.shards {
        let is_it = |file: &&crate::model::ModelFile| {
            file.role == FileRole::Weights && file.path == shard.path
        };
        let Some(source) = files.files.iter().find(is_it).map(|file| &file.source) else {
            continue;
        };
        let file = PositionedFile::open_to_read(source)?;
        for record in &shard.records {
            if found.len() < most && holds_any(&file, record)? {
                found.push(record.name.clone());
            }
        }
    }
    Ok(found)
}

fn holds_any(file: &PositionedFile, record: &TensorRecord) -> io::Result<bool> {
    let Some(layout) = Layout::of(record) else { return Ok(false) };
    let mut at = 0;
    while at < record.nbytes {
        let count = PIECE.min(record.nbytes - at);
        let mut piece = vec![0; usize::try_from(count).unwrap_or_default()];
        file.read_exact_at(&mut piece, record.byte_offset + at)?;
        if layout.is_in(&piece) {
            return Ok(true);
        }
        at += count;
    }
    Ok(false)
}

/// Floats whose exponents are all ones if they are no numbers.
#[derive(Clone, Copy)]
enum Layout {
    Half,
    Brain,
    Single,
}

impl Layout {
    fn of(record: &TensorRecord) -> Option<Self> {
        match record.dtype.as_str() {
            "float16" => Some(Self::Half),
            "bfloat16" => Some(Self::Brain),
            "float32" if record.is_halved() => Some(Self::Brain),
            "float32" => Some(Self::Single),
            _ => None,
        }
    }

    fn is_in(self, bytes: &[u8]) -> bool {
        let (pairs, _) = bytes.as_chunks::<2>();
        let (quads, _) = bytes.as_chunks::<4>();
        match self {
            Self::Half => pairs.iter().any(|pair| u16::from_le_bytes(*pair) & 0x7c00 == 0x7c00),
            Self::Brain => pairs.iter().any(|pair| u16::from_le_bytes(*pair) & 0x7f80 == 0x7f80),
            Self::Single => {
                quads.iter().any(|quad| u32::from_le_bytes(*quad) & 0x7f80_0000 == 0x7f80_0000)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Layout;

    #[test]
    fn infinities_and_nan_of_each_layout() {
        let half = |bits: u16| Layout::Half.is_in(&bits.to_le_bytes());
        assert!(half(0x7e00) && half(0xfc00) && !half(0x7bff));
        let brain = |bits: u16| Layout::Brain.is_in(&bits.to_le_bytes());
        assert!(brain(0x7fc0) && brain(0xff80) && !brain(0x7f7f) && !brain(0x7c00));
        let single = |value: f32| Layout::Single.is_in(&value.to_le_bytes());
        assert!(single(f32::NAN) && single(f32::NEG_INFINITY) && !single(f32::MAX));
    }
}
