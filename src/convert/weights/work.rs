//! The conversion itself: threads that take units, read, compute and write, in little memory.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use fearless_simd::Level;

use super::checkpoint::Checkpoint;
use super::error::WeightsError;
use super::kernel::{self, Arithmetic, Groups, Stored};
use super::nonfinite::{NonFinite, Suspect};
use super::output::Output;
use super::plan::{Block, Element, Gather, Param, Plan, Segment, Store};
use super::shards::Place;
use super::units::{PIECE, Unit, Units};
use super::vanished::Vanished;
use crate::io::cancel::Cancel;
use crate::model::{FloatType, GroupQuantization};

/// What all threads share.
pub(super) struct Work<'a> {
    pub(super) checkpoint: &'a Checkpoint,
    pub(super) plan: &'a Plan,
    pub(super) output: &'a Output,
    pub(super) nonfinite: &'a NonFinite,
    pub(super) vanished: &'a Vanished,
    pub(super) cancel: &'a Cancel,
    /// Told of the bytes that were read.
    pub(super) progress: &'a (dyn Fn(u64) + Sync),
}

/// One thread's memory.
#[derive(Default)]
struct Buffers {
    weights: Vec<u8>,
    /// A part of a row of a tensor that is transposed.
    line: Vec<u8>,
    /// Weights with the arithmetic done.
    changed: Vec<u8>,
    words: Vec<u32>,
    scales: Vec<f32>,
    tile: Vec<u32>,
    scale_tile: Vec<f32>,
    bytes: Vec<u8>,
    out: Vec<u8>,
}

/// A quantized parameter's places and sizes.
struct Grouped<'a> {
    source: FloatType,
    group: &'a GroupQuantization,
    model: FloatType,
    transposed: bool,
    words: Place,
    scales: Place,
    groups_a_row: u64,
}

impl Work<'_> {
    /// Converts everything, on so many threads; not on more than any disk serves.
    pub(super) fn run(&self, threads: usize) -> Result<(), WeightsError> {
        let threads = threads.min(64);
        let units = Units::of(&self.plan.params);
        let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
        let left: Vec<_> = (0..self.plan.params.len())
            .map(|param| AtomicU64::new(units.of_param(param)))
            .collect();
        let failed = Mutex::new(None);
        let thread = || {
            let mut buffers = Buffers::default();
            let level = Level::new();
            let result = loop {
                if stop.load(Ordering::Relaxed) {
                    break Ok(());
                }
                if self.cancel.is_cancelled() {
                    break Err(WeightsError::Interrupted);
                }
                let Some(unit) = units.get(next.fetch_add(1, Ordering::Relaxed)) else {
                    break self.output.hash();
                };
                let last = |param: usize| {
                    left.get(param).is_none_or(|left| left.fetch_sub(1, Ordering::AcqRel) == 1)
                };
                if let Err(error) = self.convert(level, &unit, &last, &mut buffers) {
                    break Err(error);
                }
            };
            if let Err(error) = result {
                stop.store(true, Ordering::Relaxed);
                failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(thread);
            }
            thread();
        });
        match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn convert(
        &self,
        level: Level,
        unit: &Unit,
        last: &dyn Fn(usize) -> bool,
        buffers: &mut Buffers,
    ) -> Result<(), WeightsError> {
        let Some(param) = self.plan.params.get(unit.param) else { return Ok(()) };
        match &param.store {
            Store::Plain { source, target, at } => {
                let arithmetic = param.arithmetic;
                let stored = Stored { source: *source, arithmetic, target: *target };
                let suspect = Suspect::Stored(stored);
                self.weights(param, unit, (*at, 2), suspect, buffers, |weights, out| {
                    kernel::store(level, stored, weights, out)
                })
            }
            Store::E5m2 { source, at } => {
                let stored = half(param, *source);
                let suspect = Suspect::E5m2(stored);
                self.weights(param, unit, (*at, 1), suspect, buffers, |weights, out| {
                    let finite = kernel::store_e5m2(level, stored, weights, out);
                    self.vanished.note(unit.param, stored, weights, out);
                    finite
                })
            }
            Store::E4m3 { source, at, scale_at, scale } => {
                let stored = half(param, *source);
                let scale = self.scale(level, param, stored, (*scale_at, scale), buffers)?;
                let suspect = Suspect::Stored(stored);
                self.weights(param, unit, (*at, 1), suspect, buffers, |weights, out| {
                    let finite = kernel::store_e4m3(level, stored, scale, weights, out);
                    self.vanished.note(unit.param, stored, weights, out);
                    finite
                })
            }
            Store::Copied { at } => {
                self.weights(param, unit, (*at, 1), Suspect::E4m3, buffers, |weights, out| {
                    out.copy_from_slice(weights);
                    kernel::is_finite_e4m3(weights)
                })
            }
            Store::Grouped { source, group, model, kn, words, scales } => {
                let groups_a_row = param.columns.div_ceil(group.size as u64);
                let words_a_row = groups_a_row * group.words() as u64;
                let (source, model, transposed) = (*source, *model, *kn);
                let (words, scales) = (*words, *scales);
                let grouped =
                    Grouped { source, group, model, transposed, words, scales, groups_a_row };
                if *kn {
                    self.transposed(level, param, &grouped, unit, buffers)?;
                    if last(unit.param) {
                        self.output.done(words, 0, 4 * words_a_row * param.rows)?;
                        self.output.done(scales, 0, 2 * groups_a_row * param.rows)?;
                    }
                    Ok(())
                } else {
                    self.straight(level, param, &grouped, unit, buffers)
                }
            }
        }
    }

    /// Weights that are stored one by one, in so many bytes each. What stores them says whether all are
    /// finite.
    fn weights(
        &self,
        param: &Param,
        unit: &Unit,
        (at, size): (Place, usize),
        suspect: Suspect,
        buffers: &mut Buffers,
        store: impl FnOnce(&[u8], &mut [u8]) -> bool,
    ) -> Result<(), WeightsError> {
        self.read(param, unit.inner.clone(), &mut buffers.weights, &mut buffers.line)?;
        buffers.out.resize(size * buffers.weights.len() / param.dtype.size(), 0);
        if !store(&buffers.weights, &mut buffers.out) {
            self.nonfinite.note(unit.param, param, unit.inner.start, suspect, &buffers.weights);
        }
        self.put(at, size as u64 * unit.inner.start, &buffers.out)
    }

    /// The scale of a whole parameter: the first who needs it finds it, and stores it too.
    fn scale(
        &self,
        level: Level,
        param: &Param,
        stored: Stored,
        (at, scale): (Place, &Mutex<Option<f32>>),
        buffers: &mut Buffers,
    ) -> Result<f32, WeightsError> {
        let mut scale = scale.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(scale) = *scale {
            return Ok(scale);
        }
        let count = param.rows * param.columns;
        let mut largest = kernel::LEAST;
        for start in (0..count).step_by(PIECE as usize) {
            if self.cancel.is_cancelled() {
                return Err(WeightsError::Interrupted);
            }
            let piece = start..(start + PIECE).min(count);
            self.read_quietly(param, piece, &mut buffers.weights, &mut buffers.line)?;
            largest = kernel::largest(level, stored, largest, &buffers.weights);
        }
        let found = *scale.insert(kernel::e4m3_scale(largest));
        scale_bytes(level, FloatType::F32, &[found], &mut buffers.bytes, &mut buffers.out);
        self.put(at, 0, &buffers.out)?;
        Ok(found)
    }

    /// Rows as they come.
    fn straight(
        &self,
        level: Level,
        param: &Param,
        grouped: &Grouped<'_>,
        unit: &Unit,
        buffers: &mut Buffers,
    ) -> Result<(), WeightsError> {
        self.quantize(level, param, grouped, unit, unit.rows.clone(), buffers)?;
        let Buffers { words, scales, bytes, out, .. } = buffers;
        let first = unit.rows.start * grouped.groups_a_row + unit.inner.start;
        word_bytes(words, bytes);
        self.put(grouped.words, 4 * first * grouped.group.words() as u64, bytes)?;
        scale_bytes(level, grouped.model, scales, bytes, out);
        self.put(grouped.scales, 2 * first, out)
    }

    /// Rows that become columns. Of each row of the result, what lies side by side is written.
    fn transposed(
        &self,
        level: Level,
        param: &Param,
        grouped: &Grouped<'_>,
        unit: &Unit,
        buffers: &mut Buffers,
    ) -> Result<(), WeightsError> {
        let height = to_usize(unit.rows.end - unit.rows.start);
        let groups = to_usize(unit.inner.end - unit.inner.start);
        let words = groups * grouped.group.words();
        let (mut tile, mut scale_tile) =
            (std::mem::take(&mut buffers.tile), std::mem::take(&mut buffers.scale_tile));
        tile.resize(height * words, 0);
        scale_tile.resize(height * groups, 0.0);
        let whole = unit.inner.end - unit.inner.start == grouped.groups_a_row;
        let step = if whole { (PIECE / param.columns).max(1) } else { 1 };
        let mut row = unit.rows.start;
        while row < unit.rows.end {
            let end = (row + step).min(unit.rows.end);
            self.quantize(level, param, grouped, unit, row..end, buffers)?;
            let at = to_usize(row - unit.rows.start);
            transpose(&buffers.words, words, &mut tile, height, at);
            transpose(&buffers.scales, groups, &mut scale_tile, height, at);
            row = end;
        }
        let first = unit.inner.start * grouped.group.words() as u64;
        for (line, words) in (first..).zip(tile.chunks_exact(height)) {
            word_bytes(words, &mut buffers.bytes);
            let at = 4 * (line * param.rows + unit.rows.start);
            self.output.write(grouped.words, at, &buffers.bytes)?;
        }
        for (line, scales) in (unit.inner.start..).zip(scale_tile.chunks_exact(height)) {
            scale_bytes(level, grouped.model, scales, &mut buffers.bytes, &mut buffers.out);
            let at = 2 * (line * param.rows + unit.rows.start);
            self.output.write(grouped.scales, at, &buffers.out)?;
        }
        (buffers.tile, buffers.scale_tile) = (tile, scale_tile);
        Ok(())
    }

    /// Reads and quantizes the unit's groups of some rows into `buffers.words` and `.scales`.
    fn quantize(
        &self,
        level: Level,
        param: &Param,
        grouped: &Grouped<'_>,
        unit: &Unit,
        rows: Range<u64>,
        buffers: &mut Buffers,
    ) -> Result<(), WeightsError> {
        let size = grouped.group.size as u64;
        let columns = unit.inner.start * size..(unit.inner.end * size).min(param.columns);
        // Only one row where it is not read as a whole.
        let start = rows.start * param.columns + columns.start;
        let end = (rows.end - 1) * param.columns + columns.end;
        self.read(param, start..end, &mut buffers.weights, &mut buffers.line)?;
        let stored =
            Stored { source: grouped.source, arithmetic: param.arithmetic, target: grouped.model };
        let (weights, source) = match param.arithmetic {
            Arithmetic::Nothing => (&buffers.weights, grouped.source),
            _ => {
                let count = buffers.weights.len() / param.dtype.size();
                buffers.changed.resize(count * FloatType::F32.size(), 0);
                kernel::in_single(stored, &buffers.weights, &mut buffers.changed);
                (&buffers.changed, FloatType::F32)
            }
        };
        let groups = to_usize((rows.end - rows.start) * (unit.inner.end - unit.inner.start));
        buffers.words.resize(groups * grouped.group.words(), 0);
        buffers.scales.resize(groups, 0.0);
        let finite = kernel::quantize(
            level,
            grouped.group,
            Groups {
                weights,
                source,
                columns: to_usize(columns.end - columns.start),
                model: grouped.model,
                transposed: grouped.transposed,
                words: &mut buffers.words,
                scales: &mut buffers.scales,
            },
        );
        if !finite {
            let suspect = Suspect::Stored(stored);
            self.nonfinite.note(unit.param, param, start, suspect, &buffers.weights);
        }
        Ok(())
    }

    /// Reads weights by their numbers in the parameter.
    fn read(
        &self,
        param: &Param,
        weights: Range<u64>,
        buffer: &mut Vec<u8>,
        line: &mut Vec<u8>,
    ) -> Result<(), WeightsError> {
        (self.progress)(self.read_quietly(param, weights, buffer, line)?);
        Ok(())
    }

    /// The same without telling of it; gives how many bytes they have in the checkpoint.
    fn read_quietly(
        &self,
        param: &Param,
        weights: Range<u64>,
        buffer: &mut Vec<u8>,
        line: &mut Vec<u8>,
    ) -> Result<u64, WeightsError> {
        let bytes = (weights.end - weights.start) * param.dtype.size() as u64;
        buffer.resize(to_usize(bytes), 0);
        match &param.gather {
            Gather::Segments(segments) => {
                self.read_segments(segments, param.dtype, weights, buffer, line)
            }
            Gather::Transposed(blocks) => {
                for block in blocks {
                    self.read_block(block, param, weights.clone(), buffer, line)?;
                }
                Ok(bytes)
            }
        }
    }

    /// Reads what of a transposed block is among these weights: of each row of the tensor, the
    /// part that becomes the rows in question.
    fn read_block(
        &self,
        block: &Block,
        param: &Param,
        weights: Range<u64>,
        buffer: &mut [u8],
        line: &mut Vec<u8>,
    ) -> Result<(), WeightsError> {
        let size = param.dtype.size();
        let columns = param.columns;
        let rows = (weights.start / columns).max(block.first)
            ..weights.end.div_ceil(columns).min(block.first + block.rows);
        let Some(file) = self.checkpoint.files.get(block.file).filter(|_| !rows.is_empty()) else {
            return Ok(());
        };
        line.resize(to_usize(rows.end - rows.start) * size, 0);
        for column in 0..columns {
            let from = column * block.rows + (rows.start - block.first);
            let offset = block.offset + from * size as u64;
            file.file.read_exact_at(line, offset).map_err(WeightsError::Read)?;
            for (row, weight) in rows.clone().zip(line.chunks_exact(size)) {
                let at = (row * columns + column).checked_sub(weights.start).map(to_usize);
                if let Some(to) = at.and_then(|at| buffer.get_mut(at * size..(at + 1) * size)) {
                    to.copy_from_slice(weight);
                }
            }
        }
        Ok(())
    }

    /// Reads weights that lie side by side, as those of one type; gives how many bytes they have
    /// in the checkpoint.
    fn read_segments(
        &self,
        segments: &[Segment],
        dtype: Element,
        weights: Range<u64>,
        buffer: &mut [u8],
        line: &mut Vec<u8>,
    ) -> Result<u64, WeightsError> {
        let size = dtype.size() as u64;
        let mut read = 0;
        let mut rest = buffer;
        let mut at = weights.start;
        let mut segment = segments.partition_point(|segment| segment.first <= at);
        while !rest.is_empty() {
            let end = segments.get(segment).map_or(weights.end, |next| next.first);
            let length = to_usize((end.min(weights.end) - at) * size);
            let (piece, behind) = rest.split_at_mut(length.min(rest.len()));
            if let Some(from) = segment.checked_sub(1).and_then(|at| segments.get(at))
                && let Some(file) = self.checkpoint.files.get(from.file)
            {
                let offset = from.offset + (at - from.first) * from.size();
                let bytes = piece.len() as u64 / size * from.size();
                read += bytes;
                match (from.dtype, dtype) {
                    (Element::Float(source), Element::Float(target)) if source != target => {
                        line.resize(to_usize(bytes), 0);
                        file.file.read_exact_at(line, offset).map_err(WeightsError::Read)?;
                        let arithmetic = Arithmetic::Nothing;
                        kernel::in_single(Stored { source, arithmetic, target }, line, piece);
                    }
                    _ => file.file.read_exact_at(piece, offset).map_err(WeightsError::Read)?,
                }
            }
            (rest, at, segment) = (behind, end, segment + 1);
        }
        Ok(read)
    }

    fn put(&self, place: Place, at: u64, bytes: &[u8]) -> Result<(), WeightsError> {
        self.output.write(place, at, bytes)?;
        self.output.done(place, at, bytes.len() as u64)
    }
}

/// Weights as the halves that become FP8.
fn half(param: &Param, source: FloatType) -> Stored {
    Stored { source, arithmetic: param.arithmetic, target: FloatType::F16 }
}

/// Puts rows of `width` into columns of a tile, from column `at` on.
fn transpose<T: Copy>(rows: &[T], width: usize, tile: &mut [T], height: usize, at: usize) {
    for (line, column) in tile.chunks_exact_mut(height).zip(0..width) {
        let line = line.get_mut(at..).unwrap_or_default();
        for (to, row) in line.iter_mut().zip(rows.chunks_exact(width)) {
            if let Some(value) = row.get(column) {
                *to = *value;
            }
        }
    }
}

fn word_bytes(words: &[u32], bytes: &mut Vec<u8>) {
    bytes.resize(4 * words.len(), 0);
    for (to, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(words) {
        *to = word.to_le_bytes();
    }
}

/// Scales as they are stored; `bytes` is room to work in.
fn scale_bytes(
    level: Level,
    model: FloatType,
    scales: &[f32],
    bytes: &mut Vec<u8>,
    out: &mut Vec<u8>,
) {
    bytes.resize(4 * scales.len(), 0);
    for (to, scale) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(scales) {
        *to = scale.to_le_bytes();
    }
    out.resize(2 * scales.len(), 0);
    let (source, arithmetic) = (FloatType::F32, Arithmetic::Nothing);
    let stored = Stored { source, arithmetic, target: model };
    // Scales that are not finite are those of weights that are not, which are known.
    let _ = kernel::store(level, stored, bytes, out);
}

/// Sizes of units, which are small.
fn to_usize(size: u64) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}
