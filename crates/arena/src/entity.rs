//! What is replicated: the tables of entities and events, and the input.

use downbeat_replica::glam::Vec3;
use downbeat_replica::{EntityId, Input as ReplicaInput, PlayerId, Replicated};
use serde::{Deserialize, Serialize};

/// What a player does in a tick.
#[derive(ReplicaInput, Clone, Debug, Default, PartialEq)]
pub struct Input {
    /// Forward, as a share of the running speed; back is negative.
    #[field(range = -1.0..=1.0, step = 0.125)]
    pub forward: f32,
    /// To the right likewise.
    #[field(range = -1.0..=1.0, step = 0.125)]
    pub right: f32,
    /// Where the player looks: turns about the vertical axis; 0 is towards −z, to the left is positive. Radians.
    #[field(heading, bits = 16)]
    pub yaw: f32,
    /// Up is positive. Radians; beyond straight up or down it is cut.
    #[field(bits = 16)]
    pub pitch: f32,
    /// Jumps whenever it can while held.
    pub jump: bool,
    /// Fires whenever it can while held.
    pub fire: bool,
    /// Changes the weapon.
    #[field(action)]
    pub select: Select,
}

/// A weapon to change to.
#[derive(Replicated, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Select {
    /// None: keep what is in hand.
    #[default]
    Keep,
    /// Take the rifle.
    Rifle,
    /// Take the rocket launcher.
    Rocket,
}

/// What is in a player's hands.
#[derive(Replicated, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Weapon {
    /// Hits at once where it points.
    #[default]
    Rifle,
    /// Launches rockets that fly and burst.
    Rocket,
}

/// What lies on a pick-up point.
#[derive(Replicated, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Item {
    /// Restores health.
    Health,
    /// Rounds for the rifle.
    RifleAmmo,
    /// Rockets for the launcher.
    Rockets,
}

/// The kinds of entities.
#[derive(Replicated, Clone, Debug, PartialEq)]
pub enum Entity {
    /// A player's avatar.
    Player(Player),
    /// A rocket in flight.
    Rocket(Rocket),
    /// A pick-up point.
    PickUp(PickUp),
}

/// A player's avatar. While `grounded`, the vertical velocity is zero.
#[derive(Replicated, Clone, Debug, PartialEq)]
pub struct Player {
    /// Its feet. 1/1024 m for its owner, 1/64 m for the others.
    #[field(position, range = -64.0..=63.9990234375, step = 0.015625, owner_bits = 4)]
    pub position: Vec3,
    /// 1/256 m/s for its owner, 1/8 m/s for the others.
    #[field(velocity, range = -64.0..=63.99609375, step = 0.125, owner_bits = 5)]
    pub velocity: Vec3,
    /// Where it looks, as in [`Input::yaw`].
    #[field(heading, bits = 10)]
    pub yaw: f32,
    /// Up is positive.
    #[field(range = -1.6..=1.6, step = 0.025)]
    pub pitch: f32,
    /// Who steers it.
    #[field(player, range = 0..=4095)]
    pub player: PlayerId,
    /// Zero is dead.
    #[field(range = 0..=200)]
    pub health: u8,
    /// Whether it lives. The dead lie where they fell until they respawn.
    pub alive: bool,
    /// Whether it stands on something.
    pub grounded: bool,
    /// What is in its hands.
    pub weapon: Weapon,
    /// Kills of others less own mistakes.
    #[field(range = -999..=9999, discrete)]
    pub score: i16,
    /// How often it died. Tells one life from the next.
    #[field(range = 0..=9999, discrete)]
    pub deaths: u16,
    /// Rounds left.
    #[field(owner, range = 0..=250)]
    pub rifle_ammo: u8,
    /// Rockets left.
    #[field(owner, range = 0..=250)]
    pub rockets: u8,
    /// Ticks until the weapon can fire.
    #[field(owner, range = 0..=1023)]
    pub cooldown: u16,
    /// Ticks until the dead respawn.
    #[field(owner, range = 0..=4095)]
    pub respawn: u16,
}

/// A rocket in flight. It flies straight; in the tick after it burst it is gone.
#[derive(Replicated, Clone, Debug, PartialEq)]
pub struct Rocket {
    /// Where it is.
    #[field(position, range = -64.0..=63.9990234375, step = 0.0078125, owner_bits = 3)]
    pub position: Vec3,
    /// Metres per second.
    #[field(velocity, range = -64.0..=63.984375, step = 0.015625)]
    pub velocity: Vec3,
    /// Who launched it.
    #[field(range = 0..=4095)]
    pub owner: PlayerId,
    /// The tick in which it was launched.
    pub fired: u32,
}

/// A place where an item appears again and again.
#[derive(Replicated, Clone, Debug, PartialEq)]
pub struct PickUp {
    /// Where it is.
    #[field(position, range = -64.0..=63.984375, step = 0.015625)]
    pub position: Vec3,
    /// What lies there.
    pub item: Item,
    /// Whether it can be taken now.
    pub available: bool,
}

/// Facts of one moment.
#[derive(Replicated, Clone, Debug, PartialEq)]
pub enum Event {
    /// A rifle was fired.
    Shot(Shot),
    /// Told to a shooter: it hit somebody.
    Hit(Hit),
    /// A rocket burst.
    Explosion(Explosion),
    /// Somebody died: told to all, surely and in order.
    Died(Died),
}

/// A rifle's tracer.
#[derive(Replicated, Clone, Debug, PartialEq)]
pub struct Shot {
    /// Who fired.
    pub shooter: Option<EntityId>,
    /// The eye of the shooter.
    #[field(range = -64.0..=63.984375, step = 0.015625)]
    pub from: Vec3,
    /// What was hit.
    #[field(range = -64.0..=63.984375, step = 0.015625)]
    pub to: Vec3,
}

/// A hit, by whatever weapon.
#[derive(Replicated, Clone, Debug, PartialEq)]
pub struct Hit {
    /// Who was hit.
    pub victim: Option<EntityId>,
    /// The health it cost.
    pub damage: u8,
    /// Whether it killed.
    pub killed: bool,
}

/// A burst.
#[derive(Replicated, Clone, Debug, PartialEq)]
pub struct Explosion {
    /// Where.
    #[field(range = -64.0..=63.984375, step = 0.015625)]
    pub at: Vec3,
}

/// A death.
#[derive(Replicated, Clone, Debug, PartialEq)]
pub struct Died {
    /// Who died.
    #[field(range = 0..=4095)]
    pub victim: PlayerId,
    /// Who did it; the victim itself when nobody else did.
    #[field(range = 0..=4095)]
    pub killer: PlayerId,
    /// With what.
    pub weapon: Weapon,
}
