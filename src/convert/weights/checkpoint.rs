//! A checkpoint in safetensors or of `torch.save`: which file holds which tensor, and where.

use std::collections::HashMap;

use camino::{Utf8Path, Utf8PathBuf};
use safetensors::tensor::{Dtype, Metadata};
use serde_json::{Map, Value};

use super::error::WeightsError;
use super::instead::Instead;
use super::torch;
use crate::io::positioned::PositionedFile;
use crate::io::{dir, files};
use crate::model::{ShardPath, git_lfs};

/// More bytes of index, or of headers in all, belong to no model of these architectures; reading
/// them would cost more memory than everything else.
pub(super) const LIMIT: u64 = 16 << 20;

/// The index of a checkpoint of several files.
const INDEX: &str = "model.safetensors.index.json";
/// The one file of a checkpoint that has no index.
const SINGLE: &str = "model.safetensors";
/// The same of PyTorch's own format.
const TORCH_INDEX: &str = "pytorch_model.bin.index.json";
const TORCH_SINGLE: &str = "pytorch_model.bin";

/// The tensors of a checkpoint.
pub(super) struct Checkpoint {
    pub(super) path: Utf8PathBuf,
    pub(super) files: Vec<SourceFile>,
    /// The names of tensors and their files, in the order in which upstream goes through them:
    /// file by file, each in the order of the index, or else of the tensors in it.
    pub(super) order: Vec<(String, usize)>,
    /// Whether PyTorch wrote it: upstream makes f32 of its bf16 then, before anything else.
    pub(super) is_torch: bool,
}

/// A safetensors file.
pub(super) struct SourceFile {
    pub(super) file: PositionedFile,
    tensors: HashMap<String, Tensor>,
}

/// A tensor of a safetensors file.
#[derive(Clone, Debug)]
pub(super) struct Tensor {
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    /// Where its bytes begin in the file.
    pub(super) offset: u64,
}

impl Checkpoint {
    /// Reads the index, and the headers of all files it names.
    pub(super) fn open(path: &Utf8Path) -> Result<Self, WeightsError> {
        let here = |name: &str| files::is_file(&path.join(name));
        let is_torch = !here(INDEX) && !here(SINGLE);
        let (index, single) = match is_torch {
            true => (path.join(TORCH_INDEX), TORCH_SINGLE),
            false => (path.join(INDEX), SINGLE),
        };
        let (names, weight_map) = if files::is_file(&index) {
            let weight_map = read_index(&index)?;
            let mut names: Vec<String> = Vec::new();
            let mut numbers = HashMap::new();
            for (_, file) in &weight_map {
                if !numbers.contains_key(file) {
                    numbers.insert(file.clone(), names.len());
                    names.push(file.clone());
                }
            }
            let numbered = weight_map.into_iter().map(|(name, file)| {
                let number = numbers.get(&file).copied().unwrap_or_default();
                (name, number)
            });
            (names, Some(numbered.collect::<Vec<_>>()))
        } else if here(single) {
            (vec![single.to_owned()], None)
        } else {
            let names = dir::names(path).map_err(WeightsError::Read)?;
            let (path, instead) = (path.to_owned(), Instead::of(&names));
            return Err(WeightsError::NoWeights { path, instead });
        };
        let mut opened = Vec::with_capacity(names.len());
        let mut in_file = Vec::new();
        let mut headers = LIMIT;
        for name in &names {
            let path = path.join(name);
            let (file, order) = match is_torch {
                true => SourceFile::open_torch(&path, &mut headers)?,
                false => SourceFile::open(&path, &mut headers)?,
            };
            opened.push(file);
            in_file = order;
        }
        let mut order = match weight_map {
            Some(weight_map) => weight_map,
            None => in_file.into_iter().map(|name| (name, 0)).collect(),
        };
        // File by file, in the order in which the index names them first.
        order.sort_by_key(|(_, file)| *file);
        Ok(Self { path: path.to_owned(), files: opened, order, is_torch })
    }
}

impl SourceFile {
    /// Reads the header of a file, of at most `left` bytes, which become fewer; gives the names
    /// of its tensors in the order of their data too.
    fn open(path: &Utf8Path, left: &mut u64) -> Result<(Self, Vec<String>), WeightsError> {
        let damaged = |why: String| WeightsError::Safetensors { path: path.to_owned(), why };
        if !files::is_file(path) {
            return Err(damaged("the checkpoint's index names it, and it is not there".to_owned()));
        }
        let file = PositionedFile::open_to_read(path).map_err(WeightsError::Read)?;
        let size = file.size().map_err(WeightsError::Read)?;
        let mut length = [0; 8];
        if size < 8 {
            return Err(damaged(match size {
                0 => "the file is empty".to_owned(),
                _ => format!("its {size} bytes are not a safetensors file"),
            }));
        }
        file.read_exact_at(&mut length, 0).map_err(WeightsError::Read)?;
        let length = u64::from_le_bytes(length);
        let mut start = vec![0; usize::try_from(size.min(100)).unwrap_or_default()];
        file.read_exact_at(&mut start, 0).map_err(WeightsError::Read)?;
        if git_lfs::is_pointer(&start) {
            return Err(WeightsError::NotPulled { path: path.to_owned() });
        }
        if length > size - 8 {
            return Err(damaged(format!(
                "its header claims {length} bytes, and the file has {size}: it is cut off, or no \
                 safetensors file"
            )));
        }
        *left = left.checked_sub(length).ok_or_else(|| {
            damaged(format!("the headers of the checkpoint are longer than {LIMIT} bytes"))
        })?;
        let mut header = vec![0; usize::try_from(length).unwrap_or_default()];
        file.read_exact_at(&mut header, 8).map_err(WeightsError::Read)?;
        let metadata: Metadata = serde_json::from_slice(&header)
            .map_err(|error| damaged(format!("its header is wrong: {error}")))?;
        let wanted = 8 + length + metadata.data_len() as u64;
        if wanted != size {
            return Err(damaged(format!("{size} bytes, and by its header it has {wanted}")));
        }
        let tensors = metadata.tensors().into_iter().map(|(name, info)| {
            let offset = 8 + length + info.data_offsets.0 as u64;
            (name, Tensor { dtype: info.dtype, shape: info.shape.clone(), offset })
        });
        Ok((Self { file, tensors: tensors.collect() }, metadata.offset_keys()))
    }

    /// The same of a file of `torch.save`.
    fn open_torch(path: &Utf8Path, left: &mut u64) -> Result<(Self, Vec<String>), WeightsError> {
        let refused = |why: String| WeightsError::Torch { path: path.to_owned(), why };
        if !files::is_file(path) {
            return Err(refused("the checkpoint's index names it, and it is not there".to_owned()));
        }
        let file = PositionedFile::open_to_read(path).map_err(WeightsError::Read)?;
        let size = file.size().map_err(WeightsError::Read)?;
        let start = files::start(path, 100).map_err(WeightsError::Read)?;
        if git_lfs::is_pointer(&start) {
            return Err(WeightsError::NotPulled { path: path.to_owned() });
        }
        let found = torch::tensors(&file, size, left);
        let (tensors, order) = found.map_err(|torch::Refused(why)| refused(why))?;
        Ok((Self { file, tensors }, order))
    }

    /// A tensor of the file.
    pub(super) fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.tensors.get(name)
    }

    /// All of them, in no order.
    pub(super) fn tensors(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }
}

/// The `weight_map` of an index, in its order. File names that would leave the checkpoint are
/// errors.
fn read_index(path: &Utf8Path) -> Result<Vec<(String, String)>, WeightsError> {
    let wrong = |why: String| WeightsError::Index { path: path.to_owned(), why };
    let text = files::read_at_most(path, LIMIT).map_err(WeightsError::Read)?;
    let text = text.ok_or_else(|| wrong("it is too long for an index".to_owned()))?;
    if git_lfs::is_pointer(&text) {
        return Err(WeightsError::NotPulled { path: path.to_owned() });
    }
    let mut index: Map<String, Value> = serde_json::from_slice(&text)
        .map_err(|error| wrong(format!("it is not an index: {error}")))?;
    let Some(Value::Object(weight_map)) = index.remove("weight_map") else {
        return Err(wrong("it has no `weight_map`".to_owned()));
    };
    let mut files = Vec::with_capacity(weight_map.len());
    for (tensor, file) in weight_map {
        let Value::String(file) = file else {
            return Err(wrong(format!("the file of tensor `{tensor}` is not a name")));
        };
        if let Err(why) = file.parse::<ShardPath>() {
            return Err(WeightsError::IndexPath { path: path.to_owned(), tensor, file, why });
        }
        files.push((tensor, file));
    }
    Ok(files)
}
