//! A client's datagram, taken apart and put together again.

use downbeat_replica::bits::{BitReader, BitWriter};
use downbeat_replica::{InputFrame, InputFrames, Kind, Tick};
use downbeat_wire::packet::{Acks, UpHead};

/// What a datagram of a client says, its number apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Upstream {
    /// What arrived of the server's.
    pub(crate) acks: Option<Acks>,
    /// Inputs of consecutive ticks, oldest first.
    pub(crate) frames: Vec<InputFrame>,
}

/// Reads and writes datagrams of clients of one game.
#[derive(Clone, Debug)]
pub(crate) struct Codec {
    kind: Kind,
    neutral: Vec<i32>,
    frames: InputFrames,
}

impl Codec {
    /// For inputs of this table, `neutral` being those of who does nothing.
    pub(crate) fn new(kind: Kind, neutral: Vec<i32>) -> Self {
        Self { kind, neutral, frames: InputFrames::default() }
    }

    /// The number of a datagram; 0 of what is none.
    pub(crate) fn sequence(datagram: &[u8]) -> u16 {
        UpHead::decode(&mut BitReader::new(datagram)).map_or(0, |head| head.sequence)
    }

    /// Reads a datagram whose inputs are for ticks about `near`; nothing from what is none.
    pub(crate) fn read(&mut self, near: Tick, datagram: &[u8]) -> Upstream {
        let mut input = BitReader::new(datagram);
        let Ok(head) = UpHead::decode(&mut input) else { return Upstream::default() };
        if self.frames.decode(near, &self.kind, &self.neutral, &mut input).is_err() {
            return Upstream::default();
        }
        let frames = self.frames.iter().map(|(tick, view, lanes)| InputFrame { tick, view, lanes: lanes.to_vec() });
        Upstream { acks: head.acks, frames: frames.collect() }
    }

    /// Writes a datagram.
    pub(crate) fn write(&self, sequence: u16, said: &Upstream) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut out = BitWriter::new(&mut bytes);
        UpHead { sequence, acks: said.acks }.encode(&mut out);
        InputFrame::encode(&said.frames, &self.kind, &self.neutral, &mut out);
        out.finish();
        bytes
    }
}
