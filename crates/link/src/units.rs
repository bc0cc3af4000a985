//! The units of the `--net` syntax. Probabilities are whole millionths, so that a printed link parses back to the same one.

use std::fmt;

/// A probability in millionths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Chance(u32);

impl Chance {
    /// It never happens.
    pub const NEVER: Self = Self(0);
    /// It always happens.
    pub const ALWAYS: Self = Self(1_000_000);

    /// `millionths` of one; more than a million are held at [`Chance::ALWAYS`].
    #[must_use]
    pub const fn from_millionths(millionths: u32) -> Self {
        if millionths > Self::ALWAYS.0 { Self::ALWAYS } else { Self(millionths) }
    }

    /// `percent` of one hundred.
    #[must_use]
    pub const fn from_percent(percent: u32) -> Self {
        Self::from_millionths(percent.saturating_mul(10_000))
    }

    /// The probability in millionths.
    #[must_use]
    pub const fn millionths(self) -> u32 {
        self.0
    }

    /// The probability between 0 and 1.
    #[must_use]
    pub fn fraction(self) -> f64 {
        f64::from(self.0) / 1e6
    }

    /// Whether a draw of 64 random bits is a hit.
    pub(crate) fn hits(self, draw: u64) -> bool {
        below(draw, 1_000_000) < u64::from(self.0)
    }
}

impl fmt::Display for Chance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&decimal(u64::from(self.0), 4))?;
        f.write_str("%")
    }
}

/// A number in `0..bound` from 64 random bits, without the bias of a remainder.
pub(crate) fn below(draw: u64, bound: u64) -> u64 {
    ((u128::from(draw) * u128::from(bound)) >> 64) as u64
}

/// `value / 10^places` as the shortest decimal.
pub(crate) fn decimal(value: u64, places: u32) -> String {
    let unit = 10u64.pow(places);
    let text = format!("{}.{:0width$}", value / unit, value % unit, width = places as usize);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `text` times `10^places` as a whole number: `None` when it is no decimal, has more places than that, or is too large.
pub(crate) fn parse_decimal(text: &str, places: u32) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > places as usize {
        return None;
    }
    let mut value: u64 = whole.parse().ok()?;
    for at in 0..places as usize {
        let digit = fraction.as_bytes().get(at).map_or(0, |b| b - b'0');
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_print_short_and_parse_back() {
        for (value, text) in [(0, "0"), (20_000, "2"), (1_500, "0.15"), (1, "0.0001")] {
            assert_eq!(decimal(value, 4), text);
            assert_eq!(parse_decimal(text, 4), Some(value));
        }
        for bad in ["", ".", "-1", "1e3", "0.00001", "99999999999999999999"] {
            assert_eq!(parse_decimal(bad, 4), None, "{bad:?}");
        }
    }
}
