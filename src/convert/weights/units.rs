//! The work in pieces that fit into a processor's cache, any of which any thread may do.

use std::ops::Range;

use super::plan::{Param, Store};

/// Weights a piece, more or less: half a megabyte of bf16.
pub(super) const PIECE: u64 = 256 << 10;

/// Rows of a tile that is transposed: what is written at a time is so many words.
const TILE_ROWS: u64 = 1024;
/// Words of a tile.
const TILE_WORDS: u64 = 1 << 20;

/// A part of a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) param: usize,
    pub(super) rows: Range<u64>,
    /// Groups of each row; of what is not quantized, weights.
    pub(super) inner: Range<u64>,
}

/// How a parameter is cut.
#[derive(Clone, Copy)]
struct Grid {
    rows: u64,
    rows_a_unit: u64,
    inner: u64,
    inner_a_unit: u64,
}

/// All units, without a list of them.
pub(super) struct Units {
    grids: Vec<Grid>,
    /// How many units there are up to the end of each parameter.
    ends: Vec<u64>,
}

impl Units {
    /// Cuts the parameters.
    pub(super) fn of(params: &[Param]) -> Self {
        let grids: Vec<_> = params.iter().map(Grid::of).collect();
        let mut total = 0;
        let ends = grids.iter().map(|grid| {
            total += grid.units();
            total
        });
        Self { ends: ends.collect(), grids }
    }

    /// How many units a parameter is cut into.
    pub(super) fn of_param(&self, param: usize) -> u64 {
        self.grids.get(param).map_or(0, Grid::units)
    }

    /// A unit by its number.
    pub(super) fn get(&self, number: u64) -> Option<Unit> {
        let param = self.ends.partition_point(|end| *end <= number);
        let grid = self.grids.get(param)?;
        let before = param.checked_sub(1).and_then(|before| self.ends.get(before));
        let number = number - before.copied().unwrap_or_default();
        let (row, column) = (number / grid.columns(), number % grid.columns());
        let range = |at: u64, size: u64, end: u64| at * size..((at + 1) * size).min(end);
        Some(Unit {
            param,
            rows: range(row, grid.rows_a_unit, grid.rows),
            inner: range(column, grid.inner_a_unit, grid.inner),
        })
    }
}

impl Grid {
    fn of(param: &Param) -> Self {
        let (rows, columns) = (param.rows, param.columns);
        match &param.store {
            Store::Plain { .. }
            | Store::E5m2 { .. }
            | Store::E4m3 { .. }
            | Store::Copied { .. } => {
                let inner = rows * columns;
                Self { rows: 1, rows_a_unit: 1, inner, inner_a_unit: PIECE }
            }
            Store::Grouped { group, kn, .. } => {
                let size = group.size as u64;
                let inner = columns.div_ceil(size);
                let (rows_a_unit, inner_a_unit) = if *kn {
                    let words = inner * group.words() as u64;
                    let rows = TILE_ROWS.max(TILE_WORDS / 2 / words);
                    let tile = TILE_WORDS / (rows.min(param.rows) * group.words() as u64);
                    (rows, tile.clamp(1, (PIECE / size).max(1)).min(inner))
                } else if columns <= PIECE {
                    ((PIECE / columns).max(1), inner)
                } else {
                    (1, PIECE / size)
                };
                Self { rows, rows_a_unit, inner, inner_a_unit }
            }
        }
    }

    fn units(&self) -> u64 {
        self.rows.div_ceil(self.rows_a_unit) * self.columns()
    }

    /// Units side by side.
    fn columns(&self) -> u64 {
        self.inner.div_ceil(self.inner_a_unit)
    }
}
