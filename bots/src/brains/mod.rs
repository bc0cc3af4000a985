//! The brains that come with the bots.
//!
//! | module | holds |
//! |---|---|
//! | [`generic`] | `wander` and `idle` for any game, by the table of its inputs |
//! | [`spectate`] | `spectate` for any game |
//! | `arena` | `fight` and `wander` for the arena |

mod arena;
mod generic;
mod spectate;

use downbeat_arena::{Arena, Entity, Event};
use downbeat_field::Field;
use downbeat_replica::Game;

pub(crate) use self::generic::Wander;
use self::spectate::Spectate;
use crate::{Bots, Brain};

/// Names of the standard brains.
pub(crate) const STANDARD: &[&str] = &["wander", IDLE, SPECTATE];

/// The one that does nothing.
pub(crate) const IDLE: &str = "idle";

/// The one that watches.
pub(crate) const SPECTATE: &str = "spectate";

/// The brains that any game can be played by: `wander` draws inputs by the table of the game's inputs and changes them
/// at least once a second, `idle` does nothing, `spectate` watches from one place after the other. `None` for other names.
#[must_use]
pub fn standard<G: Game>(name: &str, seed: u64, tick_rate_hz: u32) -> Option<Box<dyn Brain<G>>> {
    match name {
        "wander" => Some(Box::new(Wander::new::<G::Input>(seed, tick_rate_hz))),
        IDLE => Some(Box::new(generic::Idle)),
        SPECTATE => Some(Box::new(Spectate::new(seed, tick_rate_hz))),
        _ => None,
    }
}

impl Bots for Arena {
    const BRAINS: &'static [&'static str] = &["fight", "wander", IDLE, SPECTATE];

    fn brain(name: &str, seed: u64, tick_rate_hz: u32) -> Option<Box<dyn Brain<Self>>> {
        match name {
            "fight" => Some(Box::new(arena::Fight::new(seed, tick_rate_hz))),
            "wander" => Some(Box::new(arena::Wander::new(seed, tick_rate_hz))),
            _ => standard(name, seed, tick_rate_hz),
        }
    }

    /// Shots: rounds and rockets that are fewer than before.
    fn acts(before: &Entity, after: &Entity) -> u32 {
        let (Entity::Player(before), Entity::Player(after)) = (before, after) else { return 0 };
        let spent = [(before.rifle_ammo, after.rifle_ammo), (before.rockets, after.rockets)];
        let spent = spent.map(|(had, has)| u32::from(had.saturating_sub(has)));
        // A new life begins with what it begins with.
        let is_one_life = before.alive && after.alive && before.deaths == after.deaths;
        if is_one_life { spent.iter().sum() } else { 0 }
    }

    fn is_hit(event: &Event) -> bool {
        matches!(event, Event::Hit(_))
    }
}

impl Bots for Field {}
