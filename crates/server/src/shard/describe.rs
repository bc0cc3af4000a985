//! A client that does not have the game asks for its schema and its model: more bytes than may wait for a client.
//!
//! So the messages are made once, for all who will ever ask, and a client that asks costs a place in a list and one part
//! that waits for it. It gets the next part when QUIC has taken the last: one that does not read gets no more.

use std::ops::Range;

use downbeat_host::SessionId;
use downbeat_replica::Game;
use downbeat_transport::Socket;
use downbeat_wire::Micros;
use downbeat_wire::control::{Hello, ServerMessage, frame};
use downbeat_wire::description::{Description, Part};

use super::Shard;

/// A schema and a model as control messages, in the order in which they are sent.
pub(crate) struct Told {
    frames: Vec<Vec<u8>>,
    /// How many of them are the schema's.
    schema: usize,
}

impl Told {
    pub(crate) fn new(description: &Description) -> Self {
        let parts = |bytes, message: fn(Part) -> ServerMessage| Part::cut(bytes).map(move |part| frame(&message(part)));
        let mut frames: Vec<_> = parts(&description.schema, ServerMessage::Schema).collect();
        let schema = frames.len();
        frames.extend(parts(&description.model, ServerMessage::Model));
        Self { frames, schema }
    }

    /// What `hello` asks for.
    fn asked(&self, hello: &Hello) -> Range<usize> {
        let first = if hello.schema_hash == 0 { 0 } else { self.schema };
        let end = if hello.model_hash == 0 { self.frames.len() } else { self.schema };
        first..end.max(first)
    }
}

/// Those who are being told: each session at most once, since it says one hello.
#[derive(Debug, Default)]
pub(crate) struct Listeners(Vec<(SessionId, Range<usize>)>);

#[cfg(test)]
impl Listeners {
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<G: Game, S: Socket> Shard<G, S> {
    /// Notes what a session that was just let in asked for.
    pub(super) fn listen(&mut self, id: SessionId, hello: &Hello) {
        let asked = self.rules.told.asked(hello);
        if !asked.is_empty() {
            self.listeners.0.push((id, asked));
        }
    }

    /// Goes on telling those who have read what they were told.
    pub(super) fn describe(&mut self, now: Micros) {
        let Self { listeners, sessions, drivers, rules, .. } = self;
        listeners.0.retain_mut(|(id, left)| {
            let Some(link) = sessions.get(*id).and_then(|session| session.link) else { return false };
            let driver = &mut drivers[link.driver];
            while driver.control_backlog(link.conn) == 0 {
                let Some(part) = left.next() else { return false };
                // A connection that is closed ends its session, which is then missing above.
                let _ = driver.write_control(now, link.conn, &rules.told.frames[part]);
            }
            left.start < left.end
        });
    }
}
