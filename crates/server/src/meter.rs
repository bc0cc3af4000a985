//! Where a shard's time goes. Figures begin when the last client has been there for the warm-up, so that handshakes
//! and first states don't count, and end with the last client.

use std::sync::Arc;
use std::time::{Duration, Instant};

use downbeat_host::Phase;
use downbeat_wire::Micros;
use hdrhistogram::Histogram;

use crate::counts::Counted;
use crate::limits::WARM_UP;
use crate::metrics::Board;
use crate::os;
use crate::report::{Percentiles, Phases};
use crate::shard::Work;

/// What the shard does at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Receive,
    Step,
    Capture,
    Interest,
    Encode,
    Flush,
    /// It sleeps, or does what belongs to no tick.
    Idle,
}

impl From<Phase> for Part {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Step => Self::Step,
            Phase::Capture => Self::Capture,
            Phase::Interest => Self::Interest,
            Phase::Encode => Self::Encode,
        }
    }
}

/// Parts of a tick.
pub(crate) const PARTS: usize = Part::Idle as usize;

/// What they are called in metrics and logs, in their order.
pub(crate) const PART_LABELS: [&str; PARTS] = ["receive", "step", "capture", "interest", "encode", "flush"];

/// Stop watches, one of which runs.
#[derive(Debug)]
pub(crate) struct Laps {
    part: Part,
    since: Instant,
    sums: [Duration; PARTS + 1],
}

impl Laps {
    fn new() -> Self {
        Self { part: Part::Idle, since: Instant::now(), sums: [Duration::ZERO; PARTS + 1] }
    }

    /// Another part begins; says which one ended.
    pub(crate) fn turn(&mut self, part: Part) -> Part {
        let now = Instant::now();
        self.sums[self.part as usize] += now - self.since;
        self.since = now;
        std::mem::replace(&mut self.part, part)
    }

    /// What each part took so far, since it was last taken out.
    pub(crate) const fn sums(&self) -> Sums {
        Sums(self.sums)
    }

    fn take(&mut self) -> [Duration; PARTS] {
        let sums = std::mem::replace(&mut self.sums, [Duration::ZERO; PARTS + 1]);
        std::array::from_fn(|i| sums[i])
    }
}

/// What each part took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sums([Duration; PARTS + 1]);

impl Sums {
    /// What came on top of `before`.
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i].saturating_sub(before.0[i])))
    }

    /// What rooms took of it.
    pub(crate) fn rooms(&self) -> Work {
        let sum = |parts: &[Part]| Micros(parts.iter().map(|&part| self.us(part)).sum());
        Work { game: sum(&[Part::Step, Part::Capture]), telling: sum(&[Part::Interest, Part::Encode, Part::Flush]) }
    }

    /// What one part took, in microseconds.
    pub(crate) fn us(&self, part: Part) -> u64 {
        self.0[part as usize].as_micros() as u64
    }
}

/// From the end of the warm-up to the last client's departure.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    pub(crate) first: Counted,
    /// Set once the last client left.
    pub(crate) last: Option<Counted>,
    pub(crate) seconds: f64,
    /// Memory of the process at its beginning, when all clients are there.
    pub(crate) rss_bytes: Option<u64>,
    work: Histogram<u64>,
    jitter: Histogram<u64>,
    /// What one room's tick takes.
    room: Histogram<u64>,
    parts: [Histogram<u64>; PARTS],
    cpu: Option<Duration>,
    client_ticks: u64,
}

impl Window {
    fn new(first: Counted) -> Self {
        let histogram = || Histogram::new_with_max(60_000_000_000, 3).expect("the bounds are in order");
        Self {
            first,
            last: None,
            seconds: 0.0,
            rss_bytes: os::rss_bytes(),
            work: histogram(),
            jitter: histogram(),
            room: histogram(),
            parts: std::array::from_fn(|_| histogram()),
            cpu: Some(Duration::ZERO),
            client_ticks: 0,
        }
    }

    /// Adds what another shard measured. Both have ended.
    pub(crate) fn add(&mut self, other: &Self) {
        self.first.add(&other.first);
        self.last = self.last.zip(other.last).map(|(mut last, other)| {
            last.add(&other);
            last
        });
        self.seconds = self.seconds.max(other.seconds);
        self.rss_bytes = self.rss_bytes.max(other.rss_bytes);
        let histograms = [&mut self.work, &mut self.jitter, &mut self.room].into_iter().chain(&mut self.parts);
        let others = [&other.work, &other.jitter, &other.room].into_iter().chain(&other.parts);
        for (histogram, other) in histograms.zip(others) {
            histogram.add(other).expect("they have the same bounds");
        }
        self.cpu = self.cpu.zip(other.cpu).map(|(sum, other)| sum + other);
        self.client_ticks += other.client_ticks;
    }

    pub(crate) fn work(&self) -> Option<Percentiles> {
        Percentiles::of_nanos(&self.work)
    }

    pub(crate) fn jitter(&self) -> Option<Percentiles> {
        Percentiles::of_nanos(&self.jitter)
    }

    pub(crate) fn room(&self) -> Option<Percentiles> {
        Percentiles::of_nanos(&self.room)
    }

    pub(crate) fn phases(&self) -> Phases {
        let of = |part: Part| Percentiles::of_nanos(&self.parts[part as usize]);
        Phases {
            receive: of(Part::Receive),
            step: of(Part::Step),
            capture: of(Part::Capture),
            interest: of(Part::Interest),
            encode: of(Part::Encode),
            flush: of(Part::Flush),
        }
    }

    pub(crate) fn cpu_us_per_client_tick(&self) -> Option<f64> {
        (self.client_ticks > 0).then_some(())?;
        Some(self.cpu?.as_secs_f64() * 1e6 / self.client_ticks as f64)
    }
}

/// A shard's stop watches and histograms.
#[derive(Debug)]
pub(crate) struct Meter {
    pub(crate) laps: Laps,
    /// Where others see how long ticks take, as they end.
    pub(crate) board: Arc<Board>,
    pub(crate) clients_peak: u64,
    /// Of all rooms.
    pub(crate) ticks: u64,
    /// Of the last beat that ticked, with what was done since the one before.
    pub(crate) work_us: u64,
    /// All work so far.
    pub(crate) worked: Duration,
    opens_at: Option<Micros>,
    window: Option<Window>,
    cpu: Option<Duration>,
    beat_ended: Micros,
}

impl Meter {
    pub(crate) fn new(board: Arc<Board>) -> Self {
        Self {
            laps: Laps::new(),
            board,
            clients_peak: 0,
            ticks: 0,
            work_us: 0,
            worked: Duration::ZERO,
            opens_at: None,
            window: None,
            cpu: os::thread_cpu_time(),
            beat_ended: Micros::default(),
        }
    }

    /// A client joined: figures begin anew.
    pub(crate) fn joined(&mut self, now: Micros) {
        self.opens_at = Some(now + WARM_UP);
        self.window = None;
    }

    /// A tick of a room of `clients` has ended that began `late` and took `work`.
    pub(crate) fn tick_ended(&mut self, late: Micros, work: Micros, clients: u64) {
        self.ticks += 1;
        self.board.tick_ended(late, work);
        let Some(window) = self.window.as_mut().filter(|window| window.last.is_none()) else { return };
        window.client_ticks += clients;
        window.jitter.saturating_record(late.0 * 1_000);
        window.room.saturating_record(work.0 * 1_000);
    }

    /// A beat has ended in which rooms ticked, of `clients` in all; or nobody is there.
    pub(crate) fn beat_ended(&mut self, now: Micros, clients: u64, counted: impl FnOnce() -> Counted) {
        self.clients_peak = self.clients_peak.max(clients);
        let parts = self.laps.take();
        let work: Duration = parts.iter().sum();
        self.work_us = u64::try_from(work.as_micros()).unwrap_or(u64::MAX);
        self.worked += work;
        self.board.beat_ended(work, &parts);
        let cpu = os::thread_cpu_time();
        let spent = cpu.zip(self.cpu).map(|(cpu, before)| cpu.saturating_sub(before));
        let passed = now.since(self.beat_ended);
        (self.cpu, self.beat_ended) = (cpu, now);

        let Some(window) = &mut self.window else {
            if clients > 0 && self.opens_at.is_some_and(|at| at <= now) {
                self.window = Some(Window::new(counted()));
            }
            return;
        };
        if window.last.is_some() {
            return;
        }
        if clients == 0 {
            return self.end(counted);
        }
        window.seconds += passed.as_secs_f64();
        window.cpu = window.cpu.zip(spent).map(|(sum, spent)| sum + spent);
        window.work.saturating_record(nanos(work));
        for (histogram, part) in window.parts.iter_mut().zip(parts) {
            // A beat that sends nothing has no encoding.
            if !part.is_zero() {
                histogram.saturating_record(nanos(part));
            }
        }
    }

    /// Nothing more is to be measured, unless somebody joins.
    pub(crate) fn end(&mut self, counted: impl FnOnce() -> Counted) {
        if let Some(window) = &mut self.window {
            window.last.get_or_insert_with(counted);
        }
    }

    /// What was measured; `None` before the warm-up was over.
    pub(crate) const fn window(&self) -> Option<&Window> {
        self.window.as_ref()
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counts::Strain;

    #[test]
    fn figures_begin_two_seconds_after_the_last_join_and_end_with_the_last_client() {
        let mut meter = Meter::new(Arc::default());
        let mut tick = 0;
        let mut run = |meter: &mut Meter, ticks: u64, clients: u64| {
            for _ in 0..ticks {
                tick += 1;
                let strain = Strain { overruns: tick, ..Strain::default() };
                meter.tick_ended(Micros(100), Micros(50), clients);
                meter.beat_ended(Micros::from_millis(10 * tick), clients, || Counted { strain, ..Counted::default() });
            }
            Micros::from_millis(10 * tick)
        };
        let now = run(&mut meter, 100, 0);
        assert!(meter.window().is_none());
        meter.joined(now);
        let now = run(&mut meter, 150, 1);
        meter.joined(now);
        run(&mut meter, 199, 2);
        assert!(meter.window().is_none(), "the second client has not been there long enough");
        run(&mut meter, 1 + 300, 2);
        run(&mut meter, 100, 0);
        let window = meter.window().expect("it was long enough");
        assert_eq!(window.first.strain.overruns, 450);
        assert_eq!(window.last.expect("all left").strain.overruns, 751);
        assert!((window.seconds - 3.0).abs() < 1e-6, "{}", window.seconds);
        assert_eq!(window.client_ticks, 600);
        assert_eq!(window.jitter().expect("300 ticks").p50.round(), 100.0);
        assert_eq!(meter.clients_peak, 2);
    }

    #[test]
    fn time_goes_to_the_part_that_runs() {
        let mut laps = Laps::new();
        laps.turn(Part::Step);
        std::thread::sleep(Duration::from_millis(3));
        assert_eq!(laps.turn(Part::Receive), Part::Step);
        assert_eq!(laps.turn(Part::Idle), Part::Receive);
        std::thread::sleep(Duration::from_millis(3));
        laps.turn(Part::Idle);
        let sums = laps.take();
        assert!(sums[Part::Step as usize] >= Duration::from_millis(3));
        assert!(sums.iter().sum::<Duration>() < sums[Part::Step as usize] + Duration::from_millis(3));
        assert_eq!(laps.take().iter().sum::<Duration>(), Duration::ZERO);
    }
}
