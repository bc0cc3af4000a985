//! Where a spectator looks from. It says so in words of its own, which become a place in each tick.

use downbeat_replica::glam::Vec3;
use downbeat_replica::{Camera, EntityId, Game, PlayerId, Scene};
use downbeat_wire::Look;

use crate::room::Room;
use crate::types::{PeerError, SessionId};

/// Where a session looks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Watching {
    from: From,
    /// Where it looked from last: there it stays when whom it follows is gone.
    place: Vec3,
}

#[derive(Clone, Copy, Debug, Default)]
enum From {
    #[default]
    Nowhere,
    Place,
    Player(PlayerId),
    Entity(EntityId),
}

impl Watching {
    /// The camera in this tick; `None` when it looks from nowhere. `avatars` by player.
    pub(crate) fn camera(&mut self, scene: &Scene, avatars: &[Option<EntityId>]) -> Option<Camera> {
        let follows = match self.from {
            From::Nowhere => return None,
            From::Place => None,
            From::Player(player) => avatars.get(usize::from(player.0)).copied().flatten(),
            From::Entity(id) => Some(id),
        };
        let there = follows.and_then(|id| Some((id, scene.position(id)?)));
        self.place = there.map_or(self.place, |(_, place)| place);
        Some(Camera { position: self.place, follows: there.map(|(id, _)| id) })
    }
}

impl<G: Game> Room<G> {
    /// A spectator looks elsewhere from now on. A slot that means nobody to it changes nothing.
    ///
    /// # Errors
    /// When it is a player, or not in this room.
    pub fn look(&mut self, session: SessionId, look: Look) -> Result<(), PeerError> {
        let session = self.sessions.get_mut(&session).ok_or(PeerError::Unknown)?;
        if session.player.is_some() {
            return Err(PeerError::PlayerLooks);
        }
        let watching = &mut session.watching;
        watching.from = match look {
            Look::Overview => From::Nowhere,
            Look::At(spot) => {
                watching.place = Vec3::from_array(spot.into());
                From::Place
            }
            Look::Player(player) => From::Player(PlayerId(player)),
            Look::Entity(slot) => match session.replication.slots.get(usize::from(slot)) {
                Some(Some(shown)) => From::Entity(shown.id),
                _ => watching.from,
            },
        };
        Ok(())
    }
}
