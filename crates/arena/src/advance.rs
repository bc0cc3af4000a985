//! What a player's own input does to its avatar in a tick: the part that clients predict to the bit. All it reads
//! is the avatar, the input, the world, the length of a tick and, when bodies touch, where the others are.

use glam::{Vec2, Vec3};

use crate::limits::COOLDOWN_TICKS_MAX;
use crate::movement::Motion;
use crate::rules::ticks;
use crate::{Input, Player, Select, Weapon, World};

/// Just short of straight up and down.
const PITCH_MAX: f32 = 1.55;

/// Below this speed friction stops a body: in a tick it would not cross a step of the position.
const REST_MPS: f32 = 1.0 / 16.0;

/// How fast bodies that overlap are pushed apart, each.
pub(crate) const PUSH_MPS: f32 = 2.0;

/// Nothing moves faster, in metres per second on an axis: what a velocity can be told in, less a margin.
const SPEED_MAX_MPS: f32 = 60.0;

/// Where another player stands, for contact.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Neighbour {
    pub(crate) player: downbeat_replica::PlayerId,
    pub(crate) feet: Vec3,
}

/// Advances `own` by one tick of `dt` seconds. Gives the weapon that it fires.
pub(crate) fn advance(
    world: &World,
    own: &mut Player,
    input: &Input,
    dt: f32,
    others: impl Iterator<Item = Neighbour>,
) -> Option<Weapon> {
    if !own.alive {
        own.respawn = own.respawn.saturating_sub(1);
        return None;
    }
    own.yaw = input.yaw;
    own.pitch = aimed_pitch(input);
    run(world, own, input, dt);
    let push = if world.rules().contact { push(world, own, others) } else { Vec3::ZERO };
    travel(world, own, push, dt);
    handle_weapon(world, own, input, dt)
}

/// The pitch that counts: a head turns no further than straight up or down.
pub(crate) fn aimed_pitch(input: &Input) -> f32 {
    input.pitch.clamp(-PITCH_MAX, PITCH_MAX)
}

/// A velocity that can be told.
pub(crate) fn bounded(velocity: Vec3) -> Vec3 {
    velocity.clamp(Vec3::splat(-SPEED_MAX_MPS), Vec3::splat(SPEED_MAX_MPS))
}

/// Acceleration and friction as in Quake: gain speed towards the wish until its component reaches the wished speed.
fn run(world: &World, own: &mut Player, input: &Input, dt: f32) {
    let rules = world.rules();
    if own.grounded {
        let speed = own.velocity.length();
        let drop = speed.max(rules.stop_speed_mps) * rules.friction_per_s * dt;
        let kept = speed - drop;
        own.velocity = if kept < REST_MPS { Vec3::ZERO } else { own.velocity * (kept / speed) };
    }
    let (sin, cos) = libm::sincosf(input.yaw);
    // Running aslant is no faster.
    let wish = Vec2::new(input.right, input.forward).clamp_length_max(1.0);
    let wish = Vec3::new(cos * wish.x - sin * wish.y, 0.0, -sin * wish.x - cos * wish.y);
    let share = wish.length();
    if share > 0.0 {
        let acceleration = if own.grounded { rules.ground_acceleration_mps2 } else { rules.air_acceleration_mps2 };
        let towards = wish / share;
        let missing = share * rules.run_speed_mps - own.velocity.dot(towards);
        own.velocity += towards * missing.clamp(0.0, acceleration * dt);
    }
    if own.grounded && input.jump && rules.jump_speed_mps > 0.0 {
        own.velocity.y = rules.jump_speed_mps;
        own.grounded = false;
    }
}

/// The velocity at which bodies that overlap move apart.
fn push(world: &World, own: &Player, others: impl Iterator<Item = Neighbour>) -> Vec3 {
    let body = world.body;
    let mut push = Vec3::ZERO;
    for other in others {
        let apart = own.position - other.feet;
        let flat = apart.with_y(0.0);
        if apart.y.abs() < body.height && flat.length_squared() < 4.0 * body.radius * body.radius {
            // Two in the same place part by their numbers.
            let sideways = if own.player < other.player { Vec3::X } else { Vec3::NEG_X };
            push += flat.try_normalize().unwrap_or(sideways) * PUSH_MPS;
        }
    }
    push.clamp_length_max(PUSH_MPS)
}

fn travel(world: &World, own: &mut Player, push: Vec3, dt: f32) {
    own.velocity = bounded(own.velocity);
    if own.grounded && own.velocity == Vec3::ZERO && push == Vec3::ZERO {
        // Who stands stays, to the bit.
        return;
    }
    let mut motion = Motion { at: own.position, velocity: own.velocity, grounded: own.grounded };
    if push != Vec3::ZERO {
        motion.shove(world, push * dt);
    }
    motion.advance(world, dt);
    (own.position, own.velocity, own.grounded) = (motion.at, motion.velocity, motion.grounded);
}

fn handle_weapon(world: &World, own: &mut Player, input: &Input, dt: f32) -> Option<Weapon> {
    let rules = world.rules();
    own.cooldown = own.cooldown.saturating_sub(1);
    let wanted = match input.select {
        Select::Keep => own.weapon,
        Select::Rifle => Weapon::Rifle,
        Select::Rocket => Weapon::Rocket,
    };
    if wanted != own.weapon {
        own.weapon = wanted;
        own.cooldown = own.cooldown.max(ticks(rules.switch_delay_s, dt)).min(COOLDOWN_TICKS_MAX);
    }
    if !input.fire || own.cooldown > 0 {
        return None;
    }
    let (ammo, cooldown_s) = match own.weapon {
        Weapon::Rifle => (&mut own.rifle_ammo, rules.rifle.cooldown_s),
        Weapon::Rocket => (&mut own.rockets, rules.rocket.cooldown_s),
    };
    *ammo = ammo.checked_sub(1)?;
    own.cooldown = ticks(cooldown_s, dt).min(COOLDOWN_TICKS_MAX);
    Some(own.weapon)
}

impl Player {
    /// Takes up to `amount` of health. Gives what was taken.
    pub(crate) fn hurt(&mut self, amount: u8) -> u8 {
        let taken = amount.min(self.health);
        self.health -= taken;
        taken
    }
}
