//! The pure, seeded model of a bad network link: one model for the bots' conditioner and for simulations.
//!
//! | module | holds |
//! |---|---|
//! | [`spec`] | what a link is like, and the `--net` syntax for it |
//! | [`link`] | what becomes of each datagram: lost, late, twice, out of order |
//! | [`pipe`] | the datagrams that are on their way |
#![forbid(unsafe_code)]

pub mod link;
pub mod pipe;
pub mod spec;

mod parse;
mod units;

pub use link::{Fate, Link, LinkCounters};
pub use pipe::{InFlight, Pipe};
pub use spec::{LinkSpec, PRESETS, Queue, SpecError};
pub use units::Chance;
