//! What Downbeat costs, in bytes and in time.
//!
//! Most workloads play a real room with real clients over model links in virtual time, through the calls that a server and
//! a game make; some play on a live server. Nothing here knows how state is encoded. `cargo run --profile dist -p
//! downbeat-benches -- WORKLOAD` runs one, `cargo bench -p downbeat-benches` prints the micro level: bodies, records, a room's
//! tick, packets.
//!
//! | module | holds |
//! |---|---|
//! | [`workloads`] | what is measured, one module each |
//! | [`cubes`](mod@cubes) | the codec on recordings of rigid bodies |
//! | [`games`] | the worlds that exist to be measured |
//! | [`Stage`] | a room, its clients and its links, with the clock on them |
//! | [`live`] | a server in a process of its own, and its load |
//! | [`models()`] | trains the models that ship |
//! | [`Judge`] | whether a client knows what the server told |
//! | [`wire`] | what QUIC adds to a datagram |
//! | [`instructions`] | instructions of the hot calls, held against a file |
//! | `duel` | the transport beside its floor, on real sockets and two cores |
//! | [`allocations`] | what the counting allocator saw |
//! | [`Report`] | the figures, for programs and for people |
#![forbid(unsafe_code)]

pub mod allocations;
mod bitpack;
mod clock;
mod counted;
pub mod cubes;
mod duel;
mod error;
pub mod games;
pub mod instructions;
mod judge;
pub mod live;
mod markdown;
mod micro;
mod models;
mod outbox;
mod packets;
mod page;
mod report;
mod stage;
mod statistics;
mod totals;
pub mod wire;
pub mod workloads;

pub use error::BenchError;
pub use judge::Judge;
pub use micro::Crowd;
pub use models::models;
pub use packets::Packets;
pub use report::Report;
pub use stage::{Options, Stage};
pub use totals::Totals;
