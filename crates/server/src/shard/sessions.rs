//! A session is one client's part in a match. It is named by its id and not by its connection: the connection may be
//! replaced, and there may be none for a while.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use downbeat_host::SessionId;
use downbeat_replica::PlayerId;
use downbeat_wire::Micros;

use super::peers::Link;
use super::tokens::Tokens;
use crate::guard::Rate;
use crate::limits::SESSIONS_MAX;

/// Who takes part.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) name: Arc<str>,
    /// `None` where no tickets are asked for.
    pub(crate) account: Option<Arc<str>>,
    /// When it was let in.
    pub(crate) since: Micros,
}

/// One client's part in a match.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) identity: Identity,
    /// The connection it is reached by.
    pub(crate) link: Option<Link>,
    pub(crate) room: u64,
    /// `None` for a spectator.
    pub(crate) player: Option<PlayerId>,
    pub(crate) says: Rate,
    pub(crate) tokens: Tokens,
    /// While it has no connection: until when it waits for one.
    pub(crate) away_until: Micros,
    /// Likewise: the network that it was lost from, which it is counted for.
    pub(crate) away_from: Option<IpAddr>,
    /// Until when nobody hears what it says.
    pub(crate) muted_until: Micros,
}

/// All sessions of a shard. An id is a place and a generation, so that an old id never means a new session.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    places: Vec<(u16, Option<Session>)>,
    vacant: VecDeque<u16>,
    count: usize,
    /// The place that [`Self::in_turn`] looks at next.
    turn: usize,
}

impl Sessions {
    /// A new session, which is made for its id; `None` when there are too many.
    pub(crate) fn insert(&mut self, session: impl FnOnce(SessionId) -> Session) -> Option<SessionId> {
        let place = match self.vacant.pop_front() {
            Some(place) => place,
            None => {
                let place = self.places.len();
                (place < SESSIONS_MAX).then(|| self.places.push((0, None)))?;
                place as u16
            }
        };
        let (generation, occupant) = &mut self.places[usize::from(place)];
        let id = SessionId(u32::from(*generation) << 16 | u32::from(place));
        *occupant = Some(session(id));
        self.count += 1;
        Some(id)
    }

    pub(crate) fn get(&self, id: SessionId) -> Option<&Session> {
        let (generation, occupant) = self.places.get(place_of(id))?;
        occupant.as_ref().filter(|_| *generation == generation_of(id))
    }

    pub(crate) fn get_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        let (generation, occupant) = self.places.get_mut(place_of(id))?;
        occupant.as_mut().filter(|_| *generation == generation_of(id))
    }

    pub(crate) fn remove(&mut self, id: SessionId) -> Option<Session> {
        let (generation, occupant) = self.places.get_mut(place_of(id))?;
        let session = occupant.take_if(|_| *generation == generation_of(id))?;
        *generation = generation.wrapping_add(1);
        self.vacant.push_back(place_of(id) as u16);
        self.count -= 1;
        Some(session)
    }

    pub(crate) const fn len(&self) -> usize {
        self.count
    }

    /// A player's.
    pub(crate) fn of(&self, room: u64, player: PlayerId) -> Option<&Session> {
        let mut all = self.places.iter().filter_map(|(_, occupant)| occupant.as_ref());
        all.find(|session| session.room == room && session.player == Some(player))
    }

    /// One session after the other, and then the first again.
    pub(crate) fn in_turn(&mut self) -> Option<&Session> {
        let places = self.places.len();
        let at = (0..places).map(|i| (self.turn + i) % places).find(|&at| self.places[at].1.is_some())?;
        self.turn = at + 1;
        self.places[at].1.as_ref()
    }

    /// All sessions, or those of one room.
    pub(crate) fn ids(&self, room: Option<u64>) -> Vec<SessionId> {
        let places = self.places.iter().enumerate();
        let ids = places.filter_map(|(place, (generation, occupant))| {
            let session = occupant.as_ref()?;
            room.is_none_or(|room| session.room == room)
                .then_some(SessionId(u32::from(*generation) << 16 | place as u32))
        });
        ids.collect()
    }
}

const fn place_of(id: SessionId) -> usize {
    (id.0 & 0xffff) as usize
}

const fn generation_of(id: SessionId) -> u16 {
    (id.0 >> 16) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(id: SessionId, room: u64) -> Session {
        let identity = Identity { name: "Ada".into(), account: None, since: Micros(0) };
        let tokens = Tokens::new(0, id);
        let (says, muted_until, away_until) = (Rate::default(), Micros(0), Micros(0));
        Session { identity, link: None, room, player: None, says, tokens, away_until, away_from: None, muted_until }
    }

    #[test]
    fn an_old_id_never_means_a_new_session() {
        let mut sessions = Sessions::default();
        let first = sessions.insert(|id| session(id, 1)).expect("there is room");
        let other = sessions.insert(|id| session(id, 2)).expect("there is room");
        assert!(sessions.remove(first).is_some());
        assert!(sessions.remove(first).is_none());
        let second = sessions.insert(|id| session(id, 2)).expect("there is room");
        assert_ne!(first, second);
        assert!(sessions.get(first).is_none() && sessions.get_mut(first).is_none());
        assert_eq!(sessions.get(second).expect("it is there").room, 2);
        assert_eq!(sessions.len(), 2);
        let mut ids = sessions.ids(Some(2));
        ids.sort();
        assert_eq!(ids, [other.min(second), other.max(second)]);
        assert_eq!(sessions.ids(Some(1)), []);
    }

    #[test]
    fn every_session_has_its_turn() {
        let mut sessions = Sessions::default();
        assert!(sessions.in_turn().is_none());
        let ids: Vec<_> = (0..5).map(|room| sessions.insert(|id| session(id, room)).expect("there is room")).collect();
        sessions.remove(ids[1]);
        sessions.remove(ids[4]);
        let rooms: Vec<_> = (0..7).filter_map(|_| sessions.in_turn().map(|session| session.room)).collect();
        assert_eq!(rooms, [0, 2, 3, 0, 2, 3, 0]);
    }

    #[test]
    fn there_is_a_limit() {
        let mut sessions = Sessions::default();
        for _ in 0..SESSIONS_MAX {
            assert!(sessions.insert(|id| session(id, 1)).is_some());
        }
        assert!(sessions.insert(|id| session(id, 1)).is_none());
    }
}
