//! What a model would have to write: the length of an ideal code, without a byte being made.

use std::convert::Infallible;

use super::Recording;
use crate::codec::model::KindModel;
use crate::codec::record::{Ask, Io, Walk};
use downbeat_wire::range::TOTAL_BITS;

/// Adds up bits.
struct Bits(f64);

impl Io for Bits {
    type Error = Infallible;

    fn symbol(&mut self, model: &KindModel, ask: Ask<'_>, symbol: u8) -> Result<u8, Infallible> {
        let (_, count) = model.tables.find(model.plan.class[ask.slot], model.level(&ask), symbol);
        self.0 += f64::from(TOTAL_BITS) - libm::log2(count.into());
        Ok(symbol)
    }

    fn raw(&mut self, value: u32, bits: u32) -> Result<u32, Infallible> {
        self.0 += f64::from(bits);
        Ok(value)
    }
}

/// Bits of a sample on average; 0 when there is none.
pub(super) fn bits(model: &KindModel, recording: &dyn Recording) -> f64 {
    let (mut bits, mut samples) = (Bits(0.0), 0_u32);
    let (mut walk, mut told) = (Walk::default(), Vec::new());
    recording.each(model.lags(), &mut |history, sample| {
        samples += 1;
        walk.begin(model, history);
        if !matches!(sample, super::Sample::Given(_)) {
            let Ok(_) = walk.presence(model, &mut bits, sample.state().is_some());
        }
        if let Some(state) = sample.state() {
            told.clear();
            told.extend_from_slice(state);
            let Ok(()) = walk.body(model, history, &mut bits, &mut told);
        }
    });
    bits.0 / f64::from(samples.max(1))
}
