//! A model's weights held against the library that loads them: every parameter of the library's
//! metadata must be a tensor of the model's tensor cache, of the same shape and type, and there
//! must be no other tensor.
//!
//! Shapes are those that upstream's runtime resolves (`cpp/metadata/model.cc`,
//! `cpp/support/json_parser.h`): a dimension that is a name is a top-level field of
//! `mlc-chat-config.json`, and a parameter that is divided among devices is stored as the first of
//! its `preprocs` takes it.

mod cause;

use std::collections::HashMap;
use std::fmt;

use camino::Utf8Path;

use super::memory::bits;
use super::metadata::{Dimension, Metadata, Param};
use super::printable::printable;
use super::validate::{Code, Problem};
use crate::model::{ChatConfig, TensorCache, TensorRecord};

/// How many tensors a message names.
const NAMED: usize = 5;

/// A model's own files, as far as they say what its weights are.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a> {
    /// Its `mlc-chat-config.json`.
    pub chat_config: &'a ChatConfig,
    /// Its tensor cache.
    pub tensor_cache: &'a TensorCache,
}

/// Weights that do not belong to a library.
#[derive(Debug)]
pub struct Mismatch {
    differences: Vec<Difference>,
    cause: Option<String>,
}

/// A tensor that is not on both sides what it should be.
#[derive(Debug)]
struct Difference {
    name: String,
    /// What the library takes; none where it knows no such tensor.
    library: Option<Kind>,
    /// What the weights have; none where they lack it.
    weights: Option<Kind>,
    how: How,
}

/// What is wrong with a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Missing,
    Unknown,
    Shape,
    Type,
    Twice,
    /// Its bytes are not those of its shape and type.
    Bytes(u64),
}

/// The shape and type of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kind {
    dtype: String,
    shape: Vec<Size>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Size {
    Known(u64),
    /// A field that `mlc-chat-config.json` does not have as a size.
    Unresolved(String),
}

/// Compares; none if all is well.
pub fn compare(metadata: &Metadata, weights: Weights<'_>) -> Option<Mismatch> {
    let records = || weights.tensor_cache.shards.iter().flat_map(|shard| &shard.records);
    let mut found: HashMap<&str, &TensorRecord> = HashMap::with_capacity(metadata.params.len());
    let mut differences = Vec::new();
    for record in records() {
        if found.insert(&record.name, record).is_some() {
            let kind = Some(Kind::of(record));
            let name = record.name.clone();
            differences.push(Difference { name, library: None, weights: kind, how: How::Twice });
        }
    }
    for param in &metadata.params {
        let record = found.remove(param.name.as_str());
        if record.is_some_and(|record| fits(param, record, weights.chat_config)) {
            continue;
        }
        let library = Kind::wanted(param, weights.chat_config);
        let how = match record {
            None => How::Missing,
            Some(record) if Kind::of(record).shape != library.shape => How::Shape,
            Some(record) if record.dtype != param.dtype => How::Type,
            Some(record) => How::Bytes(record.nbytes),
        };
        differences.push(Difference {
            name: param.name.clone(),
            library: Some(library),
            weights: record.map(Kind::of),
            how,
        });
    }
    if !found.is_empty() {
        // In the order of the tensor cache.
        for record in records() {
            if let Some(record) = found.remove(record.name.as_str()) {
                differences.push(Difference {
                    name: record.name.clone(),
                    library: None,
                    weights: Some(Kind::of(record)),
                    how: How::Unknown,
                });
            }
        }
    }
    if differences.is_empty() {
        return None;
    }
    let cause = cause::guess(metadata, weights, &differences);
    Some(Mismatch { differences, cause })
}

/// The same as a problem of a package. `path` is the tensor cache.
pub fn check(
    metadata: &Metadata,
    weights: Weights<'_>,
    model_id: &str,
    library: &str,
    path: &Utf8Path,
) -> Option<Problem> {
    let mismatch = compare(metadata, weights)?;
    Some(Problem {
        code: Code::WrongWeights,
        path: path.to_owned(),
        message: format!(
            "the weights of model `{model_id}` do not belong to its library `{library}`: {mismatch}"
        ),
        help: "an app that loads them together crashes: have the model converted again, or give \
               it the `model_lib` that was compiled for these weights"
            .to_owned(),
    })
}

/// The shape of a parameter as its tensor is loaded; none where a name in it has no size.
pub fn shape(param: &Param, chat_config: &ChatConfig) -> Option<Vec<u64>> {
    let sizes = stored_shape(param).iter().map(|dimension| match dimension {
        Dimension::Fixed(size) => Some(*size),
        Dimension::Named(name) => resolve(name, chat_config),
    });
    sizes.collect()
}

/// Whether a tensor is what a parameter has to be. Nothing is allocated where it is.
fn fits(param: &Param, record: &TensorRecord, chat_config: &ChatConfig) -> bool {
    let shape = stored_shape(param);
    shape.len() == record.shape.len()
        && shape.iter().zip(&record.shape).all(|(wanted, found)| match wanted {
            Dimension::Fixed(size) => size == found,
            Dimension::Named(name) => resolve(name, chat_config) == Some(*found),
        })
        && param.dtype == record.dtype
        && stored_bytes(record).is_none_or(|bytes| bytes == record.nbytes)
}

/// The shape on disk: what the first step that divides the parameter among devices takes.
fn stored_shape(param: &Param) -> &[Dimension] {
    match param.preprocs.first() {
        Some(step) => step.in_shape.as_deref().unwrap_or(&step.out_shape),
        None => &param.shape,
    }
}

fn resolve(name: &str, chat_config: &ChatConfig) -> Option<u64> {
    chat_config.fields().get(name)?.as_u64()
}

/// The bytes that a tensor takes in its shard, as TVM's `tensor_cache_support.cc` reads it;
/// none for element types that we do not know.
fn stored_bytes(record: &TensorRecord) -> Option<u64> {
    let element = if record.is_halved() { 16 } else { bits(&record.dtype)? };
    let bits = record.shape.iter().try_fold(element, |bits, size| bits.checked_mul(*size))?;
    Some(bits.div_ceil(8))
}

impl Kind {
    fn of(record: &TensorRecord) -> Self {
        let shape = record.shape.iter().map(|size| Size::Known(*size)).collect();
        Self { dtype: record.dtype.clone(), shape }
    }

    fn wanted(param: &Param, chat_config: &ChatConfig) -> Self {
        let size = |dimension: &Dimension| match dimension {
            Dimension::Fixed(size) => Size::Known(*size),
            Dimension::Named(name) => resolve(name, chat_config)
                .map_or_else(|| Size::Unresolved(name.clone()), Size::Known),
        };
        Self { dtype: param.dtype.clone(), shape: stored_shape(param).iter().map(size).collect() }
    }
}

impl Difference {
    /// A field that the library asks `mlc-chat-config.json` for in vain.
    fn unresolved(&self) -> Option<&str> {
        self.library.as_ref()?.shape.iter().find_map(|size| match size {
            Size::Unresolved(name) => Some(name.as_str()),
            Size::Known(_) => None,
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [", printable(&self.dtype))?;
        for (index, size) in self.shape.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            match size {
                Size::Known(size) => write!(f, "{comma}{size}")?,
                Size::Unresolved(name) => write!(f, "{comma}{}", printable(name))?,
            }
        }
        f.write_str("]")
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", printable(&self.name))?;
        match (&self.library, &self.weights, self.how) {
            (_, Some(weights), How::Bytes(bytes)) => {
                write!(f, " is {weights} and has {bytes} bytes")
            }
            (_, _, How::Twice) => f.write_str(" is in the tensor cache twice"),
            (Some(library), Some(weights), _) => {
                write!(f, ": library {library}, weights {weights}")
            }
            (Some(library), None, _) => write!(f, ": library {library}, missing from the weights"),
            (None, Some(weights), _) => write!(f, ": weights {weights}, unknown to the library"),
            (None, None, _) => f.write_str(" differs"),
        }
    }
}

/// What is guessed, and a line for each of the first tensors.
impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tensors = self.differences.len();
        match &self.cause {
            Some(cause) => f.write_str(cause)?,
            None => write!(f, "{}", super::plural(tensors, "1 tensor differs", "tensors differ"))?,
        }
        for difference in self.differences.iter().take(NAMED) {
            write!(f, "\n{difference}")?;
        }
        match tensors.saturating_sub(NAMED) {
            0 => Ok(()),
            1 => f.write_str("\nand 1 more tensor"),
            more => write!(f, "\nand {more} more tensors"),
        }
    }
}

#[cfg(test)]
#[path = "weights_tests.rs"]
mod tests;
