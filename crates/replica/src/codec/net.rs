//! How steady an entity is follows from how it moved, in a way that differs from game to game.
//!
//! So a small network is trained for it: features of the known states in, 16 units that are zero below zero, numbers out.
//! It is rows added up in one order, so that both ends compute the same bits; rows are padded to eight columns, so that
//! compilers make vectors of them without changing that order.

use crate::codec::history::History;

/// Hidden units.
pub(crate) const HIDDEN: usize = 16;
/// Outputs are padded to a multiple of this.
const LANES: usize = 8;
/// Features are sizes of up to some 16; weights like them smaller.
pub(crate) const FEATURE_SCALE: f32 = 0.25;

/// Adds `by * row` to `sum`.
#[inline]
pub(crate) fn add(sum: &mut [f32], by: f32, row: &[f32]) {
    for (sum, row) in sum.as_chunks_mut::<LANES>().0.iter_mut().zip(row.as_chunks().0) {
        add_row(sum, by, row);
    }
}

#[inline]
fn add_row<const N: usize>(sum: &mut [f32; N], by: f32, row: &[f32; N]) {
    for (sum, row) in sum.iter_mut().zip(row) {
        *sum += by * row;
    }
}

/// Weights. Rows of outputs are `stride` long.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Net {
    /// Outputs, padded.
    pub stride: usize,
    /// `[situation][HIDDEN]`: where the hidden units start.
    pub situation: Vec<f32>,
    /// `[feature][HIDDEN]`.
    pub input: Vec<f32>,
    /// `[output]`.
    pub bias: Vec<f32>,
    /// `[HIDDEN][output]`.
    pub output: Vec<f32>,
}

impl Net {
    /// All zero.
    #[must_use]
    pub(crate) fn new(features: usize, outputs: usize) -> Self {
        let stride = outputs.next_multiple_of(LANES);
        Self {
            stride,
            situation: vec![0.0; History::SITUATIONS * HIDDEN],
            input: vec![0.0; features * HIDDEN],
            bias: vec![0.0; stride],
            output: vec![0.0; HIDDEN * stride],
        }
    }

    /// The hidden units; `features` are times [`FEATURE_SCALE`].
    #[inline]
    #[must_use]
    pub(crate) fn hidden(&self, situation: usize, features: &[f32]) -> [f32; HIDDEN] {
        let mut hidden = self.situation.as_chunks().0[situation];
        for (&feature, row) in features.iter().zip(self.input.as_chunks::<HIDDEN>().0) {
            add_row(&mut hidden, feature, row);
        }
        hidden.map(|unit| if unit > 0.0 { unit } else { 0.0 })
    }

    /// The outputs.
    #[inline]
    pub(crate) fn outputs(&self, hidden: &[f32; HIDDEN], outputs: &mut [f32]) {
        // Some columns at a time, so that their sums stay in registers.
        let (pairs, last) = outputs[..self.stride].as_chunks_mut::<{ 2 * LANES }>();
        for (pair, sums) in pairs.iter_mut().enumerate() {
            *sums = self.columns(hidden, pair * 2 * LANES);
        }
        if let Some(sums) = last.first_chunk_mut::<LANES>() {
            *sums = self.columns(hidden, self.stride - LANES);
        }
    }

    /// The outputs of `N` columns.
    #[inline]
    fn columns<const N: usize>(&self, hidden: &[f32; HIDDEN], first: usize) -> [f32; N] {
        let part = |row: &[f32]| *row[first..].first_chunk().expect("a row has whole columns");
        let mut sums = part(&self.bias);
        for (&unit, row) in hidden.iter().zip(self.output.chunks_exact(self.stride)) {
            add_row(&mut sums, unit, &part(row));
        }
        sums
    }

    /// All weights, in the order of a model file.
    #[must_use]
    pub(crate) fn weights(&self) -> [&Vec<f32>; 4] {
        [&self.situation, &self.input, &self.bias, &self.output]
    }

    /// As [`Self::weights`].
    pub(crate) fn weights_mut(&mut self) -> [&mut Vec<f32>; 4] {
        [&mut self.situation, &mut self.input, &mut self.bias, &mut self.output]
    }
}
