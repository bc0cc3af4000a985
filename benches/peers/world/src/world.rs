//! The same crowd for everybody: Downbeat's game `field`, stepped and rounded by its own code, without its netcode.

use downbeat_field::{Avatars, Config, Entity, Field, Input};
use downbeat_replica::{
    Capture, Captured, EntityId, Events, Game, Inputs, Kinds, LaneReader, PlayerId, PlayerInput, Scene, Setup, Tick,
    ViewTick, Viewer, Visible,
};

use crate::{Press, Sight, State};

/// Walkers of the world. Each moves in every tick.
pub const WALKERS: usize = 200;

/// Lanes of a walker.
const LANES: usize = 5;

/// The rules of the field for this sight.
#[must_use]
pub fn rules(sight: Sight) -> Config {
    let visible = match sight {
        Sight::All => WALKERS as u32,
        Sight::Nearest(count) => count,
    };
    Config { walkers: WALKERS as u32, visible, avatars: Avatars::Private }
}

/// The crowd and the avatars of the players.
pub struct World {
    game: Field,
    tick: Tick,
    /// Ascending by player.
    inputs: Vec<PlayerInput<Input>>,
    /// By player.
    avatars: Vec<Option<EntityId>>,
    /// Walkers first, then avatars.
    captured: Vec<Captured>,
    lanes: Vec<i32>,
    scene: Scene,
    visible: Visible,
}

impl World {
    /// A world for at most `players`, each of whom is shown what `sight` says.
    #[must_use]
    pub fn new(sight: Sight, players: usize) -> Self {
        let setup = Setup { tick_rate_hz: 60, seed: 1, players_max: players as u16 };
        let mut world = Self {
            game: Field::new(&rules(sight), setup).expect("the rules are legal"),
            tick: Tick::ZERO,
            inputs: Vec::new(),
            avatars: vec![None; players],
            captured: Vec::new(),
            lanes: Vec::new(),
            scene: Scene::default(),
            visible: Visible::default(),
        };
        world.capture();
        world
    }

    /// A player comes. Who comes again is let be.
    pub fn join(&mut self, player: u16) {
        let player = PlayerId(player);
        if let Err(place) = self.inputs.binary_search_by_key(&player, |input| input.player) {
            self.game.join(player, "");
            let neutral =
                PlayerInput { player, input: Input::default(), view: ViewTick::default(), substituted: false };
            self.inputs.insert(place, neutral);
        }
    }

    /// A player does this from now on.
    pub fn press(&mut self, player: u16, press: Press) {
        if let Ok(place) = self.inputs.binary_search_by_key(&PlayerId(player), |input| input.player) {
            self.inputs[place].input = press.into();
        }
    }

    /// Advances everybody by a tick.
    pub fn step(&mut self) {
        self.tick = self.tick.next();
        self.game.step(self.tick, &Inputs::new(&self.inputs), &(), &mut Events::default());
        self.capture();
    }

    fn capture(&mut self) {
        let nothing = |_, _| None;
        self.game.capture(&mut Capture::new(&mut self.captured, &mut self.lanes, &nothing));
        self.scene.clear();
        for captured in &self.captured {
            let mut lanes = LaneReader::new(&self.lanes[captured.first_lane..]);
            let position = match Entity::read(captured.kind, &mut lanes) {
                Some(Entity::Walker(walker)) => walker.position,
                Some(Entity::Avatar(avatar)) => avatar.position,
                None => unreachable!("the field captures its own kinds"),
            };
            self.scene.push(captured.id, position);
            if let Some(player) = captured.avatar {
                self.avatars[usize::from(player.0)] = Some(captured.id);
            }
        }
    }

    /// The states of all walkers; their place says who they are.
    pub fn walkers<S: State>(&self) -> impl ExactSizeIterator<Item = S> {
        self.lanes.as_chunks().0[..WALKERS].iter().map(|lanes: &[i32; LANES]| S::of(*lanes))
    }

    /// Calls `seen` with the place of each walker that the player is shown, ascending.
    pub fn near(&mut self, player: u16, seen: impl FnMut(usize)) {
        let avatar = self.avatars[usize::from(player)];
        self.visible.clear();
        self.game.relevance(&Viewer { player: Some(PlayerId(player)), avatar, camera: None }, &self.scene, &mut self.visible);
        let walkers = self.visible.sorted().iter().filter(|id| Some(**id) != avatar);
        walkers.map(|id: &EntityId| id.index()).for_each(seen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rounded;

    #[test]
    fn everybody_moves_in_every_tick() {
        let mut world = World::new(Sight::All, 1);
        for _ in 0..300 {
            let before: Vec<Rounded> = world.walkers().collect();
            world.step();
            let same = before.iter().zip(world.walkers()).filter(|(before, now)| *before == now).count();
            assert_eq!((before.len(), same), (WALKERS, 0));
        }
    }

    #[test]
    fn a_player_is_shown_the_nearest_of_where_it_ran() {
        let mut world = World::new(Sight::Nearest(32), 2);
        world.join(0);
        world.join(1);
        let mut seen = [Vec::new(), Vec::new()];
        for tick in 0..120 {
            world.press(0, Press { forward: 8, ..Press::of(0, tick) });
            world.step();
            for (player, seen) in seen.iter_mut().enumerate() {
                seen.clear();
                world.near(player as u16, |i| seen.push(i));
                assert_eq!(seen.len(), 32);
                assert!(seen.is_sorted() && seen[31] < WALKERS, "{seen:?}");
            }
        }
        assert_ne!(seen[0], seen[1]);
    }
}
