//! A session without a connection. Its player stays in the match: what it held goes on for a while, as for anybody whose inputs
//! do not come, and then it does nothing. It is sent nothing, and keeps what its client knew.

use downbeat_replica::{Game, Tick};
use downbeat_wire::{Base, Held, Resumed};

use crate::entities::Entities;
use crate::kept::Kept;
use crate::limits::KEPT_EVERY;
use crate::replication::Replication;
use crate::rewind::Leads;
use crate::room::{Room, Session};
use crate::types::{Return, SessionId};

impl<G: Game> Room<G> {
    /// The connection of a session was lost. It stays, and waits for [`Self::resume`].
    pub fn suspend(&mut self, session: SessionId) {
        let Some(session) = self.sessions.get_mut(&session) else { return };
        session.is_away = true;
        session.kept = session.kept.take().or_else(|| session.all_known(&self.entities));
    }

    /// A session goes on over another connection, whether [`Self::suspend`] was called or not. `held` is what its client says
    /// that it has; `missed` that it did not hear what came of this the last time. Inputs of before that wait for their ticks still count, others that come are too late. `None` when there
    /// is no such session.
    pub fn resume(&mut self, session: SessionId, held: Option<Held>, missed: bool) -> Option<Return> {
        let session = self.sessions.get_mut(&session)?;
        let kept = session.kept.take().or_else(|| session.all_known(&self.entities));
        let kept = if missed { session.unheard.take() } else { kept };
        session.unheard.clone_from(&kept);
        let (present, interval) = (self.tick, self.options.tick_rate_hz / self.options.send_rate_hz);
        let (replication, base): (_, Option<Base>) = held
            .filter(|held| held.tick > 0)
            .and_then(|held| kept?.resume(Tick(held.tick), present, interval))
            .map_or_else(|| (Replication::default(), None), |(replication, base)| (replication, Some(base)));
        session.replication = replication;
        session.is_away = false;
        session.kept_at = Tick::ZERO;
        // It is another line.
        (session.up_seen, session.leads) = (None, Leads::default());
        session.queue.take_arrivals();
        (session.space, session.heard) = (None, present);
        let (events_from, events) = session.tail.unread(held.map(|held| held.events_read));
        Some(Return { player: session.player, resumed: Resumed { base, events_from }, events })
    }
}

impl Session {
    /// Keeps what the client knows when it is about to be forgotten; lets go of it when the client has answered since.
    pub(crate) fn keep(&mut self, entities: &Entities, tick_rate_hz: u32) {
        if self.is_away {
            return;
        }
        let (tick, interval) = (entities.present(), entities.interval());
        let number = tick.0 / interval;
        if self.replication.sent.is_last_chance(number, interval) {
            let pause = KEPT_EVERY.0 as i64 * i64::from(tick_rate_hz) / 1_000_000;
            if self.kept_at == Tick::ZERO || tick.since(self.kept_at) >= pause {
                (self.kept, self.kept_at) = (self.all_known(entities), tick);
            }
        } else if self.kept.is_some() && self.replication.sent.retained(number, interval).newest().is_some() {
            self.kept = None;
        }
    }

    fn all_known(&self, entities: &Entities) -> Option<Box<Kept>> {
        Kept::of(&self.replication, entities, self.player).map(Box::new)
    }
}
