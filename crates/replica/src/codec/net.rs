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
const FEATURE_SCALE: f32 = 0.25;

/// Adds `by * row` to `sum`.
#[inline]
pub(crate) fn add(sum: &mut [f32], by: f32, row: &[f32]) {
    for (sum, row) in sum.chunks_exact_mut(LANES).zip(row.chunks_exact(LANES)) {
        for (sum, row) in sum.iter_mut().zip(row) {
            *sum += by * row;
        }
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

    /// Brings features to the scale of the weights.
    #[inline]
    pub(crate) fn scale(features: &mut [f32]) {
        features.iter_mut().for_each(|feature| *feature *= FEATURE_SCALE);
    }

    /// The hidden units; `features` are scaled.
    #[inline]
    #[must_use]
    pub(crate) fn hidden(&self, situation: usize, features: &[f32]) -> [f32; HIDDEN] {
        let mut hidden = [0.0; HIDDEN];
        hidden.copy_from_slice(&self.situation[situation * HIDDEN..][..HIDDEN]);
        for (&feature, row) in features.iter().zip(self.input.chunks_exact(HIDDEN)) {
            add(&mut hidden, feature, row);
        }
        hidden.map(|unit| if unit > 0.0 { unit } else { 0.0 })
    }

    /// The outputs.
    #[inline]
    pub(crate) fn outputs(&self, hidden: &[f32; HIDDEN], outputs: &mut [f32]) {
        // Some columns at a time, so that their sums stay in registers.
        for (column, outputs) in outputs.chunks_exact_mut(LANES).take(self.stride / LANES).enumerate() {
            let column = column * LANES;
            let mut sums: [f32; LANES] = std::array::from_fn(|i| self.bias[column + i]);
            for (&unit, row) in hidden.iter().zip(self.output.chunks_exact(self.stride)) {
                add(&mut sums, unit, &row[column..column + LANES]);
            }
            outputs.copy_from_slice(&sums);
        }
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
