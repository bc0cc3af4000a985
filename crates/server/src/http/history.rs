//! The last minutes, second by second, so that whoever opens the page sees at once how it came about.
//!
//! What a second was like is the difference of two looks: counts of the shards' views, and of the histograms that metrics
//! have anyway. Nothing is measured for it on a shard.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use utoipa::ToSchema;

use crate::control::{PlayerView, ShardView, TotalsView};
use crate::limits::HISTORY_SECONDS;
use crate::metrics::{Durations, Metrics, Spread};

/// A second of a server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub(crate) struct Second {
    /// Counts seconds since the server started.
    pub(crate) n: u64,
    /// Its end, in milliseconds since 1970 (UTC).
    unix_ms: u64,
    /// Clients, spectators included.
    clients: usize,
    /// Rooms.
    rooms: usize,
    /// Of a tick, what each of its parts took: microseconds on average. (Of the ticks of a beat, where rooms share one.)
    work_us: WorkView,
    /// Half of the ticks took less than this, and 99 % did, to the accuracy of a histogram: microseconds. `null` without ticks.
    work_p50_us: Option<f64>,
    work_p99_us: Option<f64>,
    /// The same of how late ticks began.
    jitter_p50_us: Option<f64>,
    jitter_p99_us: Option<f64>,
    /// The share of the time that the busiest shard was not idle, 0 to 1.
    busy: f64,
    /// Bytes per second: UDP payload.
    bytes_out: f64,
    bytes_in: f64,
    /// Ticks of all rooms.
    ticks: f64,
    /// Ticks that were not finished when the next was due.
    overruns: u64,
    /// Ticks that were left out.
    ticks_left_out: u64,
    /// Ticks of a player that ran without its input, of all that ran: 0 to 1. `null` without players.
    starved: Option<f64>,
    /// Datagrams that the kernel dropped.
    kernel_drops: u64,
    /// By how many ticks inputs come before their tick: of all players the least, that of which a tenth have less, and the
    /// middle. `null` without players.
    margin_min: Option<f64>,
    margin_p10: Option<f64>,
    margin_p50: Option<f64>,
    /// Round trips of all clients, in milliseconds: the middle, and that of which a twentieth have more.
    rtt_p50_ms: Option<f64>,
    rtt_p95_ms: Option<f64>,
}

/// What the parts of a tick took, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
struct WorkView {
    /// Reading the sockets, decrypting, admission.
    receive: f64,
    /// Taking inputs, stepping the game.
    step: f64,
    /// Capturing the state.
    capture: f64,
    /// The game says what each client is shown.
    interest: f64,
    /// Choosing and encoding snapshots.
    encode: f64,
    /// Encrypting and sending.
    flush: f64,
}

/// The last minutes.
#[derive(Debug, Default)]
pub(crate) struct History {
    seconds: VecDeque<Second>,
    count: u64,
    /// What the last second was measured from.
    views: Vec<Arc<ShardView>>,
    durations: Option<Durations>,
    /// What each shard did per second when it was seen to change last.
    rates: Vec<Rates>,
}

/// What a shard did in a second.
#[derive(Clone, Copy, Debug, Default)]
struct Rates {
    busy: f64,
    bytes_out: f64,
    bytes_in: f64,
    ticks: f64,
}

impl History {
    /// Notes a second that is over.
    pub(super) fn note(&mut self, views: Vec<Arc<ShardView>>, metrics: &Metrics) {
        self.count += 1;
        let durations = metrics.durations();
        let mut second = Second {
            n: self.count,
            unix_ms: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64),
            clients: views.iter().map(|view| view.clients).sum(),
            rooms: views.iter().map(|view| view.rooms.len()).sum(),
            ..Second::default()
        };
        if let Some(before) = &self.durations {
            second.take_durations(&durations.since(before));
        }
        if self.views.len() == views.len() {
            self.rates.resize(views.len(), Rates::default());
            let (mut inputs, mut starved) = (0, 0);
            for ((rates, now), then) in self.rates.iter_mut().zip(&views).zip(&self.views) {
                let gone = now.totals.since(&then.totals);
                rates.follow(now.seconds - then.seconds, &gone);
                second.overruns += gone.overruns;
                second.ticks_left_out += gone.ticks_left_out;
                second.kernel_drops += gone.kernel_drops;
                (inputs, starved) = (inputs + gone.consumed + gone.starved, starved + gone.starved);
            }
            second.starved = (inputs > 0).then(|| starved as f64 / inputs as f64);
        }
        for rates in &self.rates {
            second.busy = second.busy.max(rates.busy);
            second.bytes_out += rates.bytes_out;
            second.bytes_in += rates.bytes_in;
            second.ticks += rates.ticks;
        }
        second.take_players(views.iter().flat_map(|view| &view.players));
        (self.views, self.durations) = (views, Some(durations));
        self.seconds.push_back(second);
        if self.seconds.len() > HISTORY_SECONDS {
            self.seconds.pop_front();
        }
    }

    /// All seconds after `n`.
    pub(super) fn after(&self, n: u64) -> Vec<Second> {
        self.seconds.iter().filter(|second| second.n > n).cloned().collect()
    }
}

impl Rates {
    /// A shard leaves its counts about once a second, and is looked at about once a second: now and then it has left nothing
    /// since, and goes on as before.
    fn follow(&mut self, seconds: f64, gone: &TotalsView) {
        if seconds > 0.0 {
            *self = Self {
                busy: (gone.worked_s / seconds).min(1.0),
                bytes_out: gone.bytes_out as f64 / seconds,
                bytes_in: gone.bytes_in as f64 / seconds,
                ticks: gone.ticks as f64 / seconds,
            };
        }
    }
}

impl Second {
    fn take_durations(&mut self, gone: &Durations) {
        let beats = gone.work.count();
        let mean = |part: &Spread| if beats > 0 { part.sum_ns() / beats as f64 / 1e3 } else { 0.0 };
        let [receive, step, capture, interest, encode, flush] = &gone.parts;
        self.work_us = WorkView {
            receive: mean(receive),
            step: mean(step),
            capture: mean(capture),
            interest: mean(interest),
            encode: mean(encode),
            flush: mean(flush),
        };
        let at = |durations: &Spread, quantile| durations.quantile_ns(quantile).map(|ns| ns / 1e3);
        (self.work_p50_us, self.work_p99_us) = (at(&gone.work, 0.5), at(&gone.work, 0.99));
        (self.jitter_p50_us, self.jitter_p99_us) = (at(&gone.jitter, 0.5), at(&gone.jitter, 0.99));
    }

    fn take_players<'a>(&mut self, players: impl Iterator<Item = &'a PlayerView>) {
        let (mut margins, mut rtts) = (Vec::new(), Vec::new());
        for player in players {
            margins.extend(player.inputs.and_then(|inputs| inputs.margin_ticks));
            rtts.extend(player.line.map(|line| line.rtt_ms));
        }
        margins.sort_unstable_by(f64::total_cmp);
        rtts.sort_unstable_by(f64::total_cmp);
        self.margin_min = margins.first().copied();
        (self.margin_p10, self.margin_p50) = (quantile(&margins, 0.1), quantile(&margins, 0.5));
        (self.rtt_p50_ms, self.rtt_p95_ms) = (quantile(&rtts, 0.5), quantile(&rtts, 0.95));
    }
}

/// Of ascending values the one below which this share of them is.
fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let place = (values.len().checked_sub(1)? as f64 * share).round() as usize;
    values.get(place).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_few_values_are_values() {
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!([0.0, 0.1, 0.5, 1.0].map(|share| quantile(&[1.0, 2.0, 3.0], share)), [1.0, 1.0, 2.0, 3.0].map(Some));
    }

    #[test]
    fn a_shard_that_left_nothing_new_goes_on_as_before() {
        let mut rates = Rates::default();
        rates.follow(2.0, &TotalsView { bytes_out: 1_000, worked_s: 0.5, ..TotalsView::default() });
        assert_eq!((rates.bytes_out, rates.busy), (500.0, 0.25));
        rates.follow(0.0, &TotalsView::default());
        assert_eq!((rates.bytes_out, rates.busy), (500.0, 0.25));
    }
}
