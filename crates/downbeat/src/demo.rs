//! `demo`: a server and bots in one process, over real QUIC and real UDP on loopback.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;

use downbeat_bots::report::{Inputs, Server as ServerReportPart, ServerSide};
use downbeat_bots::{Bots, MetricsPage, Options, Percentiles, check, run};
use downbeat_server::{Notice, Server, ServerReport, Stop};
use downbeat_transport::Trust;

use crate::bots::{asks_for_kinds, conclude, interrupted, options, tell_kinds};
use crate::cli::DemoArgs;
use crate::error::CliError;
use crate::settings::Checked;
use crate::telling::Telling;

pub(crate) fn demo<G: Bots>(args: &DemoArgs, settings: &Checked) -> Result<u8, CliError> {
    if asks_for_kinds(&args.play) {
        return tell_kinds();
    }
    // What cannot be is said before anything starts.
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    check::<G>(&options(&args.play, Options::new(anywhere, Trust::danger_anybody()))?)?;
    let rules = settings.rules.rules::<G>()?;
    let interrupted = interrupted()?;
    let title = format!("{}: a server and its bots, network {}", G::NAME, args.play.net);
    let telling = Arc::new(Telling::begin(args.play.progress, &title, args.play.seconds(), &interrupted)?);
    let notes = Arc::clone(&telling);
    let server = Server::<G>::start(
        &settings.config,
        &rules,
        Box::new(move |notice| match notice {
            // It is the demo itself that ends it, once the bots are gone.
            Notice::Draining { .. } => {}
            // Which room opens or closes, nobody asked.
            Notice::RoomOpened { .. } | Notice::RoomClosed { .. } => {}
            _ => notes.note(format!("downbeat: {notice}")),
        }),
    )?;
    let address = server.local_addrs()[0];
    let mut bots = options(&args.play, Options::new(address, Trust::pinned(server.fingerprint())))?;
    bots.seed = args.seed;
    telling.note(format!(
        "{}: a server on {address} and {} bots for {} s, {} Hz, network {}",
        G::NAME,
        args.play.clients,
        args.play.seconds(),
        settings.config.tick_rate_hz,
        args.play.net
    ));
    let metrics = server.metrics();
    bots.metrics = Some(MetricsPage::new(move || metrics.render()));
    let stop = Stop::new();
    let ending = stop.clone();
    let serving = thread::Builder::new().name("shard 0".into()).spawn(move || server.run(&ending));
    let serving = serving.expect("a process can start a second thread");
    let played = run::<G>(&bots, &mut |progress| telling.tell(progress), &interrupted);
    stop.request();
    let served = serving.join().map_err(|_| CliError::ServerGone);
    // A terminal is given back before anything else is said.
    drop(telling);
    let served = served??;
    let mut report = played?;
    report.add_server(&side(&served));
    report.bots.rss_bytes_per_bot = None;
    report.connect = None;
    conclude(&report, &bots, args.play.explain)
}

/// What the server knows of the run. Its memory cannot be told from the bots' here.
fn side(report: &ServerReport) -> ServerSide {
    let percentiles =
        |p: downbeat_server::Percentiles| Percentiles { p50: p.p50, p90: p.p90, p99: p.p99, p999: p.p999, max: p.max };
    let inputs = report.inputs;
    ServerSide {
        server: ServerReportPart {
            overruns: report.server.overruns,
            cpu_us_per_client_tick: report.server.cpu_us_per_client_tick,
            rss_bytes: None,
            kernel_drops: report.server.kernel_drops,
            clamped: report.snapshots.map(|snapshots| snapshots.clamped),
            refused: report.snapshots.map(|snapshots| snapshots.refused),
            ..ServerReportPart::default()
        },
        inputs: Inputs {
            sent: None,
            consumed: inputs.map(|inputs| inputs.consumed),
            starved: inputs.map(|inputs| inputs.starved),
            late: inputs.map(|inputs| inputs.late),
            rejected: inputs.map(|inputs| inputs.rejected),
        },
        measured_seconds: report.measured_seconds,
        tick_us: report.tick_us.map(percentiles),
        tick_start_jitter_us: report.tick_start_jitter_us.map(percentiles),
    }
}
