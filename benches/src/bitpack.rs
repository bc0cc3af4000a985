//! The scheme that others are measured against: which fields changed, and the differences in Exp-Golomb code.

use downbeat_replica::Kind;
use downbeat_replica::bits::BitWriter;

/// Writes the lanes `state` against `base`.
pub(crate) fn put_delta(kind: &Kind, base: &[i32], state: &[i32], out: &mut BitWriter<'_>) {
    for field in &kind.fields {
        let changed = state[field.lanes.clone()] != base[field.lanes.clone()];
        out.flag(changed);
        for i in field.lanes.clone().filter(|_| changed) {
            let (lane, residual) = (&kind.lanes[i], state[i] - base[i]);
            let bits = lane.bits(true);
            if bits <= PLAIN_BITS {
                // Modulo the next power of two: the reader knows the base and finds the value.
                out.bits(residual as u32 & ((1 << bits) - 1), bits);
                continue;
            }
            let residual = if lane.wraps { residual << (32 - bits) >> (32 - bits) } else { residual };
            out.signed_golomb(residual, GOLOMB_ORDER);
        }
    }
}

/// Lanes of a few bits are flipped or stated; wider ones get short codes for small changes.
const PLAIN_BITS: u32 = 3;
const GOLOMB_ORDER: u32 = 2;
