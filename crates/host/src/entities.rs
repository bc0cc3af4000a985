//! The room's table of entities: their versions, and what was decided in this tick about telling them.
//!
//! What there is to tell of an entity depends on it and on the states that are known of it, not on the client. So it is
//! decided once, kept as ops, and each client's coder writes them.

use std::cell::Cell;
use std::sync::Arc;

use downbeat_replica::codec::{History, Known, Model, Op, Walk};
use downbeat_replica::{Captured, Coding, EntityId, Picked, PlayerId, Scene, Schema, Tick, Versions};

/// An entity that is in the match.
#[derive(Debug)]
pub(crate) struct Entity {
    pub(crate) id: EntityId,
    pub(crate) kind: usize,
    pub(crate) avatar: Option<PlayerId>,
    /// The tick in which it appeared: tells it from an earlier one that had its id.
    pub(crate) born: Tick,
    pub(crate) versions: Versions,
    /// As all others and as its owner are told it, where that is not the whole state.
    told: [Option<Versions>; 2],
    captured: Tick,
    /// As of a tick, the last one in which it was moved rather than that it moved, as far back as shots are rewound.
    pub(crate) jumped: Cell<Option<(Tick, Option<Tick>)>>,
}

impl Entity {
    /// Its versions as a reader is told them.
    pub(crate) fn told(&self, owner: bool) -> &Versions {
        self.told[usize::from(owner)].as_ref().unwrap_or(&self.versions)
    }
}

/// What a record depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    known: Picked,
    owner: bool,
    forced: bool,
}

/// What there is to tell of an entity, decided.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record {
    start: u32,
    len: u32,
    /// What the ops cost, in 1/256 bit.
    pub(crate) cost: u32,
    /// Whether it is told as a sleeper: as one that wakes if it has news, otherwise not at all.
    pub(crate) asleep: bool,
    /// Whether there are news.
    pub(crate) news: bool,
    /// Since when it is as it is told.
    pub(crate) since: Tick,
}

/// A record that was decided in this tick, and the one of the same entity before it.
#[derive(Clone, Copy, Debug)]
struct Kept {
    key: Key,
    record: Record,
    before: Option<u32>,
}

/// All entities of a room, by index.
#[derive(Debug)]
pub(crate) struct Entities {
    places: Vec<Option<Entity>>,
    coding: Arc<Coding>,
    ops: Vec<Op>,
    records: Vec<Kept>,
    /// By entity: the last of its records that was decided in this tick. Apart from the entities, so that what each client asks for
    /// of each of them lies close together.
    last: Vec<Option<u32>>,
    walk: Walk,
    state: Vec<i32>,
    /// By kind: whether all others, and owners, are told less than the whole state.
    is_cut: Vec<[bool; 2]>,
    tick: Tick,
    interval: u32,
    /// The last tick in which an id got another entity, or lost the one it had.
    pub(crate) replaced: Tick,
    pub(crate) scene: Scene,
}

impl Entities {
    pub(crate) fn new(coding: Arc<Coding>, interval: u32) -> Self {
        let is_cut = coding.schema.entities.iter().map(|kind| {
            let names = kind.lanes.iter().any(|lane| lane.entity);
            [names || kind.lanes.iter().any(|lane| lane.owner_only || lane.owner_bits > 0), names]
        });
        Self {
            places: Vec::new(),
            is_cut: is_cut.collect(),
            coding,
            ops: Vec::new(),
            records: Vec::new(),
            last: Vec::new(),
            walk: Walk::default(),
            state: Vec::new(),
            tick: Tick::ZERO,
            interval,
            replaced: Tick::ZERO,
            scene: Scene::default(),
        }
    }

    pub(crate) fn of(&self, id: EntityId) -> Option<&Entity> {
        self.places.get(id.index())?.as_ref().filter(|entity| entity.id == id)
    }

    /// The newest state of `id`, whole.
    pub(crate) fn state(&self, id: EntityId) -> &[i32] {
        self.of(id).and_then(|entity| entity.versions.newest()).map_or(&[], |newest| newest.lanes)
    }

    /// Since when `id` is as a reader is told it.
    pub(crate) fn told_since(&self, id: EntityId, owner: bool) -> Tick {
        self.of(id).and_then(|entity| entity.told(owner).newest()).map_or(self.tick, |newest| newest.since)
    }

    /// Whether lanes of this kind name entities.
    pub(crate) fn names_entities(&self, kind: usize) -> bool {
        self.is_cut[kind][1]
    }

    /// The model that records are written with.
    pub(crate) fn model(&self) -> &Model {
        &self.coding.model
    }

    /// The tick that was captured last.
    pub(crate) const fn present(&self) -> Tick {
        self.tick
    }

    /// Ticks from one snapshot to the next.
    pub(crate) const fn interval(&self) -> u32 {
        self.interval
    }

    /// Takes in what a game captured in `tick`; who is not among it is gone.
    pub(crate) fn commit(&mut self, tick: Tick, schema: &Schema, captured: &[Captured], lanes: &[i32]) {
        self.tick = tick;
        for &Captured { id, kind, avatar, first_lane } in captured {
            let table = &schema.entities[kind];
            let width = table.lanes.len();
            if self.places.len() <= id.index() {
                self.places.resize_with(id.index() + 1, || None);
            }
            let place = &mut self.places[id.index()];
            let entity = match place {
                Some(entity) if entity.id == id && entity.kind == kind && entity.avatar == avatar => entity,
                _ => {
                    self.replaced = tick;
                    let versions = |is_cut: bool| is_cut.then(|| Versions::new(width, tick));
                    place.insert(Entity {
                        id,
                        kind,
                        avatar,
                        born: tick,
                        versions: Versions::new(width, tick),
                        told: [versions(self.is_cut[kind][0]), versions(self.is_cut[kind][1] && avatar.is_some())],
                        captured: tick,
                        jumped: Cell::new(None),
                    })
                }
            };
            let state = &lanes[first_lane..first_lane + width];
            entity.captured = tick;
            if entity.versions.push(tick, state) {
                for (told, owner) in entity.told.iter_mut().zip([false, true]) {
                    let Some(told) = told else { continue };
                    table.told(owner, state, &mut self.state);
                    told.push(tick, &self.state);
                }
            }
        }
        self.ops.clear();
        self.records.clear();
        self.last.clear();
        self.last.resize(self.places.len(), None);
        self.scene.clear();
        for place in &mut self.places {
            let Some(entity) = place.as_ref().filter(|entity| entity.captured == tick) else {
                if place.take().is_some() {
                    self.replaced = tick;
                }
                continue;
            };
            let newest = entity.versions.newest().expect("a captured entity has a version");
            self.scene.push(entity.id, schema.entities[entity.kind].position(newest.lanes));
        }
    }

    /// What there is to tell of `id` to a reader who knows its states of `known`, decided at most once a tick. `renamed`:
    /// the tick since when its lanes name the entities that they name for this reader.
    pub(crate) fn record(&mut self, id: EntityId, known: Picked, owner: bool, renamed: Tick) -> Record {
        let Self { places, coding, ops, records, last, walk, state, tick, interval, .. } = self;
        let newest_known = tick.offset(-i64::from(u32::from(known.ages()[0]) * *interval));
        let key = Key { known, owner, forced: renamed > newest_known };
        let before = last[id.index()];
        let mut next = before;
        while let Some(kept) = next.map(|i| &records[i as usize]) {
            if kept.key == key {
                return kept.record;
            }
            next = kept.before;
        }
        let entity = places[id.index()].as_ref().expect("what is shown is in the table");
        let versions = entity.told(owner);
        let mut states = [Known { age: 0, lanes: &[] }; 3];
        for (state, &age) in states.iter_mut().zip(known.ages()) {
            let age = u32::from(age) * *interval;
            let version = versions.at(tick.offset(-i64::from(age)));
            *state = Known { age, lanes: version.expect("retained snapshots are remembered").lanes };
        }
        let newest = versions.newest().expect("a captured entity has a version");
        let history = History::of(&states[..known.ages().len()]).expect("something is known");
        let (asleep, news) = (history.sleeps(), key.forced || newest.since > newest_known);
        let start = ops.len();
        if !asleep || news {
            let model = coding.model.kind(entity.kind, owner);
            walk.begin(model, &history);
            if !asleep {
                let Ok(_) = walk.presence(model, ops, news);
            }
            if news {
                state.clear();
                state.extend_from_slice(newest.lanes);
                let Ok(()) = walk.body(model, &history, ops, state);
            }
        }
        let cost = ops[start..].iter().map(|op| op.cost()).sum();
        let record =
            Record { start: start as u32, len: (ops.len() - start) as u32, cost, asleep, news, since: newest.since };
        records.push(Kept { key, record, before });
        last[id.index()] = Some(records.len() as u32 - 1);
        record
    }

    /// What there is to tell of `id` to a reader who knows nothing later of it than that it was as in `lanes`, `age` snapshots
    /// ago. `renamed` as for [`Self::record`].
    pub(crate) fn record_beside(
        &mut self,
        id: EntityId,
        (age, lanes): (u8, &[i32]),
        owner: bool,
        renamed: Tick,
    ) -> Record {
        let Self { places, coding, ops, walk, state, tick, interval, .. } = self;
        let entity = places[id.index()].as_ref().expect("what is shown is in the table");
        let newest = entity.told(owner).newest().expect("a captured entity has a version");
        let age = u32::from(age) * *interval;
        let history = History::of(&[Known { age, lanes }]).expect("something is known");
        let then = tick.offset(-i64::from(age));
        // Who has changed since and is as before again is news too: the client may have heard of what was in between.
        let news = renamed.max(newest.since) > then || newest.lanes != lanes;
        let start = ops.len();
        let model = coding.model.kind(entity.kind, owner);
        walk.begin(model, &history);
        let Ok(_) = walk.presence(model, ops, news);
        if news {
            state.clear();
            state.extend_from_slice(newest.lanes);
            let Ok(()) = walk.body(model, &history, ops, state);
        }
        let cost = ops[start..].iter().map(|op| op.cost()).sum();
        let len = (ops.len() - start) as u32;
        Record { start: start as u32, len, cost, asleep: false, news, since: newest.since }
    }

    /// Decides the state of `id`, of which the reader knows nothing, beside `guess`.
    pub(crate) fn enter(&mut self, id: EntityId, owner: bool, guess: &[i32]) -> Record {
        let Self { places, coding, ops, walk, state, .. } = self;
        let entity = places[id.index()].as_ref().expect("what is shown is in the table");
        let newest = entity.told(owner).newest().expect("a captured entity has a version");
        let (model, history) = (coding.model.kind(entity.kind, owner), History::guess(guess));
        let start = ops.len();
        state.clear();
        state.extend_from_slice(newest.lanes);
        walk.begin(model, &history);
        let Ok(()) = walk.body(model, &history, ops, state);
        let cost = ops[start..].iter().map(|op| op.cost()).sum();
        Record {
            start: start as u32,
            len: (ops.len() - start) as u32,
            cost,
            asleep: false,
            news: true,
            since: newest.since,
        }
    }

    /// What was decided.
    pub(crate) fn ops(&self, record: Record) -> &[Op] {
        &self.ops[record.start as usize..][..record.len as usize]
    }
}
