//! What all peers have in common, so that they differ in nothing but their netcode.
//!
//! | module | holds |
//! |---|---|
//! | [`World`] | the crowd, stepped by Downbeat's own game `field`, and who is near whom |
//! | [`Told`] | a walker's state as peers serialise it, counted when it is read |
//! | [`Press`] | what a client sends in every tick |
//! | [`main`], [`Args`] | the command line |
//! | [`Beat`] | 60 Hz |
//! | [`ServerWindow`], [`play`] | when is measured, and what is printed |
//! | `machine`, `wire` | processor time, kernel drops, bytes at the sockets |
//!
//! The allocator of every peer is mimalloc: it is set here.

mod args;
mod beat;
mod clients;
mod lock;
mod machine;
mod press;
mod server;
mod state;
mod wire;
mod world;

pub use args::{Args, Failure, Peer, Precision, Sight, main};
pub use beat::{Beat, TICK};
pub use clients::{Client, Played, play};
pub use machine::server_socket;
pub use press::Press;
pub use server::ServerWindow;
pub use state::{Exact, Rounded, State, Told, count_states};
pub use world::{WALKERS, World, rules};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
