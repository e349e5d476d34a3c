//! What is made of a checkpoint, as data: the parameters in upstream's order, where their bytes
//! are, and where they go.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Mutex;

use safetensors::tensor::Dtype;

use super::checkpoint::{Checkpoint, Tensor};
use super::diagnosis::{Diagnosis, other_norm};
use super::error::WeightsError;
use super::kernel::Arithmetic;
use super::quantized::{Quantized, is_float};
use super::shards::{Place, Record, ShardPlan, Sharding};
use crate::convert::arch::{Change, Kind, Mapping, Parameter, SCALE};
use crate::model::{E4M3, FloatType, GroupQuantization, Layout, Method, PerTensor, Quantization};

/// The whole conversion.
pub(super) struct Plan {
    /// The parameters, in upstream's order.
    pub(super) params: Vec<Param>,
    pub(super) shards: Vec<ShardPlan>,
    /// Tensors of the checkpoint that no parameter is made of, sorted.
    pub(super) unused: Vec<String>,
    /// The tensors of the result.
    pub(super) tensors: u64,
    /// Their bytes, an f32 counted as four though it is stored in two.
    pub(super) param_bytes: u64,
    /// What upstream divides by for `BitsPerParam`.
    pub(super) elements: u64,
    /// Bytes of the checkpoint that are read.
    pub(super) source_bytes: u64,
}

/// A parameter: rows and columns of weights. A vector is one row.
pub(super) struct Param {
    pub(super) rows: u64,
    pub(super) columns: u64,
    /// The type of all weights when they are read.
    pub(super) dtype: Element,
    /// Where its weights are.
    pub(super) gather: Gather,
    /// The tensors that these are of.
    pub(super) parts: Vec<SourceTensor>,
    /// What is done to each weight.
    pub(super) arithmetic: Arithmetic,
    pub(super) store: Store,
}

/// What a weight is in the checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    Float(FloatType),
    /// `F8_E4M3`, which is copied.
    Fp8,
}

impl Element {
    /// The bytes of one.
    pub(super) fn size(self) -> usize {
        match self {
            Self::Float(dtype) => dtype.size(),
            Self::Fp8 => 1,
        }
    }
}

/// A tensor of the checkpoint.
#[derive(Clone)]
pub(super) struct SourceTensor {
    pub(super) name: String,
    /// Weights a row; none of a vector.
    pub(super) columns: Option<u64>,
}

/// Where a parameter's weights are.
pub(super) enum Gather {
    /// Piece by piece in its own order.
    Segments(Vec<Segment>),
    /// In one tensor, columns for rows.
    Transposed(Vec<Block>),
}

impl Gather {
    /// The bytes in the checkpoint of so many weights of a parameter of this type.
    fn bytes(&self, weights: u64, dtype: Element) -> u64 {
        let Self::Segments(segments) = self else { return weights * dtype.size() as u64 };
        let ends = segments.iter().skip(1).map(|segment| segment.first).chain([weights]);
        let of = |(segment, end): (&Segment, u64)| (end - segment.first) * segment.size();
        segments.iter().zip(ends).map(of).sum()
    }
}

impl Segment {
    /// The size of a weight in the file.
    pub(super) fn size(&self) -> u64 {
        self.dtype.size() as u64
    }
}

/// Rows of a parameter that are columns of a tensor.
pub(super) struct Block {
    /// The first of the rows, and how many they are.
    pub(super) first: u64,
    pub(super) rows: u64,
    pub(super) file: usize,
    /// Where the block begins in the file, and by the number of its first weight in the tensor.
    pub(super) offset: u64,
    pub(super) first_of_part: u64,
}

/// Weights that lie side by side in a file.
pub(super) struct Segment {
    /// The number of the first of them in the parameter.
    pub(super) first: u64,
    /// The checkpoint's file.
    pub(super) file: usize,
    /// Where they begin in it.
    pub(super) offset: u64,
    /// Their type there. Of a parameter of f32 it may be another one.
    pub(super) dtype: Element,
    /// The tensor they are of, and the number of the first in it.
    pub(super) part: usize,
    pub(super) first_of_part: u64,
}

/// How a parameter is stored.
pub(super) enum Store {
    /// Not quantized.
    Plain { source: FloatType, target: FloatType, at: Place },
    /// In groups of integers.
    Grouped {
        source: FloatType,
        group: GroupQuantization,
        model: FloatType,
        kn: bool,
        words: Place,
        scales: Place,
    },
    /// In FP8 without a scale.
    E5m2 { source: FloatType, at: Place },
    /// In FP8 with one scale, which whoever needs it first finds in all of the weights.
    E4m3 { source: FloatType, at: Place, scale_at: Place, scale: Mutex<Option<f32>> },
    /// As the FP8 that it is.
    Copied { at: Place },
}

/// What a parameter is made of.
struct Parts<'a> {
    names: &'a [(String, u64)],
    tensors: Vec<(usize, &'a Tensor, Element)>,
    /// The type of all of them, or f32: NumPy fuses tensors of different types in that.
    dtype: Element,
    rows: u64,
    columns: u64,
}

impl Plan {
    /// Compares the checkpoint with what the architecture's table makes of it, and decides everything.
    pub(super) fn make(
        checkpoint: &Checkpoint,
        mapping: &Mapping,
        quantization: Quantization,
    ) -> Result<Self, WeightsError> {
        let parameters = mapping.parameters.as_slice();
        let at: HashMap<&str, usize> =
            checkpoint.order.iter().map(|(name, file)| (name.as_str(), *file)).collect();
        refuse_missing(checkpoint, mapping, &at, quantization)?;
        let order = loading_order(checkpoint, parameters);
        let mut plan = Self {
            params: Vec::with_capacity(parameters.len()),
            shards: Vec::new(),
            unused: unused(checkpoint, mapping),
            tensors: 0,
            param_bytes: 0,
            elements: loaded_elements(checkpoint, mapping, &order, &at),
            source_bytes: 0,
        };
        if let Some(diagnosis) = other_norm(&plan.unused, mapping) {
            return Err(WeightsError::Other { path: checkpoint.path.clone(), diagnosis });
        }
        let mut sharding = Sharding::default();
        for number in order {
            let Some(parameter) = parameters.get(number) else { continue };
            let parts = Parts::find(checkpoint, parameter, &at, mapping.vocab_field)?;
            let mut add = |suffix: &str, shape: Vec<u64>, dtype: &'static str, size: u64| {
                let name = match suffix {
                    "" => parameter.name.clone(),
                    suffix => {
                        let stem = parameter.name.strip_suffix("weight");
                        format!("{}{suffix}", stem.unwrap_or(&parameter.name))
                    }
                };
                let elements: u64 = shape.iter().product();
                plan.tensors += 1;
                plan.param_bytes += elements * size;
                // An f32 is stored as a bf16.
                let stored = if dtype == "float32" { 2 } else { size };
                sharding.add(Record { name, shape, dtype, nbytes: elements * stored, offset: 0 })
            };
            let store = store(parameter, &parts, quantization, &mut add)?;
            let gather = gather(parameter, &parts);
            plan.source_bytes += gather.bytes(parts.rows * parts.columns, parts.dtype);
            let (rows, columns, dtype) = (parts.rows, parts.columns, parts.dtype);
            let part =
                |((name, _), (_, tensor, _)): (&(String, _), &(_, &Tensor, _))| SourceTensor {
                    name: name.clone(),
                    columns: match tensor.shape.as_slice() {
                        [.., columns] if tensor.shape.len() > 1 => Some(*columns as u64),
                        _ => None,
                    },
                };
            let parts = parts.names.iter().zip(&parts.tensors).map(part).collect();
            let in_single = checkpoint.is_torch && dtype == Element::Float(FloatType::Bf16);
            let arithmetic = arithmetic(&parameter.change, in_single);
            plan.params.push(Param { rows, columns, dtype, gather, parts, arithmetic, store });
        }
        plan.shards = sharding.finish();
        Ok(plan)
    }

    /// The bytes of the shards.
    pub(super) fn weight_bytes(&self) -> u64 {
        self.shards.iter().map(|shard| shard.nbytes).sum()
    }
}

/// Adds a tensor by the end of its name, its shape, its type and the size of an element.
type Add<'a> = dyn FnMut(&str, Vec<u64>, &'static str, u64) -> Place + 'a;

/// Places of a parameter's tensors in the shards.
fn store(
    parameter: &Parameter,
    parts: &Parts<'_>,
    quantization: Quantization,
    add: &mut Add<'_>,
) -> Result<Store, WeightsError> {
    let (rows, columns) = (parts.rows, parts.columns);
    let shape = || match &parameter.shape {
        Some(shape) => shape.clone(),
        None if parameter.columns.is_some() => vec![rows, columns],
        None => vec![columns],
    };
    let source = match parts.dtype {
        Element::Fp8 => return Ok(Store::Copied { at: add("", shape(), E4M3, 1) }),
        Element::Float(source) => source,
    };
    let is_quantized = parameter.is_quantized(quantization);
    let store = match quantization.method {
        Method::Group(group) if is_quantized => {
            if group.layout == Layout::Kn && parameter.kind == Kind::Experts {
                let (parameter, quantization) = (parameter.name.clone(), quantization.name());
                return Err(WeightsError::ExpertsTransposed { parameter, quantization });
            }
            let groups = columns.div_ceil(group.size as u64);
            let words = groups * group.words() as u64;
            let kn = group.layout == Layout::Kn && parameter.kind == Kind::Linear;
            let shape = |inner: u64| match parameter.shape.as_deref() {
                _ if kn => vec![inner, rows],
                Some([outer @ .., _]) => outer.iter().copied().chain([inner]).collect(),
                _ => vec![rows, inner],
            };
            let model = quantization.model_dtype;
            let words = add("q_weight", shape(words), "uint32", 4);
            let scales = add("q_scale", shape(groups), model.name(), model.size() as u64);
            Store::Grouped { source, group, model, kn, words, scales }
        }
        Method::PerTensor(fp8) if is_quantized => {
            let at = add("q_weight", shape(), fp8.name(), 1);
            match fp8 {
                PerTensor::E5m2 => Store::E5m2 { source, at },
                PerTensor::E4m3 => {
                    let single = FloatType::F32;
                    let scale_at = add("q_scale", vec![1], single.name(), single.size() as u64);
                    Store::E4m3 { source, at, scale_at, scale: Mutex::default() }
                }
            }
        }
        _ => {
            let target = parameter.dtype.unwrap_or(quantization.model_dtype);
            let at = add("", shape(), target.name(), target.size() as u64);
            Store::Plain { source, target, at }
        }
    };
    Ok(store)
}

/// What is done to each weight. Where bf16 was made f32 of, one is added in that.
fn arithmetic(change: &Change, in_single: bool) -> Arithmetic {
    match change {
        Change::Nothing | Change::Transposed | Change::Regroup(_) => Arithmetic::Nothing,
        Change::PlusOne if in_single => Arithmetic::PlusOneInSingle,
        Change::PlusOne => Arithmetic::PlusOne,
        Change::PlusOneInSingle => Arithmetic::PlusOneInSingle,
        Change::Halved(times) => {
            Arithmetic::Times(0.5_f32.powi(i32::try_from(*times).unwrap_or(i32::MAX)))
        }
        Change::ExpOfExp => Arithmetic::ExpOfExp,
    }
}

fn refuse_missing(
    checkpoint: &Checkpoint,
    mapping: &Mapping,
    at: &HashMap<&str, usize>,
    quantization: Quantization,
) -> Result<(), WeightsError> {
    let in_blocks = quantization.method == Method::BlockScale;
    let found = |name: &str| {
        let file = at.get(name).and_then(|file| checkpoint.files.get(*file));
        file.and_then(|file| file.tensor(name))
    };
    let missing: BTreeSet<&str> = mapping.tensors().filter(|name| found(name).is_none()).collect();
    let path = checkpoint.path.clone();
    if missing.is_empty() {
        // What quantizes in place leaves the names as they are.
        let all = mapping.tensors().filter_map(found).all(|tensor| is_float(tensor.dtype));
        return match Quantized::of(checkpoint).filter(|_| !all && !in_blocks) {
            Some(found) => {
                let taken_as = found.taken_as(mapping.model_type);
                let diagnosis = Diagnosis::Quantized { found, by_config: None, taken_as };
                Err(WeightsError::Other { path, diagnosis })
            }
            None => Ok(()),
        };
    }
    // Where names say how else the weights are quantized, that is the reason.
    let is_other = |found: &Quantized| found.is_named() && !found.is_in_blocks();
    if missing.iter().all(|name| name.ends_with(SCALE))
        && let Some(first) = missing.first()
    {
        let tensors = checkpoint.files.iter().flat_map(|file| file.tensors());
        let has_fp8 = tensors.into_iter().any(|(_, tensor)| tensor.dtype == Dtype::F8_E4M3);
        let quantization = quantization.name();
        if !has_fp8 {
            let tensor = (*first).to_owned();
            return Err(WeightsError::NotInBlocks { path, tensor, quantization });
        }
        if !Quantized::of(checkpoint).is_some_and(|found| is_other(&found)) {
            let weights = missing.iter().filter_map(|name| name.strip_suffix(SCALE));
            let is_whole = |name: &&str| found(name).is_some_and(|tensor| is_float(tensor.dtype));
            let whole: Vec<&str> = weights.filter(is_whole).collect();
            let left_out = whole.first().filter(|_| whole.len() == missing.len());
            let left_out = left_out.map(|name| (*name).to_owned());
            let scales = missing.into_iter().map(str::to_owned).collect();
            return Err(WeightsError::MissingScales { path, scales, left_out, quantization });
        }
    }
    Err(match Diagnosis::of(checkpoint, mapping, &missing, in_blocks) {
        Some(diagnosis) => WeightsError::Other { path, diagnosis },
        None => {
            let tensors = missing.into_iter().map(str::to_owned).collect();
            WeightsError::Missing { path, tensors, asked_for: None }
        }
    })
}

/// Parameters appear where the first of their tensors does.
fn loading_order(checkpoint: &Checkpoint, parameters: &[Parameter]) -> Vec<usize> {
    let mut made_of: HashMap<&str, Vec<usize>> = HashMap::new();
    for (number, parameter) in parameters.iter().enumerate() {
        for (name, _) in &parameter.parts {
            made_of.entry(name).or_default().push(number);
        }
    }
    let mut seen = HashSet::new();
    let names = checkpoint.order.iter();
    let all = names.flat_map(|(name, _)| made_of.get(name.as_str()).into_iter().flatten().copied());
    all.filter(|number| seen.insert(*number)).collect()
}

fn unused(checkpoint: &Checkpoint, mapping: &Mapping) -> Vec<String> {
    let used: HashSet<&str> = mapping.tensors().collect();
    let names = checkpoint.order.iter().map(|(name, _)| name);
    let unused: BTreeSet<&String> =
        names.filter(|name| !used.contains(name.as_str()) && !mapping.ignores(name)).collect();
    unused.into_iter().cloned().collect()
}

/// The elements upstream's loader counts: those of every tensor of a file each time it loads the
/// file, but for tensors known to be needless. It keeps the files of one parameter at a time
/// and those before, until a file is to be loaded that is not there.
fn loaded_elements(
    checkpoint: &Checkpoint,
    mapping: &Mapping,
    order: &[usize],
    at: &HashMap<&str, usize>,
) -> u64 {
    let sizes: Vec<u64> = checkpoint
        .files
        .iter()
        .map(|file| {
            let counted = file.tensors().filter(|(name, _)| mapping.counts(name));
            counted.map(|(_, tensor)| elements(tensor)).sum()
        })
        .collect();
    let mut loaded: BTreeSet<usize> = BTreeSet::new();
    let mut total = 0;
    for parameter in order.iter().filter_map(|number| mapping.parameters.get(*number)) {
        let needed: BTreeSet<usize> =
            parameter.parts.iter().filter_map(|(name, _)| at.get(name.as_str()).copied()).collect();
        if needed.is_subset(&loaded) {
            continue;
        }
        loaded.retain(|file| needed.contains(file));
        for file in needed {
            if loaded.insert(file) {
                total += sizes.get(file).copied().unwrap_or_default();
            }
        }
    }
    total
}

fn elements(tensor: &Tensor) -> u64 {
    tensor.shape.iter().map(|size| *size as u64).product()
}

impl<'a> Parts<'a> {
    /// Finds a parameter's tensors, and compares their shapes and types.
    fn find(
        checkpoint: &'a Checkpoint,
        parameter: &'a Parameter,
        at: &HashMap<&str, usize>,
        vocab_field: &'static str,
    ) -> Result<Self, WeightsError> {
        let mut found: Vec<(usize, &Tensor, Element)> = Vec::new();
        let mut rows = 0;
        for (name, wanted) in &parameter.parts {
            let file = at.get(name.as_str()).copied().unwrap_or_default();
            let Some(tensor) = checkpoint.files.get(file).and_then(|file| file.tensor(name)) else {
                let (path, tensors) = (checkpoint.path.clone(), vec![name.clone()]);
                return Err(WeightsError::Missing { path, tensors, asked_for: None });
            };
            rows += part_rows(name, tensor, *wanted, parameter, vocab_field)?;
            let dtype = match (parameter.kind, tensor.dtype) {
                (Kind::Fp8, Dtype::F8_E4M3) => Element::Fp8,
                (Kind::Fp8, other) => return Err(of_other_type(name, other, "F8_E4M3")),
                (_, Dtype::F16) => Element::Float(FloatType::F16),
                (_, Dtype::BF16) => Element::Float(FloatType::Bf16),
                (_, Dtype::F32) => Element::Float(FloatType::F32),
                (_, other) => return Err(of_other_type(name, other, "F32, F16 and BF16")),
            };
            found.push((file, tensor, dtype));
        }
        let dtype = fused_dtype(parameter, &found, checkpoint.is_torch)?;
        let (rows, columns) = match (&parameter.change, parameter.columns) {
            // What is taken of each group; a bias has one row.
            (Change::Regroup(regroup), Some(columns)) if regroup.transposed => {
                (regroup.groups * columns, regroup.height())
            }
            (Change::Regroup(regroup), Some(columns)) => {
                (regroup.groups * regroup.height(), columns)
            }
            (Change::Regroup(regroup), None) => (1, regroup.groups * regroup.height()),
            (_, Some(columns)) => (rows, columns),
            (_, None) => (1, rows),
        };
        Ok(Self { names: &parameter.parts, tensors: found, dtype, rows, columns })
    }
}

fn of_other_type(tensor: &str, found: Dtype, wanted: &'static str) -> WeightsError {
    WeightsError::Dtype { tensor: tensor.to_owned(), found: found.to_string(), wanted }
}

/// The type in which NumPy fuses a parameter's tensors. The parts of each expert are fused first.
fn fused_dtype(
    parameter: &Parameter,
    found: &[(usize, &Tensor, Element)],
    is_torch: bool,
) -> Result<Element, WeightsError> {
    let experts = match (&parameter.kind, parameter.shape.as_deref()) {
        (Kind::Experts, Some([count, ..])) => usize::try_from(*count).unwrap_or(1),
        _ => 1,
    };
    let float = |(at, (_, _, dtype)): (usize, &(usize, &Tensor, Element))| match dtype {
        Element::Float(dtype) => Some((at, *dtype)),
        Element::Fp8 => None,
    };
    // Of FP8, all are.
    let dtypes: Option<Vec<_>> = found.iter().enumerate().map(float).collect();
    let Some(dtypes) = dtypes else { return Ok(Element::Fp8) };
    let of_expert = dtypes.chunks((dtypes.len() / experts).max(1));
    let fused: Result<Vec<_>, _> = of_expert.map(|dtypes| common_dtype(dtypes, is_torch)).collect();
    let fused = fused.and_then(|fused| common_dtype(&fused, is_torch));
    let name = |at: usize| parameter.parts.get(at).map(|(name, _)| name.clone());
    match fused {
        Ok((_, dtype)) => Ok(Element::Float(dtype)),
        Err((half, brain)) => Err(WeightsError::MixedDtypes {
            half: name(half).unwrap_or_default(),
            brain: name(brain).unwrap_or_default(),
        }),
    }
}

/// NumPy's type for numbered values of these: theirs, or f32, which has the values of both others.
/// Where f16 and bf16 are among them it has none, and upstream fails; these two are given then.
fn common_dtype(
    dtypes: &[(usize, FloatType)],
    is_torch: bool,
) -> Result<(usize, FloatType), (usize, usize)> {
    let find = |wanted| dtypes.iter().find(|(_, dtype)| *dtype == wanted).map(|(at, _)| *at);
    match (find(FloatType::F16), find(FloatType::Bf16), dtypes) {
        // Of PyTorch's bf16 upstream makes f32 where it reads it.
        (Some(half), Some(brain), _) if !is_torch => Err((half, brain)),
        (_, _, [first, rest @ ..]) if rest.iter().all(|(_, dtype)| *dtype == first.1) => Ok(*first),
        (_, _, [(at, _), ..]) => Ok((*at, FloatType::F32)),
        (_, _, []) => Ok((0, FloatType::F32)),
    }
}

/// The rows of a part, or the size of what is no matrix.
fn part_rows(
    name: &str,
    tensor: &Tensor,
    rows: u64,
    parameter: &Parameter,
    vocab_field: &'static str,
) -> Result<u64, WeightsError> {
    let found: Vec<u64> = tensor.shape.iter().map(|size| *size as u64).collect();
    let (rows, wanted) = match (parameter.columns, &parameter.shape) {
        (None, Some(shape)) => (shape.iter().product(), shape.clone()),
        (None, None) => (rows, vec![rows]),
        (Some(columns), _) if parameter.change == Change::Transposed => (rows, vec![columns, rows]),
        (Some(columns), _) => (rows, vec![rows, columns]),
    };
    if found == wanted {
        return Ok(rows);
    }
    let tensor = name.to_owned();
    match (found.as_slice(), wanted.as_slice()) {
        ([found, inner @ ..], [_, wanted @ ..]) if parameter.is_vocab && inner == wanted => {
            let (field, vocab_size) = (vocab_field, rows);
            Err(WeightsError::Vocabulary { tensor, rows: *found, field, vocab_size })
        }
        _ => Err(WeightsError::Shape {
            tensor,
            found,
            wanted,
            key_value_heads: None,
            asked_for: None,
        }),
    }
}

/// Where the parameter's weights are.
fn gather(parameter: &Parameter, parts: &Parts<'_>) -> Gather {
    let (regroup, (file, tensor, dtype)) = match (&parameter.change, parts.tensors.first()) {
        (Change::Regroup(regroup), Some(only)) => (regroup, only),
        (Change::Transposed, Some((file, tensor, _))) => {
            let (file, offset) = (*file, tensor.offset);
            return Gather::Transposed(vec![Block {
                first: 0,
                rows: parts.rows,
                file,
                offset,
                first_of_part: 0,
            }]);
        }
        _ => {
            let mut first = 0;
            let segment = |(part, found): (usize, &(usize, &Tensor, Element))| {
                let (file, tensor, dtype) = *found;
                let (offset, at) = (tensor.offset, first);
                first += elements(tensor);
                Segment { first: at, file, offset, dtype, part, first_of_part: 0 }
            };
            return Gather::Segments(parts.tensors.iter().enumerate().map(segment).collect());
        }
    };
    let (dtype, size) = (*dtype, dtype.size() as u64);
    // Of a bias, a row is one weight.
    let row = parameter.columns.unwrap_or(1);
    let mut first = 0;
    let (mut segments, mut blocks) = (Vec::new(), Vec::new());
    for taken in &regroup.taken {
        for group in 0..regroup.groups {
            let first_of_part = (group * regroup.rows + taken.start) * row;
            let (file, offset) = (*file, tensor.offset + first_of_part * size);
            if regroup.transposed {
                blocks.push(Block { first, rows: row, file, offset, first_of_part });
                first += row;
            } else {
                segments.push(Segment { first, file, offset, dtype, part: 0, first_of_part });
                first += (taken.end - taken.start) * row;
            }
        }
    }
    if regroup.transposed { Gather::Transposed(blocks) } else { Gather::Segments(segments) }
}
