//! The room's table of entities: their versions, and the record bodies that were encoded in this tick.

use downbeat_replica::bits::BitWriter;
use downbeat_replica::{Captured, EntityId, PlayerId, Scene, Schema, Tick, Versions, encode_body};

/// An entity that is in the match.
#[derive(Debug)]
pub(crate) struct Entity {
    pub(crate) id: EntityId,
    pub(crate) kind: usize,
    pub(crate) avatar: Option<PlayerId>,
    pub(crate) versions: Versions,
    /// Whether it did not change in the snapshot interval before the last one.
    pub(crate) rested: bool,
    captured: Tick,
    bodies: Vec<CachedBody>,
}

/// A body in the table's buffer.
#[derive(Clone, Copy, Debug)]
struct CachedBody {
    /// Version it is coded against; 0 for none.
    base: u32,
    owner: bool,
    start: usize,
    bits: usize,
}

/// A record's body, encoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Body {
    start: usize,
    pub(crate) bits: usize,
}

/// All entities of a room, by index.
#[derive(Debug, Default)]
pub(crate) struct Entities {
    places: Vec<Option<Entity>>,
    bodies: Vec<u8>,
    pub(crate) scene: Scene,
}

impl Entities {
    pub(crate) fn of(&self, id: EntityId) -> Option<&Entity> {
        self.places.get(id.index())?.as_ref().filter(|entity| entity.id == id)
    }

    fn of_mut(&mut self, id: EntityId) -> Option<&mut Entity> {
        self.places.get_mut(id.index())?.as_mut().filter(|entity| entity.id == id)
    }

    /// Takes in what a game captured in `tick`; who is not among it is gone.
    pub(crate) fn commit(&mut self, tick: Tick, interval: u32, schema: &Schema, captured: &[Captured], lanes: &[i32]) {
        for &Captured { id, kind, avatar, first_lane } in captured {
            let width = schema.entities[kind].lanes.len();
            if self.places.len() <= id.index() {
                self.places.resize_with(id.index() + 1, || None);
            }
            let place = &mut self.places[id.index()];
            let entity = match place {
                Some(entity) if entity.id == id && entity.kind == kind && entity.avatar == avatar => entity,
                _ => place.insert(Entity {
                    id,
                    kind,
                    avatar,
                    versions: Versions::new(width, tick),
                    rested: false,
                    captured: tick,
                    bodies: Vec::new(),
                }),
            };
            entity.captured = tick;
            entity.bodies.clear();
            entity.versions.push(tick, &lanes[first_lane..first_lane + width]);
            let before = entity.versions.at(tick.offset(-i64::from(interval)));
            entity.rested = before.is_some_and(|version| tick.since(version.since) >= 2 * i64::from(interval));
        }
        self.bodies.clear();
        self.scene.clear();
        for place in &mut self.places {
            let Some(entity) = place.as_ref().filter(|entity| entity.captured == tick) else {
                *place = None;
                continue;
            };
            let newest = entity.versions.newest().expect("a captured entity has a version");
            self.scene.push(entity.id, schema.entities[entity.kind].position(newest.lanes));
        }
    }

    /// The newest state of `id` coded against the version `base` (0: on its own), encoded at most once a tick.
    /// `None` when one of them is not remembered.
    pub(crate) fn body(&mut self, schema: &Schema, id: EntityId, base: u32, owner: bool) -> Option<Body> {
        let mut bytes = std::mem::take(&mut self.bodies);
        let body = self.of_mut(id).and_then(|entity| entity.body(schema, base, owner, &mut bytes));
        self.bodies = bytes;
        body
    }

    pub(crate) fn write_body(&self, body: Body, out: &mut BitWriter<'_>) {
        out.copy(&self.bodies[body.start..], body.bits);
    }
}

impl Entity {
    fn body(&mut self, schema: &Schema, base: u32, owner: bool, bytes: &mut Vec<u8>) -> Option<Body> {
        if let Some(cached) = self.bodies.iter().find(|body| body.base == base && body.owner == owner) {
            return Some(Body { start: cached.start, bits: cached.bits });
        }
        let state = self.versions.newest()?;
        let base_lanes = if base == 0 { None } else { Some(self.versions.numbered(base)?.lanes) };
        let start = bytes.len();
        let mut writer = BitWriter::new(bytes);
        encode_body(&schema.entities[self.kind], owner, base_lanes, state.lanes, &mut writer);
        let bits = writer.bit_len();
        writer.finish();
        self.bodies.push(CachedBody { base, owner, start, bits });
        Some(Body { start, bits })
    }
}
