//! What a shard gives to the records: rooms, who comes and goes, and what games tell.

use std::borrow::Cow;

use downbeat_host::SessionId;
use downbeat_replica::{Game, PlayerId};
use downbeat_transport::Socket;
use downbeat_wire::{CloseCode, Micros};
use serde_json::value::RawValue;

use super::Shard;
use super::sessions::Session;
use crate::notice::Notice;
use crate::records::{Event, Player};
use crate::ticket::Role;

impl<G: Game, S: Socket> Shard<G, S> {
    pub(super) fn keep_joined(&self, id: SessionId, role: Role) {
        let Some(session) = self.sessions.get(id) else { return };
        self.recorder.tell(&Event::Joined { room: session.room, who: player(session), role });
    }

    pub(super) fn keep_left(&self, now: Micros, session: &Session, reason: &'static str) {
        let seconds = now.since(session.identity.since).as_secs_f64();
        self.recorder.tell(&Event::Left { room: session.room, who: player(session), reason, seconds });
    }

    /// What became of a room.
    pub(super) fn keep_room(&self, notice: &Notice) {
        let (room, reason) = match *notice {
            Notice::RoomOpened { room } => return self.recorder.tell(&Event::RoomOpened { room }),
            Notice::RoomClosed { room } => (room, "EMPTY"),
            Notice::RoomEnded { room, .. } => (room, CloseCode::RoomClosed.label()),
            Notice::RoomFailed { room } => (room, CloseCode::RoomFailed.label()),
            _ => return,
        };
        self.recorder.tell(&Event::RoomClosed { room, reason });
    }

    /// What a room's game told since it was last asked. Of whom it is about, `leaving` may be no session any more.
    pub(super) fn keep_results(&mut self, room: u64, leaving: Option<&Session>) {
        let Self { rooms, sessions, recorder, .. } = self;
        let tick = rooms.present(room).map_or(0, |tick| tick.0);
        let Some(results) = rooms.results(room) else { return };
        recorder.note_refused(results.take_refused());
        for result in results.drain() {
            let is_meant = |session: &&Session| session.room == room && session.player == result.player;
            let found = leaving.filter(is_meant).or_else(|| result.player.and_then(|player| sessions.of(room, player)));
            let who = found.map(player).or_else(|| result.player.map(nobody));
            let data = RawValue::from_string(result.data).expect("the game's data were written as JSON");
            recorder.tell(&Event::Result { room, tick, result: result.name, who, data: &data });
        }
    }
}

fn player(session: &Session) -> Player<'_> {
    Player {
        player: session.player.map(|player| player.0),
        name: Cow::Borrowed(&session.identity.name),
        account: session.identity.account.as_deref().map(Cow::Borrowed),
    }
}

/// A player whose session is gone.
const fn nobody(player: PlayerId) -> Player<'static> {
    Player { player: Some(player.0), name: Cow::Borrowed(""), account: None }
}
