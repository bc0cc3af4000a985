//! The crowd on Downbeat: the server as `serve` runs it, and the bots as `bots` does.
//!
//! A client has one entity more than with the others, its own avatar, finer than the walkers and told to its owner alone:
//! `field` has no way to do without. The first clients are full ones, which predict it and interpolate the others; the rest
//! are light: real QUIC, acknowledgements and inputs, but snapshots are not decoded.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use downbeat_bots::{Options, Report};
use downbeat_field::Field;
use downbeat_server::config::Listen;
use downbeat_server::{Config, Progress, Server, ServerReport, Stop};
use downbeat_transport::Trust;
use peers_world::{Args, Failure, Peer, Played, ServerWindow, Sight, WALKERS, rules};

const PEER: Peer = Peer {
    name: "downbeat",
    package: "downbeat-server",
    encryption: "AES-128-GCM (QUIC, TLS 1.3)",
    delta: "against what each client acknowledged, entropy-coded",
};

/// Full clients at most: a hundred who are shown everything would take their processor.
const FULL: usize = 50;

/// How often the server's own figures are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

fn main() -> ExitCode {
    peers_world::main(&PEER, serve, play)
}

fn serve(peer: &Peer, args: &Args) -> Result<(), Failure> {
    let mut config = Config::new("field");
    config.listen = vec![Listen::Address(([127, 0, 0, 1], 0).into())];
    config.players_max = u16::try_from(args.clients)?.max(2);
    config.seed = Some(1);
    let server = Server::<Field>::start(&config, &rules(args.visible), Box::new(|_| {}))?;
    let window = ServerWindow::new(peer, args, server.local_addrs()[0]);
    let (stop, progress) = (Stop::new(), server.progress());
    let ending = stop.clone();
    let looking = thread::spawn(move || look(window, &progress, &ending));
    let report = server.run(&stop)?;
    looking.join().map_err(|_| "the figures were lost: their thread failed")?;
    check(&report)
}

/// Measures until the window is closed, and ends the server.
fn look(mut window: ServerWindow, progress: &Arc<Progress>, stop: &Stop) {
    loop {
        thread::sleep(LOOK_EVERY);
        let live = progress.read();
        if !window.tick_of(live.ticks, live.clients as usize) {
            return stop.request();
        }
    }
}

/// A client that is told less than everything would make the figures of others look bad.
fn check(report: &ServerReport) -> Result<(), Failure> {
    match report.snapshots {
        Some(snapshots) if snapshots.deferred > 0 => {
            Err(format!("{} records did not fit into their snapshots", snapshots.deferred).into())
        }
        _ => Ok(()),
    }
}

fn play(peer: &Peer, args: &Args) -> Result<(), Failure> {
    let mut options = Options::new(args.server()?, Trust::danger_anybody());
    options.clients = args.clients;
    options.light = args.clients.saturating_sub(FULL);
    // Two seconds of warm-up, and a bit, since the server begins to measure a little later.
    options.seconds = args.seconds + 2.5;
    options.cpu = args.cpu;
    let report = downbeat_bots::run::<Field>(&options, &mut |_| {}, &AtomicBool::new(false))?;
    played(&report, args).print(peer, args);
    Ok(())
}

/// A snapshot tells, or leaves standing, the state of every walker that its client is shown.
fn played(report: &Report, args: &Args) -> Played {
    let visible = match args.visible {
        Sight::All => WALKERS as u64,
        Sight::Nearest(count) => u64::from(count),
    };
    let seconds = report.measured_seconds;
    let light = report.light.unwrap_or_default();
    let clients = &report.clients;
    Played {
        connected: (clients.connected - clients.lost + light.connected - light.lost) as usize,
        seconds,
        states: (report.snapshots.received.unwrap_or(0) + light.received.unwrap_or(0)) * visible,
        cpu: Duration::from_secs_f64(report.bots.cpu_share.unwrap_or(0.0) * seconds),
        drops: report.bots.kernel_drops.unwrap_or(0),
    }
}
