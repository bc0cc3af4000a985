//! A bit is the least that a bit writer can spend; most decisions about a state are worth far less.
//!
//! So this is a range coder (G. N. N. Martin, "Range encoding", 1979): a code is a
//! number in an interval that each symbol narrows to its share. 64 bits of state, renormalised 32 bits at a time, over
//! static tables whose counts add up to `1 << TOTAL_BITS`. It knows no schema and no model.
//!
//! Any bytes decode into some symbols, never into a panic; who reads asks [`Decoder::check`] as it goes.

use crate::DecodeError;

/// Frequencies of a table add up to `1 << TOTAL_BITS`.
pub const TOTAL_BITS: u32 = 15;
/// Most raw bits at a time.
pub const RAW_BITS_MAX: u32 = 16;

/// Writes symbols behind whatever a buffer already holds.
#[derive(Debug)]
pub struct Encoder<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    low: u64,
    range: u64,
}

impl<'a> Encoder<'a> {
    /// Appends to `out`.
    pub const fn new(out: &'a mut Vec<u8>) -> Self {
        let start = out.len();
        Self { out, start, low: 0, range: u64::MAX }
    }

    /// Writes the symbol that has `low..low + count` of `1 << TOTAL_BITS`.
    #[inline]
    pub fn symbol(&mut self, low: u16, count: u16) {
        let unit = self.range >> TOTAL_BITS;
        self.narrow(unit * u64::from(low), unit * u64::from(count));
    }

    /// Writes `bits` bits, all values alike.
    ///
    /// At most [`RAW_BITS_MAX`]; [`Self::wide`] takes more.
    #[inline]
    pub fn raw(&mut self, value: u32, bits: u32) {
        debug_assert!(bits <= RAW_BITS_MAX && u64::from(value) < 1 << bits);
        let unit = self.range >> bits;
        self.narrow(unit * u64::from(value), unit);
    }

    /// Writes `bits` (0..=32) bits, the low ones first.
    pub fn wide(&mut self, value: u32, bits: u32) {
        let low = bits.min(RAW_BITS_MAX);
        self.raw(value & ((1 << low) - 1), low);
        if bits > low {
            self.raw(value >> low, bits - low);
        }
    }

    /// Writes a flag that is `true` in about `odds` of `1 << TOTAL_BITS` cases (neither never nor always).
    #[inline]
    pub fn flag(&mut self, flag: bool, odds: u16) {
        let never = (1 << TOTAL_BITS) - odds;
        if flag { self.symbol(never, odds) } else { self.symbol(0, never) }
    }

    /// Writes a number: `order + 1` bits below `1 << order`, two more for each doubling (Exp-Golomb).
    pub fn number(&mut self, value: u32, order: u32) {
        let value = u64::from(value) + (1 << order);
        let bits = value.ilog2();
        (order..bits).for_each(|_| self.raw(0, 1));
        self.raw(1, 1);
        self.wide((value & ((1 << bits) - 1)) as u32, bits);
    }

    #[inline]
    fn narrow(&mut self, by: u64, range: u64) {
        let (low, carry) = self.low.overflowing_add(by);
        if carry {
            self.carry();
        }
        (self.low, self.range) = (low, range);
        if range >> 32 == 0 {
            self.out.extend_from_slice(&((low >> 32) as u32).to_be_bytes());
            (self.low, self.range) = (low << 32, range << 32);
        }
    }

    /// Adds one to the last byte written, and on to those before: the code never exceeds its first interval, so that
    /// a carry ends among this encoder's own bytes.
    #[cold]
    fn carry(&mut self) {
        for byte in self.out[self.start..].iter_mut().rev() {
            *byte = byte.wrapping_add(1);
            if *byte != 0 {
                break;
            }
        }
    }

    /// Most bytes that the code has if it ends here.
    #[must_use]
    pub fn len_max(&self) -> usize {
        self.out.len() - self.start + TAIL
    }

    /// Ends the code: the fewest bytes that tell it. Zeros at its end are left out, for a reader finds zeros there
    /// anyway; no more of them than [`Decoder::check`] allows for.
    pub fn finish(mut self) {
        let top = self.low.wrapping_add(self.range - 1);
        if top < self.low {
            // The interval holds a multiple of 2^64.
            self.carry();
            self.low = 0;
        } else {
            let differ = (self.low ^ top).leading_zeros();
            // The bit in which they first differ is set in `top`: what is above it and that bit lie in between,
            // unless `low` has nothing below.
            let keep = u64::MAX << (63 - differ.min(63));
            let value = if self.low & !(keep << 1) == 0 { self.low } else { top & keep };
            self.low = value;
        }
        let tail = self.low.to_be_bytes();
        let kept = tail.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        self.out.extend_from_slice(&tail[..kept]);
    }
}

/// Bytes of the state that an encoder ends with, and that a decoder reads ahead.
const TAIL: usize = 8;

/// Reads what an [`Encoder`] wrote. Behind the end of the bytes there are zeros.
#[derive(Debug)]
pub struct Decoder<'a> {
    bytes: &'a [u8],
    at: usize,
    code: u64,
    range: u64,
}

impl<'a> Decoder<'a> {
    /// Reads all of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        let mut decoder = Self { bytes, at: 0, code: 0, range: u64::MAX };
        decoder.code = decoder.word() << 32 | decoder.word();
        decoder
    }

    #[inline]
    fn word(&mut self) -> u64 {
        let word = match self.bytes.get(self.at..self.at + 4) {
            Some(bytes) => u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
            None => (0..4).fold(0, |word, i| word << 8 | u32::from(self.bytes.get(self.at + i).copied().unwrap_or(0))),
        };
        self.at += 4;
        word.into()
    }

    /// Reads a symbol; `cumulative` has the lower bound of each in ascending order, the first one's is 0.
    #[inline]
    pub fn symbol(&mut self, cumulative: &[u16]) -> u8 {
        let unit = self.range >> TOTAL_BITS;
        let symbol = if let &[_, second] = cumulative {
            // Half of all decisions are between two, and a multiplication takes less than a division.
            usize::from(self.code >= unit * u64::from(second))
        } else {
            // Foreign bytes can exceed the range.
            let value = (self.code / unit).min((1 << TOTAL_BITS) - 1) as u16;
            // A table of residuals is known to be as long as it is, so that its search is one run of vectors.
            match <&[u16; 64]>::try_from(cumulative).ok() {
                Some(table) => usize::from(table.iter().map(|&low| u16::from(low <= value)).sum::<u16>()) - 1,
                None => cumulative.iter().filter(|&&low| low <= value).count() - 1,
            }
        };
        let low = cumulative[symbol];
        let high = cumulative.get(symbol + 1).copied().unwrap_or(1 << TOTAL_BITS);
        self.narrow(unit * u64::from(low), unit * u64::from(high - low));
        symbol as u8
    }

    /// Reads `bits` (at most [`RAW_BITS_MAX`]) bits.
    #[inline]
    pub fn raw(&mut self, bits: u32) -> u32 {
        let unit = self.range >> bits;
        let value = (self.code / unit).min((1 << bits) - 1);
        self.narrow(unit * value, unit);
        value as u32
    }

    /// Reads what [`Encoder::wide`] wrote.
    pub fn wide(&mut self, bits: u32) -> u32 {
        let low = bits.min(RAW_BITS_MAX);
        let value = self.raw(low);
        if bits > low { value | self.raw(bits - low) << low } else { value }
    }

    /// Reads what [`Encoder::flag`] wrote.
    #[inline]
    pub fn flag(&mut self, odds: u16) -> bool {
        self.symbol(&[0, (1 << TOTAL_BITS) - odds]) != 0
    }

    /// Reads what [`Encoder::number`] wrote; a larger number than it writes is the largest.
    pub fn number(&mut self, order: u32) -> u32 {
        let mut bits = order;
        while self.raw(1) == 0 && bits < u32::BITS {
            bits += 1;
        }
        let value = (1 << bits | u64::from(self.wide(bits))) - (1 << order);
        value.min(u32::MAX.into()) as u32
    }

    #[inline]
    fn narrow(&mut self, by: u64, range: u64) {
        self.code = self.code.wrapping_sub(by);
        self.range = range;
        if range >> 32 == 0 {
            self.code = self.code << 32 | self.word();
            self.range <<= 32;
        }
    }

    /// The bytes that were taken in, those included that are read ahead, and what is left of the interval. What was decoded
    /// so far was worth 8 bits for each of the bytes, less the binary logarithm of the interval.
    #[must_use]
    pub const fn state(&self) -> (usize, u64) {
        (self.at, self.range)
    }

    /// Ends reading.
    ///
    /// # Errors
    /// As [`Self::check`], and when bytes are left.
    pub const fn finish(&self) -> Result<(), DecodeError> {
        if self.bytes.len() > self.at { Err(DecodeError::TrailingBytes) } else { self.check() }
    }

    /// Checks that no more was read than an encoder leaves out.
    ///
    /// # Errors
    /// When the bytes ended before what was read.
    #[inline]
    pub const fn check(&self) -> Result<(), DecodeError> {
        if self.at > self.bytes.len() + TAIL { Err(DecodeError::Truncated) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TABLE: [u16; 5] = [0, 1, 20_000, 32_700, 32_767];

    proptest! {
        #[test]
        fn symbols_come_back(symbols in prop::collection::vec((0..5_u8, 0..=16_u32, any::<u16>()), 0..300), before in 0..9_usize) {
            let mut bytes = vec![255; before];
            let mut encoder = Encoder::new(&mut bytes);
            for &(symbol, bits, raw) in &symbols {
                let symbol = usize::from(symbol);
                let high = TABLE.get(symbol + 1).copied().unwrap_or(1 << TOTAL_BITS);
                encoder.symbol(TABLE[symbol], high - TABLE[symbol]);
                encoder.raw(u32::from(raw) & ((1 << bits) - 1), bits);
            }
            let most = encoder.len_max();
            encoder.finish();
            prop_assert!(bytes[..before].iter().all(|&b| b == 255) && bytes.len() - before <= most);
            let mut decoder = Decoder::new(&bytes[before..]);
            for &(symbol, bits, raw) in &symbols {
                prop_assert_eq!(decoder.symbol(&TABLE), symbol);
                prop_assert_eq!(decoder.raw(bits), u32::from(raw) & ((1 << bits) - 1));
            }
            prop_assert_eq!(decoder.check(), Ok(()));
        }

        #[test]
        fn any_bytes_give_symbols(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut decoder = Decoder::new(&bytes);
            for i in 0..400 {
                prop_assert!(decoder.symbol(&TABLE) < 5);
                prop_assert!(decoder.raw(i % 17) >> (i % 17) == 0);
            }
            prop_assert_eq!(decoder.check(), Err(DecodeError::Truncated));
        }

        #[test]
        fn wide_values_come_back(values in prop::collection::vec((any::<u32>(), 0..=32_u32), 0..60)) {
            let values: Vec<_> = values.iter().map(|&(v, bits)| ((u64::from(v) & ((1 << bits) - 1)) as u32, bits)).collect();
            let mut bytes = Vec::new();
            let mut encoder = Encoder::new(&mut bytes);
            values.iter().for_each(|&(value, bits)| encoder.wide(value, bits));
            encoder.finish();
            let mut decoder = Decoder::new(&bytes);
            for &(value, bits) in &values {
                prop_assert_eq!(decoder.wide(bits), value);
            }
            prop_assert_eq!(decoder.check(), Ok(()));
        }

        #[test]
        fn the_largest_numbers_are_as_long_as_they_are_written(below in 0..600_u32, order in 0..=9_u32) {
            let mut bytes = Vec::new();
            let mut encoder = Encoder::new(&mut bytes);
            encoder.number(u32::MAX - below, order);
            encoder.raw(0x155, 9);
            encoder.finish();
            let mut decoder = Decoder::new(&bytes);
            prop_assert_eq!((decoder.number(order), decoder.raw(9)), (u32::MAX - below, 0x155));
        }

        #[test]
        fn numbers_and_flags_come_back(values in prop::collection::vec((any::<u32>(), 0..33_u32, 0..9_u32, any::<bool>(), 1..32_768_u16), 0..60)) {
            let values: Vec<_> = values.iter().map(|&(v, shift, order, flag, odds)| (v.checked_shr(shift).unwrap_or(0), order, flag, odds)).collect();
            let mut bytes = Vec::new();
            let mut encoder = Encoder::new(&mut bytes);
            for &(value, order, flag, odds) in &values {
                encoder.number(value, order);
                encoder.flag(flag, odds);
            }
            encoder.finish();
            let mut decoder = Decoder::new(&bytes);
            for &(value, order, flag, odds) in &values {
                prop_assert_eq!(decoder.number(order), value);
                prop_assert_eq!(decoder.flag(odds), flag);
            }
            prop_assert_eq!(decoder.finish(), Ok(()));
        }
    }

    #[test]
    fn a_code_that_ends_in_nothing_but_first_symbols_is_not_taken_for_a_truncated_one() {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes);
        (0..1_000).for_each(|_| encoder.symbol(0, 20_000));
        encoder.finish();
        let mut decoder = Decoder::new(&bytes);
        for _ in 0..1_000 {
            assert_eq!(decoder.symbol(&[0, 20_000]), 0);
            assert_eq!(decoder.check(), Ok(()));
        }
    }

    #[test]
    fn likely_symbols_cost_a_fraction_of_a_bit() {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes);
        (0..1_000).for_each(|_| encoder.symbol(100, 32_600));
        encoder.finish();
        // 1,000 x log2(32,768 / 32,600) bits are 7.4.
        assert!(bytes.len() <= 2, "{} bytes", bytes.len());
    }
}
