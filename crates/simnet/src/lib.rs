//! A room and its clients in virtual time: single-threaded, and the same seed always plays the same match.
//!
//! | module | holds |
//! |---|---|
//! | [`Sim`] | the loop: the earliest thing that is due happens next |
//! | [`Options`], [`Machine`], [`Fault`] | what a simulation is set up with, and what goes wrong in it |
//! | [`Player`] | who decides on a client's inputs |
//! | `carrier` | what carries datagrams between both ends: model links, or QUIC over them |
//! | [`Invariant`] | what must hold all the time |
//! | [`Scenario`] | a simulation that is drawn from its seed, whole |
#![forbid(unsafe_code)]

mod carrier;
mod checks;
mod clock;
mod faults;
mod options;
mod player;
mod scenario;
mod seat;
mod sim;
mod swarm;
mod trace;

pub use checks::{Findings, Invariant};
pub use clock::LocalClock;
pub use faults::{Fault, Trouble};
pub use options::{Frames, Layer, Machine, Options};
pub use player::{Player, WanderPlayer};
pub use scenario::{Scenario, Verdict};
pub use sim::Sim;
pub use swarm::{Failure, SECONDS, play, rerun, swarm};
