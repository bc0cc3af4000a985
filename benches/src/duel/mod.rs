//! What a server's packets cost can be told only beside what they must cost. So two pairs of ends talk over real sockets,
//! in turn and at the same pace: our driver with its clients, and the floor, which seals and opens packets as long over
//! bare UDP and does nothing else. The server's end has a core of its own, all clients have the other.
//!
//! | module | holds |
//! |---|---|
//! | `driver_end` | the end that is measured |
//! | `floor` | the least that any end must do |
//! | `play` | the pace, on both cores |
//! | `idle` | memory of connections that do nothing |

mod driver_end;
mod floor;
mod idle;
mod play;

use std::fmt::Display;

use downbeat_replica::Micros;

use crate::BenchError;

pub(crate) use driver_end::DriverEnd;
pub(crate) use floor::FloorEnd;
pub(crate) use idle::{footprint, idlers};
pub(crate) use play::{Duel, Kind, Measured};

/// One end of many conversations.
pub(crate) trait End {
    /// Takes in what waits.
    fn receive(&mut self, now: Micros) -> Result<(), BenchError>;

    /// Sends a datagram to each peer.
    fn speak(&mut self, now: Micros) -> Result<(), BenchError>;

    /// Sends only what must be sent without datagrams.
    fn rest(&mut self, now: Micros) -> Result<(), BenchError>;

    /// What went through so far.
    fn traffic(&self) -> Traffic;
}

/// What went through an end; it only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    /// UDP datagrams and their payload bytes, both ways.
    pub(crate) packets_in: u64,
    pub(crate) bytes_in: u64,
    pub(crate) packets_out: u64,
    pub(crate) bytes_out: u64,
    /// What the peers said, as it was read.
    pub(crate) heard: u64,
    /// What could not be said, because a peer was blocked.
    pub(crate) unsaid: u64,
    /// What the kernel had no room for.
    pub(crate) drops: u64,
}

impl Traffic {
    /// What came since `before`.
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            packets_in: self.packets_in - before.packets_in,
            bytes_in: self.bytes_in - before.bytes_in,
            packets_out: self.packets_out - before.packets_out,
            bytes_out: self.bytes_out - before.bytes_out,
            heard: self.heard - before.heard,
            unsaid: self.unsaid - before.unsaid,
            drops: self.drops - before.drops,
        }
    }

    /// The sum of both.
    pub(crate) fn and(&self, other: &Self) -> Self {
        Self {
            packets_in: self.packets_in + other.packets_in,
            bytes_in: self.bytes_in + other.bytes_in,
            packets_out: self.packets_out + other.packets_out,
            bytes_out: self.bytes_out + other.bytes_out,
            heard: self.heard + other.heard,
            unsaid: self.unsaid + other.unsaid,
            drops: self.drops + other.drops,
        }
    }
}

pub(crate) fn broken(error: impl Display) -> BenchError {
    BenchError::Transport(error.to_string())
}
