//! The authoritative room, without I/O: inputs come in as datagrams, snapshots go out as datagrams, and in between
//! the world advances by one tick at a time. [`Room::tick`] is the table of contents.
#![forbid(unsafe_code)]

mod entities;
mod inputs;
pub mod limits;
mod replication;
mod rewind;
mod room;
mod schedule;
mod sent;
mod snapshot;
mod types;

pub use room::Room;
pub use schedule::{Grid, Schedule};
pub use types::{
    Counters, InputCounters, JoinError, Margins, Net, PeerError, Phase, RoomOptions, SessionId, SessionReport, Told,
};
