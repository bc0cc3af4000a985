//! The client core, without I/O: datagrams and frames go in, datagrams and a view of the match come out.
//!
//! It runs ahead of the server for its own avatar (prediction) and behind it for all others (interpolation);
//! [`Client`] is the way in.
#![forbid(unsafe_code)]

mod client;
mod clock;
mod copy;
pub mod limits;
mod prediction;
mod reliable;
mod sender;
mod states;
mod window;

pub use client::{Client, Counters, KnownEntity, Received, Start, View};
