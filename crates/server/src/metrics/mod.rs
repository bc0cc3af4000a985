//! What a monitoring system asks for, in Prometheus' text format. A tick must not wait for whoever asks, so a shard only
//! writes, and who reads makes sense of it: how long things took goes into histograms of atomics as it happens, all other
//! counts are left as a whole once a second. Shards are added up when somebody asks.
//!
//! | module | holds |
//! |---|---|
//! | `durations` | how long things took between two looks |
//! | `histogram` | counts between bounds |
//! | `families` | which metrics there are |
//! | `page` | the text format |

mod durations;
mod families;
mod histogram;
mod page;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use downbeat_wire::Micros;

pub(crate) use self::durations::{Durations, Spread};
pub(crate) use self::histogram::Histogram;
use crate::config::Config;
use crate::counts::Counts;
use crate::directory::Directory;
use crate::meter::{PARTS, Part};
use crate::records::Recorder;

/// All metrics of a server.
#[derive(Debug)]
pub struct Metrics {
    boards: Vec<Arc<Board>>,
    directory: Arc<Directory>,
    recorder: Arc<Recorder>,
    facts: Facts,
    /// When a drain ends at the latest, in seconds since 1970; 0 while there is none.
    drain_ends: AtomicU64,
}

/// What does not change while a server runs.
#[derive(Debug)]
struct Facts {
    game: String,
    schema: u64,
    tick_rate_hz: u32,
    players_max: AtomicU64,
    started: SystemTime,
}

impl Metrics {
    pub(crate) fn new(config: &Config, schema: u64, directory: Arc<Directory>, recorder: Arc<Recorder>) -> Self {
        let facts = Facts {
            game: config.game.clone(),
            schema,
            tick_rate_hz: config.tick_rate_hz,
            players_max: AtomicU64::new(config.players_max.into()),
            started: SystemTime::now(),
        };
        let boards = (0..directory.shards()).map(|_| Arc::default()).collect();
        Self { boards, directory, recorder, facts, drain_ends: AtomicU64::new(0) }
    }

    /// The configuration changed.
    pub(crate) fn follow(&self, config: &Config) {
        self.facts.players_max.store(config.players_max.into(), Relaxed);
    }

    /// Players that all rooms together may have.
    pub(crate) fn player_places(&self) -> u64 {
        self.directory.rooms_max() as u64 * self.facts.players_max.load(Relaxed)
    }

    /// All of it, in the text format of Prometheus (`text/plain; version=0.0.4`).
    #[must_use]
    pub fn render(&self) -> String {
        families::render(self)
    }

    /// Where the shard `index` leaves its figures.
    pub(crate) fn board(&self, index: u8) -> Arc<Board> {
        Arc::clone(&self.boards[usize::from(index)])
    }

    /// The server takes nobody any more, and ends after `deadline`.
    pub(crate) fn note_drain(&self, deadline: Duration) {
        let ends = SystemTime::now() + deadline;
        self.drain_ends.store(ends.duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs()), Relaxed);
    }
}

/// What one shard leaves.
#[derive(Debug)]
pub(crate) struct Board {
    counts: ArcSwap<Counts>,
    /// Nanoseconds of each part of a beat's ticks.
    parts: [Histogram; PARTS],
    /// Nanoseconds of all parts together.
    work: Histogram,
    /// Nanoseconds of one room's tick.
    room: Histogram,
    /// Nanoseconds.
    jitter: Histogram,
    pub(crate) snapshot_bytes: Histogram,
    /// Microseconds.
    pub(crate) rtt: Histogram,
}

impl Default for Board {
    fn default() -> Self {
        Self {
            counts: ArcSwap::default(),
            parts: std::array::from_fn(|_| Histogram::new(WORK_NS)),
            work: Histogram::new(WORK_NS),
            room: Histogram::new(WORK_NS),
            jitter: Histogram::new(JITTER_NS),
            snapshot_bytes: Histogram::new(SNAPSHOT_BYTES),
            rtt: Histogram::new(RTT_US),
        }
    }
}

impl Board {
    /// A tick of a room began `late` and took `work`.
    pub(crate) fn tick_ended(&self, late: Micros, work: Micros) {
        self.jitter.note(late.0 * 1_000);
        self.room.note(work.0 * 1_000);
    }

    /// A beat took `work`.
    pub(crate) fn beat_ended(&self, work: Duration, parts: &[Duration; PARTS]) {
        if parts[Part::Step as usize].is_zero() {
            // No room ticked: there is nobody.
            return;
        }
        let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.work.note(nanos(work));
        for (histogram, part) in self.parts.iter().zip(parts).filter(|(_, part)| !part.is_zero()) {
            histogram.note(nanos(*part));
        }
    }
}

/// Two places for a shard's counts: one that others see, and one to write into. So nothing is allocated while it runs, unless
/// somebody reads at that very moment.
#[derive(Debug, Default)]
pub(crate) struct Shown(Arc<Counts>);

impl Shown {
    pub(crate) fn leave(&mut self, counts: Counts, board: &Board) {
        match Arc::get_mut(&mut self.0) {
            Some(place) => *place = counts,
            None => self.0 = Arc::new(counts),
        }
        self.0 = board.counts.swap(Arc::clone(&self.0));
    }
}

const WORK_NS: &[u64] = &[
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_000_000,
    4_000_000,
    8_000_000,
    16_000_000,
    32_000_000,
    64_000_000,
    250_000_000,
];

const JITTER_NS: &[u64] =
    &[10_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_000_000, 4_000_000, 8_000_000, 16_000_000, 64_000_000];

const SNAPSHOT_BYTES: &[u64] = &[32, 64, 128, 256, 384, 512, 768, 1_024, 1_200];

const RTT_US: &[u64] =
    &[1_000, 5_000, 10_000, 20_000, 30_000, 50_000, 75_000, 100_000, 150_000, 200_000, 300_000, 500_000, 1_000_000];
