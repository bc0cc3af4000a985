//! The pairs of the `--net` syntax, one by one: each says what may stand there when something else does.

use downbeat_wire::Micros;

use crate::spec::{LinkSpec, Queue, SpecError};
use crate::units::{Chance, decimal, parse_decimal};

/// An hour: no link under test is slower, and sums of such times stay far from overflow.
const TIME_US_MAX: u64 = 3_600_000_000;

/// A hundred terabits: above any link, below overflow when multiplied by bytes.
const RATE_BITS_MAX: u64 = 100_000_000_000_000;

const KEYS: [&str; 8] = ["latency", "jitter", "loss", "burst", "reorder", "dup", "rate", "queue"];

pub(crate) fn pairs(text: &str) -> Result<LinkSpec, SpecError> {
    let mut spec = LinkSpec::PERFECT;
    let mut seen = [false; KEYS.len()];
    for pair in text.split(',').map(str::trim).filter(|_| !text.is_empty()) {
        let Some((name, value)) = pair.split_once('=') else {
            return Err(SpecError::NotAPair(pair.to_owned()));
        };
        let (name, value) = (name.trim(), value.trim());
        let Some(at) = KEYS.iter().position(|key| *key == name) else {
            return Err(SpecError::UnknownKey(name.to_owned()));
        };
        if std::mem::replace(&mut seen[at], true) {
            return Err(SpecError::Twice(KEYS[at]));
        }
        let bad = |allowed| SpecError::BadValue { key: KEYS[at], value: value.to_owned(), allowed };
        let time = || time(value).ok_or_else(|| bad("a time such as 25ms, 300us or 1.5s, at most an hour"));
        let chance = || chance(value).ok_or_else(|| bad("a share such as 2% or 0.1%, at most 100%"));
        match KEYS[at] {
            "latency" => spec.latency = time()?,
            "jitter" => spec.jitter = time()?,
            "loss" => spec.loss = chance()?,
            "reorder" => spec.reorder = chance()?,
            "dup" => spec.dup = chance()?,
            "burst" => {
                let burst = parse_decimal(value, 3).and_then(|b| u32::try_from(b).ok());
                spec.burst_thousandths = Some(burst.ok_or_else(|| bad("a number of datagrams such as 3 or 2.5"))?);
            }
            "rate" => spec.rate_bits = Some(rate(value).ok_or_else(|| bad("bits a second such as 10mbit or 512kbit"))?),
            _ => spec.queue = Some(queue(value).ok_or_else(|| bad("a time such as 100ms, or bytes such as 64kb"))?),
        }
    }
    spec.checked()
}

fn time(text: &str) -> Option<Micros> {
    let us = if let Some(number) = text.strip_suffix("us") {
        parse_decimal(number, 0)?
    } else if let Some(number) = text.strip_suffix("ms") {
        parse_decimal(number, 3)?
    } else {
        parse_decimal(text.strip_suffix('s')?, 6)?
    };
    (us <= TIME_US_MAX).then_some(Micros(us))
}

fn chance(text: &str) -> Option<Chance> {
    let millionths = u32::try_from(parse_decimal(text.strip_suffix('%')?, 4)?).ok()?;
    (millionths <= Chance::ALWAYS.millionths()).then(|| Chance::from_millionths(millionths))
}

fn rate(text: &str) -> Option<u64> {
    let number = text.strip_suffix("bit")?;
    let bits = match number.as_bytes().last()? {
        b'k' => parse_decimal(&number[..number.len() - 1], 3)?,
        b'm' => parse_decimal(&number[..number.len() - 1], 6)?,
        b'g' => parse_decimal(&number[..number.len() - 1], 9)?,
        _ => parse_decimal(number, 0)?,
    };
    (bits <= RATE_BITS_MAX).then_some(bits)
}

pub(crate) fn print_rate(bits: u64) -> String {
    match bits {
        1_000_000.. => format!("{}mbit", decimal(bits, 6)),
        1_000.. => format!("{}kbit", decimal(bits, 3)),
        _ => format!("{bits}bit"),
    }
}

fn queue(text: &str) -> Option<Queue> {
    if let Some(time) = time(text) {
        return Some(Queue::Time(time));
    }
    let bytes = if let Some(number) = text.strip_suffix("kb") {
        parse_decimal(number, 3)?
    } else if let Some(number) = text.strip_suffix("mb") {
        parse_decimal(number, 6)?
    } else {
        parse_decimal(text.strip_suffix('b').unwrap_or(text), 0)?
    };
    Some(Queue::Bytes(bytes))
}
