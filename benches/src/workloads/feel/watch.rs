//! A player who plays like a bot and notes what is on its screen: how its own figure moves, and whom its shots hit.

use std::cell::RefCell;
use std::rc::Rc;

use downbeat_arena::{Arena, Entity, Input, Player as Avatar, Weapon, look};
use downbeat_bots::Brain;
use downbeat_client::View;
use downbeat_replica::glam::Vec3;
use downbeat_replica::{Context, Game, Input as _, PlayerId, Tick, ViewTick, dt};
use downbeat_simnet::Player;

use super::play::TICK_RATE_HZ;

/// A rifle shot that hits somebody on the screen of who fires it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shot {
    /// The tick of the input that fires.
    pub(super) tick: Tick,
    pub(super) shooter: PlayerId,
    pub(super) victim: PlayerId,
    /// How often each of them had died: the lives they were in.
    pub(super) lives: [u16; 2],
    /// Ticks from the shown moment to `tick`.
    pub(super) age_ticks: i64,
}

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) shots: Vec<Shot>,
    /// The largest jump of the own figure in a frame, in metres.
    pub(super) jump_m: f32,
    /// Frames in which one life ended or the next began.
    pub(super) turns: u64,
    last: Option<Frame>,
}

/// The own figure in a frame.
#[derive(Debug)]
struct Frame {
    /// Where it was drawn.
    drawn: Vec3,
    alive: bool,
    deaths: u16,
    /// How far the game's own step carries it to the next frame.
    way: Vec3,
}

/// The player.
pub(super) struct Watched {
    pub(super) brain: Box<dyn Brain<Arena>>,
    pub(super) seen: Rc<RefCell<Seen>>,
}

impl Player<Arena> for Watched {
    fn decide(&mut self, tick: Tick, view: &View<'_, Arena>) -> Input {
        let input = self.brain.decide(view, tick).rounded();
        if let Some(Entity::Player(own)) = &view.avatar {
            self.seen.borrow_mut().look(tick, view, own, &input);
        }
        input
    }
}

impl Seen {
    fn look(&mut self, tick: Tick, view: &View<'_, Arena>, own: &Avatar, input: &Input) {
        let drawn = own.position + view.avatar_offset;
        let stepped = stepped(tick, view, own, input);
        if let Some(last) = &self.last {
            if (last.alive, last.deaths) != (own.alive, own.deaths) {
                self.turns += 1;
            } else if own.alive {
                self.jump_m = self.jump_m.max((drawn - last.drawn - last.way).length());
            }
        }
        let fires = own.weapon == Weapon::Rifle || stepped.weapon == Weapon::Rifle;
        if fires && stepped.rifle_ammo < own.rifle_ammo {
            self.shots.extend(aimed_at(tick, view, &stepped));
        }
        let way = stepped.position - own.position;
        self.last = Some(Frame { drawn, alive: own.alive, deaths: own.deaths, way });
    }
}

/// The avatar after the tick that the input is for: what the client will predict.
fn stepped(tick: Tick, view: &View<'_, Arena>, own: &Avatar, input: &Input) -> Avatar {
    let context = Context { world: view.world, tick, dt: dt(TICK_RATE_HZ), others: view.others };
    let mut entity = Entity::Player(own.clone());
    Arena::predict(&context, &mut entity, input);
    match entity {
        Entity::Player(stepped) => stepped,
        _ => own.clone(),
    }
}

/// The shot of `own`, if it hits somebody who is shown.
fn aimed_at(tick: Tick, view: &View<'_, Arena>, own: &Avatar) -> Option<Shot> {
    let eyes = view.world.eyes(own.position);
    let way = look(own.yaw, own.pitch);
    let reach = view.world.ray(eyes, way, view.world.rules().rifle.range_m);
    let met = view.others.iter().filter_map(|other| match &other.entity {
        Entity::Player(other) if other.alive && other.player != own.player => {
            Some((view.world.ray_to_player(eyes, way, other.position).filter(|&at| at < reach)?, other))
        }
        _ => None,
    });
    let (_, victim) = met.min_by(|a, b| a.0.total_cmp(&b.0))?;
    let age_ticks = tick.since(ViewTick::at(view.shown).tick);
    Some(Shot { tick, shooter: own.player, victim: victim.player, lives: [own.deaths, victim.deaths], age_ticks })
}
