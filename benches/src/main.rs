//! `downbeat-benches WORKLOAD [--json] [--seed N] [--quick]`: what Downbeat costs.

use std::alloc::{GlobalAlloc, Layout};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use downbeat_benches::workloads::{self, Effort};
use downbeat_benches::{BenchError, Options, Report, allocations, cubes, instructions, live, models};
use downbeat_link::LinkSpec;
use mimalloc::MiMalloc;

/// Measures what Downbeat costs, in bytes and in time, in virtual time and on live servers.
///
/// Times are meaningful in the profile `dist` alone: cargo run --profile dist -p downbeat-benches -- WORKLOAD
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    workload: Workload,
    /// Print exactly one JSON object
    #[arg(long, global = true)]
    json: bool,
    /// Decides everything random
    #[arg(long, global = true, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Rough figures in a few seconds
    #[arg(long, global = true)]
    quick: bool,
}

#[derive(Debug, Subcommand)]
enum Workload {
    /// Bytes and time of an update: the field, 200 walkers, the 32 nearest, 60 Hz, 50 ms round trip
    Wander(WanderArgs),
    /// Bytes on the wire of a fight of 16, both ways
    Arena,
    /// Bytes of a tick of a battle: 32 players, 50 projectiles and 8 vehicles, all seen
    Halo,
    /// Bytes on the wire of 250 tumbling bodies, all seen, 30 Hz
    Asteroids,
    /// What loss costs in bytes, and how soon copies are exact after it
    Loss,
    /// Bytes and time of a frame of 901 rigid cubes, told by the codec of entity records against what was known before
    Cubes(CubesArgs),
    /// Train the models that ship
    Models(ModelsArgs),
    /// What a player on a bad line feels: six links, 8 bots, 60 s, 20 seeds each
    Feel(FeelArgs),
    /// A room's tick with 10,000 entities and 64 clients, its allocations, and the first state of a joining client
    Crowd,
    /// 2,000 handshakes within a second, and what 100 players notice: real sockets, two processors
    Door,
    /// The same crowd on other netcode libraries and on Downbeat: programs of the workspace benches/peers, two processors
    Peers(PeersArgs),
    /// Clients that one core serves: real sockets, two processors; exit code 4 if the run says nothing
    Capacity(CapacityArgs),
    /// Ten fighters of the arena at 128 Hz: a tick's work, and matches that one core holds; otherwise as `capacity`
    Match128,
    /// What a client and tick costs when clients, entities or rooms grow; two processors
    Scaling(ScalingArgs),
    /// Instructions of a tick, of encoding, decoding and taking in inputs, held against a file; needs valgrind
    Instructions(InstructionsArgs),
    /// Plays the match whose instructions are counted
    #[command(hide = true)]
    Played,
    /// Processor time that the transport takes of a server's core, beside the floor: real sockets, 60 Hz
    Transport(TransportArgs),
    /// The other process of `transport`: clients that do nothing
    #[command(hide = true)]
    Idlers(IdlersArgs),
    /// The server of the workloads that need one of their own
    #[command(hide = true)]
    Host {
        /// What it runs, as JSON
        spec: String,
    },
}

#[derive(Args, Debug)]
struct ScalingArgs {
    /// Write the tables into this page, between their marks, and the plots beside it
    #[arg(long, value_name = "PAGE", num_args = 0..=1, default_missing_value = "docs/performance.md")]
    write: Option<PathBuf>,
}

#[derive(Args, Debug)]
struct CapacityArgs {
    /// How many clients
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=4_096))]
    clients: u32,
    /// Ticks per second, and snapshots
    #[arg(long, value_name = "HZ", default_value_t = 60, value_parser = clap::value_parser!(u32).range(20..=128))]
    hz: u32,
}

#[derive(Args, Debug)]
struct InstructionsArgs {
    /// Write the counts into the file instead
    #[arg(long)]
    accept: bool,
    /// What to hold them against
    #[arg(long, value_name = "FILE", default_value = "benches/instructions.txt")]
    file: PathBuf,
}

#[derive(Args, Debug)]
struct ModelsArgs {
    /// Games; all of them without
    names: Vec<String>,
    /// Where they go
    #[arg(long, value_name = "FOLDER", default_value = "assets/models")]
    out: PathBuf,
}

#[derive(Args, Debug)]
struct FeelArgs {
    /// Write the table into this page, between its marks
    #[arg(long, value_name = "PAGE", num_args = 0..=1, default_missing_value = "docs/feel.md")]
    write: Option<PathBuf>,
    /// Play one row alone
    #[arg(long, value_name = "1..6", conflicts_with = "write", value_parser = clap::value_parser!(u8).range(1..=6))]
    row: Option<u8>,
    /// Instead: two of the rows with one mechanism after the other left off
    #[arg(long, conflicts_with = "row")]
    without: bool,
}

#[derive(Args, Debug)]
struct PeersArgs {
    /// Where `benches/peers/build.sh` put the programs
    #[arg(long, value_name = "FOLDER", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/target/dist"))]
    programs: PathBuf,
    /// Who takes part; with :f32, states are told in floats
    #[arg(long, value_name = "NAME[:f32]", value_delimiter = ',', default_values = workloads::CONTESTANTS)]
    peers: Vec<workloads::Contestant>,
    /// How many walkers each client is shown: `all`, or how many of the nearest
    #[arg(long, value_name = "K", value_delimiter = ',', default_values = ["all", "32"])]
    visible: Vec<String>,
    /// Clients of the comparison
    #[arg(long, value_name = "N", default_value_t = 100)]
    clients: usize,
    /// Numbers of clients that are tried until there are too many; none with --quick, or without a number
    #[arg(long, value_name = "N", value_delimiter = ',', num_args = 0.., default_values_t = workloads::LADDER)]
    ladder: Vec<usize>,
    /// How often everybody has a turn, 0 to print what --runs holds [default: 3, or 1 with --quick]
    #[arg(long, value_name = "N")]
    rounds: Option<u32>,
    /// Keep each run here, and count those that are there: a long measurement in pieces
    #[arg(long, value_name = "FILE")]
    runs: Option<PathBuf>,
}

impl From<&PeersArgs> for workloads::Contest {
    fn from(args: &PeersArgs) -> Self {
        Self {
            programs: args.programs.clone(),
            contestants: args.peers.clone(),
            visible: args.visible.clone(),
            clients: args.clients,
            ladder: args.ladder.clone(),
            rounds: args.rounds,
            runs: args.runs.clone(),
        }
    }
}

#[derive(Args, Debug)]
struct TransportArgs {
    /// Clients of the server
    #[arg(long, value_name = "N", default_value_t = 400, value_parser = clap::value_parser!(u16).range(1..=4_096))]
    clients: u16,
}

#[derive(Args, Debug)]
struct IdlersArgs {
    /// Their server
    server: SocketAddr,
    /// How many there are
    count: u16,
}

#[derive(Args, Debug)]
struct CubesArgs {
    /// The recording to score; without it a small one is made up
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
}

#[derive(Args, Debug)]
struct WanderArgs {
    /// Share of datagrams that are lost each way, such as 5%
    #[arg(long, value_name = "SHARE", default_value = "0%", value_parser = lossy)]
    loss: LinkSpec,
}

/// The link of the workloads with this loss.
fn lossy(share: &str) -> Result<LinkSpec, String> {
    let spec: LinkSpec = format!("loss={share}").parse().map_err(|error| format!("{error}"))?;
    Ok(LinkSpec { loss: spec.loss, ..Options::new(0, 1).link })
}

fn main() -> ExitCode {
    let Cli { workload, json, seed, quick } = Cli::parse();
    let outcome = run(&workload, Effort { seed, quick }).and_then(|report| {
        let Some(report) = report else { return Ok(()) };
        if json {
            println!("{}", report.json());
        } else {
            print!("{}", report.text());
        }
        report.fault().map_or(Ok(()), |fault| Err(BenchError::Invalid(fault.to_owned())))
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(workload: &Workload, effort: Effort) -> Result<Option<Report>, BenchError> {
    let report = match workload {
        Workload::Models(args) => {
            return models(&args.names, &args.out, |line| println!("{line}")).map(|()| None);
        }
        Workload::Idlers(args) => return workloads::idlers(args.server, args.count.into()).map(|()| None),
        Workload::Wander(args) => workloads::wander(effort, &args.loss),
        Workload::Arena => workloads::arena(effort),
        Workload::Halo => workloads::halo(effort),
        Workload::Asteroids => workloads::asteroids(effort),
        Workload::Loss => workloads::loss(effort),
        Workload::Cubes(args) => cubes::cubes(effort.seed, effort.quick, args.data.as_deref()),
        Workload::Feel(args) if args.without => workloads::without(effort, args.write.as_deref()),
        Workload::Feel(args) => workloads::feel(effort, args.row, args.write.as_deref()),
        Workload::Host { spec } => return live::host(spec).map(|()| None),
        Workload::Capacity(args) => workloads::capacity(effort, args.clients as usize, args.hz),
        Workload::Match128 => workloads::match128(effort),
        Workload::Scaling(args) => workloads::scaling(effort, args.write.as_deref()),
        Workload::Crowd => workloads::crowd(effort),
        Workload::Door => workloads::door(effort),
        Workload::Peers(args) => workloads::peers(effort, &args.into()),
        Workload::Instructions(args) => instructions::instructions(effort, &args.file, args.accept),
        Workload::Played => return workloads::played(effort.seed).map(|_| None),
        Workload::Transport(args) => workloads::transport(effort, args.clients.into()),
    };
    report.map(Some)
}

/// The allocator of all our binaries, with a counter beside it.
struct Counting;

// SAFETY: every call goes to mimalloc unchanged. The counter beside it does not unwind, and where it allocates it does not
// count what it allocates, so it does not call itself without end.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        allocations::note(layout.size());
        // SAFETY: the caller's promises about `layout` are passed on.
        unsafe { MiMalloc.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        allocations::note(layout.size());
        // SAFETY: the caller's promises about `layout` are passed on.
        unsafe { MiMalloc.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        allocations::note_release(layout.size());
        allocations::note(size);
        // SAFETY: the caller's promises about `pointer`, `layout` and `size` are passed on.
        unsafe { MiMalloc.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        allocations::note_release(layout.size());
        // SAFETY: the caller's promises about `pointer` and `layout` are passed on.
        unsafe { MiMalloc.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;
