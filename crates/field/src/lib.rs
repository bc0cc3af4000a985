//! The scale game: thousands of walkers, any number of players among them, no contact.
//!
//! Its parts cost what they cost in a real game (state that always moves, a set of visible entities that differs for
//! every client and changes as people walk), but its rules are too few to hide behind. Figures about capacity and
//! bytes are measured here, so its parameters ([`Config`]) belong to each of them.
#![forbid(unsafe_code)]

mod config;
mod crowd;
mod entity;
mod field;
mod motion;

pub use config::{Avatars, Config, VISIBLE_MAX, WALKERS_MAX, World};
pub use crowd::{HEALTH_ODDS, TURN_MAX, WALKER_SPEED_MAX, WALKER_SPEED_MIN};
pub use entity::{Avatar, Entity, HEALTH_MAX, Input, Walker};
pub use field::Field;
pub use motion::AVATAR_SPEED;
