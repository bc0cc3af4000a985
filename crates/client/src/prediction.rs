//! The own avatar cannot wait for the server: it is stepped here at once, by the server's own code, and checked
//! when the server's word arrives. Where both differ, the client goes back to that tick and replays its inputs.
//!
//! Replaying is put off until somebody looks or plays on. So a burst of snapshots, as after an outage, costs one step
//! each and a single replay, not a replay each.

use downbeat_replica::glam::Vec3;
use downbeat_replica::{Between, Kind, Micros, Role, Tick, substitute};

use crate::history::{History, Played, Spawn};
use crate::limits::{HISTORY_TICKS, TELEPORT_M};

/// The game's step of one avatar: the tick, the input's lanes, and the avatar's lanes to be advanced.
pub(crate) type Step<'a> = dyn FnMut(Tick, &[i32], &mut Vec<i32>) -> Option<Spawn> + 'a;

/// Is shown a tick as it was played, and the avatar's lanes and the spawn that came out of it again.
pub(crate) type Compare<'a> = dyn FnMut(Played<'_>, &[i32], Option<&Spawn>) + 'a;

/// What a confirmation showed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Confirmation {
    /// Distance between the predicted and the confirmed position, in metres.
    pub(crate) error_m: f32,
    /// Whether the state differs from the prediction, substituted ticks replayed with their substitutes.
    pub(crate) mispredicted: bool,
    /// Whether the client had to go back and replay.
    pub(crate) reconciled: bool,
}

/// How the newest state was changed by what the server said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Correction {
    /// Where the avatar was less where it is.
    pub(crate) error: Vec3,
    /// Whether the server moved the avatar there, rather than the prediction having been wrong.
    pub(crate) teleported: bool,
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
    history: History,
    newest: Tick,
    /// Later ticks must be played again before they are looked at.
    sound: Tick,
    confirmed: Tick,
    confirmed_lanes: Vec<i32>,
    /// The newest confirmed tick that ran on a real input.
    last_real: Tick,
    /// Whether ticks since the last real input are unknown.
    in_doubt: bool,
    teleported: bool,
    /// Where the avatar was when it was settled or played last, which is all that anybody saw of it.
    seen: Option<Vec3>,
}

impl Prediction {
    /// Starts from the server's word for `tick`. An input has so many lanes.
    pub(crate) fn new(kind: usize, tick: Tick, lanes: &[i32], input_lanes: usize) -> Self {
        Self {
            kind,
            history: History::new(input_lanes, lanes.len()),
            newest: tick,
            sound: tick,
            confirmed: tick,
            confirmed_lanes: lanes.to_vec(),
            last_real: Tick::ZERO,
            in_doubt: false,
            teleported: false,
            seen: None,
        }
    }

    pub(crate) const fn kind(&self) -> usize {
        self.kind
    }

    /// The newest tick that was played.
    pub(crate) const fn newest(&self) -> Tick {
        self.newest
    }

    /// The newest tick of which the server told.
    pub(crate) const fn confirmed(&self) -> Tick {
        self.confirmed
    }

    /// The avatar as predicted for the newest tick.
    pub(crate) fn lanes(&self) -> &[i32] {
        self.lanes_of(self.newest)
    }

    fn lanes_of(&self, tick: Tick) -> &[i32] {
        self.played(tick).map_or(&self.confirmed_lanes, |played| played.lanes)
    }

    /// What was played in `tick`, if that is remembered.
    pub(crate) fn played(&self, tick: Tick) -> Option<Played<'_>> {
        self.history.get(tick)
    }

    /// Plays `tick` with `input`. Ticks in between that were never sampled are played with substitutes. Returns where the
    /// avatar was less where those have brought it: nobody saw it go there.
    pub(crate) fn play(&mut self, tick: Tick, input: &[i32], tables: &Tables<'_>, step: &mut Step<'_>) -> Vec3 {
        debug_assert_eq!(self.sound, self.newest, "the past is settled before it is played on");
        if tick <= self.confirmed {
            // The server has run this tick already; the input comes too late to change anything.
            return Vec3::ZERO;
        }
        if tick.since(self.newest) > HISTORY_TICKS as i64 / 2 {
            // Too far ahead of the last word of the server to replay: start again from where it was.
            let lanes = self.lanes().to_vec();
            self.newest = tick.offset(-1);
            self.history.set(self.newest, tables.neutral, &lanes, None);
        }
        let before = tables.avatar.position(self.lanes());
        while self.newest.next() < tick {
            let skipped = self.newest.next();
            let stand_in = self.stand_in(skipped, tables);
            self.play_one(skipped, &stand_in, step);
            self.newest = skipped;
        }
        let error = before - tables.avatar.position(self.lanes());
        self.play_one(tick, input, step);
        (self.newest, self.sound) = (tick, tick);
        self.seen = Some(tables.avatar.position(self.lanes()));
        error
    }

    /// Forgets what was played from `tick` on.
    pub(crate) fn give_up(&mut self, tick: Tick) {
        self.history.forget_from(tick);
        self.newest = self.newest.min(tick.offset(-1)).max(self.confirmed);
        self.sound = self.sound.min(self.newest);
    }

    fn play_one(&mut self, tick: Tick, input: &[i32], step: &mut Step<'_>) {
        let mut lanes = self.lanes_of(tick.offset(-1)).to_vec();
        let spawn = step(tick, input, &mut lanes);
        self.history.set(tick, input, &lanes, spawn);
    }

    /// What stands in here for a tick that was never sampled, until the server reports what it ran on.
    fn stand_in(&self, tick: Tick, tables: &Tables<'_>) -> Vec<i32> {
        let before = self.played(tick.offset(-1));
        let mut lanes = before.map_or(tables.neutral, |played| played.input).to_vec();
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
        self.replay(tick, step);
        let predicted = self.played(tick).map(|played| played.lanes.to_vec());
        let known = predicted.is_some() && self.put_substitutes(tick, substituted, tables).is_some();
        let was_in_doubt = self.in_doubt;
        // After an outage longer than the report of substitutes reaches, nobody can say what the server ran on, until
        // it ran on a real input again.
        let judged = known && tick.since(self.confirmed) <= i64::from(u32::BITS);
        self.in_doubt |= !judged;
        if substituted != u32::MAX {
            self.last_real = tick.offset(-i64::from(substituted.trailing_ones()));
            self.in_doubt = false;
        }
        let Some(predicted) = predicted.filter(|_| known) else {
            // Not played here, or so long ago that it is forgotten: the server's word stands. Substitutes for later ticks
            // follow from what it ran this one on.
            let input = self.held(tick, substituted, tables);
            self.adopt(tick, lanes, &input);
            self.newest = self.last_played();
            return None;
        };
        self.replay(tick, step);
        let position = |lanes: &[i32]| tables.avatar.position(lanes);
        let (expected, told) = (self.lanes_of(tick), position(lanes));
        let differs = expected != lanes;
        // Who was moved in one go is not near where his inputs led, nor where his velocity could have brought him.
        self.teleported |= told.distance(position(expected)) > TELEPORT_M && self.was_moved(tick, lanes, tables);
        if differs {
            let input = self.played(tick).map_or(tables.neutral, |played| played.input).to_vec();
            self.adopt(tick, lanes, &input);
        }
        (self.confirmed, self.confirmed_lanes) = (tick, lanes.to_vec());
        if self.newest < tick {
            // Behind a gap in the past there is more that was played.
            (self.newest, self.sound) = (self.last_played(), tick);
        }
        Some(Confirmation {
            error_m: position(&predicted).distance(told),
            mispredicted: judged && !was_in_doubt && differs,
            reconciled: predicted != lanes,
        })
    }

    /// Whether the avatar got from the confirmed state to that of `tick` in one go.
    fn was_moved(&self, tick: Tick, lanes: &[i32], tables: &Tables<'_>) -> bool {
        let (kind, from) = (tables.avatar, &*self.confirmed_lanes);
        if kind.field_with(Role::Velocity).is_none() {
            return kind.position(from).distance(kind.position(lanes)) > TELEPORT_M;
        }
        let seconds = tick.since(self.confirmed) as f64 * tables.tick_length.as_secs_f64();
        Between { kind, from, to: lanes, seconds }.jumps()
    }

    /// Plays again what a confirmation has made unsound. Says how the newest state differs from what was seen last.
    pub(crate) fn settle(&mut self, tables: &Tables<'_>, step: &mut Step<'_>) -> Option<Correction> {
        self.replay(self.newest, step);
        // What lies behind a gap in the past cannot be played again: it is given up.
        self.newest = self.sound;
        let now = tables.avatar.position(self.lanes());
        let error = self.seen.replace(now).map_or(Vec3::ZERO, |seen| seen - now);
        let teleported = std::mem::take(&mut self.teleported);
        (teleported || error != Vec3::ZERO).then_some(Correction { error, teleported })
    }

    /// Steps from the last confirmed state to the newest tick once more, and shows what is remembered of each tick beside
    /// what comes out of it. `None` when the past since then is not remembered.
    pub(crate) fn rehearse(&self, step: &mut Step<'_>, compare: &mut Compare<'_>) -> Option<()> {
        let mut lanes = self.confirmed_lanes.clone();
        for at in (self.confirmed.next().0..=self.newest.0).map(Tick) {
            let played = self.played(at)?;
            let spawn = step(at, played.input, &mut lanes);
            compare(played, &lanes, spawn.as_ref());
        }
        Some(())
    }

    /// Plays unsound ticks again, up to `to`.
    fn replay(&mut self, to: Tick, step: &mut Step<'_>) {
        while self.sound < to.min(self.newest) {
            let next = self.sound.next();
            let Some(input) = self.played(next).map(|played| played.input.to_vec()) else { return };
            self.play_one(next, &input, step);
            self.sound = next;
        }
    }

    /// Notes what the server ran the ticks from the last confirmed one up to `tick` on; `None` when one of those was
    /// not played here.
    fn put_substitutes(&mut self, tick: Tick, substituted: u32, tables: &Tables<'_>) -> Option<()> {
        let ticks = u32::try_from(tick.since(self.confirmed)).unwrap_or(u32::MAX).min(u32::BITS);
        for back in (0..ticks).rev().filter(|back| substituted >> back & 1 == 1) {
            let at = tick.offset(-i64::from(back));
            let missing = self.missing(at, back, substituted);
            let before = at.offset(-1);
            if before > self.confirmed {
                self.played(before)?;
            }
            let mut input = self.played(before).map_or(tables.neutral, |played| played.input).to_vec();
            substitute(tables.input, tables.neutral, missing, tables.tick_length, &mut input);
            self.played(at)?;
            self.history.set_input(at, &input);
            self.sound = self.sound.min(before);
        }
        Some(())
    }

    /// What the server ran `tick` on: the last real input, or the substitute that comes of it.
    fn held(&self, tick: Tick, substituted: u32, tables: &Tables<'_>) -> Vec<i32> {
        let missing = if substituted & 1 == 1 { self.missing(tick, 0, substituted) } else { 0 };
        let real = self.played(tick.offset(-i64::from(missing)));
        let mut input = real.map_or(tables.neutral, |played| played.input).to_vec();
        if missing > 0 {
            substitute(tables.input, tables.neutral, missing, tables.tick_length, &mut input);
        }
        input
    }

    /// How many ticks in a row, up to and including `at`, ran without input.
    fn missing(&self, at: Tick, back: u32, substituted: u32) -> u32 {
        let run = (substituted >> back).trailing_ones();
        let reported = run + back < u32::BITS;
        if reported { run } else { at.since(self.last_real).clamp(1, i64::from(u32::MAX)) as u32 }
    }

    /// Takes the server's word for `tick`, which it ran on `input`. Later ticks are unsound then.
    fn adopt(&mut self, tick: Tick, lanes: &[i32], input: &[i32]) {
        let spawn = self.played(tick).and_then(|played| played.spawn.cloned());
        self.history.set(tick, input, lanes, spawn);
        (self.confirmed, self.confirmed_lanes) = (tick, lanes.to_vec());
        self.sound = tick;
        self.newest = self.newest.max(tick);
    }

    /// The last tick of those in a row that were played after the confirmed one.
    fn last_played(&self) -> Tick {
        let mut last = self.confirmed;
        while self.played(last.next()).is_some() {
            last = last.next();
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use downbeat_replica::{Input, LaneReader, LaneWriter, Replicated, neutral};

    #[derive(Replicated, Clone)]
    struct Body {
        #[field(position, range = -2048.0..=2048.0, step = 0.0625)]
        at: Vec3,
        #[field(velocity, range = -128.0..=128.0, step = 0.0625)]
        velocity: Vec3,
    }

    #[derive(Input, Clone, Default)]
    struct Pad {
        run: bool,
    }

    const TICKS_PER_S: f32 = 64.0;

    /// A body that flies at its speed while the player holds a key, and its prediction from tick 100 on.
    struct Bench {
        avatar: Kind,
        input: Kind,
        neutral: Vec<i32>,
        prediction: Prediction,
    }

    fn lanes(x: f32, speed: f32) -> Vec<i32> {
        let mut lanes = Vec::new();
        Body { at: Vec3::X * x, velocity: Vec3::X * speed }.write(&mut LaneWriter::new(&mut lanes));
        lanes
    }

    fn fly(_: Tick, input: &[i32], lanes: &mut Vec<i32>) -> Option<Spawn> {
        let mut body = Body::read(&mut LaneReader::new(lanes));
        if Pad::read(&mut LaneReader::new(input)).run {
            body.at += body.velocity / TICKS_PER_S;
        }
        lanes.clear();
        body.write(&mut LaneWriter::new(lanes));
        None
    }

    impl Bench {
        fn new(speed: f32) -> Self {
            Self {
                avatar: Kind::of::<Body>("Body"),
                input: Pad::kind(),
                neutral: neutral::<Pad>(),
                prediction: Prediction::new(0, Tick(100), &lanes(0.0, speed), neutral::<Pad>().len()),
            }
        }

        fn with<R>(&mut self, f: impl FnOnce(&mut Prediction, &Tables<'_>, &mut Step<'_>) -> R) -> R {
            let Self { avatar, input, neutral, prediction } = self;
            f(prediction, &Tables { avatar, input, neutral, tick_length: Micros(15_625) }, &mut fly)
        }

        fn play(&mut self, ticks: std::ops::RangeInclusive<u32>) {
            for tick in ticks.map(Tick) {
                self.with(|prediction, tables, step| {
                    prediction.settle(tables, step);
                    prediction.play(tick, &Pad { run: true }.lanes(), tables, step)
                });
            }
        }

        /// The server tells of `tick`; returns what that does to the picture.
        fn told(&mut self, tick: u32, state: &[i32]) -> Option<Correction> {
            self.with(|prediction, tables, step| {
                prediction.confirm(Tick(tick), state, 0, tables, step);
                prediction.settle(tables, step)
            })
        }
    }

    #[test]
    fn a_fast_avatar_that_was_stopped_is_corrected_and_one_that_was_moved_is_teleported() {
        let told = |x, speed| {
            let mut bench = Bench::new(64.0);
            bench.play(101..=120);
            bench.told(110, &lanes(x, speed)).expect("it is not where it was predicted")
        };
        let stopped = told(6.0, 64.0);
        assert!(!stopped.teleported && stopped.error.distance(Vec3::X * 4.0) < 0.1, "{stopped:?}");
        assert!(told(300.0, 64.0).teleported);
    }

    #[test]
    fn what_lies_behind_a_gap_that_cannot_be_played_again_is_given_up() {
        let mut bench = Bench::new(8.0);
        bench.play(101..=110);
        bench.play(214..=214);
        // Overtaken by the stall: about a tick before the gap, and not as predicted.
        bench.told(105, &lanes(0.5, 8.0));
        bench.play(215..=216);
        assert!(bench.told(216, &lanes(3.0, 8.0)).is_some());
    }

    #[test]
    fn who_is_told_to_be_where_nothing_was_played_is_not_seen_to_jump_there() {
        let mut bench = Bench::new(8.0);
        bench.play(101..=110);
        let correction = bench.told(118, &lanes(2.0, 8.0)).expect("it went on without the player");
        assert!(!correction.teleported && correction.error.distance(Vec3::X * -0.75) < 0.1, "{correction:?}");
    }
}
