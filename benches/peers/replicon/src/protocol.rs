//! What both ends agree on.

use std::time::{Duration, SystemTime};

use bevy::prelude::*;
use bevy_replicon::prelude::*;
use bevy_replicon_renet::RenetChannelsExt;
use bevy_replicon_renet::renet::ConnectionConfig;
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
#[derive(Message, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Pressed(pub(crate) Press);

/// In the same order at both ends.
pub(crate) fn register<S: State>(app: &mut App) {
    app.replicate::<Walker<S>>().add_client_message::<Pressed>(Channel::Unreliable);
}

pub(crate) fn connection(app: &App) -> ConnectionConfig {
    let channels = app.world().resource::<RepliconChannels>();
    ConnectionConfig {
        server_channels_config: channels.server_configs(),
        client_channels_config: channels.client_configs(),
        ..ConnectionConfig::default()
    }
}

/// What netcode takes for the time.
pub(crate) fn since_epoch() -> Duration {
    SystemTime::UNIX_EPOCH.elapsed().expect("clocks are past 1970")
}
