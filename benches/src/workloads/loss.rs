//! `loss`: what a bad line costs in bytes, and how soon everything is right again once it is good.

use downbeat_arena::Arena;
use downbeat_bots::Brain;
use downbeat_field::Field;
use downbeat_link::{Chance, LinkSpec};
use downbeat_replica::{Game, Micros};
use serde::Serialize;

use super::{Effort, WARM_UP_S, converge, field, fighter, walker};
use crate::statistics::rounded;
use crate::{BenchError, Options, Report, Stage};

const CLIENTS: u16 = 16;

/// Share of datagrams that are lost each way, and the mean length of a burst in thousandths.
const LOSS: Chance = Chance::from_percent(5);
const BURST_THOUSANDTHS: u32 = 3_000;

/// How long the line is bad before it is made good, each time.
const BAD: u32 = 3;

#[derive(Serialize)]
struct Figures {
    /// The worst of the rows.
    bytes_ratio: f64,
    converged_ms: f64,
    rows: Vec<Row>,
}

/// A world on a bad line against the same on a good one. Bytes are those of an update, since under loss a fight takes
/// another course and shows other numbers of entities.
#[derive(Serialize)]
struct Row {
    world: &'static str,
    loss: String,
    bytes_ratio: f64,
    up_bytes_ratio: f64,
    bytes_per_update: f64,
    converged_ms: f64,
}

/// Plays arena and field on good and bad lines.
///
/// # Errors
/// When a copy was wrong, or did not become exact in time after the loss.
pub fn loss(effort: Effort) -> Result<Report, BenchError> {
    let arena = downbeat_arena::Config::default();
    let mut rows = compare::<Arena>(effort, "arena", &arena, fighter)?;
    rows.extend(compare::<Field>(effort, "wander", &field(), walker)?);
    let worst = |figure: fn(&Row) -> f64| rows.iter().map(figure).fold(0.0, f64::max);
    let figures =
        Figures { bytes_ratio: worst(|row| row.bytes_ratio), converged_ms: worst(|row| row.converged_ms), rows };
    Ok(Report::new("loss", effort.seed, effort.quick, figures)?)
}

fn compare<G: Game>(
    effort: Effort,
    world: &'static str,
    config: &G::Config,
    brain: fn(u64) -> Box<dyn Brain<G>>,
) -> Result<Vec<Row>, BenchError> {
    let good = Options::new(effort.seed, CLIENTS).link;
    let random = LinkSpec { loss: LOSS, ..good };
    let bursty = LinkSpec { burst_thousandths: Some(BURST_THOUSANDTHS), ..random };
    let still = play::<G>(effort, &good, config, brain)?;
    let mut rows = Vec::new();
    for link in [random, bursty] {
        let lossy = play::<G>(effort, &link, config, brain)?;
        rows.push(Row {
            world,
            loss: link.to_string(),
            bytes_ratio: rounded(lossy.bytes_per_update / still.bytes_per_update, 4),
            up_bytes_ratio: rounded(lossy.up_bytes_per_datagram / still.up_bytes_per_datagram, 4),
            bytes_per_update: rounded(lossy.bytes_per_update, 4),
            converged_ms: lossy.converged.0 as f64 / 1e3,
        });
    }
    Ok(rows)
}

struct Played {
    bytes_per_update: f64,
    up_bytes_per_datagram: f64,
    /// The longest of all times.
    converged: Micros,
}

fn play<G: Game>(
    effort: Effort,
    link: &LinkSpec,
    config: &G::Config,
    brain: fn(u64) -> Box<dyn Brain<G>>,
) -> Result<Played, BenchError> {
    let options = Options { link: *link, ..Options::new(effort.seed, CLIENTS) };
    let mut stage = Stage::<G>::new(&options, config, brain)?;
    stage.run(options.ticks(WARM_UP_S));
    let before = *stage.totals();
    stage.run(options.ticks(effort.of(40, 5)));
    let totals = stage.totals().since(&before);
    let mut converged = Micros::default();
    for _ in 0..effort.of(10, 2) {
        converged = converged.max(converge(&mut stage, link)?);
        stage.set_link(link);
        stage.run(options.ticks(BAD));
    }
    stage.verify(true)?;
    Ok(Played {
        bytes_per_update: totals.bytes_per_update(),
        up_bytes_per_datagram: totals.up_bytes as f64 / totals.up_datagrams as f64,
        converged,
    })
}
