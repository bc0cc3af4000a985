//! Heads of the two datagrams. What follows them depends on the game's schema and lies in `replica`.

use crate::bits::{BitReader, BitWriter};
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

/// The head of a server's datagram. Records and events follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DownHead {
    /// Counts the server's datagrams to this client.
    pub sequence: u16,
    /// The tick whose state it tells.
    pub tick: Tick,
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
    /// The smallest time by which an input came before its tick since the last datagram, in 1/16 tick, negative
    /// when it came too late; `None` when none came. Clamped to ±2,047.
    pub margin: Option<i16>,
}

impl DownHead {
    /// Writes the head.
    pub fn encode(&self, out: &mut BitWriter<'_>) {
        out.bits(self.sequence.into(), 16);
        out.bits(self.tick.0 & 0xffff, 16);
        out.flag(self.inputs.is_some());
        let Some(inputs) = self.inputs else { return };
        out.golomb(self.tick.0.saturating_sub(inputs.consumed.0), 0);
        out.flag(inputs.substituted != 0);
        if inputs.substituted != 0 {
            out.bits(inputs.substituted, 32);
        }
        out.flag(inputs.margin.is_some());
        if let Some(margin) = inputs.margin {
            out.bits((margin.clamp(-MARGIN_MAX, MARGIN_MAX) + MARGIN_MAX) as u32, MARGIN_BITS);
        }
    }

    /// Reads what [`Self::encode`] wrote; `near` is a tick close to the datagram's.
    ///
    /// # Errors
    /// When the bytes end early or name a tick before the first.
    pub fn decode(near: Tick, input: &mut BitReader<'_>) -> Result<Self, DecodeError> {
        let sequence = input.bits(16)? as u16;
        let tick = near.nearest(input.bits(16)? as u16);
        if tick > Tick::LAST {
            return Err(DecodeError::Malformed("tick"));
        }
        if !input.flag()? {
            return Ok(Self { sequence, tick, inputs: None });
        }
        let behind = input.golomb(0)?;
        let consumed = tick.0.checked_sub(behind).ok_or(DecodeError::Malformed("consumed tick"))?;
        let substituted = if input.flag()? { input.bits(32)? } else { 0 };
        let margin = if input.flag()? { Some(input.bits(MARGIN_BITS)? as i16 - MARGIN_MAX) } else { None };
        Ok(Self { sequence, tick, inputs: Some(InputReport { consumed: Tick(consumed), substituted, margin }) })
    }
}

const MARGIN_BITS: u32 = 12;
const MARGIN_MAX: i16 = 2_047;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn heads_are_read_as_written(sequence: u16, newest: u16, before: u32, tick in 0..1_000_000_u32, behind in 0..500_u32,
                                     substituted: u32, margin in -MARGIN_MAX..=MARGIN_MAX, skew in -30_000..30_000_i64, shape in 0..8) {
            let up = UpHead { sequence, acks: (shape & 1 == 0).then_some(Acks { newest, before: if shape & 2 == 0 { before } else { u32::MAX } }) };
            let inputs = InputReport {
                consumed: Tick(tick.saturating_sub(behind)),
                substituted: if shape & 4 == 0 { 0 } else { substituted },
                margin: (shape & 1 == 0).then_some(margin),
            };
            let down = DownHead { sequence, tick: Tick(tick), inputs: (shape & 2 == 0).then_some(inputs) };
            let mut bytes = Vec::new();
            let mut writer = BitWriter::new(&mut bytes);
            up.encode(&mut writer);
            down.encode(&mut writer);
            writer.finish();
            let mut reader = BitReader::new(&bytes);
            prop_assert_eq!(UpHead::decode(&mut reader), Ok(up));
            let near = Tick(tick).offset(skew);
            prop_assert_eq!(DownHead::decode(near, &mut reader), Ok(down));
            prop_assert_eq!(reader.finish(), Ok(()));
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
    fn a_late_datagram_is_acknowledged_within_the_window() {
        let mut acks = None;
        for sequence in [65_534, 65_535, 1, 0, 40, 9, 7] {
            Acks::note(&mut acks, sequence);
        }
        let acks = acks.expect("something was noted");
        assert_eq!(acks.iter().collect::<Vec<_>>(), [40, 9], "7 and older left the window of 33");
    }
}
