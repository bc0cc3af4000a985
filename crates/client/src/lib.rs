//! The client core, without I/O: datagrams and frames go in, datagrams and a view of the match come out.
//!
//! It runs ahead of the server for its own avatar (prediction) and behind it for all others (interpolation);
//! [`Client`] is the way in. A program that has no game of its own, only what a server tells of one, follows the match
//! with a [`Mirror`].
#![forbid(unsafe_code)]

mod account;
mod client;
mod clock;
mod copy;
mod fading;
mod history;
pub mod limits;
mod losses;
mod mirror;
mod own;
mod prediction;
mod reliable;
mod sender;
mod spawns;
mod states;
mod sync_test;
mod types;
mod waits;
mod window;

pub use account::{Account, Cost, Item};
pub use client::Client;
pub use mirror::Mirror;
pub use sync_test::SyncFault;
pub use types::{Counters, KnownEntity, Mechanism, Received, Start, View, Waiting};
