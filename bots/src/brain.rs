//! Who plays in place of a person. A game brings brains of its own, or is played by the standard ones.

use downbeat_client::View;
use downbeat_replica::{Game, Tick};
use downbeat_wire::Look;

use crate::brains;

/// Plays one player. Equal seeds and equal views give equal inputs.
pub trait Brain<G: Game> {
    /// What the player does in `tick`, seeing `view`. Called once for each tick, in ascending order.
    fn decide(&mut self, view: &View<'_, G>, tick: Tick) -> G::Input;

    /// Where a spectator looks from now on, seeing `view`; `None` to go on as before. Called ten times a second, and not for
    /// players: these look from where they are.
    fn look(&mut self, view: &View<'_, G>) -> Option<Look> {
        let _ = view;
        None
    }
}

/// A game that bots can play. `impl Bots for MyGame {}` is enough: the standard brains know inputs by their table.
pub trait Bots: Game {
    /// What [`Self::brain`] knows; the first is used when nothing is said. Bots with the brain `spectate` come as spectators,
    /// all others as players.
    const BRAINS: &'static [&'static str] = brains::STANDARD;

    /// A brain called `name` for a match of `tick_rate_hz`, all its chance drawn from `seed`; `None` for a name it
    /// does not know.
    #[must_use]
    fn brain(name: &str, seed: u64, tick_rate_hz: u32) -> Option<Box<dyn Brain<Self>>> {
        brains::standard(name, seed, tick_rate_hz)
    }

    /// How often a player did what cheats want to do more often (shots, as a rule) between two states of its avatar, both as
    /// the server told them: for reports on hostile bots. Never, if the game does not say.
    #[must_use]
    fn acts(before: &Self::Entity, after: &Self::Entity) -> u32 {
        let _ = (before, after);
        0
    }

    /// Whether an event tells a player that it hit somebody: likewise.
    #[must_use]
    fn is_hit(event: &Self::Event) -> bool {
        let _ = event;
        false
    }
}
