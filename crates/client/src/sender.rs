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
    /// Share of the server's datagrams that did not arrive, smoothed.
    loss: f32,
    newest_seen: Option<u16>,
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

    /// A datagram of the server arrived.
    pub(crate) fn note_number(&mut self, number: u16) {
        let ahead = self.newest_seen.map_or(1, |newest| number.wrapping_sub(newest) as i16);
        if ahead > 0 {
            self.newest_seen = Some(number);
            let missed = f32::from(ahead - 1).min(32.0);
            self.loss += (missed / (missed + 1.0) - self.loss) * (missed + 1.0) * LOSS_WEIGHT;
        }
    }

    /// Inputs that are kept.
    pub(crate) const fn waiting(&self) -> usize {
        self.frames.len()
    }

    /// How many past inputs each datagram repeats: enough that one in 500 is lost for good at the measured loss.
    pub(crate) fn redundancy(&self) -> usize {
        match self.loss {
            loss if loss < 0.005 => 1,
            loss if loss < 0.04 => 2,
            loss if loss < 0.12 => 3,
            loss if loss < 0.2 => 4,
            _ => 6,
        }
    }

    /// Writes the next datagram.
    pub(crate) fn write(&mut self, kind: &Kind, neutral: &[i32], acks: Option<Acks>, out: &mut Vec<u8>) {
        out.clear();
        let mut writer = BitWriter::new(out);
        UpHead { sequence: self.sequence, acks }.encode(&mut writer);
        self.sequence = self.sequence.wrapping_add(1);
        let wanted = self.fresh + self.redundancy();
        let frames = &self.frames[self.frames.len().saturating_sub(wanted)..];
        InputFrame::encode(frames, kind, neutral, &mut writer);
        writer.finish();
        self.fresh = 0;
    }
}

/// Loss is averaged over about a hundred datagrams.
const LOSS_WEIGHT: f32 = 0.01;
