//! The reference game: a small arena shooter of 2 to 128 players, deterministic and pure.
//!
//! `advance` is the part that a client predicts of itself (looking, moving, the weapon's bookkeeping), `flight` that of its
//! rockets; `combat` is the rest, which the server alone decides (damage, death, bursts, pick-ups). Axes: y is up, metres, radians.
#![forbid(unsafe_code)]

mod advance;
mod aim;
mod brush;
mod combat;
mod config;
mod entity;
mod flight;
mod game;
pub mod limits;
mod map;
mod movement;
mod nav;
mod order;
mod rules;
mod sight;
mod world;
mod zone;

pub use aim::{angles_towards, look};
pub use config::Config;
pub use entity::{Died, Entity, Event, Explosion, Hit, Input, Item, PickUp, Player, Rocket, Select, Shot, Weapon};
pub use game::{Arena, Strike};
pub use map::{Block, Map, PickUpPoint, Ramp, Rise};
pub use nav::Nav;
pub use rules::{PickUpRules, RifleRules, RocketRules, Rules};
pub use world::World;
