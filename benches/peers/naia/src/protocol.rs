//! What both ends agree on.

use naia_shared::{
    Channel, ChannelDirection, ChannelMode, Message, Property, Protocol, Replicate, SignedInteger, UnsignedInteger,
};
use peers_world::{Press, Rounded, TICK};

/// What is replicated of a walker, in bits that hold the ground of 200 walkers (57 m) and its hops.
#[derive(Replicate)]
pub(crate) struct Walker {
    /// Centimetres.
    x: Property<SignedInteger<13>>,
    y: Property<SignedInteger<10>>,
    z: Property<SignedInteger<13>>,
    /// 1/1024 turns.
    yaw: Property<UnsignedInteger<10>>,
    health: Property<UnsignedInteger<7>>,
}

impl Walker {
    pub(crate) fn new(state: Rounded) -> Self {
        Self::new_complete(
            SignedInteger::new(state.x),
            SignedInteger::new(state.y),
            SignedInteger::new(state.z),
            UnsignedInteger::new(state.yaw),
            UnsignedInteger::new(state.health),
        )
    }

    /// Writes what differs.
    pub(crate) fn set(&mut self, state: Rounded) {
        for (property, value) in [(&mut self.x, state.x), (&mut self.z, state.z)] {
            if property.get() != i128::from(value) {
                property.set(value);
            }
        }
        if self.y.get() != i128::from(state.y) {
            self.y.set(state.y);
        }
        if self.yaw.get() != i128::from(state.yaw) {
            self.yaw.set(state.yaw);
        }
        if self.health.get() != i128::from(state.health) {
            self.health.set(state.health);
        }
    }
}

/// What a client says to get in: naia's UDP transport has no way in without.
#[derive(Message)]
pub(crate) struct Hello {
    pub(crate) client: u32,
}

/// What a client does in a tick.
#[derive(Message)]
pub(crate) struct Pressed {
    pub(crate) tick: u32,
    pub(crate) forward: i8,
    pub(crate) right: i8,
    pub(crate) yaw: u16,
    pub(crate) jump: bool,
}

impl From<Press> for Pressed {
    fn from(Press { tick, forward, right, yaw, jump }: Press) -> Self {
        Self { tick, forward, right, yaw, jump }
    }
}

impl From<Pressed> for Press {
    fn from(Pressed { tick, forward, right, yaw, jump }: Pressed) -> Self {
        Self { tick, forward, right, yaw, jump }
    }
}

/// Carries [`Pressed`].
#[derive(Channel)]
pub(crate) struct Presses;

pub(crate) fn protocol() -> Protocol {
    Protocol::builder()
        .tick_interval(TICK)
        .add_channel::<Presses>(ChannelDirection::ClientToServer, ChannelMode::UnorderedUnreliable)
        .add_message::<Hello>()
        .add_message::<Pressed>()
        .add_component::<Walker>()
        .build()
}
