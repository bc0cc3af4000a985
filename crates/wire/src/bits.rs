//! Datagrams are counted in bits, not bytes. This is the one writer and the one reader of them.
//!
//! Bits fill each byte from its lowest bit up; a value's lowest bit comes first. Reading past the end is an
//! error, never a panic.

use crate::DecodeError;

/// Appends bits to a byte buffer that the caller reuses.
#[derive(Debug)]
pub struct BitWriter<'a> {
    bytes: &'a mut Vec<u8>,
    start: usize,
    pending: u64,
    filled: u32,
}

impl<'a> BitWriter<'a> {
    /// Writes behind what `bytes` holds already.
    pub const fn new(bytes: &'a mut Vec<u8>) -> Self {
        let start = bytes.len();
        Self { bytes, start, pending: 0, filled: 0 }
    }

    /// Writes the low `bits` (0..=32) of `value`; higher bits must be zero.
    #[inline]
    pub fn bits(&mut self, value: u32, bits: u32) {
        debug_assert!(bits <= 32 && (bits == 32 || value >> bits == 0), "{value} in {bits} bits");
        self.pending |= u64::from(value) << self.filled;
        self.filled += bits;
        if self.filled >= 32 {
            self.bytes.extend_from_slice(&(self.pending as u32).to_le_bytes());
            self.pending >>= 32;
            self.filled -= 32;
        }
    }

    /// Writes one bit.
    #[inline]
    pub fn flag(&mut self, value: bool) {
        self.bits(u32::from(value), 1);
    }

    /// Writes a number in Exp-Golomb form of order `k` (0..=16): short when small, any `u32` possible.
    #[inline]
    pub fn golomb(&mut self, value: u32, k: u32) {
        let shifted = (u64::from(value) >> k) + 1;
        let extra = 63 - shifted.leading_zeros();
        // `extra` zeros, a one, then the bits below the leading one.
        self.bits(0, extra);
        self.flag(true);
        self.bits((shifted ^ (1 << extra)) as u32, extra);
        self.bits(value & low_mask(k), k);
    }

    /// Writes a signed number in Exp-Golomb form: 0, -1, 1, -2, 2 … from short to long.
    #[inline]
    pub fn signed_golomb(&mut self, value: i32, k: u32) {
        self.golomb(zigzag(value), k);
    }

    /// Appends the first `bits` bits of `source`.
    ///
    /// # Panics
    /// When `source` has fewer.
    pub fn copy(&mut self, source: &[u8], bits: usize) {
        let (words, rest) = source[..bits.div_ceil(8)].split_at(bits / 32 * 4);
        for word in words.chunks_exact(4) {
            self.bits(u32::from_le_bytes(word.try_into().expect("chunks have four bytes")), 32);
        }
        let mut left = bits % 32;
        for &byte in rest {
            let taken = left.min(8);
            self.bits(u32::from(byte) & low_mask(taken as u32), taken as u32);
            left -= taken;
        }
    }

    /// Bits written so far.
    #[must_use]
    pub const fn bit_len(&self) -> usize {
        (self.bytes.len() - self.start) * 8 + self.filled as usize
    }

    /// Pads the last byte with zero bits and returns the bytes written.
    pub fn finish(self) -> usize {
        let tail = self.filled.div_ceil(8) as usize;
        self.bytes.extend_from_slice(&self.pending.to_le_bytes()[..tail]);
        self.bytes.len() - self.start
    }
}

/// Reads what [`BitWriter`] wrote.
#[derive(Clone, Debug)]
pub struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    /// Reads from the first bit of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Reads `bits` (0..=32) bits.
    #[inline]
    pub fn bits(&mut self, bits: u32) -> Result<u32, DecodeError> {
        debug_assert!(bits <= 32);
        let end = self.at + bits as usize;
        if end > self.bytes.len() * 8 {
            return Err(DecodeError::Truncated);
        }
        let first = self.at / 8;
        let window = match self.bytes.get(first..first + 8) {
            Some(eight) => u64::from_le_bytes(eight.try_into().expect("the slice has eight bytes")),
            None => {
                let mut eight = [0; 8];
                let rest = &self.bytes[first.min(self.bytes.len())..];
                eight[..rest.len()].copy_from_slice(rest);
                u64::from_le_bytes(eight)
            }
        };
        self.at = end;
        Ok((window >> ((end - bits as usize) % 8)) as u32 & low_mask(bits))
    }

    /// Reads one bit.
    #[inline]
    pub fn flag(&mut self) -> Result<bool, DecodeError> {
        Ok(self.bits(1)? == 1)
    }

    /// Reads a number that [`BitWriter::golomb`] wrote.
    #[inline]
    pub fn golomb(&mut self, k: u32) -> Result<u32, DecodeError> {
        let mut extra = 0;
        while !self.flag()? {
            extra += 1;
            if extra > 32 {
                return Err(DecodeError::Malformed("number"));
            }
        }
        let shifted = ((1_u64 << extra) | u64::from(self.bits(extra)?)) - 1;
        let value = shifted << k | u64::from(self.bits(k)?);
        u32::try_from(value).map_err(|_| DecodeError::Malformed("number"))
    }

    /// Reads a number that [`BitWriter::signed_golomb`] wrote.
    #[inline]
    pub fn signed_golomb(&mut self, k: u32) -> Result<i32, DecodeError> {
        Ok(unzigzag(self.golomb(k)?))
    }

    /// Ends the reading: what is left must be the zero padding of the last byte.
    pub fn finish(mut self) -> Result<(), DecodeError> {
        let left = self.bytes.len() * 8 - self.at;
        if left >= 8 || self.bits(left as u32)? != 0 {
            return Err(DecodeError::TrailingBytes);
        }
        Ok(())
    }
}

const fn low_mask(bits: u32) -> u32 {
    ((1_u64 << bits) - 1) as u32
}

const fn zigzag(value: i32) -> u32 {
    (value << 1 ^ value >> 31) as u32
}

const fn unzigzag(value: u32) -> i32 {
    (value >> 1) as i32 ^ -((value & 1) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Item {
        Bits(u32, u32),
        Golomb(u32, u32),
        Signed(i32, u32),
    }

    fn item() -> impl Strategy<Value = Item> {
        prop_oneof![
            (any::<u32>(), 0..=32_u32).prop_map(|(v, n)| Item::Bits(v & low_mask(n), n)),
            (any::<u32>(), 0..=16_u32).prop_map(|(v, k)| Item::Golomb(v, k)),
            (0..40_u32, 0..=3_u32).prop_map(|(v, k)| Item::Golomb(v, k)),
            (any::<i32>(), 0..=16_u32).prop_map(|(v, k)| Item::Signed(v, k)),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(items in prop::collection::vec(item(), 0..60), prefix in 0..5_usize) {
            let mut bytes = vec![7; prefix];
            let mut writer = BitWriter::new(&mut bytes);
            for item in &items {
                match *item {
                    Item::Bits(v, n) => writer.bits(v, n),
                    Item::Golomb(v, k) => writer.golomb(v, k),
                    Item::Signed(v, k) => writer.signed_golomb(v, k),
                }
            }
            let bits = writer.bit_len();
            prop_assert_eq!(writer.finish(), bits.div_ceil(8));
            let mut reader = BitReader::new(&bytes[prefix..]);
            for item in &items {
                match *item {
                    Item::Bits(v, n) => prop_assert_eq!(reader.bits(n), Ok(v)),
                    Item::Golomb(v, k) => prop_assert_eq!(reader.golomb(k), Ok(v)),
                    Item::Signed(v, k) => prop_assert_eq!(reader.signed_golomb(k), Ok(v)),
                }
            }
            prop_assert_eq!(reader.finish(), Ok(()));
        }

        #[test]
        fn any_bytes_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..40), orders in prop::collection::vec(0..=16_u32, 1..40)) {
            let mut reader = BitReader::new(&bytes);
            for k in orders {
                let _ = reader.golomb(k);
                let _ = reader.bits(k * 2);
            }
            let _ = reader.finish();
        }
    }

    #[test]
    fn reading_past_the_end_says_truncated() {
        let mut reader = BitReader::new(&[0xff]);
        assert_eq!(reader.bits(9), Err(DecodeError::Truncated));
        assert_eq!(reader.bits(8), Ok(0xff));
        assert_eq!(reader.flag(), Err(DecodeError::Truncated));
    }

    #[test]
    fn copied_bits_equal_written_bits() {
        let source: Vec<u8> = (0..13_u8).map(|i| i.wrapping_mul(37) + 5).collect();
        for bits in 0..=source.len() * 8 {
            let mut bytes = Vec::new();
            let mut writer = BitWriter::new(&mut bytes);
            writer.bits(0b101, 3);
            writer.copy(&source, bits);
            assert_eq!(writer.bit_len(), bits + 3);
            writer.finish();
            let (mut copied, mut original) = (BitReader::new(&bytes), BitReader::new(&source));
            copied.bits(3).expect("the prefix is there");
            for _ in 0..bits {
                assert_eq!(copied.flag(), original.flag());
            }
        }
    }

    #[test]
    fn bytes_left_over_are_refused() {
        assert_eq!(BitReader::new(&[0]).finish(), Err(DecodeError::TrailingBytes));
        let mut reader = BitReader::new(&[0b101]);
        reader.flag().expect("one bit is there");
        assert_eq!(reader.finish(), Err(DecodeError::TrailingBytes), "padding must be zero");
    }
}
