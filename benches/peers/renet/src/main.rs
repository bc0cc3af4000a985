//! The crowd on renet 2. renet carries messages and leaves state to its users, who serialise snapshots with bincode and send
//! them unreliably: once for everybody where everybody sees the same, once for each client where not.
//!
//! Snapshots are whole states in fixed-size integers, since at this size variable-length ones are no shorter. A snapshot
//! beyond 1,200 bytes is cut into slices by renet.

mod client;
mod protocol;
mod server;

use std::process::ExitCode;

use peers_world::{Exact, Peer, Precision, Rounded};

const PEER: Peer =
    Peer { name: "renet", package: "renet", encryption: "ChaCha20-Poly1305 (netcode)", delta: "none: whole snapshots" };

fn main() -> ExitCode {
    peers_world::main(
        &PEER,
        |peer, args| match args.precision {
            Precision::Cm => server::serve::<Rounded>(peer, args),
            Precision::F32 => server::serve::<Exact>(peer, args),
        },
        |peer, args| match args.precision {
            Precision::Cm => client::play::<Rounded>(peer, args),
            Precision::F32 => client::play::<Exact>(peer, args),
        },
    )
}
