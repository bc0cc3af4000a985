//! What is measured while bots play, and how it becomes a report.

use downbeat_wire::Micros;

use crate::budget::Sums;
use crate::curves::Curves;
use crate::light_figures::LightGrowth;
use crate::line::LinkTotal;
use crate::percentiles::{Percentiles, Recorder, four_digits};
use crate::player::{Marks, Seen};
use crate::progress::Second;
use crate::report::{Bandwidth, Inputs, Interpolation, NetLoss, Prediction, Report, Snapshots};
use crate::resume::Returns;
use crate::taken::Taken;

/// Samples of the bots of a group. Durations in microseconds, distances in micrometres.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// From the first packet to the welcome, for the whole run.
    pub(crate) join: Recorder,
    pub(crate) rtt: Recorder,
    pub(crate) quic_rtt: Recorder,
    pub(crate) ack: Recorder,
    pub(crate) visible: Recorder,
    pub(crate) interval: Recorder,
    pub(crate) delay: Recorder,
    pub(crate) error: Recorder,
    pub(crate) late: Recorder,
    pub(crate) budget: Sums,
    /// Inputs that the connection could not take at their time.
    pub(crate) blocked: u64,
    /// Of light clients that play no longer.
    pub(crate) light: LightGrowth,
    /// Connections that were lost, and sessions that went on.
    pub(crate) returns: Returns,
    /// Growth of those who left as planned.
    pub(crate) left: Growth,
    /// The second under way.
    pub(crate) second: Second,
}

pub(crate) const US_PER_MS: f64 = 1e3;

/// Growth of one bot's counters over the measurement, added up over bots.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Growth {
    client_seconds: f64,
    owed: u64,
    taken: Taken,
    net: LinkTotal,
    received: u64,
    sent: u64,
    consumed: u64,
    substituted: u64,
    reconciled: u64,
    mispredicted: u64,
    confirmed: u64,
    frames: u64,
    shown: u64,
    starved: u64,
    down: Traffic,
    up: Traffic,
}

#[derive(Clone, Copy, Debug, Default)]
struct Traffic {
    datagrams: u64,
    bytes: u64,
}

impl Traffic {
    fn add(&mut self, other: &Self) {
        self.datagrams += other.datagrams;
        self.bytes += other.bytes;
    }
}

impl Growth {
    /// Adds a bot that was measured from `base` to `latest`, of a match of `tick_rate_hz` with `send_rate_hz` snapshots
    /// per second due to it.
    pub(crate) fn add(&mut self, base: &Marks, latest: &Marks, tick_rate_hz: u32, send_rate_hz: u32) {
        let away = latest.away.since(base.away);
        let seconds = latest.at.since(base.at).since(away.time).as_secs_f64();
        let (old, new) = (&base.client, &latest.client);
        self.client_seconds += seconds;
        // Snapshots have numbers, which tell exactly what was owed between the two that were the newest. A server that
        // sends none is told by the clock, by which the first and the last of a stretch of time are uncertain.
        let interval = (tick_rate_hz / send_rate_hz.max(1)).max(1);
        let ticks = latest.newest.0.saturating_sub(base.newest.0).saturating_sub(away.ticks);
        // The first snapshot of a connection ends a stretch of ticks that is no part of any.
        let by_number = u64::from(ticks / interval) + away.times;
        let by_clock = ((seconds * f64::from(send_rate_hz)) as u64).saturating_sub(1 + away.times);
        let owed = by_number.max(by_clock);
        let passed = latest.passed.since(base.passed);
        self.owed += owed;
        self.net = self.net.plus(passed.down).plus(passed.up);
        let received = new.snapshots - old.snapshots;
        self.received += received;
        let packets = latest.stats.datagrams_in - base.stats.datagrams_in;
        self.taken.add(&Taken::of(received, packets, passed.down.dropped));
        self.sent += new.inputs - old.inputs;
        self.consumed += latest.consumed - base.consumed;
        self.substituted += new.substituted - old.substituted;
        self.reconciled += new.reconciled - old.reconciled;
        self.mispredicted += new.mispredicted - old.mispredicted;
        self.confirmed += new.confirmed - old.confirmed;
        self.frames += latest.frames - base.frames;
        self.shown += new.shown - old.shown;
        self.starved += new.starved - old.starved;
        self.down.datagrams += packets;
        self.down.bytes += latest.stats.bytes_in - base.stats.bytes_in;
        self.up.datagrams += latest.stats.datagrams_out - base.stats.datagrams_out;
        self.up.bytes += latest.stats.bytes_out - base.stats.bytes_out;
    }

    /// Adds what was added up elsewhere.
    pub(crate) fn merge(&mut self, other: &Self) {
        // Each by its name, so that none is forgotten.
        let Self {
            client_seconds,
            owed,
            taken,
            net,
            received,
            sent,
            consumed,
            substituted,
            reconciled,
            mispredicted,
            confirmed,
            frames,
            shown,
            starved,
            down,
            up,
        } = other;
        self.client_seconds += client_seconds;
        self.owed += owed;
        self.taken.add(taken);
        self.net = self.net.plus(*net);
        self.received += received;
        self.sent += sent;
        self.consumed += consumed;
        self.substituted += substituted;
        self.reconciled += reconciled;
        self.mispredicted += mispredicted;
        self.confirmed += confirmed;
        self.frames += frames;
        self.shown += shown;
        self.starved += starved;
        self.down.add(down);
        self.up.add(up);
    }

    /// Writes what grew into the report. `headers` is the length of IP and UDP headers in bytes.
    pub(crate) fn fill(&self, report: &mut Report, headers: u64) {
        if self.client_seconds == 0.0 {
            return;
        }
        let missing = self.owed.saturating_sub(self.received);
        let taken = self.taken.of_missing(missing);
        report.snapshots = Snapshots {
            received: Some(self.received),
            expected: Some(self.owed - taken),
            lost: Some(missing - taken),
            net_dropped: Some(taken),
            missing_ratio: self.missing_ratio(),
            net_loss: self.net_loss(),
        };
        report.inputs = Inputs { sent: Some(self.sent), consumed: Some(self.consumed), ..Inputs::default() };
        let is_predicted = self.confirmed > 0;
        let predicted = |count: u64| is_predicted.then_some(count);
        report.prediction = Prediction {
            reconciled: predicted(self.reconciled),
            mispredicted: predicted(self.mispredicted),
            substituted: Some(self.substituted),
            per_client_minute: is_predicted.then(|| self.mispredicted as f64 / self.client_seconds * 60.0),
        };
        report.interpolation = Interpolation { starved_ratio: self.starved_ratio() };
        report.visible_entities_mean = ratio(self.shown, self.frames);
        let per_second = |bytes: u64| Some(bytes as f64 / self.client_seconds);
        let wire = |traffic: Traffic| per_second(traffic.bytes + headers * traffic.datagrams);
        report.bandwidth = Bandwidth {
            down_wire_bytes_per_client_s: wire(self.down),
            up_wire_bytes_per_client_s: wire(self.up),
            down_udp_payload_bytes_per_client_s: per_second(self.down.bytes),
            up_udp_payload_bytes_per_client_s: per_second(self.up.bytes),
        };
    }

    /// Share of the snapshots that were sent or should have been, and did not arrive.
    pub(crate) fn missing_ratio(&self) -> Option<f64> {
        ratio(self.owed.saturating_sub(self.received), self.owed)
    }

    fn net_loss(&self) -> Option<NetLoss> {
        let LinkTotal { sent, dropped } = self.net;
        ratio(dropped, sent).map(|ratio| NetLoss { ratio, dropped, datagrams: sent })
    }

    /// Share of entities and frames that were shown before their state had arrived.
    pub(crate) fn starved_ratio(&self) -> Option<f64> {
        ratio(self.starved, self.shown)
    }

    pub(crate) const fn mispredicted(&self) -> u64 {
        self.mispredicted
    }

    /// Bytes from the server per client and second, with `headers` bytes of IP and UDP.
    pub(crate) fn down_wire_bytes_per_s(&self, headers: u64) -> Option<f64> {
        let bytes = self.down.bytes + headers * self.down.datagrams;
        (self.client_seconds > 0.0).then(|| four_digits(bytes as f64 / self.client_seconds))
    }

    /// Ticks that were played, by all bots.
    pub(crate) fn bot_ticks(&self, tick_rate_hz: u32) -> f64 {
        self.client_seconds * f64::from(tick_rate_hz)
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

impl Tally {
    /// Forgets what was measured before the measurement, but what is about the whole run.
    pub(crate) fn restart(&mut self) {
        let Self { join, second, returns, .. } = std::mem::take(self);
        *self = Self { join, second, returns, ..Self::default() };
    }

    /// Adds what was measured on others.
    pub(crate) fn add(&mut self, other: &Self) {
        // Each by its name, so that none is forgotten.
        let Self {
            join,
            rtt,
            quic_rtt,
            ack,
            visible,
            interval,
            delay,
            error,
            late,
            budget,
            blocked,
            light,
            returns,
            left,
            second,
        } = other;
        self.join.add(join);
        self.rtt.add(rtt);
        self.quic_rtt.add(quic_rtt);
        self.ack.add(ack);
        self.visible.add(visible);
        self.interval.add(interval);
        self.delay.add(delay);
        self.error.add(error);
        self.late.add(late);
        self.budget.merge(budget);
        self.blocked += blocked;
        self.light.merge(light);
        self.returns.add(returns);
        self.left.merge(left);
        self.second.add(second);
    }

    /// How long joining took.
    pub(crate) fn join_ms(&self) -> Option<Percentiles> {
        self.join.percentiles(US_PER_MS)
    }

    /// Writes the percentiles into the report.
    pub(crate) fn fill(&self, report: &mut Report) {
        report.join_ms = self.join_ms();
        report.rtt_ms = self.rtt.percentiles(US_PER_MS);
        report.quic_rtt_ms = self.quic_rtt.percentiles(US_PER_MS);
        report.input_to_ack_ms = self.ack.percentiles(US_PER_MS);
        report.input_to_visible_ms = self.visible.percentiles(US_PER_MS);
        report.snapshot_interval_ms = self.interval.percentiles(US_PER_MS);
        report.interpolation_delay_ms = self.delay.percentiles(US_PER_MS);
        report.prediction_error_m = self.error.percentiles(1e6);
        report.bots.late_us = self.late.percentiles(1.0);
        report.bots.blocked = Some(self.blocked);
        report.curves = Curves::of(self);
    }

    /// A round trip of a bot, and what QUIC takes for it.
    pub(crate) fn record_rtt(&mut self, rtt: Micros, by_quic: Micros) {
        self.rtt.record(rtt.0);
        self.quic_rtt.record(by_quic.0);
        self.second.rtt.record(rtt.0);
        self.budget.rtt.add(rtt.0 as f64);
    }

    /// An input was acknowledged.
    pub(crate) fn record_ack(&mut self, took: Micros) {
        self.ack.record(took.0);
        self.second.ack.record(took.0);
        self.budget.ack.add(took.0 as f64);
    }

    /// What a bot did was seen by another one.
    pub(crate) fn record_seen(&mut self, seen: &Seen) {
        self.visible.record(seen.after.0);
        self.second.visible.record(seen.after.0);
        if let Some(end) = seen.end {
            self.budget.visible.add(seen.after.0 as f64);
            self.budget.visible_snapshot.add(end.newer_by.into());
            self.budget.interpolation.add(end.waited.0 as f64);
        }
    }

    /// A bot was woken so late that wants to be woken every so often. What it would have been woken for meanwhile was late as
    /// well: a stall is one sample for each of that, not one sample.
    pub(crate) fn record_late(&mut self, by: Micros, every: Micros) {
        let missed = (0..=by.0).rev().step_by(every.0.max(1) as usize).take(MISSED_MAX);
        for late in missed {
            self.late.record(late);
            self.second.late.record(late);
        }
    }
}

/// Wake-ups that one bot can have missed at once: a minute's.
const MISSED_MAX: usize = 3_600;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::absence::Away;
    use crate::line::Passed;
    use downbeat_replica::Tick;

    /// What is lost of a second and a bit, at 60 ticks and 30 snapshots per second.
    fn lost(ticks: u32, received: u64, dropped: u64) -> Option<u64> {
        let base = Marks { newest: Tick(1_000), ..Marks::default() };
        let passed = Passed { down: LinkTotal { sent: 0, dropped }, ..Passed::default() };
        let mut latest = Marks { newest: Tick(1_000 + ticks), at: Micros(1_018_000), passed, ..base };
        latest.client.snapshots = received;
        told(&base, &latest).lost
    }

    fn told(base: &Marks, latest: &Marks) -> Snapshots {
        let mut growth = Growth::default();
        growth.add(base, latest, 60, 30);
        let mut report = Report::default();
        growth.fill(&mut report, 28);
        report.snapshots
    }

    #[test]
    fn nothing_is_owed_to_whoever_has_no_connection() {
        let base = Marks { newest: Tick(1_000), ..Marks::default() };
        let mut latest = Marks { newest: Tick(1_600), at: Micros(10_000_000), ..base };
        // Two seconds without one, from 1,240 on; the first snapshot of the next one was that of 1,360.
        latest.client.snapshots = 240;
        latest.away = Away { time: Micros(2_000_000), ticks: 120, times: 1 };
        let snapshots = told(&base, &latest);
        assert_eq!((snapshots.expected, snapshots.lost), (Some(241), Some(1)), "{snapshots:?}");
        latest.client.snapshots = 180;
        assert_eq!(told(&base, &latest).lost, Some(61), "what was lost while there was one is");
    }

    #[test]
    fn a_stall_counts_as_often_as_something_was_due_meanwhile() {
        let tick = Micros(16_667);
        let late = |stall: Micros| {
            let mut tally = Tally::default();
            (0..5_940).for_each(|_| tally.record_late(Micros(100), tick));
            tally.record_late(stall, tick);
            let count = tally.late.count();
            assert_eq!(tally.second.late.count(), count);
            (count, tally.late.percentiles(1.0).expect("samples").p99)
        };
        assert_eq!(late(Micros(16_666)), (5_941, 100.0), "one input was late");
        assert_eq!(late(tick).0, 5_942, "and the next one was due at that moment");
        // Two seconds of a hundred.
        let (count, p99) = late(Micros(2_000_000));
        assert_eq!(count, 5_940 + 120);
        assert!((0.9e6..1.1e6).contains(&p99), "of the 2 % the half waited longer than a second: {p99}");
    }

    #[test]
    fn what_is_owed_is_told_by_numbers_and_by_the_clock_where_there_are_none() {
        assert_eq!(lost(60, 30, 0), Some(0), "the clock alone would owe 31");
        assert_eq!(lost(62, 30, 0), Some(1));
        assert_eq!(lost(62, 30, 1), Some(0), "the network dropped it");
        assert_eq!(lost(0, 0, 0), Some(29), "a server that fell silent");
        assert_eq!(lost(30, 15, 0), Some(14), "or did so half way");
    }
}
