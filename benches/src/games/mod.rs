//! Worlds that exist to be measured. Nobody steers them: the same seed always plays the same.
//!
//! | module | holds |
//! |---|---|
//! | [`asteroids`] | rigid bodies that tumble and collide in a walled cube |
//! | [`halo`] | a battle of players, projectiles and vehicles on hilly ground |
//! | [`watched`] | the scale game, with one player who sees everything |

pub mod asteroids;
mod chance;
pub mod halo;
pub mod watched;

/// The input of a world that nobody steers.
#[derive(downbeat_replica::Input, Clone, Copy, Debug, Default, PartialEq)]
pub struct NoInput;
