//! Two clocks, both in ticks of the server and both led by what was measured on the line.
//!
//! The input clock runs ahead, so that inputs arrive just before their tick. The view clock runs behind, so that
//! the others can be shown between two known states. Each has an offset against local time; the line says where the
//! offset should be, and the clock runs at most 5 % faster or slower to get there.

use downbeat_replica::limits::INPUT_TICKS_AHEAD_MAX;
use downbeat_replica::{Micros, Tick};
use downbeat_wire::packet::coarse_margin;

use crate::limits::{CLOCK_SNAP, DILATION_MAX, LATENESS_CHANGE, REFUSED_TICKS};
use crate::waits::Waits;

/// A clock that reads `local time / tick length + offset` ticks and moves its offset smoothly.
#[derive(Clone, Debug)]
struct Dilated {
    tick_us: f64,
    offset: f64,
    target: f64,
    moved: Micros,
}

impl Dilated {
    fn new(tick_us: f64, offset: f64, now: Micros) -> Self {
        Self { tick_us, offset, target: offset, moved: now }
    }

    fn ticks(&self, at: Micros) -> f64 {
        at.0 as f64 / self.tick_us + self.offset
    }

    fn time_of(&self, tick: f64) -> Micros {
        Micros(((tick - self.offset) * self.tick_us).max(0.0).ceil() as u64)
    }

    /// Moves the offset towards the target, by as much as the time since the last call allows.
    fn advance(&mut self, now: Micros) {
        let elapsed_ticks = now.since(self.moved).0 as f64 / self.tick_us;
        self.moved = self.moved.max(now);
        let error = self.target - self.offset;
        if error.abs() * self.tick_us > CLOCK_SNAP.0 as f64 {
            self.offset = self.target;
            return;
        }
        let rate = (error * RATE_PER_TICK_OF_ERROR).clamp(-DILATION_MAX, DILATION_MAX);
        let step = (rate * elapsed_ticks).abs().min(error.abs());
        self.offset += step.copysign(error);
    }
}

/// An error of one tick is mended at this rate, half a tick at half of it.
const RATE_PER_TICK_OF_ERROR: f64 = 0.04;

/// When to sample the input of which tick.
#[derive(Clone, Debug)]
pub(crate) struct InputClock {
    clock: Dilated,
    next: Tick,
    /// Offsets at which the last inputs were sampled, by `tick % len`.
    sampled: [f32; REMEMBERED],
    base: f64,
    /// Inputs that were under way when the server last said how early they come, and how often it did.
    under_way: [f64; UNDER_WAY],
    measured: usize,
    /// Nothing was sampled since a margin was guessed: what the server says next is about the same inputs.
    has_guessed: bool,
    /// How much too early inputs must be sampled at offset zero to arrive in time.
    needs: Waits,
}

const REMEMBERED: usize = 128;

/// So many say how many are under way at least: a round trip.
const UNDER_WAY: usize = 16;

/// The margin that all but the rarest inputs keep, in ticks.
const MARGIN_TICKS: f64 = 0.3;

/// Share of inputs that may come after their tick. To wait for more of them costs every input its time.
const INPUT_MISSES: f32 = 0.004;

/// While little was measured the margin is larger, in ticks.
const CAUTION_TICKS: f64 = 1.5;
const CAUTIOUS_FOR: f64 = 90.0;

fn needs(tick_us: f64) -> Waits {
    Waits::new(1.0, 0.0, INPUT_MISSES, change_ticks(tick_us))
}

/// What is no jitter any more, in ticks.
fn change_ticks(tick_us: f64) -> f32 {
    (LATENESS_CHANGE.0 as f64 / tick_us) as f32
}

fn caution_ticks(measured: &Waits) -> f64 {
    CAUTION_TICKS * (1.0 - measured.len() as f64 / CAUTIOUS_FOR).max(0.0)
}

impl InputClock {
    /// Starts when the snapshot of `tick` is at hand and a round trip takes `rtt`.
    pub(crate) fn new(tick_us: f64, tick: Tick, rtt: Micros, now: Micros) -> Self {
        let ahead = rtt.0 as f64 / tick_us + MARGIN_TICKS + CAUTION_TICKS;
        let offset = f64::from(tick.0) + ahead - now.0 as f64 / tick_us;
        let clock = Dilated::new(tick_us, offset, now);
        let next = Tick(clock.ticks(now).ceil() as u32);
        Self {
            clock,
            next,
            sampled: [0.0; REMEMBERED],
            base: offset,
            under_way: [ahead; UNDER_WAY],
            measured: 0,
            has_guessed: false,
            needs: needs(tick_us),
        }
    }

    /// The server reports that the inputs sampled for ticks up to about `tick` came `margin_ticks` before their tick, after
    /// `missing` datagrams that did not come.
    ///
    /// When the server refused them because its ticks have fallen behind, the clock goes back at once. Returns the first tick
    /// whose input is sampled again then: what was sampled from there on never came to anything.
    pub(crate) fn measure(&mut self, tick: Tick, margin_ticks: f64, missing: u32) -> Option<Tick> {
        let lead = self.next.since(tick) as f64;
        let margin_ticks = if margin_ticks < f64::from(coarse_margin(i16::MAX)) / 16.0 {
            self.under_way[self.measured % UNDER_WAY] = lead - margin_ticks;
            self.measured += 1;
            margin_ticks
        } else if std::mem::replace(&mut self.has_guessed, true) {
            return None;
        } else {
            // What is not told of a large margin follows from how many inputs are usually under way.
            margin_ticks.max(lead - self.under_way.iter().copied().fold(f64::INFINITY, f64::min))
        };
        let about = tick.offset(margin_ticks.round() as i64 + 1).min(self.next.offset(-1));
        let sampled = f64::from(self.sampled[about.0 as usize % REMEMBERED]);
        let is_refused = margin_ticks >= f64::from(REFUSED_TICKS);
        if is_refused {
            self.needs = needs(self.clock.tick_us);
        }
        self.needs.note((sampled - margin_ticks) as f32, missing);
        self.clock.target = self.base + f64::from(self.needs.wait()) + MARGIN_TICKS + caution_ticks(&self.needs);
        if !is_refused {
            return None;
        }
        self.clock.offset = self.clock.target;
        // Those before were taken, or it is too late for them.
        self.next = self.next.min(tick.offset(i64::from(INPUT_TICKS_AHEAD_MAX) + 1));
        Some(self.next)
    }

    /// Stays as it is, whatever was measured.
    pub(crate) const fn hold(&mut self) {
        self.clock.target = self.clock.offset;
    }

    /// How often to repeat an input.
    pub(crate) fn repeats(&self) -> usize {
        self.needs.repeats()
    }

    /// The tick whose input is due at `now`, if one is.
    pub(crate) fn poll(&mut self, now: Micros) -> Option<Tick> {
        self.clock.advance(now);
        // Half a microsecond of grace: `next_at` rounds, and must not name a moment that is too early by a hair.
        let ticks = self.clock.ticks(now) + 0.5 / self.clock.tick_us;
        if ticks < f64::from(self.next.0) {
            return None;
        }
        // After a stall (or a jump of the clock) what is long past is of no use to the server.
        let oldest = Tick((ticks as u32).saturating_sub(crate::limits::CATCH_UP_TICKS_MAX));
        let tick = self.next.max(oldest);
        self.next = tick.next();
        self.has_guessed = false;
        self.sampled[tick.0 as usize % REMEMBERED] = (self.clock.offset - self.base) as f32;
        Some(tick)
    }

    pub(crate) fn next_at(&self) -> Micros {
        self.clock.time_of(f64::from(self.next.0))
    }
}

/// Which moment of the others is shown.
#[derive(Clone, Debug)]
pub(crate) struct ViewClock {
    clock: Dilated,
    base: f64,
    interval: f64,
    newest: Tick,
    /// How many snapshots each of the last ones was ahead of the one before it.
    gaps: [u32; GAPS],
    measured: usize,
    /// The least of them: the server sends every so manyth. What lies between was not lost.
    stride: u32,
    shown: f64,
    /// How late snapshots are, in ticks.
    lateness: Waits,
}

/// Share of the time in which the moment that should be shown may not be known yet.
const VIEW_MISSES: f32 = 0.0025;

/// After so many snapshots without one that came right after another, the server leaves out those between.
const GAPS: usize = 16;

/// Slack beyond the measured lateness, in ticks: loops are late, too.
const VIEW_SLACK_TICKS: f64 = 0.05;

impl ViewClock {
    pub(crate) fn new(tick_us: f64, interval: u32, tick: Tick, at: Micros) -> Self {
        let base = f64::from(tick.0) - at.0 as f64 / tick_us;
        let interval = f64::from(interval);
        let clock = Dilated::new(tick_us, base - interval - CAUTION_TICKS, at);
        let mut lateness = Waits::new(interval as f32, interval as f32, VIEW_MISSES, change_ticks(tick_us));
        lateness.note(0.0, 0);
        Self { clock, base, interval, newest: tick, gaps: [1; GAPS], measured: 0, stride: 1, shown: 0.0, lateness }
    }

    /// Nothing was sent of the ticks up to `tick`: none of them is missing.
    pub(crate) fn skip(&mut self, tick: Tick) {
        self.newest = self.newest.max(tick);
    }

    /// A snapshot arrived.
    pub(crate) fn measure(&mut self, tick: Tick, at: Micros) {
        if tick <= self.newest {
            // It was overtaken: it is missing since then.
            return;
        }
        let arrived = at.0 as f64 / self.clock.tick_us + self.base;
        let gap = tick.since(self.newest) as f64 / self.interval;
        self.newest = tick;
        self.follow(gap as u32);
        self.lateness.note((arrived - f64::from(tick.0)) as f32, (gap as u32 / self.stride).saturating_sub(1));
        let interval = self.interval * f64::from(self.stride);
        self.clock.target = self.base - f64::from(self.lateness.wait()) - interval - VIEW_SLACK_TICKS;
    }

    /// A snapshot is `gap` snapshots ahead of the one before it.
    fn follow(&mut self, gap: u32) {
        self.gaps[self.measured % GAPS] = gap;
        self.measured += 1;
        let stride = self.gaps.iter().copied().min().unwrap_or(1).max(1);
        if stride > self.stride {
            // What was taken for losses since the server began to leave them out was none.
            self.lateness.take_back_losses(GAPS - 1);
        }
        if stride != self.stride {
            self.stride = stride;
            self.lateness.set_spacing((self.interval * f64::from(stride)) as f32);
        }
    }

    /// Stays as it is, whatever was measured.
    pub(crate) const fn hold(&mut self) {
        self.clock.target = self.clock.offset;
    }

    /// The moment shown at `now`, in ticks. Never goes back.
    pub(crate) fn advance(&mut self, now: Micros) -> f64 {
        self.clock.advance(now);
        self.shown = self.shown.max(self.clock.ticks(now));
        self.shown
    }

    /// When `tick` is (or was) shown, as far as the clock knows now.
    pub(crate) fn time_of(&self, tick: Tick) -> Micros {
        self.clock.time_of(f64::from(tick.0))
    }

    /// How far the shown moment lies behind what the fastest snapshots would allow, in ticks.
    pub(crate) fn delay_ticks(&self) -> f64 {
        self.base - f64::from(self.lateness.least()) - self.clock.offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK_US: f64 = 16_666.0;

    /// Margins of the inputs of each second, sampled by a machine whose clock is `hours` ahead and runs `ppm` too fast.
    fn margins(seconds: u64, hours: u64, ppm: f64) -> Vec<Vec<f64>> {
        let local = |now: u64| Micros(hours * 3_600_000_000 + (now as f64 * (1.0 + ppm / 1e6)) as u64);
        let mut clock = InputClock::new(TICK_US, Tick(100), Micros::from_millis(50), local(0));
        // The way up takes three ticks and a bit, whatever the clock believes; the server's tick is 100 at time 0.
        let mut reports: Vec<(u64, Tick, f64)> = Vec::new();
        let mut margins = vec![Vec::new(); seconds as usize];
        for now in (0..seconds * 1_000_000).step_by(1_000) {
            while let Some(tick) = clock.poll(local(now)) {
                let arrival = now as f64 / TICK_US + 100.0 + 3.3;
                let margin = f64::from(tick.0) - arrival;
                margins[(now / 1_000_000) as usize].push(margin);
                reports.push((now + 100_000, tick, margin));
            }
            reports.retain(|&(at, tick, margin)| {
                if at <= now {
                    clock.measure(Tick((f64::from(tick.0) - margin) as u32), margin, 0);
                }
                at > now
            });
        }
        margins
    }

    #[test]
    fn the_input_clock_brings_the_measured_margin_to_its_target() {
        let margins = margins(20, 0, 0.0);
        assert!(margins[19].iter().all(|margin| (margin - MARGIN_TICKS).abs() < 0.15), "{:?}", margins[19]);
    }

    #[test]
    fn machines_whose_clocks_differ_and_drift_keep_the_margin() {
        for (hours, ppm) in [(0, 200.0), (7_000, -200.0)] {
            // 200 ppm are a tenth of a tick in the eight seconds that are measured.
            let margins = margins(60, hours, ppm);
            let kept = |margin: &f64| (margin - MARGIN_TICKS).abs() < 0.3;
            assert!(margins[20..].iter().flatten().all(kept), "{ppm} ppm: {:?}", margins[59]);
        }
    }

    #[test]
    fn a_clock_never_runs_faster_or_slower_than_its_limit_unless_far_off() {
        let mut clock = Dilated::new(TICK_US, 0.0, Micros(0));
        clock.target = 5.0;
        clock.advance(Micros(1_000_000));
        let run = clock.offset;
        assert!((run - 60.0 * DILATION_MAX).abs() < 0.01, "{run}");
        clock.target = 100.0;
        clock.advance(Micros(1_000_001));
        assert_eq!(clock.offset, 100.0, "beyond 250 ms it jumps");
    }

    #[test]
    fn a_server_that_sends_every_fourth_snapshot_has_lost_none_of_them() {
        let mut clock = ViewClock::new(TICK_US, 1, Tick(10), Micros(0));
        let at = |tick: u32| Micros((f64::from(tick - 10) * TICK_US) as u64);
        (11..600).for_each(|tick| clock.measure(Tick(tick), at(tick)));
        (600..1_000).step_by(4).for_each(|tick| clock.measure(Tick(tick), at(tick)));
        clock.advance(at(1_000));
        assert!((clock.delay_ticks() - 4.0 - VIEW_SLACK_TICKS).abs() < 0.2, "{}", clock.delay_ticks());
        // One that is lost of these is four times as far away from the next.
        (1_004..3_000).step_by(4).filter(|tick| tick % 100 != 0).for_each(|tick| clock.measure(Tick(tick), at(tick)));
        clock.advance(at(3_000));
        assert!((7.4..8.2).contains(&clock.delay_ticks()), "{}", clock.delay_ticks());
        (3_000..4_200).for_each(|tick| clock.measure(Tick(tick), at(tick)));
        clock.advance(at(4_200));
        assert!((clock.delay_ticks() - 1.0 - VIEW_SLACK_TICKS).abs() < 0.2, "{}", clock.delay_ticks());
    }

    #[test]
    fn a_missing_snapshot_delays_the_view_by_one_interval() {
        let mut clock = ViewClock::new(TICK_US, 1, Tick(10), Micros(0));
        for tick in 11..600_u32 {
            if tick % 50 != 0 {
                clock.measure(Tick(tick), Micros((f64::from(tick - 10) * TICK_US) as u64));
            }
        }
        clock.advance(Micros((590.0 * TICK_US) as u64));
        assert!((clock.delay_ticks() - 2.0 - VIEW_SLACK_TICKS).abs() < 0.2, "{}", clock.delay_ticks());
    }
}
