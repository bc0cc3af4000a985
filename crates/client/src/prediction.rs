//! The own avatar cannot wait for the server: it is stepped here at once, by the server's own code, and checked
//! when the server's word arrives. Where both differ, the client goes back to that tick and replays its inputs.

use downbeat_replica::glam::Vec3;
use downbeat_replica::{Kind, Micros, Tick, substitute};

use crate::limits::HISTORY_TICKS;

/// One tick of the past, as it was played here.
#[derive(Clone, Debug, Default)]
struct Played {
    tick: Tick,
    /// What the server ran the tick on, as far as known.
    input: Vec<i32>,
    /// The avatar after the tick.
    lanes: Vec<i32>,
}

/// The game's step of one avatar: the tick, the input's lanes, and the avatar's lanes to be advanced.
pub(crate) type Step<'a> = dyn FnMut(Tick, &[i32], &mut Vec<i32>) + 'a;

/// What a confirmation showed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Confirmation {
    /// Distance between the predicted and the confirmed position, in metres.
    pub(crate) error_m: f32,
    /// Whether the state differs from the prediction, substituted ticks replayed with their substitutes.
    pub(crate) mispredicted: bool,
    /// Whether the client had to go back and replay.
    pub(crate) reconciled: bool,
    /// How far the avatar moved thereby, in metres.
    pub(crate) correction: Vec3,
}

/// The tables that prediction needs.
pub(crate) struct Tables<'a> {
    pub(crate) avatar: &'a Kind,
    pub(crate) input: &'a Kind,
    pub(crate) neutral: &'a [i32],
    pub(crate) tick_length: Micros,
}

/// The predicted avatar and its recent past.
#[derive(Debug)]
pub(crate) struct Prediction {
    kind: usize,
    history: Vec<Played>,
    newest: Tick,
    confirmed: Tick,
    confirmed_lanes: Vec<i32>,
    /// The newest confirmed tick that ran on a real input.
    last_real: Tick,
    /// Whether ticks since the last real input are unknown.
    in_doubt: bool,
}

impl Prediction {
    /// Starts from the server's word for `tick`.
    pub(crate) fn new(kind: usize, tick: Tick, lanes: &[i32]) -> Self {
        Self {
            kind,
            history: vec![Played::default(); HISTORY_TICKS],
            newest: tick,
            confirmed: tick,
            confirmed_lanes: lanes.to_vec(),
            last_real: Tick::ZERO,
            in_doubt: false,
        }
    }

    pub(crate) const fn kind(&self) -> usize {
        self.kind
    }

    /// The avatar as predicted for the newest tick.
    pub(crate) fn lanes(&self) -> &[i32] {
        self.played(self.newest).map_or(&self.confirmed_lanes, |played| &played.lanes)
    }

    fn played(&self, tick: Tick) -> Option<&Played> {
        Some(&self.history[tick.0 as usize % HISTORY_TICKS]).filter(|played| played.tick == tick && tick != Tick::ZERO)
    }

    fn set(&mut self, tick: Tick, input: &[i32], lanes: &[i32]) {
        let played = &mut self.history[tick.0 as usize % HISTORY_TICKS];
        played.tick = tick;
        played.input.clear();
        played.input.extend_from_slice(input);
        played.lanes.clear();
        played.lanes.extend_from_slice(lanes);
    }

    /// Plays `tick` with `input`. Ticks in between that were never sampled are played with substitutes.
    pub(crate) fn play(&mut self, tick: Tick, input: &[i32], tables: &Tables<'_>, step: &mut Step<'_>) {
        if tick <= self.confirmed {
            // The server has run this tick already; the input comes too late to change anything.
            return;
        }
        if tick.since(self.newest) > HISTORY_TICKS as i64 / 2 {
            // Too far ahead of the last word of the server to replay: start again from where it was.
            self.newest = tick.offset(-1);
        }
        while self.newest.next() < tick {
            let skipped = self.newest.next();
            let stand_in = self.stand_in(skipped, tables);
            self.play_one(skipped, &stand_in, step);
        }
        self.play_one(tick, input, step);
    }

    fn play_one(&mut self, tick: Tick, input: &[i32], step: &mut Step<'_>) {
        let mut lanes = self.lanes().to_vec();
        step(tick, input, &mut lanes);
        self.set(tick, input, &lanes);
        self.newest = tick;
    }

    /// What stands in here for a tick that was never sampled, until the server reports what it ran on.
    fn stand_in(&self, tick: Tick, tables: &Tables<'_>) -> Vec<i32> {
        let before = self.played(tick.offset(-1));
        let mut lanes = before.map_or(tables.neutral, |played| &played.input).to_vec();
        substitute(tables.input, tables.neutral, 1, tables.tick_length, &mut lanes);
        lanes
    }

    /// Takes in the server's word for `tick`. `substituted` has bit `i` set when tick `tick - i` ran on a
    /// substitute. Nothing is learned from a tick that is confirmed already.
    pub(crate) fn confirm(
        &mut self,
        tick: Tick,
        lanes: &[i32],
        substituted: u32,
        tables: &Tables<'_>,
        step: &mut Step<'_>,
    ) -> Option<Confirmation> {
        if tick <= self.confirmed {
            return None;
        }
        let predicted = self.played(tick).map(|played| played.lanes.clone());
        let expected = self.replay_substituted(tick, substituted, tables, step).or_else(|| predicted.clone());
        let Some((expected, predicted)) = expected.zip(predicted) else {
            // Not played here, or so long ago that it is forgotten: the server's word stands.
            (self.confirmed, self.confirmed_lanes) = (tick, lanes.to_vec());
            self.restart(tick, lanes, tables, step);
            return None;
        };
        let position = |lanes: &[i32]| tables.avatar.position(lanes);
        let error_m = position(&predicted).distance(position(lanes));
        // After an outage longer than the report of substitutes reaches, nobody can say what the server ran on, until
        // it ran on a real input again.
        let judged = tick.since(self.confirmed) <= i64::from(u32::BITS);
        let mispredicted = judged && !self.in_doubt && expected != lanes;
        self.in_doubt |= !judged;
        if substituted != u32::MAX {
            self.last_real = tick.offset(-i64::from(substituted.trailing_ones()));
            self.in_doubt = false;
        }
        let reconciled = predicted != lanes;
        let before = position(self.lanes());
        (self.confirmed, self.confirmed_lanes) = (tick, lanes.to_vec());
        if reconciled {
            self.restart(tick, lanes, tables, step);
        }
        let correction = before - position(self.lanes());
        Some(Confirmation { error_m, mispredicted, reconciled, correction })
    }

    /// Plays the ticks from the last confirmed one up to `tick` again, with substitutes where the server used
    /// them; `None` when it used none. The inputs in the history are replaced.
    fn replay_substituted(
        &mut self,
        tick: Tick,
        substituted: u32,
        tables: &Tables<'_>,
        step: &mut Step<'_>,
    ) -> Option<Vec<i32>> {
        let ticks = u32::try_from(tick.since(self.confirmed)).unwrap_or(u32::MAX);
        let reported = ticks.min(u32::BITS);
        if substituted << (u32::BITS - reported) == 0 {
            return None;
        }
        for back in (0..reported).rev().filter(|back| substituted >> back & 1 == 1) {
            let at = tick.offset(-i64::from(back));
            self.played(at)?;
            let missing = self.missing(at, back, substituted);
            let before = self.played(at.offset(-1)).map_or(tables.neutral, |played| &played.input);
            let mut input = before.to_vec();
            substitute(tables.input, tables.neutral, missing, tables.tick_length, &mut input);
            self.history[at.0 as usize % HISTORY_TICKS].input = input;
        }
        if reported < ticks {
            return None;
        }
        let mut lanes = self.confirmed_lanes.clone();
        for at in (self.confirmed.next().0..=tick.0).map(Tick) {
            let input = self.played(at)?.input.clone();
            step(at, &input, &mut lanes);
        }
        Some(lanes)
    }

    /// How many ticks in a row, up to and including `at`, ran without input.
    fn missing(&self, at: Tick, back: u32, substituted: u32) -> u32 {
        let run = (substituted >> back).trailing_ones();
        let reported = run + back < u32::BITS;
        if reported { run } else { at.since(self.last_real).clamp(1, i64::from(u32::MAX)) as u32 }
    }

    /// Takes the server's word for `tick` and plays all later ticks again.
    fn restart(&mut self, tick: Tick, lanes: &[i32], tables: &Tables<'_>, step: &mut Step<'_>) {
        let newest = self.newest;
        let input = self.played(tick).map_or(tables.neutral, |played| &played.input).to_vec();
        self.set(tick, &input, lanes);
        self.newest = tick;
        while self.newest < newest {
            let next = self.newest.next();
            let Some(input) = self.played(next).map(|played| played.input.clone()) else { break };
            self.play_one(next, &input, step);
        }
        self.newest = self.newest.max(tick);
    }
}
