//! A thousand clients see the same walker, and most of them know the same of it.
//!
//! A decision depends on the entity and on what is known of it, not on the client. So it is made once, kept as its place in
//! its table, and written to each client: a multiplication and an addition.

use std::convert::Infallible;

use crate::DecodeError;
use crate::codec::model::KindModel;
use crate::codec::record::{Ask, Io};
use downbeat_wire::range::{Decoder, Encoder, RAW_BITS_MAX, TOTAL_BITS};

/// A symbol's place in its table, and raw bits behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Op {
    low: u16,
    count: u16,
    raw: u16,
    bits: u16,
}

impl Op {
    /// A symbol.
    #[inline]
    #[must_use]
    pub(crate) const fn symbol((low, count): (u16, u16)) -> Self {
        Self { low, count, raw: 0, bits: 0 }
    }

    /// What writing it costs, in 1/256 bit, rounded up.
    #[inline]
    #[must_use]
    pub fn cost(self) -> u32 {
        cost(self.count) + u32::from(self.bits) * 256
    }

    /// Writes ops.
    #[inline]
    pub fn write(ops: &[Self], out: &mut Encoder<'_>) {
        for op in ops {
            out.symbol(op.low, op.count);
            if op.bits > 0 {
                out.raw(op.raw.into(), op.bits.into());
            }
        }
    }
}

/// What a symbol costs that has `count` (not 0) of `1 << TOTAL_BITS`, in 1/256 bit, rounded up.
#[inline]
#[must_use]
pub fn cost(count: u16) -> u32 {
    let shift = count.leading_zeros();
    let mantissa = (u32::from(count) << shift >> (16 - 1 - LOG_BITS)) as usize & ((1 << LOG_BITS) - 1);
    TOTAL_BITS * 256 - (15 - shift) * 256 - u32::from(LOG[mantissa])
}

/// Leading bits of a count that [`cost`] looks at.
const LOG_BITS: u32 = 6;

/// Binary logarithms of 1, 1 + 1/64 and so on, in 1/256, rounded down.
const LOG: [u8; 1 << LOG_BITS] = {
    let mut table = [0; 1 << LOG_BITS];
    let mut i = 0;
    while i < table.len() {
        // Squaring doubles a logarithm: whether it reaches 1 is the next bit of it.
        let (mut x, mut log, mut bit) = (((1 << LOG_BITS) + i as u64) << (30 - LOG_BITS), 0, 128);
        while bit > 0 {
            x = (x * x) >> 30;
            if x >> 31 > 0 {
                x >>= 1;
                log |= bit;
            }
            bit >>= 1;
        }
        table[i] = log;
        i += 1;
    }
    table
};

/// Collects ops.
impl Io for Vec<Op> {
    type Error = Infallible;

    #[inline(always)]
    fn symbol(&mut self, model: &KindModel, ask: Ask<'_>, symbol: u8) -> Result<u8, Infallible> {
        self.push(Op::symbol(model.tables.find(model.plan.class[ask.slot], model.level(&ask), symbol)));
        Ok(symbol)
    }

    #[inline]
    fn raw(&mut self, value: u32, bits: u32) -> Result<u32, Infallible> {
        let last = self.last_mut().expect("raw bits stand behind a symbol");
        (last.raw, last.bits) = (value as u16, bits.min(RAW_BITS_MAX) as u16);
        if bits > RAW_BITS_MAX {
            // A symbol that is certain carries the upper half.
            self.push(Op {
                low: 0,
                count: 1 << TOTAL_BITS,
                raw: (value >> RAW_BITS_MAX) as u16,
                bits: (bits - RAW_BITS_MAX) as u16,
            });
        }
        Ok(value)
    }
}

impl Io for Decoder<'_> {
    type Error = DecodeError;

    #[inline(always)]
    fn symbol(&mut self, model: &KindModel, ask: Ask<'_>, _: u8) -> Result<u8, DecodeError> {
        self.check()?;
        Ok(Decoder::symbol(self, model.tables.bounds(model.plan.class[ask.slot], model.level(&ask))))
    }

    #[inline]
    fn raw(&mut self, _: u32, bits: u32) -> Result<u32, DecodeError> {
        let low = Decoder::raw(self, bits.min(RAW_BITS_MAX));
        if bits <= RAW_BITS_MAX {
            return Ok(low);
        }
        Decoder::symbol(self, &[0]);
        Ok(low | Decoder::raw(self, bits - RAW_BITS_MAX) << RAW_BITS_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_those_of_the_coder_and_never_too_low() {
        for count in 1..1 << TOTAL_BITS {
            let exact = f64::from(TOTAL_BITS) - libm::log2(f64::from(count));
            let cost = f64::from(Op::symbol((0, count as u16)).cost()) / 256.0;
            assert!((exact..exact + 0.03).contains(&(cost + 1e-9)), "{count}: {cost} for {exact}");
        }
        let raw = Op { low: 0, count: 1 << TOTAL_BITS, raw: 3, bits: 7 };
        assert_eq!(raw.cost(), 7 * 256);
    }
}
