//! What a bot of each kind is given.

use downbeat_replica::Game;

use super::codec::Codec;
use super::inputs::{Extra, Fast, Future, Hold, Replay};
use super::kind::Kind;
use super::lies::{Ahead, BACK_TICKS, Back, Flood, Forge, Late, Long, Noise};
use super::picture::Delayed;
use super::tamper::{Switch, Tamper, Trick};
use crate::Brain;
use crate::dice::Dice;

/// The layer of a bot of this kind; `None` for kinds that do not play.
pub(crate) fn tamper(kind: Kind, switch: &Switch, codec: Codec, seed: u64) -> Option<Box<Tamper>> {
    let trick: Box<dyn Trick> = match kind {
        Kind::Extra => Box::new(Extra),
        Kind::Fast => Box::new(Fast::default()),
        Kind::Future => Box::new(Future::default()),
        Kind::Bank => Box::new(Hold::bank()),
        Kind::Lag => Box::new(Hold::lag()),
        Kind::ViewBack => Box::new(Back),
        Kind::ViewAhead => Box::new(Ahead),
        Kind::LateAcks => Box::new(Late::default()),
        Kind::ForgedAcks => Box::new(Forge),
        Kind::Malformed => Box::new(Noise(Dice::new(seed))),
        Kind::Oversized => Box::new(Long),
        Kind::Replay => Box::new(Replay::default()),
        Kind::ControlFlood => Box::new(Flood),
        Kind::SlowReader | Kind::HalfOpen | Kind::Reconnect | Kind::TicketReplay => return None,
    };
    Some(Box::new(Tamper::new(switch.clone(), trick, codec)))
}

/// Its brain, which is `honest` but for what it is shown.
pub(crate) fn brain<G: Game>(kind: Kind, switch: &Switch, honest: Box<dyn Brain<G>>) -> Box<dyn Brain<G>> {
    match kind {
        Kind::ViewBack | Kind::LateAcks => Box::new(Delayed::new(honest, switch.clone(), BACK_TICKS)),
        _ => honest,
    }
}
