//! The authoritative room, without I/O: inputs come in as datagrams, snapshots go out as datagrams, and in between
//! the world advances by one tick at a time. [`Room::tick`] is the table of contents.
#![forbid(unsafe_code)]

mod entities;
mod inputs;
mod kept;
pub mod limits;
mod replication;
mod resume;
mod rewind;
mod room;
mod schedule;
mod sent;
mod snapshot;
mod tail;
mod types;
mod watching;

pub use room::Room;
pub use schedule::{Grid, Schedule};
pub use types::{
    Counters, InputCounters, JoinError, Margins, Net, PeerError, Phase, Return, RoomOptions, SessionId, SessionReport,
    Told,
};
