//! `wander`: what an update of a walker costs, in bytes and in time.

use downbeat_field::Field;
use downbeat_link::LinkSpec;
use serde::Serialize;

use super::{Effort, RUNS, WARM_UP_S, converge, field, walker};
use crate::statistics::{median, rounded};
use crate::{BenchError, Options, Report, Stage, Totals};

/// Clients whose bytes are counted, and who share the work when it is shared.
const CLIENTS: u16 = 16;
const CLIENTS_SHARING: u16 = 1_000;

/// Clients among those who share whose copies are compared: comparing all takes longer than the run.
const JUDGED_SHARING: u16 = 16;

#[derive(Serialize)]
struct Figures {
    loss: f64,
    bytes_per_update: f64,
    /// Choosing, encoding and handing over, by update: with one client, and with a thousand.
    encode_ns_per_update: f64,
    encode_ns_per_update_shared: f64,
    decode_ns_per_update: f64,
    /// A tick of the room without the game's step: the capture and the game's choice of what is shown beside that.
    tick_ns_per_update: f64,
    tick_ns_per_update_shared: f64,
    updates_per_datagram: f64,
    bytes_per_datagram: f64,
    up_bytes_per_datagram: f64,
    copies_exact: u64,
    copies_compared: u64,
}

/// Plays the field on links like `link`.
///
/// # Errors
/// When a copy was wrong, or does not become exact after the loss.
pub fn wander(effort: Effort, link: &LinkSpec) -> Result<Report, BenchError> {
    let bytes = count_bytes(effort, link)?;
    let alone = time(effort, link, 1, effort.of(600, 120))?;
    let shared = time(effort, link, CLIENTS_SHARING, effort.of(60, 12))?;
    let of = |runs: &[Run], figure| rounded(median(runs.iter().map(|run| middle(run, figure))), 1);
    let figures = Figures {
        loss: link.loss.fraction(),
        bytes_per_update: rounded(bytes.totals.bytes_per_update(), 4),
        encode_ns_per_update: of(&alone, Totals::encode_ns_per_update),
        encode_ns_per_update_shared: of(&shared, Totals::encode_ns_per_update),
        decode_ns_per_update: of(&alone, Totals::decode_ns_per_update),
        tick_ns_per_update: of(&alone, Totals::tick_ns_per_update),
        tick_ns_per_update_shared: of(&shared, Totals::tick_ns_per_update),
        updates_per_datagram: rounded(bytes.totals.updates as f64 / bytes.totals.down_datagrams as f64, 2),
        bytes_per_datagram: rounded(bytes.totals.down_bytes as f64 / bytes.totals.down_datagrams as f64, 2),
        up_bytes_per_datagram: rounded(bytes.totals.up_bytes as f64 / bytes.totals.up_datagrams as f64, 2),
        copies_exact: bytes.compared.0,
        copies_compared: bytes.compared.1,
    };
    Ok(Report::new("wander", effort.seed, effort.quick, figures)?)
}

struct Bytes {
    totals: Totals,
    compared: (u64, u64),
}

fn count_bytes(effort: Effort, link: &LinkSpec) -> Result<Bytes, BenchError> {
    let options = Options { link: *link, ..Options::new(effort.seed, CLIENTS) };
    let mut stage = Stage::<Field>::new(&options, &field(), walker)?;
    stage.run(options.ticks(WARM_UP_S));
    let before = *stage.totals();
    stage.run(options.ticks(effort.of(60, 5)));
    let totals = stage.totals().since(&before);
    let compared = stage.judges().fold((0, 0), |sum, judge| {
        let (exact, compared) = judge.compared();
        (sum.0 + exact, sum.1 + compared)
    });
    converge(&mut stage, link)?;
    stage.verify(true)?;
    Ok(Bytes { totals, compared })
}

/// What was counted in each tick of a run.
type Run = Vec<Totals>;

/// The tick in the middle of a run: what else the machine did meanwhile falls on the others.
fn middle(run: &Run, figure: fn(&Totals) -> f64) -> f64 {
    // No datagram may have arrived in a tick.
    median(run.iter().map(figure).filter(|figure| figure.is_finite()))
}

/// Runs of `ticks` ticks with `clients`.
fn time(effort: Effort, link: &LinkSpec, clients: u16, ticks: u32) -> Result<Vec<Run>, BenchError> {
    let judged = clients.min(JUDGED_SHARING);
    let options = Options { link: *link, judged, ..Options::new(effort.seed, clients) };
    let mut stage = Stage::<Field>::new(&options, &field(), walker)?;
    stage.run(options.ticks(WARM_UP_S));
    let mut tick = || {
        let before = *stage.totals();
        stage.tick();
        stage.totals().since(&before)
    };
    let runs = (0..RUNS).map(|_| (0..ticks).map(|_| tick()).collect()).collect();
    converge(&mut stage, link)?;
    stage.verify(true)?;
    Ok(runs)
}
