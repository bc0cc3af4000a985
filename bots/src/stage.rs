//! How far a bot has come, from its first packet to its last.

use downbeat_wire::Micros;
use downbeat_wire::control::ControlReader;

use crate::Bots;
use crate::join::JOIN_WITHIN;
use crate::light::Light;
use crate::line::LineConn;
use crate::player::Player;
use crate::resume::Back;
use crate::seats::Seat;

/// How far a bot has come.
pub(crate) enum Stage<G: Bots> {
    /// It has not begun to connect, or has left until its time comes again.
    Waiting,
    /// It connects, or waits for its welcome; reliable events may come `early`. It was sent to another shard `redirects`
    /// times.
    Joining {
        conn: LineConn,
        since: Micros,
        redirects: u32,
        reader: ControlReader,
        early: Vec<u8>,
        back: Option<Box<Back<G>>>,
    },
    /// It lost its connection, and makes another one then.
    Away { back: Box<Back<G>>, at: Micros },
    /// It plays.
    Playing { conn: LineConn, reader: ControlReader, player: Box<Player<G>> },
    /// It plays, and is a light one.
    Light { conn: LineConn, light: Box<Light> },
    /// It was in the game and is no longer.
    Lost(Box<Player<G>>),
    /// It was in the game and is no longer, and was a light one.
    LightLost,
    /// It never got in.
    Refused,
}

impl<G: Bots> Stage<G> {
    /// Whether it was in the game and will be again.
    pub(crate) const fn is_coming_back(&self) -> bool {
        matches!(self, Self::Away { .. } | Self::Joining { back: Some(_), .. })
    }

    /// What played, be it on its way back or lost. Not of light ones.
    pub(crate) fn player(&self) -> Option<&Player<G>> {
        match self {
            Self::Playing { player, .. } | Self::Lost(player) => Some(player),
            Self::Away { back, .. } | Self::Joining { back: Some(back), .. } => Some(back.player()),
            _ => None,
        }
    }

    /// Whether it was in the game and will not be again, although it should.
    pub(crate) const fn is_lost(&self) -> bool {
        matches!(self, Self::Lost(_) | Self::LightLost)
    }

    /// Since when it has heard nothing of the server, if it is in the game or wants to be again. Who broke a line has time to
    /// come back.
    pub(crate) fn silent_since(&self, seat: &Seat) -> Option<Micros> {
        match self {
            Self::Playing { player, .. } => Some(player.last_snapshot.unwrap_or_default().max(seat.since)),
            Self::Light { light, .. } => Some(light.heard()),
            Self::Away { back, .. } | Self::Joining { back: Some(back), .. } if back.is_planned() => {
                Some(back.lost() + JOIN_WITHIN)
            }
            Self::Away { back, .. } | Self::Joining { back: Some(back), .. } => Some(back.heard()),
            _ => None,
        }
    }

    /// Whether it was in the game and is so no more, although it should: it was lost, or was not let in again.
    pub(crate) const fn is_gone(&self, seat: &Seat) -> bool {
        self.is_lost() || (seat.entered && matches!(self, Self::Refused))
    }
}
