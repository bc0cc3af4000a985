//! What both ends agree on.

use bevy::prelude::*;
use lightyear::prelude::*;
use peers_world::{Press, State, Told};
use serde::{Deserialize, Serialize};

pub(crate) const PROTOCOL: u64 = 1;

/// Servers and whoever hands out tokens share it.
pub(crate) const KEY: [u8; 32] = [7; 32];

/// What is replicated of a walker.
#[derive(Component, Clone, Copy, Serialize, Deserialize)]
#[serde(bound = "S: State", transparent)]
pub(crate) struct Walker<S: State>(pub(crate) Told<S>);

/// What a client does in a tick.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Pressed(pub(crate) Press);

/// Carries [`Pressed`].
pub(crate) struct Presses;

/// In the same order at both ends, after lightyear's plugins.
pub(crate) fn register<S: State>(app: &mut App) {
    app.component::<Walker<S>>().replicate();
    app.register_message::<Pressed>().add_direction(NetworkDirection::ClientToServer);
    let unreliable = ChannelSettings { mode: ChannelMode::UnorderedUnreliable, ..ChannelSettings::default() };
    app.add_channel::<Presses>(unreliable).add_direction(NetworkDirection::ClientToServer);
}
