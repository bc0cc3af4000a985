//! A client that does not have the game asks for its schema and its model: more bytes than may wait for a client.
//!
//! So the messages are made once, for all who will ever ask, and a client that asks costs a place in a list and one part
//! that waits for it. It gets the next part when QUIC has taken the last: one that does not read gets no more. All of them
//! together are told so much in a second, and take turns.

use std::collections::VecDeque;
use std::ops::Range;

use downbeat_host::SessionId;
use downbeat_replica::Game;
use downbeat_transport::Socket;
use downbeat_wire::Micros;
use downbeat_wire::control::{Hello, ServerMessage, frame};
use downbeat_wire::description::{Description, Part};
use downbeat_wire::limits::PART_BYTES_MAX;

use super::Shard;
use crate::limits::{DESCRIPTIONS_BYTES_PER_S, PARTS_PER_TICK};

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
pub(crate) struct Listeners {
    waiting: VecDeque<(SessionId, Range<usize>)>,
    /// When as much may be told again as was.
    rests_at: Micros,
}

#[cfg(test)]
impl Listeners {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

impl<G: Game, S: Socket> Shard<G, S> {
    /// Notes what a session that was just let in asked for.
    pub(super) fn listen(&mut self, id: SessionId, hello: &Hello) {
        // One that took over a connection may still be told what it asked for on the old one.
        self.listeners.waiting.retain(|(other, _)| *other != id);
        let asked = self.rules.told.asked(hello);
        if !asked.is_empty() {
            self.listeners.waiting.push_back((id, asked));
        }
    }

    /// Goes on telling those who have read what they were told.
    pub(super) fn describe(&mut self, now: Micros) {
        let Self { listeners, sessions, drivers, rules, .. } = self;
        let Listeners { waiting, rests_at } = listeners;
        *rests_at = (*rests_at).max(now);
        for _ in 0..waiting.len() {
            // What is told at once is a tenth of what is told in a second.
            if rests_at.since(now) >= Micros::from_millis(100) {
                break;
            }
            let Some((id, mut left)) = waiting.pop_front() else { break };
            let Some(link) = sessions.get(id).and_then(|session| session.link) else { continue };
            let driver = &mut drivers[link.driver];
            for part in left.clone().take(PARTS_PER_TICK) {
                if driver.control_backlog(link.conn) > 0 {
                    break;
                }
                // A connection that is closed ends its session, which is then missing above.
                let _ = driver.write_control(now, link.conn, &rules.told.frames[part]);
                left.start = part + 1;
                *rests_at = *rests_at + PART_TIME;
            }
            if !left.is_empty() {
                waiting.push_back((id, left));
            }
        }
    }
}

/// The time in which a part may be told again.
const PART_TIME: Micros = Micros(PART_BYTES_MAX as u64 * 1_000_000 / DESCRIPTIONS_BYTES_PER_S);
