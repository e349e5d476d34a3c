//! Weights as `torch.save` writes them, `pytorch_model.bin`: where each tensor lies in the file.
//! The weights themselves are read like those of safetensors; nothing is executed.
//!
//! There are two forms: a ZIP archive of a pickle and a file for each storage, none compressed; and
//! before PyTorch 1.6 five pickles one behind the other, and the storages behind them.

mod pickle;
mod zip;

use std::collections::HashMap;

use safetensors::tensor::Dtype;

pub(super) use self::pickle::Refused;
use self::pickle::{Pickle, TensorOf};
use self::zip::Archive;
use super::checkpoint::Tensor;
use crate::io::positioned::PositionedFile;

/// What begins a file of the older form, as a pickle.
const LEGACY_MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

/// The tensors of a file by name, and the names in the file's order. Reads of it at most `left`
/// bytes, which become fewer.
pub(super) fn tensors(
    file: &PositionedFile,
    size: u64,
    left: &mut u64,
) -> Result<(HashMap<String, Tensor>, Vec<String>), Refused> {
    let mut start = [0; LEGACY_MAGIC.len()];
    let begins = size >= start.len() as u64 && file.read_exact_at(&mut start, 0).is_ok();
    match begins && start == LEGACY_MAGIC {
        true => legacy(file, size, left),
        false => archive(file, size, left),
    }
}

fn archive(
    file: &PositionedFile,
    size: u64,
    left: &mut u64,
) -> Result<(HashMap<String, Tensor>, Vec<String>), Refused> {
    let archive = Archive::open(file, size, left)?;
    let root = archive.root()?;
    if let Some(order) = archive.find(&format!("{root}/byteorder"))
        && archive.read(file, order, left)? != b"little"
    {
        return Err(Refused("its numbers are not little-endian".to_owned()));
    }
    let pickle = archive
        .find(&format!("{root}/data.pkl"))
        .ok_or_else(|| Refused("it has no data.pkl".to_owned()))?;
    let pickle = archive.read(file, pickle, left)?;
    let found = Pickle::new(&pickle).state_dict()?;
    let mut starts = HashMap::new();
    placed(found, |tensor| {
        if let Some(known) = starts.get(&tensor.storage) {
            return Ok(*known);
        }
        let name = format!("{root}/data/{}", tensor.storage);
        let entry = archive
            .find(&name)
            .ok_or_else(|| Refused(format!("it has no `{name}`: it is cut off or was changed")))?;
        let place = archive.place(file, entry)?;
        starts.insert(tensor.storage.clone(), place);
        Ok(place)
    })
}

fn legacy(
    file: &PositionedFile,
    size: u64,
    left: &mut u64,
) -> Result<(HashMap<String, Tensor>, Vec<String>), Refused> {
    let length = usize::try_from(size.min(*left)).unwrap_or(usize::MAX);
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, 0).map_err(|error| Refused(error.to_string()))?;
    let mut pickle = Pickle::new(&bytes);
    pickle.skip()?;
    if pickle.integer()? != 1001 {
        return Err(Refused("it is of an unknown version of torch.save".to_owned()));
    }
    pickle.little_endian()?;
    let found = pickle.state_dict()?;
    let keys = pickle.texts()?;
    let mut at = pickle.position() as u64;
    *left = left.saturating_sub(at);
    let dtypes: HashMap<&str, Dtype> =
        found.iter().map(|(_, tensor)| (tensor.storage.as_str(), tensor.dtype)).collect();
    let mut places = HashMap::new();
    for key in keys {
        let mut count = [0; 8];
        let cut = || Refused("it is cut off".to_owned());
        if at + 8 > size {
            return Err(cut());
        }
        file.read_exact_at(&mut count, at).map_err(|error| Refused(error.to_string()))?;
        // A storage that no tensor uses has no size that is known; there is none in a state dict.
        let dtype = dtypes
            .get(key.as_str())
            .ok_or_else(|| Refused(format!("no tensor is in its storage `{key}`")))?;
        let nbytes = u64::from_le_bytes(count).checked_mul(dtype.bitsize() as u64 / 8);
        let end = nbytes.and_then(|nbytes| (at + 8).checked_add(nbytes)).filter(|end| *end <= size);
        let end = end.ok_or_else(cut)?;
        places.insert(key, (at + 8, end - at - 8));
        at = end;
    }
    placed(found, |tensor| {
        let place = places.get(&tensor.storage).copied();
        place.ok_or_else(|| Refused(format!("it has no storage `{}`", tensor.storage)))
    })
}

/// The tensors with their places in the file; `storage` gives where a tensor's storage begins, and
/// its bytes.
fn placed(
    found: Vec<(String, TensorOf)>,
    mut storage: impl FnMut(&TensorOf) -> Result<(u64, u64), Refused>,
) -> Result<(HashMap<String, Tensor>, Vec<String>), Refused> {
    let mut tensors = HashMap::with_capacity(found.len());
    let mut order = Vec::with_capacity(found.len());
    for (name, tensor) in found {
        let (start, nbytes) = storage(&tensor)?;
        let size = tensor.dtype.bitsize() as u64 / 8;
        let last = tensor.first.checked_add(tensor.elements()?);
        let end = last.and_then(|last| last.checked_mul(size));
        if end.is_none_or(|end| end > nbytes) {
            return Err(Refused(format!("tensor `{name}` reaches over the end of its storage")));
        }
        if !tensor.is_in_order() {
            return Err(Refused(format!(
                "tensor `{name}` is stored in another order than its own: it was transposed or cut \
                 when it was saved"
            )));
        }
        let offset = start + tensor.first * size;
        let shape = tensor.shape.iter().map(|size| usize::try_from(*size).unwrap_or(usize::MAX));
        let placed = Tensor { dtype: tensor.dtype, shape: shape.collect(), offset };
        if tensors.insert(name.clone(), placed).is_some() {
            return Err(Refused(format!("tensor `{name}` is there twice")));
        }
        order.push(name);
    }
    Ok((tensors, order))
}
