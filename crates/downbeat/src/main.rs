//! `downbeat`: the server, the bots and the demo, for the games that come with it.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    downbeat::main()
}
