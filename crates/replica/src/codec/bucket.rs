//! A table cannot have a symbol for each of 2^32 residuals.
//!
//! Small ones get one each, larger ones share a bucket (two to an octave) and are told apart by raw bits: within a bucket
//! all are about as likely. What exceeds the last bucket is told in full behind the escape.

/// Symbols of a residual: zero, 31 buckets of either sign, and the escape.
pub(crate) const SYMBOLS: usize = 64;
/// The residual is told in full.
pub(crate) const ESCAPE: u8 = 63;
const EXACT: u32 = 8;

/// Symbols up to here are residuals told by themselves: no raw bits follow.
pub(crate) const EXACT_SYMBOLS: u8 = 2 * EXACT as u8;

/// The residual of a symbol up to [`EXACT_SYMBOLS`].
#[inline]
pub(crate) const fn exact(symbol: u8) -> i32 {
    let size = (symbol as i32 + 1) >> 1;
    let sign = -(symbol as i32 & 1);
    (size ^ sign) - sign
}

/// The symbol of a residual and the raw bits behind it.
#[inline]
pub(crate) fn split(residual: i32) -> (u8, u32) {
    let (bucket, raw) = if residual.unsigned_abs() <= EXACT {
        (residual.unsigned_abs(), 0)
    } else {
        let above = residual.unsigned_abs() - 1;
        let octave = above.ilog2();
        let bits = octave - 1;
        let bucket = EXACT + 1 + (octave - 3) * 2 + (above >> bits & 1);
        if bucket > 31 {
            return (ESCAPE, residual as u32);
        }
        (bucket, above & ((1 << bits) - 1))
    };
    let symbol = if residual < 0 { 2 * bucket - 1 } else { 2 * bucket };
    (symbol as u8, raw)
}

/// How many raw bits follow `symbol`.
#[inline]
pub(crate) fn raw_bits(symbol: u8) -> u32 {
    let bucket = u32::from(symbol).div_ceil(2);
    match bucket {
        0..=EXACT => 0,
        32.. => 32,
        _ => (bucket - EXACT - 1) / 2 + 2,
    }
}

/// The residual of `symbol` and the raw bits behind it.
#[inline]
pub(crate) fn join(symbol: u8, raw: u32) -> i32 {
    if symbol == ESCAPE {
        return raw as i32;
    }
    let bucket = u32::from(symbol).div_ceil(2);
    let size = if bucket <= EXACT {
        bucket
    } else {
        let bits = raw_bits(symbol);
        ((2 + ((bucket - EXACT - 1) & 1)) << bits | raw) + 1
    };
    if symbol & 1 == 1 { -(size as i32) } else { size as i32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_residual_comes_back() {
        let edges = (0..31).flat_map(|bit| (-3..=3).map(move |by| (1_i32 << bit).wrapping_add(by)));
        for residual in
            (-3_000..=3_000).chain(edges.clone()).chain(edges.map(i32::wrapping_neg)).chain([i32::MIN, i32::MAX])
        {
            let (symbol, raw) = split(residual);
            let bits = raw_bits(symbol);
            assert!((symbol as usize) < SYMBOLS && (bits == 32 || raw >> bits == 0));
            assert_eq!(join(symbol, raw), residual);
        }
    }
}
