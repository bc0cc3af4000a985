//! The command line that all peers have.

use std::error::Error;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::str::FromStr;

use clap::{Parser, Subcommand};

use crate::{lock, machine};

/// Why a program could not do what it was asked.
pub type Failure = Box<dyn Error>;

/// What a row of figures says of the library.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Of the program, without `peer-`.
    pub name: &'static str,
    /// The package whose version is told.
    pub package: &'static str,
    /// Of packets, and by which cipher.
    pub encryption: &'static str,
    /// What is left out because a client knows it.
    pub delta: &'static str,
}

impl Peer {
    /// The version that was built, as the lock file has it; `path` for what is built from here.
    #[must_use]
    pub fn version(&self) -> String {
        lock::version(self.package).unwrap_or_else(|| "path".to_owned())
    }
}

#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Serve, measure from 2 s after the last client connected, print one line of JSON
    Server(Args),
    /// Play, measure likewise, print one line of JSON
    Clients(Args),
}

/// What server and clients are told.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// How many clients there are
    #[arg(long)]
    pub clients: usize,
    /// How long is measured, in seconds
    #[arg(long, default_value_t = 5.0)]
    pub seconds: f64,
    /// How many walkers each client is shown: `all`, or how many of the nearest
    #[arg(long, default_value = "all")]
    pub visible: Sight,
    /// How states are serialised: `cm` (16-bit centimetres, 1/1024 turns) or `f32`
    #[arg(long, default_value = "cm")]
    pub precision: Precision,
    /// The processor to stay on
    #[arg(long)]
    pub cpu: Option<usize>,
    /// Clients: the server, as its first line says
    #[arg(long)]
    pub connect: Option<SocketAddr>,
}

impl Args {
    /// The server to connect to.
    ///
    /// # Errors
    /// When none was named.
    pub fn server(&self) -> Result<SocketAddr, Failure> {
        self.connect.ok_or_else(|| "which server? Give --connect ADDR, as the server's first line says".into())
    }
}

/// What a client is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Every walker.
    All,
    /// The nearest to its own avatar.
    Nearest(u32),
}

impl FromStr for Sight {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "all" => Ok(Self::All),
            _ => text.parse().map(Self::Nearest).map_err(|_| "expected `all` or a number"),
        }
    }
}

/// How a walker's state is serialised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Precision {
    /// [`Rounded`](crate::Rounded).
    Cm,
    /// [`Exact`](crate::Exact).
    F32,
}

/// Runs one role of a peer, bound to its processor from the beginning so that every thread is.
#[must_use]
pub fn main(
    peer: &Peer,
    server: impl FnOnce(&Peer, &Args) -> Result<(), Failure>,
    clients: impl FnOnce(&Peer, &Args) -> Result<(), Failure>,
) -> ExitCode {
    let role = Cli::parse().role;
    let (Role::Server(args) | Role::Clients(args)) = &role;
    let pinned = args.cpu.map_or(Ok(()), machine::pin);
    let done = pinned.map_err(Failure::from).and_then(|()| match &role {
        Role::Server(args) => server(peer, args),
        Role::Clients(args) => clients(peer, args),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
