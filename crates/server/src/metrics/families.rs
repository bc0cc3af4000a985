//! Which metrics there are. Names never change; `docs/operating.md` says which of them to watch. All values of a label are
//! known beforehand, so that there is a number for each from the start and none can come to be by what a client sends.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, UNIX_EPOCH};

use downbeat_host::Margins;

use super::page::{Labels, Page};
use super::{Board, Histogram, Metrics, histogram};
use crate::counts::Counts;
use crate::meter::PART_LABELS;
use crate::os;

pub(super) fn render(metrics: &Metrics) -> String {
    let shards: Vec<Counts> = metrics.boards.iter().map(|board| **board.counts.load()).collect();
    let mut sum = Counts::default();
    shards.iter().for_each(|shard| sum.add(shard));
    let mut page = Page::default();
    ticks(&mut page, metrics, &sum);
    each_shard(&mut page, metrics, &shards);
    rooms(&mut page, metrics, &sum);
    telling(&mut page, metrics, &sum);
    inputs(&mut page, &sum);
    lines(&mut page, metrics, &sum);
    admission(&mut page, &sum);
    records(&mut page, metrics);
    process(&mut page, metrics);
    page.finish()
}

fn ticks(page: &mut Page, metrics: &Metrics, sum: &Counts) {
    let strain = &sum.counted.strain;
    page.gauge("downbeat_tick_rate_hertz", "Ticks per second of a room.", metrics.facts.tick_rate_hz);
    page.counter("downbeat_ticks_total", "Ticks of all rooms.", sum.ticks);
    page.counter(
        "downbeat_tick_overruns_total",
        "Ticks that were not finished when the next was due.",
        strain.overruns,
    );
    page.counter(
        "downbeat_ticks_left_out_total",
        "Ticks left out because too many were due at once: the match was slower for a moment.",
        strain.ticks_left_out,
    );
    page.counter(
        "downbeat_beats_unread_total",
        "Beats in which rooms ticked although datagrams were left unread.",
        strain.beats_unread,
    );
    let name = "downbeat_tick_duration_seconds";
    page.family(name, "histogram", "Work of the ticks of one beat (with one room: of a tick) by its parts.");
    for (part, label) in PART_LABELS.into_iter().enumerate() {
        times(page, metrics, name, &[("phase", label)], |board| &board.parts[part], NANOS);
    }
    let mut seconds = |name, help, of: fn(&Board) -> &Histogram| {
        page.family(name, "histogram", help);
        times(page, metrics, name, &[], of, NANOS);
    };
    seconds("downbeat_tick_work_seconds", "The same, all parts together.", |board| &board.work);
    seconds("downbeat_room_tick_seconds", "Work of one room's tick, until all that it says was sent.", |board| {
        &board.room
    });
    seconds("downbeat_tick_start_jitter_seconds", "How late ticks began.", |board| &board.jitter);
}

fn each_shard(page: &mut Page, metrics: &Metrics, shards: &[Counts]) {
    let label = "shard";
    let each = || shards.iter().enumerate().map(|(index, shard)| (index.to_string(), shard));
    page.counters(
        "downbeat_shard_beats_total",
        "Beats of each shard: a shard whose beats stop is stuck.",
        label,
        each().map(|(index, shard)| (index, shard.beats)),
    );
    page.counters(
        "downbeat_shard_busy_seconds_total",
        "Time that each shard's thread worked: its rate is the share of a processor.",
        label,
        each().map(|(index, shard)| (index, shard.worked.as_secs_f64())),
    );
    let clients = (0u8..).zip(&metrics.boards).map(|(index, _)| {
        let (players, spectators) = metrics.directory.clients_of(index);
        (index.to_string(), players + spectators)
    });
    page.gauges("downbeat_shard_clients", "Players and spectators of each shard.", label, clients);
}

fn rooms(page: &mut Page, metrics: &Metrics, sum: &Counts) {
    let clients = (0u8..).zip(&metrics.boards).map(|(index, _)| metrics.directory.clients_of(index));
    let (players, spectators) = clients.fold((0, 0), |sum, of| (sum.0 + of.0, sum.1 + of.1));
    let roles = [("player", players), ("spectator", spectators)];
    page.gauges("downbeat_players", "Clients that take part.", "role", roles);
    page.gauge("downbeat_player_places", "Players that all rooms together may have.", metrics.player_places());
    page.gauge("downbeat_rooms", "Rooms that are open.", metrics.directory.rooms());
    page.gauge("downbeat_rooms_max", "Rooms that may be open at a time.", metrics.directory.rooms_max());
    page.counter("downbeat_rooms_opened_total", "Rooms that were opened.", sum.rooms_opened);
    page.counter("downbeat_rooms_failed_total", "Rooms whose game panicked.", sum.rooms_failed);
    page.gauge("downbeat_rooms_lowered", "Rooms whose send rate is lowered because of overload.", sum.rooms_lowered);
    page.counter(
        "downbeat_send_rates_lowered_total",
        "Steps by which send rates of rooms were lowered.",
        sum.counted.strain.rates_lowered,
    );
    let drain_ends = metrics.drain_ends.load(Relaxed);
    page.gauge("downbeat_draining", "1 while nobody is let in since the server is to end.", u8::from(drain_ends > 0));
    page.gauge(
        "downbeat_drain_ends_timestamp_seconds",
        "When it ends at the latest; 0 while it is not asked to.",
        drain_ends,
    );
}

fn telling(page: &mut Page, metrics: &Metrics, sum: &Counts) {
    let rooms = &sum.counted.rooms;
    let outcomes = [("sent", rooms.snapshots), ("blocked", rooms.skipped), ("left_out", rooms.left_out)];
    page.counters(
        "downbeat_snapshots_total",
        "Snapshots: sent, not sent because the connection could take none, or left out because of overload.",
        "outcome",
        outcomes,
    );
    let name = "downbeat_snapshot_bytes";
    page.family(name, "histogram", "Bytes of a snapshot, before packet overhead.");
    times(page, metrics, name, &[], |board| &board.snapshot_bytes, 1.0);
    let mut counter = |name, help, value| page.counter(name, help, value);
    counter("downbeat_entities_shown_total", "Entities that clients are shown, summed over snapshots.", rooms.shown);
    counter("downbeat_records_deferred_total", "Records put off because a snapshot was full.", rooms.deferred);
    counter("downbeat_events_dropped_total", "Events that did not fit into a snapshot.", rooms.events_dropped);
    counter(
        "downbeat_states_clamped_total",
        "State values that were out of their range: a mistake of the game.",
        rooms.clamped,
    );
    counter(
        "downbeat_states_refused_total",
        "Entities that held a NaN or were a second avatar: likewise.",
        rooms.refused,
    );
}

fn inputs(page: &mut Page, sum: &Counts) {
    let rooms = &sum.counted.rooms;
    let inputs = rooms.inputs;
    let outcomes = [
        ("consumed", inputs.consumed),
        ("starved", inputs.starved),
        ("late", inputs.late),
        ("rejected", inputs.rejected),
    ];
    page.counters(
        "downbeat_inputs_total",
        "Ticks of players that ran on an input or without one, and inputs that came late or were too far ahead.",
        "outcome",
        outcomes,
    );
    let name = "downbeat_input_margin_ticks";
    page.family(name, "histogram", "By how much the newest inputs of datagrams came before their ticks.");
    let margins = histogram::Counts { counts: rooms.margins.counts.to_vec(), sum: rooms.margins.sum as f64 };
    page.histogram(name, &[], Margins::BOUNDS.map(f64::from), &margins, SIXTEENTHS);
}

fn lines(page: &mut Page, metrics: &Metrics, sum: &Counts) {
    let (driver, tallies) = (&sum.counted.driver, &sum.tallies);
    page.counter(
        "downbeat_kernel_drops_total",
        "Datagrams that the kernel dropped because the receive buffer was full.",
        sum.counted.kernel_drops(),
    );
    let name = "downbeat_datagrams_dropped_total";
    let handshakes = driver.handshake_packets_dropped + driver.attempts_dropped;
    let reasons = [
        ("stray", driver.ignored),
        ("too_many", driver.packets_dropped),
        ("too_heavy", driver.packets_heavy),
        ("too_costly", driver.packets_costly),
        ("handshake_queue", handshakes),
        ("event_queue", driver.events_dropped),
        ("early", tallies.datagrams_early),
        ("malformed", sum.counted.rooms.malformed),
        ("send_buffer", driver.socket.send_drops),
    ];
    page.counters(name, "Datagrams that led to nothing, by the limit that they met.", "reason", reasons);
    let datagrams = [("in", driver.datagrams_in), ("out", driver.datagrams_out)];
    page.counters("downbeat_udp_datagrams_total", "UDP datagrams read and sent.", "direction", datagrams);
    let bytes = [("in", driver.bytes_in), ("out", driver.bytes_out)];
    page.counters("downbeat_udp_bytes_total", "Bytes of UDP payload read and sent.", "direction", bytes);
    let name = "downbeat_rtt_seconds";
    page.family(name, "histogram", "Round trips of clients by QUIC's estimate, each client's about once a second.");
    times(page, metrics, name, &[], |board| &board.rtt, MICROS);
}

fn admission(page: &mut Page, sum: &Counts) {
    let (driver, tallies) = (&sum.counted.driver, &sum.tallies);
    let name = "downbeat_connections_total";
    page.family(name, "counter", "Connections that became clients, and ends of connections by close code.");
    page.line(name, &[("outcome", "admitted"), ("reason", "HELLO")], tallies.admitted);
    let mut ends = |outcome, ends: &mut dyn Iterator<Item = (&'static str, u64)>| {
        ends.for_each(|(reason, count)| page.line(name, &[("outcome", outcome), ("reason", reason)], count));
    };
    ends("closed_by_server", &mut tallies.closed_by_server());
    ends("closed_by_client", &mut tallies.closed_by_client());
    ends("lost", &mut tallies.lost());
    page.gauge("downbeat_connections_open", "Connections that are open.", driver.open);
    page.gauge("downbeat_handshakes_open", "Handshakes under way.", driver.half_open);
    page.counters("downbeat_tickets_refused_total", "Tickets that let nobody in.", "reason", tallies.tickets_refused());
    let sessions = [
        ("suspended", tallies.suspended),
        ("expired", tallies.expired),
        ("resumed", tallies.resumed),
        ("refused", tallies.resumes_refused),
    ];
    let help = "Lost connections whose sessions waited for their clients, and what came of them.";
    page.counters("downbeat_sessions_total", help, "outcome", sessions);
    let mut counter = |name, help, value| page.counter(name, help, value);
    counter("downbeat_redirects_total", "Clients that were sent to another shard.", tallies.redirected);
    counter("downbeat_handshakes_total", "Handshakes that were begun.", driver.accepted);
    counter("downbeat_handshakes_completed_total", "Handshakes that led to a connection.", driver.connected);
    counter(
        "downbeat_handshakes_retried_total",
        "Attempts that were told to prove their address first.",
        driver.retried,
    );
    counter(
        "downbeat_handshakes_refused_total",
        "Attempts refused because the server is full or draining.",
        driver.refused,
    );
    counter(
        "downbeat_handshakes_turned_away_total",
        "Attempts refused because of their network: too many, or banned.",
        driver.turned_away,
    );
    counter("downbeat_handshakes_failed_total", "Handshakes that failed or took too long.", driver.handshakes_failed);
    counter(
        "downbeat_handshakes_costly_total",
        "Of these, those whose packets took the time of many.",
        driver.handshakes_costly,
    );
    let refused = sum.counted.rooms.spectator_inputs;
    counter("downbeat_spectator_inputs_total", "Datagrams of spectators that had inputs; they were closed.", refused);
    counter("downbeat_acks_forged_total", "Acknowledgements of what was never sent.", sum.counted.rooms.forged_acks);
    counter(
        "downbeat_slow_readers_total",
        "Connections closed because their peer did not read its streams.",
        driver.overloaded,
    );
    let chat = [("too_many", tallies.says_dropped), ("slow_reader", tallies.says_missed)];
    page.counters("downbeat_chat_dropped_total", "Chat lines dropped, of all or for one hearer.", "reason", chat);
}

fn records(page: &mut Page, metrics: &Metrics) {
    let counts = metrics.recorder.counts();
    let name = "downbeat_records_total";
    page.family(name, "counter", "Records of joins, leaves, results and so on that were delivered, or lost.");
    for (sink, counts) in &counts {
        page.line(name, &[("sink", sink), ("outcome", "delivered")], counts.delivered);
        page.line(name, &[("sink", sink), ("outcome", "lost")], counts.lost);
    }
    let waiting = counts.iter().map(|(sink, counts)| (sink, counts.waiting));
    page.gauges("downbeat_records_waiting", "Records that are not delivered yet.", "sink", waiting);
    let failed = counts.iter().map(|(sink, counts)| (sink, counts.failed));
    page.counters(
        "downbeat_record_deliveries_failed_total",
        "Deliveries that failed and are tried again.",
        "sink",
        failed,
    );
    page.counter("downbeat_results_refused_total", "Results of games that were too long, or too many at a time.", {
        metrics.recorder.refused()
    });
}

/// What Prometheus' own libraries tell of a process, by the same names; what the system does not tell is left out.
fn process(page: &mut Page, metrics: &Metrics) {
    let facts = &metrics.facts;
    page.family("downbeat_build_info", "gauge", "Always 1: what runs here.");
    let schema = format!("{:016x}", facts.schema);
    let labels = [("version", env!("CARGO_PKG_VERSION")), ("game", facts.game.as_str()), ("schema", schema.as_str())];
    page.line("downbeat_build_info", &labels, 1);
    let left_out = crate::log::left_out();
    page.counter(
        "downbeat_log_lines_left_out_total",
        "Log lines that were one too many, or that nobody read.",
        left_out,
    );
    if let Some(bytes) = os::rss_bytes() {
        page.gauge("process_resident_memory_bytes", "Memory that is in RAM.", bytes);
    }
    if let Some(time) = os::process_cpu_time() {
        page.counter("process_cpu_seconds_total", "Processor time of all threads.", time.as_secs_f64());
    }
    if let Some(files) = os::open_files() {
        page.gauge("process_open_fds", "Open file descriptors.", files);
    }
    if let Some(files) = os::open_files_max() {
        page.gauge("process_max_fds", "File descriptors that may be open.", files);
    }
    let started = facts.started.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    page.gauge("process_start_time_seconds", "When the server started, since 1970.", started.as_secs_f64());
}

/// One histogram of all shards.
fn times(
    page: &mut Page,
    metrics: &Metrics,
    name: &str,
    labels: Labels<'_>,
    of: impl Fn(&Board) -> &Histogram,
    per_unit: f64,
) {
    let (first, others) = metrics.boards.split_first().expect("a server has a shard");
    let mut sum = of(first).read();
    others.iter().for_each(|board| sum.add(&of(board).read()));
    page.histogram(name, labels, of(first).bounds().iter().map(|&bound| bound as f64), &sum, per_unit);
}

const NANOS: f64 = 1e9;
const MICROS: f64 = 1e6;
const SIXTEENTHS: f64 = 16.0;
