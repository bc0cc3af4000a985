//! Whether clients of a live server were told what is so. Nothing that players do reaches the field's walkers, so the crowd of
//! a seed is always the same: it is played again here, tick by tick, and what bots know of it after each snapshot is held
//! against it, lane by lane.
//!
//! A client does not know who a walker is. Which one it means shows when it enters, by a state that only one has; from
//! then on that one's state it must be.

use std::collections::{HashMap, VecDeque};

use downbeat_bots::Sight;
use downbeat_client::KnownEntity;
use downbeat_field::{Config, Field};
use downbeat_replica::{Capture, ConfigError, Events, Game, Inputs, Schema, Setup, Tick};

/// Ticks that are remembered: longer than a snapshot is under way.
const TICKS_KEPT: usize = 128;

/// The crowd, and who was told what of it.
pub(crate) struct FieldJudge {
    field: Field,
    schema: Schema,
    visible: u64,
    tick: Tick,
    /// Newest last.
    past: VecDeque<States>,
    bots: HashMap<usize, Bot>,
    exact: u64,
    due: u64,
}

/// The walkers' lanes in a tick, as clients are told them, one walker after the other.
#[derive(Debug, Default)]
struct States {
    tick: Tick,
    lanes: Vec<i32>,
}

/// What is known of a bot.
#[derive(Debug, Default)]
struct Bot {
    newest: Tick,
    /// By slot: since when it is somebody's, and which walker's.
    walkers: HashMap<u16, (Tick, usize)>,
}

/// The kind of walkers in the field's schema, and how many lanes they have.
const WALKER: usize = 0;

impl FieldJudge {
    /// The crowd of `seed` under these rules, at `tick_rate_hz` ticks per second and as many snapshots.
    pub(crate) fn new(config: &Config, seed: u64, tick_rate_hz: u32) -> Result<Self, ConfigError> {
        let schema = Schema::of::<Field>()?;
        Ok(Self {
            field: Field::new(config, Setup { tick_rate_hz, seed, players_max: 1 })?,
            schema,
            visible: config.visible.min(config.walkers).into(),
            tick: Tick::ZERO,
            past: VecDeque::new(),
            bots: HashMap::new(),
            exact: 0,
            due: 0,
        })
    }

    /// Holds what a bot knows against what is so.
    pub(crate) fn look(&mut self, sight: &Sight<'_, Field>) {
        self.compare(sight.bot, sight.is_measured, sight.client.newest(), sight.client.known());
    }

    fn compare(&mut self, bot: usize, is_measured: bool, newest: Tick, known: impl Iterator<Item = KnownEntity>) {
        self.play_to(newest);
        let Self { schema, past, bots, .. } = self;
        let states = past.iter().rev().find(|states| states.tick == newest);
        let bot = bots.entry(bot).or_default();
        // A snapshot that was overtaken shows nothing new.
        if newest <= bot.newest {
            return;
        }
        let width = schema.entities[WALKER].lanes.len();
        let mut exact = 0;
        for entity in known.filter(|entity| !entity.avatar && entity.kind == WALKER) {
            let Some(states) = states else { continue };
            let is_so = |walker: usize| states.lanes[walker * width..(walker + 1) * width] == entity.lanes[..];
            let walker = match bot.walkers.get(&entity.slot) {
                Some(&(entered, walker)) if entered == entity.entered => Some(walker),
                _ => (0..states.lanes.len() / width).find(|&walker| is_so(walker)),
            };
            let Some(walker) = walker else { continue };
            bot.walkers.insert(entity.slot, (entity.entered, walker));
            exact += u64::from(is_so(walker));
        }
        // Each tick has its snapshot. Those of snapshots that never came are due as well.
        let ticks = newest.since(std::mem::replace(&mut bot.newest, newest)) as u64;
        if is_measured {
            self.exact += exact;
            self.due += self.visible * ticks;
        }
    }

    /// Plays the crowd up to `tick`.
    fn play_to(&mut self, tick: Tick) {
        let (mut captured, mut lanes) = (Vec::new(), Vec::new());
        while self.tick < tick {
            self.tick = self.tick.next();
            self.field.step(self.tick, &Inputs::new(&[]), &(), &mut Events::default());
            self.field.capture(&mut Capture::new(&mut captured, &mut lanes, &|_, _| None));
            let mut states =
                if self.past.len() < TICKS_KEPT { None } else { self.past.pop_front() }.unwrap_or_default();
            states.tick = self.tick;
            states.lanes.clear();
            let (kind, mut told) = (&self.schema.entities[WALKER], Vec::new());
            for walker in lanes.chunks_exact(kind.lanes.len()) {
                kind.told(false, walker, &mut told);
                states.lanes.extend_from_slice(&told);
            }
            self.past.push_back(states);
        }
    }

    /// The share of (walker, tick) pairs that were due to bots and are known to them as they were; 0 when none was due.
    pub(crate) fn ratio(&self) -> f64 {
        self.exact as f64 / self.due.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: Config = Config { walkers: 40, visible: 8, avatars: downbeat_field::Avatars::Private };

    fn judge() -> FieldJudge {
        FieldJudge::new(&CONFIG, 5, 60).expect("good rules")
    }

    /// What a client knows that is shown the first walkers of another judge's crowd.
    fn known(truth: &mut FieldJudge, tick: u32) -> Vec<KnownEntity> {
        truth.play_to(Tick(tick));
        let states = truth.past.back().expect("it has played");
        let lanes = states.lanes.chunks_exact(truth.schema.entities[WALKER].lanes.len());
        let entity = |(slot, lanes): (u16, &[i32])| KnownEntity {
            slot,
            kind: WALKER,
            avatar: false,
            entered: Tick(1),
            lanes: lanes.to_vec(),
        };
        (0..8).zip(lanes).map(entity).collect()
    }

    #[test]
    fn a_client_that_knows_what_is_so_is_exact_whatever_came_before_the_measurement() {
        let (mut truth, mut judge) = (judge(), judge());
        for tick in 1..200 {
            judge.compare(3, tick > 100, Tick(tick), known(&mut truth, tick).into_iter());
        }
        assert_eq!((judge.exact, judge.due, judge.ratio()), (99 * 8, 99 * 8, 1.0));
    }

    #[test]
    fn what_is_wrong_missing_late_or_another_walkers_is_not_exact() {
        type Spoil = fn(&mut Vec<KnownEntity>);
        let spoils: [(Spoil, u64); 4] = [
            (|known| known[2].lanes[0] += 1, 7),
            (|known| drop(known.pop()), 7),
            (|known| known.clear(), 0),
            (
                |known| {
                    let lanes = known[1].lanes.clone();
                    known[1].lanes = std::mem::replace(&mut known[4].lanes, lanes);
                },
                6,
            ),
        ];
        for (i, (spoil, exact)) in spoils.into_iter().enumerate() {
            let (mut truth, mut judge) = (judge(), judge());
            judge.compare(0, false, Tick(10), known(&mut truth, 10).into_iter());
            let mut told = known(&mut truth, 11);
            spoil(&mut told);
            judge.compare(0, true, Tick(11), told.into_iter());
            assert_eq!((judge.exact, judge.due), (exact, 8), "{i}");
        }
        let (mut truth, mut judge) = (judge(), judge());
        judge.compare(0, false, Tick(10), known(&mut truth, 10).into_iter());
        judge.compare(0, true, Tick(14), known(&mut truth, 14).into_iter());
        judge.compare(0, true, Tick(13), known(&mut truth, 14).into_iter());
        assert_eq!((judge.exact, judge.due), (8, 32), "three snapshots did not come in time");
    }
}
