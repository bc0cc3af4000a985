//! `halo` and `asteroids`: whole worlds that one client sees.

use downbeat_replica::Game;
use serde::Serialize;

use super::{Effort, WARM_UP_S, idler};
use crate::games::asteroids::Asteroids;
use crate::games::halo::Halo;
use crate::statistics::rounded;
use crate::{BenchError, Options, Report, Stage, Totals, wire};

#[derive(Serialize)]
struct HaloFigures {
    bytes_per_tick: f64,
    bytes_per_update: f64,
    updates_per_tick: f64,
    decode_ns_per_update: f64,
}

/// Plays the battle at 60 Hz for one client.
///
/// # Errors
/// When a copy was wrong.
pub fn halo(effort: Effort) -> Result<Report, BenchError> {
    let totals = watch::<Halo>(effort, 60)?;
    let figures = HaloFigures {
        bytes_per_tick: rounded(totals.down_bytes as f64 / totals.ticks as f64, 2),
        bytes_per_update: rounded(totals.bytes_per_update(), 4),
        updates_per_tick: rounded(totals.updates as f64 / totals.ticks as f64, 2),
        decode_ns_per_update: rounded(totals.decode_ns_per_update(), 1),
    };
    Ok(Report::new("halo", effort.seed, effort.quick, figures)?)
}

#[derive(Serialize)]
struct AsteroidsFigures {
    wire_bytes_per_s: f64,
    bytes_per_tick: f64,
    bytes_per_update: f64,
    /// Datagrams by tick: a payload of more than 1,162 bytes counts as several.
    datagrams_per_tick: f64,
    /// What QUIC, UDP and IPv4 add to each.
    overhead_bytes: f64,
    decode_ns_per_update: f64,
}

/// Plays the tumbling bodies at 30 Hz for one client.
///
/// # Errors
/// When a copy was wrong.
pub fn asteroids(effort: Effort) -> Result<Report, BenchError> {
    const HZ: u32 = 30;
    let totals = watch::<Asteroids>(effort, HZ)?;
    let payload = totals.down_bytes as f64 / totals.down_datagrams as f64;
    let up_payload = totals.up_bytes as f64 / totals.up_datagrams as f64;
    let overhead = wire::overhead(payload, up_payload, HZ)?.down;
    let bytes = totals.down_bytes as f64 + totals.down_datagrams as f64 * overhead;
    let figures = AsteroidsFigures {
        wire_bytes_per_s: rounded(bytes / totals.ticks as f64 * f64::from(HZ), 0),
        bytes_per_tick: rounded(totals.down_bytes as f64 / totals.ticks as f64, 2),
        bytes_per_update: rounded(totals.bytes_per_update(), 4),
        datagrams_per_tick: rounded(totals.down_datagrams as f64 / totals.ticks as f64, 3),
        overhead_bytes: rounded(overhead, 2),
        decode_ns_per_update: rounded(totals.decode_ns_per_update(), 1),
    };
    Ok(Report::new("asteroids", effort.seed, effort.quick, figures)?)
}

/// One client, 50 ms away, sees a world whole.
fn watch<G: Game<Config = ()>>(effort: Effort, tick_rate_hz: u32) -> Result<Totals, BenchError> {
    let datagram_bytes_max = Options::UNCUT_BYTES;
    let options = Options { tick_rate_hz, datagram_bytes_max, ..Options::new(effort.seed, 1) };
    let mut stage = Stage::<G>::new(&options, &(), |_| idler())?;
    stage.run(options.ticks(WARM_UP_S));
    let before = *stage.totals();
    stage.run(options.ticks(effort.of(60, 10)));
    let totals = stage.totals().since(&before);
    stage.exact_since()?;
    stage.verify(true)?;
    Ok(totals)
}
