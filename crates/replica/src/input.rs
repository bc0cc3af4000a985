//! Inputs: what a player holds and presses in one tick, as lanes.
//!
//! A datagram repeats the newest frames, since any of them may be lost; each frame is coded against the one
//! before it, so that an idle repeat costs two bits.

use downbeat_wire::bits::{BitReader, BitWriter};

use crate::limits::{INPUT_FRAMES_MAX, SUBSTITUTE_MAX};
use crate::{DecodeError, Kind, LaneReader, LaneWriter, Micros, Replicated, Tick};

/// The input of one tick: `#[derive(Input)]` on a struct. `Default` is neutral.
pub trait Input: Replicated + Clone + Default + Send + 'static {
    /// The field table.
    #[must_use]
    fn kind() -> Kind {
        Kind::of::<Self>("Input")
    }

    /// The lanes of this input.
    #[must_use]
    fn lanes(&self) -> Vec<i32> {
        let mut lanes = Vec::new();
        self.write(&mut LaneWriter::new(&mut lanes));
        lanes
    }

    /// The input as the server will read it: rounded to its lanes.
    #[must_use]
    fn rounded(&self) -> Self {
        Self::read(&mut LaneReader::new(&self.lanes()))
    }
}

/// The lanes of doing nothing.
#[must_use]
pub fn neutral<I: Input>() -> Vec<i32> {
    I::default().lanes()
}

/// Turns the lanes of the tick before into the substitute for a tick without input, the `missing`th in a row: what
/// is held goes on for [`SUBSTITUTE_MAX`], an action never repeats. Both ends must do the same.
pub fn substitute(kind: &Kind, neutral: &[i32], missing: u32, tick_length: Micros, lanes: &mut [i32]) {
    if u64::from(missing) * tick_length.0 > SUBSTITUTE_MAX.0 {
        return lanes.copy_from_slice(neutral);
    }
    for field in kind.fields.iter().filter(|field| field.action) {
        lanes[field.lanes.clone()].copy_from_slice(&neutral[field.lanes.clone()]);
    }
}

/// A moment between two ticks, in sixteenths: what a player saw of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ViewTick {
    /// The tick before the moment.
    pub tick: Tick,
    /// Sixteenths of a tick after it, 0..=15.
    pub sixteenths: u8,
}

impl ViewTick {
    /// The moment at `ticks` and a fraction.
    #[must_use]
    pub fn at(ticks: f64) -> Self {
        Self::from_sixteenths((ticks * 16.0) as i64)
    }

    /// The moment as ticks and a fraction.
    #[must_use]
    pub fn ticks(self) -> f64 {
        f64::from(self.tick.0) + f64::from(self.sixteenths) / 16.0
    }

    fn from_sixteenths(count: i64) -> Self {
        let count = count.clamp(0, i64::from(Tick::LAST.0) * 16);
        Self { tick: Tick((count >> 4) as u32), sixteenths: (count & 15) as u8 }
    }

    fn sixteenths(self) -> i64 {
        i64::from(self.tick.0) << 4 | i64::from(self.sixteenths)
    }
}

/// One tick's input on its way to the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InputFrame {
    /// The tick it is meant for.
    pub tick: Tick,
    /// What the player saw of the others when it was sampled.
    pub view: ViewTick,
    /// The lanes.
    pub lanes: Vec<i32>,
}

impl InputFrame {
    /// Writes `frames`: consecutive ticks, oldest first, at most [`INPUT_FRAMES_MAX`].
    pub fn encode(frames: &[Self], kind: &Kind, neutral: &[i32], out: &mut BitWriter<'_>) {
        debug_assert!(frames.len() <= INPUT_FRAMES_MAX);
        out.golomb(frames.len() as u32, 2);
        let Some(newest) = frames.last() else { return };
        out.bits(newest.tick.0 & 0xffff, 16);
        let mut before = neutral;
        let mut view: Option<i64> = None;
        for frame in frames {
            match view {
                None => out.bits((frame.view.sixteenths() & 0xf_ffff) as u32, 20),
                Some(view) => {
                    out.signed_golomb((frame.view.sixteenths() - view - 16).clamp(-1 << 20, 1 << 20) as i32, 0);
                }
            }
            view = Some(frame.view.sixteenths());
            out.flag(frame.lanes != before);
            if frame.lanes != before {
                for (lane, (&now, &then)) in kind.lanes.iter().zip(frame.lanes.iter().zip(before)) {
                    out.flag(now != then);
                    if now != then {
                        out.bits(now as u32, lane.bits(true));
                    }
                }
            }
            before = &frame.lanes;
        }
    }
}

/// The input frames of a datagram. Used again for each, so that reading allocates nothing.
#[derive(Clone, Debug, Default)]
pub struct InputFrames {
    heads: Vec<(Tick, ViewTick)>,
    lanes: Vec<i32>,
}

impl InputFrames {
    /// Reads what [`InputFrame::encode`] wrote; `near` is a tick close to the newest frame's.
    ///
    /// # Errors
    /// Anything that `encode` does not write.
    pub fn decode(
        &mut self,
        near: Tick,
        kind: &Kind,
        neutral: &[i32],
        input: &mut BitReader<'_>,
    ) -> Result<(), DecodeError> {
        let Self { heads, lanes } = self;
        heads.clear();
        lanes.clear();
        let count = input.golomb(2)? as usize;
        if count > INPUT_FRAMES_MAX {
            return Err(DecodeError::TooLarge("number of input frames"));
        }
        if count == 0 {
            return Ok(());
        }
        let newest = near.nearest(input.bits(16)?, 16);
        if (newest.0 as usize) < count || newest > Tick::LAST {
            return Err(DecodeError::Malformed("input tick"));
        }
        for i in 0..count {
            let view = match heads.last() {
                None => {
                    let low = i64::from(input.bits(20)?);
                    let near = i64::from(newest.0) << 4;
                    // The moment nearest to the frame's own tick that ends in these 20 bits.
                    near + ((low - near) << 44 >> 44)
                }
                Some((_, before)) => before.sixteenths() + 16 + i64::from(input.signed_golomb(0)?),
            };
            let first = lanes.len();
            match first.checked_sub(neutral.len()).filter(|_| i > 0) {
                Some(before) => lanes.extend_from_within(before..),
                None => lanes.extend_from_slice(neutral),
            }
            if input.flag()? {
                for (lane, value) in kind.lanes.iter().zip(&mut lanes[first..]) {
                    if input.flag()? {
                        *value = input.bits(lane.bits(true))? as i32;
                        if *value > lane.max {
                            return Err(DecodeError::Malformed("input lane"));
                        }
                    }
                }
            }
            let tick = Tick(newest.0 - (count - 1 - i) as u32);
            heads.push((tick, ViewTick::from_sixteenths(view)));
        }
        Ok(())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// The newest tick that one is meant for.
    #[must_use]
    pub fn newest(&self) -> Option<Tick> {
        self.heads.last().map(|head| head.0)
    }

    /// The frames, oldest first: the tick each is meant for, what the player saw of the others, and the lanes.
    pub fn iter(&self) -> impl Iterator<Item = (Tick, ViewTick, &[i32])> {
        let width = self.lanes.len() / self.heads.len().max(1);
        let heads = self.heads.iter().enumerate();
        heads.map(move |(i, &(tick, view))| (tick, view, &self.lanes[i * width..(i + 1) * width]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(crate::Input, Clone, Debug, Default, PartialEq)]
    struct Pad {
        #[field(range = -1.0..=1.0, step = 0.125)]
        forward: f32,
        #[field(action)]
        fire: bool,
    }

    proptest! {
        #[test]
        fn frames_are_read_as_written(
            newest in 100..200_000_u32,
            pads in prop::collection::vec((-8..=8_i32, any::<bool>(), 0..40_i64), 0..=INPUT_FRAMES_MAX),
            skew in -1_000..1_000_i64,
        ) {
            let (kind, neutral) = (Pad::kind(), neutral::<Pad>());
            let first = newest + 1 - pads.len() as u32;
            let frames: Vec<_> = pads.iter().enumerate().map(|(i, &(forward, fire, behind))| {
                let tick = Tick(first + i as u32);
                InputFrame {
                    tick,
                    view: ViewTick::from_sixteenths((i64::from(tick.0) << 4) - behind * 3),
                    lanes: Pad { forward: forward as f32 / 8.0, fire }.lanes(),
                }
            }).collect();
            let mut bytes = Vec::new();
            let mut writer = BitWriter::new(&mut bytes);
            InputFrame::encode(&frames, &kind, &neutral, &mut writer);
            writer.finish();
            let mut reader = BitReader::new(&bytes);
            let mut back = InputFrames::default();
            prop_assert_eq!(back.decode(Tick(newest).offset(skew), &kind, &neutral, &mut reader), Ok(()));
            let back: Vec<_> =
                back.iter().map(|(tick, view, lanes)| InputFrame { tick, view, lanes: lanes.to_vec() }).collect();
            prop_assert_eq!(back, frames);
            prop_assert_eq!(reader.finish(), Ok(()));
        }

        #[test]
        fn any_bytes_decode_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let (kind, neutral) = (Pad::kind(), neutral::<Pad>());
            let _ = InputFrames::default().decode(Tick(1_000), &kind, &neutral, &mut BitReader::new(&bytes));
        }
    }

    #[test]
    fn a_substitute_holds_what_is_held_and_repeats_no_action() {
        let mut lanes = Pad { forward: 1.0, fire: true }.lanes();
        let length = Micros::from_millis(50);
        substitute(&Pad::kind(), &neutral::<Pad>(), 5, length, &mut lanes);
        assert_eq!(Pad::read(&mut LaneReader::new(&lanes)), Pad { forward: 1.0, fire: false });
        substitute(&Pad::kind(), &neutral::<Pad>(), 6, length, &mut lanes);
        assert_eq!(Pad::read(&mut LaneReader::new(&lanes)), Pad::default(), "after 250 ms");
    }

    #[test]
    fn an_idle_repeat_costs_two_bits() {
        let (kind, neutral) = (Pad::kind(), neutral::<Pad>());
        let frame = |tick: u32| InputFrame {
            tick: Tick(tick),
            view: ViewTick { tick: Tick(tick - 5), sixteenths: 3 },
            lanes: neutral.clone(),
        };
        let bits = |count: u32| {
            let frames: Vec<_> = (100..100 + count).map(frame).collect();
            let mut bytes = Vec::new();
            let mut writer = BitWriter::new(&mut bytes);
            InputFrame::encode(&frames, &kind, &neutral, &mut writer);
            writer.bit_len()
        };
        assert_eq!(bits(3) - bits(2), 2);
    }
}
