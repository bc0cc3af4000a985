//! Plays simulated matches that are drawn from seeds: one, or a swarm of them.

use std::process::ExitCode;

use clap::Parser;
use downbeat_simnet::{Invariant, SECONDS, Scenario, play, rerun, swarm};

/// Plays a match in virtual time, drawn from a seed, and checks that what must hold does.
#[derive(Parser)]
#[command(name = "downbeat-simnet")]
struct Arguments {
    /// The seed (of a swarm: the first), decimal or 0x and hexadecimal.
    #[arg(long, value_parser = seed, default_value = "1")]
    seed: u64,
    /// Plays so many seeds, on all processors.
    #[arg(long, value_name = "COUNT")]
    swarm: Option<u64>,
    /// Lets datagrams travel over QUIC, with all that it does, instead of model links alone.
    #[arg(long)]
    quic: bool,
    /// Virtual seconds of each.
    #[arg(long, default_value_t = SECONDS, value_parser = clap::value_parser!(u32).range(5..=3_600))]
    seconds: u32,
}

fn main() -> ExitCode {
    let Arguments { seed, swarm: count, seconds, quic } = Arguments::parse();
    let failed = match count {
        Some(count) => many(seed, count, seconds, quic),
        None => one(seed, seconds, quic),
    };
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Plays one seed and tells all about it. Returns how many invariants failed.
fn one(seed: u64, seconds: u32, is_quic: bool) -> u64 {
    println!("seed {seed:#x}, {seconds} s");
    print!("{}", Scenario::draw(seed, seconds, is_quic));
    let verdict = play(seed, seconds, is_quic);
    let (ticks, snapshots, inputs) = verdict.played;
    println!("{ticks} ticks, {snapshots} snapshots sent, {inputs} inputs run");
    for invariant in Invariant::ALL {
        match verdict.findings.of(invariant) {
            None => println!("passed: {invariant}"),
            Some((count, first)) => println!("FAILED: {invariant}: {count} times; {first}"),
        }
    }
    let (passed, failed) = verdict.counts();
    println!("trace-hash {:016x}", verdict.trace_hash);
    println!("{passed} passed, {failed} failed");
    failed as u64
}

/// Plays `count` seeds. Returns how many failed.
fn many(first: u64, count: u64, seconds: u32, is_quic: bool) -> u64 {
    println!("seeds {first:#x} to {:#x}, {seconds} s each", first.wrapping_add(count.saturating_sub(1)));
    let (passed, trace) = swarm(first, count, seconds, is_quic, |failure| {
        println!("{} # {}", rerun(failure.seed, seconds, is_quic), failure.what);
    });
    println!("trace-hash {trace:016x}");
    println!("{passed} passed, {} failed", count - passed);
    count - passed
}

fn seed(text: &str) -> Result<u64, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| "a seed is a number below 2^64, such as 7 or 0x5eed".to_owned())
}
