//! Names of things inside one room. None of them crosses the network as it is: on the wire an entity is a slot.

use std::collections::VecDeque;
use std::fmt;

use crate::limits::{ENTITIES_MAX, IDS_RESTING};

/// A player's place in a room, `0..` [`PLAYERS_MAX`](crate::limits::PLAYERS_MAX).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlayerId(pub u16);

/// An entity of one room: a 20-bit index that is used again, and a 12-bit generation that tells its users apart.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityId(u32);

impl EntityId {
    /// The id of `index` (below [`ENTITIES_MAX`]) in its `generation` (taken modulo 4,096).
    #[must_use]
    pub const fn new(index: u32, generation: u32) -> Self {
        assert!(index < ENTITIES_MAX as u32, "entity indices have 20 bits");
        Self((generation & 0xfff) << 20 | index)
    }

    /// The place in tables of entities.
    #[must_use]
    pub const fn index(self) -> usize {
        (self.0 & 0xf_ffff) as usize
    }

    /// The lane that names this entity; 0 is left for none.
    #[must_use]
    pub const fn to_lane(self) -> i32 {
        // No id has all bits set, since the highest index is left out.
        (self.0 + 1) as i32
    }

    /// The entity that a lane names.
    #[must_use]
    pub const fn from_lane(lane: i32) -> Option<Self> {
        if lane == 0 { None } else { Some(Self(lane as u32 - 1)) }
    }

    /// How often the index was used before, modulo 4,096.
    #[must_use]
    pub const fn generation(self) -> u32 {
        self.0 >> 20
    }
}

impl fmt::Debug for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}v{}", self.index(), self.generation())
    }
}

/// Hands out entity ids. An index rests until [`IDS_RESTING`] others were freed after it, so that a generation
/// comes round again only long after every client has forgotten it.
#[derive(Clone, Debug, Default)]
pub struct EntityIds {
    generations: Vec<u16>,
    resting: VecDeque<u32>,
}

impl EntityIds {
    /// A fresh id; `None` when all indices are in use.
    pub fn spawn(&mut self) -> Option<EntityId> {
        let full = self.generations.len() == ENTITIES_MAX;
        let index = if self.resting.len() > IDS_RESTING || full {
            self.resting.pop_front()?
        } else {
            self.generations.push(0);
            (self.generations.len() - 1) as u32
        };
        Some(EntityId::new(index, u32::from(self.generations[index as usize])))
    }

    /// Gives an id back. Giving it back twice, or one that was never handed out, is a bug of the game.
    pub fn free(&mut self, id: EntityId) {
        let generation = self.generations.get_mut(id.index()).expect("only ids that were handed out come back");
        assert_eq!(u32::from(*generation), id.generation(), "{id:?} came back twice");
        *generation = (*generation + 1) & 0xfff;
        self.resting.push_back(id.index() as u32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_rests_before_its_index_is_used_again() {
        let mut ids = EntityIds::default();
        let first = ids.spawn().expect("there is room");
        ids.free(first);
        for _ in 0..IDS_RESTING {
            let other = ids.spawn().expect("there is room");
            assert_ne!(other.index(), first.index());
            ids.free(other);
        }
        let again = ids.spawn().expect("there is room");
        assert_eq!(again.index(), first.index());
        assert_eq!(again.generation(), first.generation() + 1);
    }

    #[test]
    #[should_panic(expected = "came back twice")]
    fn freeing_twice_is_caught() {
        let mut ids = EntityIds::default();
        let id = ids.spawn().expect("there is room");
        ids.free(id);
        ids.free(id);
    }
}
