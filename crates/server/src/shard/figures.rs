//! What a shard measured and counted. A report is about the sum over all shards, and has a few lines about each.

use std::collections::BTreeMap;

use downbeat_replica::Game;
use downbeat_transport::{Driver, Socket};

use super::Shard;
use super::pace::keep_costliest;
use super::rooms::Rooms;
use crate::config::Config;
use crate::counts::{Counted, Counts, Strain};
use crate::meter::Window;
use crate::report::{
    Closes, InputFigures, RoomFigures, ServerFigures, ServerReport, ShardFigures, SnapshotFigures, Totals, Traffic,
};

/// Figures of one shard, or of several together.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    seconds: f64,
    clients_peak: u64,
    /// Its end is set.
    window: Option<Window>,
    counts: Counts,
    rooms: Vec<RoomFigures>,
}

impl<G: Game, S: Socket> Shard<G, S> {
    pub(crate) fn figures(&self) -> Figures {
        let counts = self.counts();
        let mut window = self.meter.window().cloned();
        if let Some(window) = &mut window {
            window.last.get_or_insert(counts.counted);
        }
        Figures {
            seconds: self.clock.now().as_secs_f64(),
            clients_peak: self.meter.clients_peak,
            window,
            counts,
            rooms: self.room_figures(),
        }
    }

    /// All that was counted so far.
    pub(super) fn counts(&self) -> Counts {
        Counts {
            beats: self.beats_begun,
            ticks: self.meter.ticks,
            worked: self.meter.worked,
            rooms_opened: self.rooms.opened,
            rooms_failed: self.rooms.failed,
            rooms_lowered: self.rooms.lowered() as u64,
            counted: count(&self.rooms, &self.drivers, self.strain),
            tallies: self.tallies,
        }
    }
}

pub(super) fn count<G: Game, S: Socket>(rooms: &Rooms<G>, drivers: &[Driver<S>], strain: Strain) -> Counted {
    let mut counted = Counted { rooms: rooms.counters(), strain, ..Counted::default() };
    drivers.iter().for_each(|driver| counted.driver.add(&driver.counters()));
    counted
}

impl Figures {
    /// The report of a server of these shards (at least one) that had at most `clients_peak` clients at a time.
    pub(crate) fn report(shards: &[Self], config: &Config, clients_peak: u64) -> ServerReport {
        let (first, others) = shards.split_first().expect("a server has a shard");
        let mut sum = first.clone();
        others.iter().for_each(|other| sum.add(other));
        let window = sum.window.as_ref();
        let span = window.map(|window| (window.first, window.last.unwrap_or(sum.counts.counted)));
        let knows_drops = cfg!(target_os = "linux");
        ServerReport {
            tick_rate_hz: config.tick_rate_hz,
            send_rate_hz: config.send_rate_hz,
            measured_seconds: window.map_or(0.0, |window| window.seconds),
            clients_peak,
            tick_us: window.and_then(Window::work),
            tick_start_jitter_us: window.and_then(Window::jitter),
            room_tick_us: window.and_then(Window::room),
            phases_us: window.map(Window::phases).unwrap_or_default(),
            server: ServerFigures {
                overruns: span.map(|(then, now)| now.strain.overruns - then.strain.overruns),
                ticks_left_out: span.map(|(then, now)| now.strain.ticks_left_out - then.strain.ticks_left_out),
                beats_unread: span.map(|(then, now)| now.strain.beats_unread - then.strain.beats_unread),
                send_rates_lowered: span.map(|(then, now)| now.strain.rates_lowered - then.strain.rates_lowered),
                cpu_us_per_client_tick: window.and_then(Window::cpu_us_per_client_tick),
                rss_bytes: crate::os::rss_bytes().max(window.and_then(|window| window.rss_bytes)),
                kernel_drops: span.filter(|_| knows_drops).map(|(then, now)| now.kernel_drops() - then.kernel_drops()),
            },
            inputs: span.map(|(then, now)| InputFigures::between(&then.rooms, &now.rooms)),
            snapshots: span.map(|(then, now)| SnapshotFigures::between(&then.rooms, &now.rooms)),
            traffic: span.map(|(then, now)| Traffic::between(&then.traffic(), &now.traffic())),
            totals: sum.totals(),
            shards: shards.iter().map(Self::of_shard).collect(),
            rooms: sum.rooms,
        }
    }

    fn add(&mut self, other: &Self) {
        self.seconds = self.seconds.max(other.seconds);
        match (&mut self.window, &other.window) {
            (Some(window), Some(other)) => window.add(other),
            (window, other) => *window = window.take().or_else(|| other.clone()),
        }
        self.counts.add(&other.counts);
        self.rooms.extend(&other.rooms);
        keep_costliest(&mut self.rooms);
    }

    fn of_shard(&self) -> ShardFigures {
        let Counts { ticks, rooms_opened, counted, tallies, .. } = &self.counts;
        let window = self.window.as_ref();
        ShardFigures {
            clients_peak: self.clients_peak,
            tick_us: window.and_then(Window::work),
            cpu_us_per_client_tick: window.and_then(Window::cpu_us_per_client_tick),
            ticks: *ticks,
            overruns: counted.strain.overruns,
            ticks_left_out: counted.strain.ticks_left_out,
            kernel_drops: counted.kernel_drops(),
            admitted: tallies.admitted,
            redirected: tallies.redirected,
            rooms_opened: *rooms_opened,
            udp_ignored: counted.driver.ignored,
        }
    }

    fn totals(&self) -> Totals {
        let Counts { ticks, rooms_opened, rooms_failed, counted: now, tallies, .. } = &self.counts;
        let driver = &now.driver;
        let nothing = Counted::default();
        Totals {
            seconds: self.seconds,
            ticks: *ticks,
            overruns: now.strain.overruns,
            ticks_left_out: now.strain.ticks_left_out,
            beats_unread: now.strain.beats_unread,
            send_rates_lowered: now.strain.rates_lowered,
            kernel_drops: now.kernel_drops(),
            admitted: tallies.admitted,
            redirected: tallies.redirected,
            sessions_suspended: tallies.suspended,
            sessions_expired: tallies.expired,
            sessions_resumed: tallies.resumed,
            resumes_refused: tallies.resumes_refused,
            tickets_refused: labelled(tallies.tickets_refused()),
            rooms_opened: *rooms_opened,
            rooms_failed: *rooms_failed,
            closes: Closes {
                by_server: labelled(tallies.closed_by_server()),
                by_client: labelled(tallies.closed_by_client()),
                lost: labelled(tallies.lost()),
            },
            datagrams_early: tallies.datagrams_early,
            datagrams_malformed: now.rooms.malformed,
            spectator_inputs: now.rooms.spectator_inputs,
            acks_forged: now.rooms.forged_acks,
            says_dropped: tallies.says_dropped,
            says_missed: tallies.says_missed,
            packets_dropped: driver.packets_dropped,
            packets_heavy: driver.packets_heavy,
            packets_costly: driver.packets_costly,
            udp_ignored: driver.ignored,
            handshakes_retried: driver.retried,
            handshakes_refused: driver.refused,
            handshakes_turned_away: driver.turned_away,
            handshakes_failed: driver.handshakes_failed,
            handshakes_costly: driver.handshakes_costly,
            handshake_packets_dropped: driver.handshake_packets_dropped + driver.attempts_dropped,
            inputs: InputFigures::between(&nothing.rooms, &now.rooms),
            snapshots: SnapshotFigures::between(&nothing.rooms, &now.rooms),
            traffic: now.traffic(),
        }
    }
}

/// What happened at all.
fn labelled(counts: impl Iterator<Item = (&'static str, u64)>) -> BTreeMap<String, u64> {
    counts.filter(|(_, count)| *count > 0).map(|(label, count)| (label.to_owned(), count)).collect()
}
