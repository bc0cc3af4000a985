//! What the client sends: its newest inputs, again and again until the server has them, and acknowledgements.

use downbeat_replica::bits::BitWriter;
use downbeat_replica::limits::INPUT_FRAMES_MAX;
use downbeat_replica::{InputFrame, Kind, Tick};
use downbeat_wire::packet::{Acks, UpHead};

/// The inputs that the server may still need.
#[derive(Debug, Default)]
pub(crate) struct Sender {
    /// Consecutive ticks, oldest first.
    frames: Vec<InputFrame>,
    sequence: u16,
    /// Ticks since the last datagram.
    fresh: usize,
    /// How many past inputs each datagram repeats.
    pub(crate) repeats: usize,
}

impl Sender {
    /// Takes in the input of a tick.
    pub(crate) fn push(&mut self, frame: InputFrame) {
        // After a gap in ticks the older frames cannot be told in one row; they are past anyway.
        if self.frames.last().is_some_and(|last| last.tick.next() != frame.tick) {
            self.frames.clear();
        }
        if self.frames.len() == INPUT_FRAMES_MAX {
            self.frames.remove(0);
        }
        self.frames.push(frame);
        self.fresh += 1;
    }

    /// The server needs nothing up to `tick` any more.
    pub(crate) fn consumed(&mut self, tick: Tick) {
        self.frames.retain(|frame| frame.tick > tick);
    }

    /// The server does not take the inputs from `tick` on.
    pub(crate) fn give_up(&mut self, tick: Tick) {
        self.frames.retain(|frame| frame.tick < tick);
        self.fresh = self.fresh.min(self.frames.len());
    }

    /// Inputs that are kept.
    pub(crate) const fn waiting(&self) -> usize {
        self.frames.len()
    }

    /// Writes the next datagram.
    pub(crate) fn write(&mut self, kind: &Kind, neutral: &[i32], acks: Option<Acks>, out: &mut Vec<u8>) {
        out.clear();
        let mut writer = BitWriter::new(out);
        UpHead { sequence: self.sequence, acks }.encode(&mut writer);
        self.sequence = self.sequence.wrapping_add(1);
        // Inputs that come again without a new one would be measured as if they had been sampled just now.
        let wanted = if self.fresh > 0 { self.fresh + self.repeats } else { 0 };
        let frames = &self.frames[self.frames.len().saturating_sub(wanted)..];
        InputFrame::encode(frames, kind, neutral, &mut writer);
        writer.finish();
        self.fresh = 0;
    }
}
