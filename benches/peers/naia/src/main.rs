//! The crowd on naia, without an engine: walkers are entities with one component whose properties are as many bits as they
//! need, and of which those are sent that changed. Interest is its user scopes, four times a second. Its UDP is not encrypted.
//!
//! This is naia 0.24: over UDP nobody gets into a server of 0.25.0, which ignores the pings of those who are not connected
//! while its clients do not connect before ten of them were answered.

mod client;
mod protocol;
mod server;
mod store;

use std::process::ExitCode;

use peers_world::{Args, Failure, Peer, Precision};

const PEER: Peer =
    Peer { name: "naia", package: "naia-server", encryption: "none", delta: "fields that changed, bit-packed" };

fn main() -> ExitCode {
    let cm = |args: &Args| match args.precision {
        Precision::Cm => Ok(()),
        Precision::F32 => Err(Failure::from("naia is measured with --precision cm alone")),
    };
    peers_world::main(
        &PEER,
        |peer, args| cm(args).and_then(|()| server::serve(peer, args)),
        |peer, args| cm(args).and_then(|()| client::play(peer, args)),
    )
}
