//! Where everything is in one tick: what relevance asks.

use glam::Vec3;

use crate::EntityId;

/// The entities of a room in one tick, ascending by id, with their positions.
#[derive(Debug, Default)]
pub struct Scene {
    ids: Vec<EntityId>,
    positions: Vec<Vec3>,
}

impl Scene {
    /// Empties the scene for the next tick.
    pub fn clear(&mut self) {
        self.ids.clear();
        self.positions.clear();
    }

    /// Adds an entity. Ids ascend.
    pub fn push(&mut self, id: EntityId, position: Vec3) {
        debug_assert!(self.ids.last().is_none_or(|last| last.index() < id.index()));
        self.ids.push(id);
        self.positions.push(position);
    }

    /// All entities, ascending.
    pub fn ids(&self) -> impl Iterator<Item = EntityId> {
        self.ids.iter().copied()
    }

    /// All entities with their positions in metres.
    pub fn iter(&self) -> impl Iterator<Item = (EntityId, Vec3)> {
        self.ids.iter().copied().zip(self.positions.iter().copied())
    }

    /// Where `id` is; `None` when it is not in the scene.
    #[must_use]
    pub fn position(&self, id: EntityId) -> Option<Vec3> {
        let at = self.ids.binary_search_by_key(&id.index(), |id| id.index()).ok()?;
        (self.ids[at] == id).then(|| self.positions[at])
    }

    /// The entities within `radius` metres of `center`, ascending.
    pub fn within(&self, center: Vec3, radius: f32) -> impl Iterator<Item = EntityId> {
        self.iter().filter(move |(_, at)| at.distance_squared(center) <= radius * radius).map(|(id, _)| id)
    }

    /// The `count` entities nearest to `center` that pass `filter`, in no particular order. Equal distances go to
    /// the lower id.
    pub fn nearest(&self, center: Vec3, count: usize, filter: impl Fn(EntityId) -> bool) -> Vec<EntityId> {
        let mut found: Vec<_> =
            self.iter().filter(|(id, _)| filter(*id)).map(|(id, at)| (at.distance_squared(center), id)).collect();
        if count < found.len() && count > 0 {
            found.select_nth_unstable_by(count - 1, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        }
        found.truncate(count);
        found.into_iter().map(|(_, id)| id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_are_found_and_ties_go_to_the_lower_id() {
        let mut scene = Scene::default();
        for (i, x) in [5.0, 1.0, 3.0, 3.0, 9.0].into_iter().enumerate() {
            scene.push(EntityId::new(i as u32, 0), Vec3::new(x, 0.0, 0.0));
        }
        let mut near = scene.nearest(Vec3::ZERO, 2, |_| true);
        near.sort_unstable();
        assert_eq!(near.iter().map(|id| id.index()).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(scene.nearest(Vec3::ZERO, 9, |id| id.index() != 4).len(), 4);
        assert_eq!(scene.within(Vec3::ZERO, 3.0).count(), 3);
        assert_eq!(scene.position(EntityId::new(1, 1)), None, "another generation");
    }
}
