//! The player's own side of the picture, in the present: the avatar, how far it is drawn from where it is, what it shot.

use downbeat_replica::glam::Vec3;
use downbeat_replica::{
    Coding, Context, Game, Kinds, LaneReader, LaneWriter, Micros, Replicated, Sighting, Tick, dt, neutral,
};

use crate::copy::{Copy, Shown};
use crate::fading::Fading;
use crate::history::Spawn;
use crate::limits::CORRECTION_MIN_M;
use crate::prediction::{Correction, Prediction, Tables};
use crate::spawns::{Air, Spawns};
use crate::sync_test::{SyncFault, SyncTest, difference};
use crate::types::Counters;

/// What prediction reads of the rest of the client.
pub(crate) struct Setting<'a, G: Game> {
    pub(crate) world: &'a G::World,
    pub(crate) coding: &'a Coding,
    pub(crate) tick_rate_hz: u32,
    /// The others as they were shown last.
    pub(crate) others: &'a [Sighting<G::Entity>],
    pub(crate) copy: &'a Copy,
}

/// The avatar and what it shot.
pub(crate) struct Own<G: Game> {
    prediction: Option<Prediction>,
    fading: Fading,
    /// When the server's word of the avatar arrived last: what it corrects fades from then on, whenever it is looked at.
    told_at: Micros,
    spawns: Spawns,
    shown: Vec<Sighting<G::Entity>>,
    sync: Option<SyncTest<G::Entity>>,
    neutral: Vec<i32>,
}

impl<G: Game> Own<G> {
    pub(crate) fn new() -> Self {
        Self {
            prediction: None,
            fading: Fading::default(),
            told_at: Micros::default(),
            spawns: Spawns::default(),
            shown: Vec::new(),
            sync: None,
            neutral: neutral::<G::Input>(),
        }
    }

    /// What an input is that does nothing, as lanes.
    pub(crate) fn neutral(&self) -> &[i32] {
        &self.neutral
    }

    /// Takes in what the server told of the avatar in `tick`, which arrived `at`. Returns how far off its position was, in metres.
    pub(crate) fn confirm(
        &mut self,
        setting: &Setting<'_, G>,
        at: Micros,
        tick: Tick,
        substituted: u32,
        counters: &mut Counters,
    ) -> Option<f32> {
        let Some(avatar) = setting.copy.avatar() else {
            self.prediction = None;
            return None;
        };
        let (kind, lanes) = (avatar.kind, avatar.as_of(tick)?);
        if self.prediction.as_ref().is_none_or(|prediction| prediction.kind() != kind) {
            self.prediction = Some(Prediction::new(kind, tick, lanes, self.neutral.len()));
            self.fading = Fading::default();
            return None;
        }
        self.told_at = at;
        let confirmation =
            self.run(setting, |prediction, tables, step| prediction.confirm(tick, lanes, substituted, tables, step))??;
        counters.confirmed += 1;
        counters.mispredicted += u64::from(confirmation.mispredicted);
        counters.reconciled += u64::from(confirmation.reconciled);
        Some(confirmation.error_m)
    }

    /// The server does not take the inputs from `tick` on: what came of them is shown no more.
    pub(crate) fn give_up(&mut self, tick: Tick) {
        if let Some(prediction) = &mut self.prediction {
            prediction.give_up(tick);
        }
    }

    /// Plays `tick` with the lanes of an input that was sampled `now`.
    pub(crate) fn play(
        &mut self,
        setting: &Setting<'_, G>,
        now: Micros,
        tick: Tick,
        input: &[i32],
        counters: &mut Counters,
    ) {
        self.settle(setting, counters);
        let skipped = self.run(setting, |prediction, tables, step| prediction.play(tick, input, tables, step));
        if let Some(error) = skipped.filter(|error| *error != Vec3::ZERO) {
            self.fading.add(error, now);
        }
        if self.sync.as_ref().is_some_and(|sync| sync.is_due(tick)) {
            counters.sync_faults += u64::from(self.rehearse(setting));
        }
    }

    /// Brings all up to what is known `now`.
    pub(crate) fn refresh(&mut self, setting: &Setting<'_, G>, now: Micros, counters: &mut Counters) {
        self.settle(setting, counters);
        self.shown.clear();
        let Self { prediction, fading, spawns, shown, .. } = self;
        let Some(prediction) = prediction.as_ref() else {
            *spawns = Spawns::default();
            return;
        };
        let kinds = &setting.coding.schema.entities;
        let mut fly = |tick: Tick, kind: usize, lanes: &mut Vec<i32>| {
            let mut entity = read::<G>(kind, lanes);
            let flies_on = G::predict_flight(&setting.context(tick, setting.others), &mut entity);
            if entity.kind() != kind {
                // What became something else is not what it was; that the server may tell.
                return false;
            }
            lanes.clear();
            entity.write(&mut LaneWriter::new(lanes));
            flies_on
        };
        let tick_length = setting.tick_length();
        let mut air = Air { kinds, tick_length, now, newest: prediction.newest(), fly: &mut fly };
        spawns.follow(prediction, *fading, &mut air, counters);
        spawns.meet(setting.copy, prediction.confirmed(), &mut air, counters);
        spawns.show(kinds, prediction.newest(), now, |id, kind, lanes, fractions| {
            let entity = G::Entity::read(kind, &mut LaneReader::between(lanes, fractions));
            shown.push(Sighting { id, entity: entity.expect("it is of a kind of the game's") });
        });
    }

    /// The avatar as it was brought up to last.
    pub(crate) fn avatar(&self) -> Option<G::Entity> {
        let prediction = self.prediction.as_ref()?;
        Some(read::<G>(prediction.kind(), prediction.lanes()))
    }

    /// Where the avatar is drawn less where it is, in metres.
    pub(crate) fn offset(&self, now: Micros) -> Vec3 {
        self.fading.offset(now)
    }

    /// What the avatar shot, as it was brought up to last.
    pub(crate) fn spawned(&self) -> &[Sighting<G::Entity>] {
        &self.shown
    }

    /// Whether the server's entity in a slot is shown as one of [`Self::spawned`].
    pub(crate) fn hides(&self, slot: u16, shown: &Shown) -> bool {
        self.spawns.hides(slot, shown)
    }

    pub(crate) fn set_sync_test(&mut self, every: Option<u32>) {
        self.sync = every.map(SyncTest::new);
    }

    pub(crate) fn sync_faults(&self) -> &[SyncFault] {
        self.sync.as_ref().map_or(&[], |sync| &sync.faults)
    }

    fn settle(&mut self, setting: &Setting<'_, G>, counters: &mut Counters) {
        let settled = self.run(setting, |prediction, tables, step| prediction.settle(tables, step));
        let Some(Correction { error, teleported }) = settled.flatten() else { return };
        counters.corrected += u64::from(error.length() > CORRECTION_MIN_M);
        if teleported {
            self.fading = Fading::default();
        } else {
            self.fading.add(error, self.told_at);
        }
    }

    /// Runs `f` with the prediction, its tables and the game's step.
    fn run<R>(
        &mut self,
        setting: &Setting<'_, G>,
        f: impl FnOnce(&mut Prediction, &Tables<'_>, &mut crate::prediction::Step<'_>) -> R,
    ) -> Option<R> {
        let Self { prediction, neutral, sync, .. } = self;
        let prediction = prediction.as_mut()?;
        let kind = prediction.kind();
        let tables = setting.tables(kind, neutral);
        let mut step = |tick: Tick, input: &[i32], lanes: &mut Vec<i32>| {
            if let Some(sync) = sync.as_mut() {
                sync.note(tick, setting.others);
            }
            setting.step(kind, tick, setting.others, input, lanes)
        };
        Some(f(prediction, &tables, &mut step))
    }

    /// Plays what is not confirmed again, beside the same others, and compares. Returns whether there was a fault.
    fn rehearse(&mut self, setting: &Setting<'_, G>) -> bool {
        let (Some(prediction), Some(sync)) = (&self.prediction, &mut self.sync) else { return false };
        let kind = prediction.kind();
        // A tick that was played before the test began cannot be judged, nor can those after it.
        let mut known = true;
        let mut fault = None;
        let mut step = |tick: Tick, input: &[i32], lanes: &mut Vec<i32>| {
            known &= sync.others(tick).is_some();
            setting.step(kind, tick, sync.others(tick).unwrap_or_default(), input, lanes)
        };
        let kinds = &setting.coding.schema.entities;
        let complete = prediction.rehearse(&mut step, &mut |played, lanes, spawn| {
            if fault.is_none() {
                fault = difference(kinds, kind, played, lanes, spawn);
            }
        });
        let fault = fault.filter(|_| known && complete.is_some());
        let found = fault.is_some();
        fault.into_iter().for_each(|fault| sync.report(fault));
        found
    }
}

impl<G: Game> Setting<'_, G> {
    fn tick_length(&self) -> Micros {
        Micros(1_000_000 / u64::from(self.tick_rate_hz))
    }

    fn tables<'a>(&'a self, kind: usize, neutral: &'a [i32]) -> Tables<'a> {
        let schema = &self.coding.schema;
        Tables { avatar: &schema.entities[kind], input: &schema.input, neutral, tick_length: self.tick_length() }
    }

    fn context<'a>(&'a self, tick: Tick, others: &'a [Sighting<G::Entity>]) -> Context<'a, G> {
        Context { world: self.world, tick, dt: dt(self.tick_rate_hz), others }
    }

    /// One tick of an avatar of `kind` beside `others`.
    fn step(
        &self,
        kind: usize,
        tick: Tick,
        others: &[Sighting<G::Entity>],
        input: &[i32],
        lanes: &mut Vec<i32>,
    ) -> Option<Spawn> {
        let context = self.context(tick, others);
        let input = G::Input::read(&mut LaneReader::new(input));
        let before = read::<G>(kind, lanes);
        let mut own = before.clone();
        G::predict(&context, &mut own, &input);
        if own.kind() != kind {
            // What becomes something else is the server's to tell.
            own = before.clone();
        }
        lanes.clear();
        own.write(&mut LaneWriter::new(lanes));
        let spawned = G::predict_spawn(&context, &before, &own, &input)?;
        let mut spawn = Spawn { kind: spawned.kind(), lanes: Vec::new() };
        spawned.write(&mut LaneWriter::new(&mut spawn.lanes));
        Some(spawn)
    }
}

fn read<G: Game>(kind: usize, lanes: &[i32]) -> G::Entity {
    G::Entity::read(kind, &mut LaneReader::new(lanes)).expect("the kind is one of the game's")
}
