//! What a shard measured and counted. A report is about the sum over all shards, and has a few lines about each.

use downbeat_replica::Game;
use downbeat_transport::{Driver, DriverCounters, Socket};

use super::Shard;
use super::pace::keep_costliest;
use super::rooms::Rooms;
use super::tallies::Tallies;
use crate::config::Config;
use crate::meter::{Counted, Strain, Window};
use crate::report::{
    InputFigures, RoomFigures, ServerFigures, ServerReport, ShardFigures, SnapshotFigures, Totals, Traffic,
};

/// Figures of one shard, or of several together.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    seconds: f64,
    ticks: u64,
    clients_peak: u64,
    rooms_opened: u64,
    rooms_failed: u64,
    /// Its end is set.
    window: Option<Window>,
    now: Counted,
    tallies: Tallies,
    drivers: Vec<DriverCounters>,
    rooms: Vec<RoomFigures>,
}

impl<G: Game, S: Socket> Shard<G, S> {
    pub(crate) fn figures(&self) -> Figures {
        let now = count(&self.rooms, &self.drivers, self.strain);
        let mut window = self.meter.window().cloned();
        if let Some(window) = &mut window {
            window.last.get_or_insert(now);
        }
        Figures {
            seconds: self.clock.now().as_secs_f64(),
            ticks: self.meter.ticks,
            clients_peak: self.meter.clients_peak,
            rooms_opened: self.rooms.opened,
            rooms_failed: self.rooms.failed,
            window,
            now,
            tallies: self.tallies.clone(),
            drivers: self.drivers.iter().map(Driver::counters).collect(),
            rooms: self.room_figures(),
        }
    }
}

pub(super) fn count<G: Game, S: Socket>(rooms: &Rooms<G>, drivers: &[Driver<S>], strain: Strain) -> Counted {
    let mut counted = Counted { rooms: rooms.counters(), strain, ..Counted::default() };
    for driver in drivers {
        let counters = driver.counters();
        counted.traffic.datagrams_in += counters.datagrams_in;
        counted.traffic.datagrams_out += counters.datagrams_out;
        counted.traffic.bytes_in += counters.bytes_in;
        counted.traffic.bytes_out += counters.bytes_out;
        counted.kernel_drops += counters.socket.kernel_drops;
    }
    counted
}

impl Figures {
    /// The report of a server of these shards (at least one) that had at most `clients_peak` clients at a time.
    pub(crate) fn report(shards: &[Self], config: &Config, clients_peak: u64) -> ServerReport {
        let (first, others) = shards.split_first().expect("a server has a shard");
        let mut sum = first.clone();
        others.iter().for_each(|other| sum.add(other));
        let window = sum.window.as_ref();
        let span = window.map(|window| (window.first, window.last.unwrap_or(sum.now)));
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
                kernel_drops: span.filter(|_| knows_drops).map(|(then, now)| now.kernel_drops - then.kernel_drops),
            },
            inputs: span.map(|(then, now)| InputFigures::between(&then.rooms, &now.rooms)),
            snapshots: span.map(|(then, now)| SnapshotFigures::between(&then.rooms, &now.rooms)),
            traffic: span.map(|(then, now)| Traffic::between(&then.traffic, &now.traffic)),
            totals: sum.totals(),
            shards: shards.iter().map(Self::of_shard).collect(),
            rooms: sum.rooms,
        }
    }

    fn add(&mut self, other: &Self) {
        self.seconds = self.seconds.max(other.seconds);
        self.ticks += other.ticks;
        self.rooms_opened += other.rooms_opened;
        self.rooms_failed += other.rooms_failed;
        match (&mut self.window, &other.window) {
            (Some(window), Some(other)) => window.add(other),
            (window, other) => *window = window.take().or_else(|| other.clone()),
        }
        self.now.add(&other.now);
        self.tallies.add(&other.tallies);
        self.drivers.extend(&other.drivers);
        self.rooms.extend(&other.rooms);
        keep_costliest(&mut self.rooms);
    }

    fn sum(&self, of: fn(&DriverCounters) -> u64) -> u64 {
        self.drivers.iter().map(of).sum()
    }

    fn of_shard(&self) -> ShardFigures {
        let window = self.window.as_ref();
        ShardFigures {
            clients_peak: self.clients_peak,
            tick_us: window.and_then(Window::work),
            cpu_us_per_client_tick: window.and_then(Window::cpu_us_per_client_tick),
            ticks: self.ticks,
            overruns: self.now.strain.overruns,
            ticks_left_out: self.now.strain.ticks_left_out,
            kernel_drops: self.now.kernel_drops,
            admitted: self.tallies.admitted,
            redirected: self.tallies.redirected,
            rooms_opened: self.rooms_opened,
            udp_ignored: self.sum(|counters| counters.ignored),
        }
    }

    fn totals(&self) -> Totals {
        let Self { now, tallies, .. } = self;
        let nothing = Counted::default();
        Totals {
            seconds: self.seconds,
            ticks: self.ticks,
            overruns: now.strain.overruns,
            ticks_left_out: now.strain.ticks_left_out,
            beats_unread: now.strain.beats_unread,
            send_rates_lowered: now.strain.rates_lowered,
            kernel_drops: now.kernel_drops,
            admitted: tallies.admitted,
            redirected: tallies.redirected,
            tickets_refused: tallies.tickets_refused(),
            rooms_opened: self.rooms_opened,
            rooms_failed: self.rooms_failed,
            closes: tallies.closes(),
            datagrams_early: tallies.datagrams_early,
            datagrams_malformed: now.rooms.malformed,
            acks_forged: now.rooms.forged_acks,
            says_dropped: tallies.says_dropped,
            says_missed: tallies.says_missed,
            packets_dropped: self.sum(|counters| counters.packets_dropped),
            packets_costly: self.sum(|counters| counters.packets_costly),
            udp_ignored: self.sum(|counters| counters.ignored),
            handshakes_retried: self.sum(|counters| counters.retried),
            handshakes_refused: self.sum(|counters| counters.refused),
            handshakes_failed: self.sum(|counters| counters.handshakes_failed),
            handshakes_costly: self.sum(|counters| counters.handshakes_costly),
            handshake_packets_dropped: self
                .sum(|counters| counters.handshake_packets_dropped + counters.attempts_dropped),
            inputs: InputFigures::between(&nothing.rooms, &now.rooms),
            snapshots: SnapshotFigures::between(&nothing.rooms, &now.rooms),
            traffic: now.traffic,
        }
    }
}
