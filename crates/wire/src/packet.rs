//! Heads of the two datagrams. What follows them depends on the game's schema and lies in `replica`.

use crate::bits::{BitReader, BitWriter};
use crate::range::{Decoder, Encoder};
use crate::{DecodeError, Tick};

/// Which datagrams of the other end were decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Acks {
    /// Sequence of the newest.
    pub newest: u16,
    /// Bit `i` stands for `newest - 1 - i`.
    pub before: u32,
}

impl Acks {
    /// Takes in that `sequence` was decoded.
    pub fn note(seen: &mut Option<Self>, sequence: u16) {
        let Some(acks) = seen else {
            *seen = Some(Self { newest: sequence, before: 0 });
            return;
        };
        let ahead = sequence.wrapping_sub(acks.newest) as i16;
        if ahead > 0 {
            // The old newest becomes bit `ahead - 1`.
            let shifted = acks.before.checked_shl(ahead as u32).unwrap_or(0);
            acks.before = shifted | 1_u32.checked_shl(ahead as u32 - 1).unwrap_or(0);
            acks.newest = sequence;
        } else if (-32..0).contains(&ahead) {
            acks.before |= 1 << (-ahead - 1);
        }
    }

    /// Whether `sequence` is among them.
    #[must_use]
    pub const fn contains(self, sequence: u16) -> bool {
        let behind = self.newest.wrapping_sub(sequence);
        behind == 0 || (behind <= 32 && self.before >> (behind - 1) & 1 == 1)
    }

    /// The sequences, newest first.
    pub fn iter(self) -> impl Iterator<Item = u16> {
        let before = (0..32).filter(move |i| self.before >> i & 1 == 1);
        std::iter::once(self.newest).chain(before.map(move |i| self.newest.wrapping_sub(1 + i)))
    }
}

/// The head of a client's datagram. Input frames follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpHead {
    /// Counts the client's datagrams.
    pub sequence: u16,
    /// What arrived of the server's.
    pub acks: Option<Acks>,
}

impl UpHead {
    /// Writes the head.
    pub fn encode(&self, out: &mut BitWriter<'_>) {
        out.bits(self.sequence.into(), 16);
        out.flag(self.acks.is_some());
        if let Some(acks) = self.acks {
            out.bits(acks.newest.into(), 16);
            // On a good line nothing is missing, which one bit says.
            out.flag(acks.before == u32::MAX);
            if acks.before != u32::MAX {
                out.bits(acks.before, 32);
            }
        }
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// When the bytes end early.
    pub fn decode(input: &mut BitReader<'_>) -> Result<Self, DecodeError> {
        let sequence = input.bits(16)? as u16;
        let mut acks = None;
        if input.flag()? {
            let newest = input.bits(16)? as u16;
            let before = if input.flag()? { u32::MAX } else { input.bits(32)? };
            acks = Some(Acks { newest, before });
        }
        Ok(Self { sequence, acks })
    }
}

/// Which earlier snapshots a datagram builds on: bit `i` stands for the one `i + 1` before it. A datagram names the
/// newest, and those of the [`BEHIND`](Self::BEHIND) before that one that arrived as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known(u32);

impl Known {
    /// Snapshots that are named beyond the newest.
    pub const BEHIND: u32 = 16;
    /// Oldest snapshot that can be named.
    pub const AGE_MAX: u32 = u32::BITS;

    /// Those of `arrived` that a datagram names.
    #[must_use]
    pub const fn of(arrived: u32) -> Self {
        Self(arrived & Self::reach(arrived))
    }

    /// The bits, as in `of`.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The newest of them and those that could be named beyond it.
    const fn reach(arrived: u32) -> u32 {
        let newest = arrived.trailing_zeros();
        if newest == u32::BITS { 0 } else { ((1 << (Self::BEHIND + 1)) - 1) << newest }
    }

    fn encode(self, out: &mut Encoder<'_>) {
        let newest = self.0.trailing_zeros();
        out.raw(if self.0 == 0 { 0 } else { newest + 1 }, AGE_BITS);
        let all = Self::reach(self.0);
        out.flag(self.0 != all, SELDOM);
        if self.0 != all {
            (newest + 1..(newest + 1 + Self::BEHIND).min(u32::BITS)).for_each(|i| out.flag(self.0 >> i & 1 == 0, LOST));
        }
    }

    fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let age = input.raw(AGE_BITS);
        if age > Self::AGE_MAX {
            return Err(DecodeError::Malformed("age of a snapshot"));
        }
        let newest = if age == 0 { 0 } else { 1 << (age - 1) };
        let all = Self::reach(newest);
        if !input.flag(SELDOM) {
            return Ok(Self(all));
        }
        let behind = (age..(age + Self::BEHIND).min(u32::BITS)).filter(|_| !input.flag(LOST));
        Ok(Self(behind.fold(newest, |bits, i| bits | 1 << i) & all))
    }
}

/// The head of a server's datagram. Records and events follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DownHead {
    /// The tick whose state it tells. Divided by the ticks from one snapshot to the next it is the snapshot's number,
    /// which clients acknowledge.
    pub tick: Tick,
    /// The snapshots that it builds on.
    pub known: Known,
    /// What became of the client's inputs; `None` for a spectator.
    pub inputs: Option<InputReport>,
}

/// What became of a client's inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputReport {
    /// The newest tick that ran on an input of the client; zero before the first.
    pub consumed: Tick,
    /// Bit `i`: tick `tick - i` ran on a substitute.
    pub substituted: u32,
    /// How the client's datagrams came since the last one of the server; `None` when none came.
    pub arrivals: Option<Arrivals>,
}

/// How datagrams with inputs came, each as it was numbered: one that was overtaken counts as missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrivals {
    /// The smallest time by which a newest input came before its tick, in 1/16 tick, negative when it came too late. What a
    /// datagram repeats does not count. See [`coarse_margin`].
    pub margin: i16,
    /// Datagrams that did not come before later ones did.
    pub missing: u32,
}

/// A margin in 1/16 tick as it is told: exact up to four ticks, then in half ticks, up to 35.5.
#[must_use]
pub const fn coarse_margin(margin: i16) -> i16 {
    margin_of(margin_code(margin))
}

const FINE: u16 = 64;
const COARSE: u16 = 8;

const fn margin_code(margin: i16) -> u32 {
    let size = margin.unsigned_abs();
    let code = if size <= FINE { size } else { FINE + (size - FINE) / COARSE };
    let code = if code > 127 { 127 } else { code };
    code as u32 + if margin < 0 { 128 } else { 0 }
}

const fn margin_of(code: u32) -> i16 {
    let size = (code & 127) as u16;
    let size = if size <= FINE { size } else { FINE + (size - FINE) * COARSE } as i16;
    if code < 128 { size } else { -size }
}

impl DownHead {
    /// Writes the head.
    pub fn encode(&self, out: &mut Encoder<'_>) {
        out.raw(self.tick.0 & ((1 << TICK_BITS) - 1), TICK_BITS);
        self.known.encode(out);
        out.flag(self.inputs.is_none(), SELDOM);
        let Some(inputs) = self.inputs else { return };
        let behind = self.tick.0.saturating_sub(inputs.consumed.0);
        out.flag(behind != 0, SOMETIMES);
        if behind != 0 {
            out.number(behind - 1, 0);
        }
        out.flag(inputs.substituted != 0, SELDOM);
        if inputs.substituted != 0 {
            out.wide(inputs.substituted, u32::BITS);
        }
        out.flag(inputs.arrivals.is_none(), SOMETIMES);
        if let Some(Arrivals { margin, missing }) = inputs.arrivals {
            out.raw(margin_code(margin), MARGIN_BITS);
            out.flag(missing != 0, SELDOM);
            if missing != 0 {
                out.number(missing - 1, 0);
            }
        }
    }

    /// Reads what [`Self::encode`] wrote; `near` is a tick close to the datagram's.
    ///
    /// # Errors
    /// When the bytes end early or name a tick that cannot be.
    pub fn decode(near: Tick, input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let tick = near.nearest(input.raw(TICK_BITS), TICK_BITS);
        if tick > Tick::LAST {
            return Err(DecodeError::Malformed("tick"));
        }
        let known = Known::decode(input)?;
        let mut inputs = None;
        if !input.flag(SELDOM) {
            let behind = if input.flag(SOMETIMES) { input.number(0).saturating_add(1) } else { 0 };
            let consumed = tick.0.checked_sub(behind).ok_or(DecodeError::Malformed("consumed tick"))?;
            let substituted = if input.flag(SELDOM) { input.wide(u32::BITS) } else { 0 };
            let mut arrivals = None;
            if !input.flag(SOMETIMES) {
                let margin = margin_of(input.raw(MARGIN_BITS));
                let missing = if input.flag(SELDOM) { input.number(0).saturating_add(1) } else { 0 };
                arrivals = Some(Arrivals { margin, missing });
            }
            inputs = Some(InputReport { consumed: Tick(consumed), substituted, arrivals });
        }
        input.check()?;
        Ok(Self { tick, known, inputs })
    }
}

/// Low bits of a tick: 34 s at 60 Hz, longer than a connection lives in silence.
const TICK_BITS: u32 = 12;
const AGE_BITS: u32 = 6;
const MARGIN_BITS: u32 = 8;

/// Odds, of `1 << TOTAL_BITS`.
const SELDOM: u16 = 1 << 10;
const SOMETIMES: u16 = 1 << 12;
/// That a snapshot is missing, where one is.
const LOST: u16 = 1 << 12;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn heads_are_read_as_written(sequence: u16, newest: u16, before: u32, tick in 0..1_000_000_u32, behind in 0..500_u32, arrived: u32,
                                     substituted: u32, margin: i16, missing in 0..300_u32, skew in -2_000..2_000_i64, shape in 0..64) {
            let up = UpHead { sequence, acks: (shape & 1 == 0).then_some(Acks { newest, before: if shape & 2 == 0 { before } else { u32::MAX } }) };
            let mut bytes = Vec::new();
            let mut writer = BitWriter::new(&mut bytes);
            up.encode(&mut writer);
            writer.finish();
            let mut reader = BitReader::new(&bytes);
            prop_assert_eq!(UpHead::decode(&mut reader), Ok(up));
            prop_assert_eq!(reader.finish(), Ok(()));

            let inputs = InputReport {
                consumed: Tick(tick.saturating_sub(if shape & 8 == 0 { behind } else { 0 })),
                substituted: if shape & 4 == 0 { 0 } else { substituted },
                arrivals: (shape & 1 == 0).then_some(Arrivals {
                    margin: coarse_margin(margin),
                    missing: if shape & 32 == 0 { 0 } else { missing },
                }),
            };
            let known = Known::of(if shape & 16 == 0 { arrived } else { u32::MAX << (arrived & 31) });
            let down = DownHead { tick: Tick(tick), known, inputs: (shape & 2 == 0).then_some(inputs) };
            let mut bytes = Vec::new();
            let mut out = Encoder::new(&mut bytes);
            down.encode(&mut out);
            out.finish();
            let mut input = Decoder::new(&bytes);
            prop_assert_eq!(DownHead::decode(Tick(tick).offset(skew), &mut input), Ok(down));
            prop_assert_eq!(input.finish(), Ok(()));
        }

        #[test]
        fn any_bytes_are_a_head_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..20), near: u32) {
            let _ = DownHead::decode(Tick(near), &mut Decoder::new(&bytes));
        }

        #[test]
        fn acks_hold_exactly_what_was_noted(start: u16, steps in prop::collection::vec(-20..20_i16, 1..60)) {
            let mut acks = None;
            let mut noted = Vec::new();
            let mut at = start;
            for step in steps {
                at = at.wrapping_add_signed(step);
                Acks::note(&mut acks, at);
                noted.push(at);
            }
            let acks = acks.expect("something was noted");
            for behind in 0..=40_u16 {
                let sequence = acks.newest.wrapping_sub(behind);
                // What was older than the window when it was noted is not held; all else within it is.
                if acks.contains(sequence) {
                    prop_assert!(noted.contains(&sequence));
                }
            }
            prop_assert!(acks.iter().all(|sequence| noted.contains(&sequence)));
            prop_assert!(acks.contains(*noted.iter().max_by_key(|n| n.wrapping_sub(start) as i16).expect("not empty")));
        }
    }

    #[test]
    fn margins_are_exact_where_it_matters_and_never_change_their_sign() {
        for margin in i16::MIN + 1..=i16::MAX {
            let coarse = coarse_margin(margin);
            let off = (i32::from(margin) - i32::from(coarse)).abs();
            assert!(off <= if margin.abs() <= 64 { 0 } else { 7 } || coarse.abs() == 568, "{margin}: {coarse}");
            assert!(i32::from(margin) * i32::from(coarse) >= 0);
        }
    }

    #[test]
    fn the_newest_and_sixteen_behind_it_are_named() {
        assert_eq!(Known::of(0).bits(), 0);
        assert_eq!(Known::of(u32::MAX << 3).bits(), 0x1_ffff << 3);
        assert_eq!(Known::of(1 << 31 | 1 << 20 | 1 << 4).bits(), 1 << 20 | 1 << 4);
    }

    #[test]
    fn a_good_line_costs_the_head_four_bytes() {
        let inputs =
            InputReport { consumed: Tick(9_000), substituted: 0, arrivals: Some(Arrivals { margin: 20, missing: 0 }) };
        let head = DownHead { tick: Tick(9_000), known: Known::of(u32::MAX << 4), inputs: Some(inputs) };
        let mut bytes = Vec::new();
        let mut out = Encoder::new(&mut bytes);
        head.encode(&mut out);
        out.finish();
        assert!(bytes.len() <= 4, "{} bytes", bytes.len());
    }

    #[test]
    fn a_late_datagram_is_acknowledged_within_the_window() {
        let mut acks = None;
        for sequence in [65_534, 65_535, 1, 0, 40, 9, 7] {
            Acks::note(&mut acks, sequence);
        }
        let acks = acks.expect("something was noted");
        assert_eq!(acks.iter().collect::<Vec<_>>(), [40, 9], "7 and older left the window of 33");
    }
}
