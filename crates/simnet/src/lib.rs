//! A room and its clients in virtual time, joined by model links: single-threaded, and the same seed always plays
//! the same match.
#![forbid(unsafe_code)]

mod sim;
mod stream;

pub use sim::{Options, Player, Sim, WanderPlayer};
