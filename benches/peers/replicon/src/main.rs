//! The crowd on bevy_replicon over renet, as its quick start has it: walkers are entities with one replicated component, which
//! the library serialises with postcard and sends whenever it changed. Interest is its client visibility.
//!
//! The apps are headless (`MinimalPlugins`), single-threaded, and updated 60 times a second; replication runs in each update.

mod client;
mod protocol;
mod server;

use std::process::ExitCode;

use peers_world::{Exact, Peer, Precision, Rounded};

const PEER: Peer = Peer {
    name: "replicon",
    package: "bevy_replicon",
    encryption: "ChaCha20-Poly1305 (netcode)",
    delta: "components that changed, whole",
};

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
