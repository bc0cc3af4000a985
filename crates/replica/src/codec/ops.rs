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

/// Collects ops.
impl Io for Vec<Op> {
    type Error = Infallible;

    #[inline]
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

    #[inline]
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
