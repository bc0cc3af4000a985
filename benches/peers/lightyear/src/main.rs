//! The crowd on lightyear, as its documentation has it: walkers are entities with `Replicate` and one replicated component, over
//! UDP and netcode. Interest is its network visibility. Prediction and interpolation are left out of the build.
//!
//! The apps are headless (`MinimalPlugins`), single-threaded, and updated 60 times a second; the server's clock advances by
//! exactly one of lightyear's ticks in each update, so that each replicates.

mod client;
mod protocol;
mod server;

use std::process::ExitCode;

use peers_world::{Exact, Peer, Precision, Rounded};

const PEER: Peer = Peer {
    name: "lightyear",
    package: "lightyear",
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
