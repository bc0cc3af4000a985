//! What there is to be told, and how it is written: one JSON object a line.

use std::borrow::Cow;
use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::control::Act;
use crate::ticket::Role;

/// Somebody who takes part.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Player<'a> {
    /// Its place in the room; none for a spectator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) player: Option<u16>,
    pub(crate) name: Cow<'a, str>,
    /// As its ticket says; none where no tickets are asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) account: Option<Cow<'a, str>>,
}

/// What happened.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event<'a> {
    RoomOpened {
        room: u64,
    },
    /// `reason` is a close code, or `EMPTY`.
    RoomClosed {
        room: u64,
        reason: &'static str,
    },
    Joined {
        room: u64,
        #[serde(flatten)]
        who: Player<'a>,
        role: Role,
    },
    /// `reason` is a close code, or how the connection was lost.
    Left {
        room: u64,
        #[serde(flatten)]
        who: Player<'a>,
        reason: &'static str,
        seconds: f64,
    },
    /// A game told a result of that name.
    Result {
        room: u64,
        tick: u32,
        result: &'static str,
        #[serde(flatten)]
        who: Option<Player<'a>>,
        data: &'a RawValue,
    },
    /// Somebody did something through the admin interface.
    Act {
        by: &'a str,
        what: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        room: Option<u64>,
        #[serde(flatten)]
        to: Option<Player<'a>>,
        #[serde(skip_serializing_if = "str::is_empty")]
        text: &'a str,
    },
}

impl<'a> Event<'a> {
    /// What somebody did through the admin interface.
    pub(crate) fn of(Act { by, what, to, room, text }: &'a Act) -> Self {
        let to = to.as_ref().map(|who| Player {
            player: None,
            name: Cow::Borrowed(&who.name),
            account: who.account.as_deref().map(Cow::Borrowed),
        });
        Self::Act { by, what, room: *room, to, text }
    }
}

#[derive(Serialize)]
struct Record<'a> {
    id: &'a str,
    /// Milliseconds since 1970 (UTC).
    time_ms: u64,
    #[serde(flatten)]
    event: &'a Event<'a>,
}

/// An event as a line, without its end.
pub(super) fn line(id: &str, time: Duration, event: &Event<'_>) -> String {
    let record = Record { id, time_ms: time.as_millis() as u64, event };
    serde_json::to_string(&record).expect("texts and numbers are JSON")
}
