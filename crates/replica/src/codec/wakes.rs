//! Most of a world rests, and even a hundredth of a bit for each of 10,000 sleepers is too much.
//!
//! Of those that rest long enough it is told how many have a record, and how many sleepers lie between them. Sleepers that
//! go on sleeping cost nothing each.

use crate::DecodeError;
use crate::codec::bucket;
use crate::codec::model::KindModel;
use crate::codec::ops::Op;
use crate::codec::plan::WAKES;
use downbeat_wire::range::{Decoder, Encoder};

const COUNT: usize = 0;
const GAP: usize = 1;

/// Writes how many sleepers have a record.
pub fn put_count(model: &KindModel, count: u32, out: &mut Encoder<'_>) {
    put(model, COUNT, count, out);
}

/// Writes how many sleepers lie between the last one that has a record and the next.
pub fn put_gap(model: &KindModel, gap: u32, out: &mut Encoder<'_>) {
    put(model, GAP, gap, out);
}

/// Reads what [`put_count`] wrote.
///
/// # Errors
/// When the bytes end early or the number exceeds `max`.
pub fn take_count(model: &KindModel, max: u32, input: &mut Decoder<'_>) -> Result<u32, DecodeError> {
    take(model, COUNT, max, input)
}

/// Reads what [`put_gap`] wrote.
///
/// # Errors
/// When the bytes end early or the number exceeds `max`.
pub fn take_gap(model: &KindModel, max: u32, input: &mut Decoder<'_>) -> Result<u32, DecodeError> {
    take(model, GAP, max, input)
}

fn put(model: &KindModel, level: usize, value: u32, out: &mut Encoder<'_>) {
    let (symbol, raw) = bucket::split(value as i32);
    Op::write(&[Op::symbol(model.tables.find(WAKES, level, symbol))], out);
    out.wide(raw, bucket::raw_bits(symbol));
}

fn take(model: &KindModel, level: usize, max: u32, input: &mut Decoder<'_>) -> Result<u32, DecodeError> {
    let symbol = input.symbol(model.tables.bounds(WAKES, level));
    let raw = input.wide(bucket::raw_bits(symbol));
    input.check()?;
    let value = bucket::join(symbol, raw) as u32;
    if value > max { Err(DecodeError::TooLarge("number of sleepers")) } else { Ok(value) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;
    use crate::codec::plan::Plan;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_come_back_and_too_large_ones_are_refused(numbers in prop::collection::vec(any::<u32>(), 1..20), shift in 0..32_u32) {
            let model = KindModel::untrained(Plan::new(&Kind::default(), false));
            let numbers: Vec<_> = numbers.into_iter().map(|number| number >> shift).collect();
            let mut bytes = Vec::new();
            let mut out = Encoder::new(&mut bytes);
            for &number in &numbers {
                put_count(&model, number, &mut out);
                put_gap(&model, number, &mut out);
            }
            out.finish();
            let mut input = Decoder::new(&bytes);
            for &number in &numbers {
                prop_assert_eq!(take_count(&model, u32::MAX, &mut input), Ok(number));
                let short = number.saturating_sub(1);
                let taken = take_gap(&model, short, &mut input);
                prop_assert_eq!(taken.is_ok(), number <= short);
            }
        }
    }
}
