//! Lag compensation: a shot is tested against what its shooter saw, which lies in the past.

use downbeat_replica::{EntityId, Kinds, LaneReader, Rewind, Schema, Tick, ViewTick, interpolate};

use crate::entities::Entities;

/// The past of a room, up to its limit.
pub(crate) struct Past<'a> {
    pub(crate) entities: &'a Entities,
    pub(crate) schema: &'a Schema,
    /// The tick that is being stepped; its own state is not there yet.
    pub(crate) present: Tick,
    pub(crate) limit_ticks: u32,
}

impl<E: Kinds> Rewind<E> for Past<'_> {
    fn at(&self, id: EntityId, view: ViewTick) -> Option<E> {
        let entity = self.entities.of(id)?;
        let last = self.present.offset(-1);
        if self.present.since(view.tick) > i64::from(self.limit_ticks) {
            return None;
        }
        let (from, to, fraction) =
            if view.tick >= last { (last, last, 0) } else { (view.tick, view.tick.next(), view.sixteenths) };
        let kind = &self.schema.entities[entity.kind];
        let (from, to) = (entity.versions.at(from)?.lanes, entity.versions.at(to)?.lanes);
        let (mut lanes, mut fractions) = (Vec::new(), Vec::new());
        interpolate(kind, from, to, f32::from(fraction) / 16.0, &mut lanes, &mut fractions);
        E::read(entity.kind, &mut LaneReader::between(&lanes, &fractions))
    }
}
