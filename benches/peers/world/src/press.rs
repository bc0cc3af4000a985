//! What a client sends in every tick: as much as a player of `field` can do.

use downbeat_field::Input;
use serde::{Deserialize, Serialize};

/// What a player does in a tick, in the steps of `field`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Press {
    /// Which of the client's ticks it is for.
    pub tick: u32,
    /// Eighths of full speed.
    pub forward: i8,
    /// As `forward`.
    pub right: i8,
    /// 1/1024 turns.
    pub yaw: u16,
    /// Whether to jump.
    pub jump: bool,
}

impl Press {
    /// What `client` does in `tick`: it runs, turns every two seconds, and jumps now and then.
    #[must_use]
    pub fn of(client: usize, tick: u32) -> Self {
        let luck = (client as u32 ^ (tick / 120).wrapping_mul(0x9e37_79b9)).wrapping_mul(0x85eb_ca6b);
        Self { tick, forward: 8, right: 0, yaw: (luck >> 22) as u16, jump: tick % 97 == luck % 97 }
    }
}

impl From<Press> for Input {
    fn from(press: Press) -> Self {
        let speed = |eighths: i8| f32::from(eighths.clamp(-8, 8)) / 8.0;
        let yaw = f32::from(press.yaw & 1023) * (std::f32::consts::TAU / 1024.0);
        Self { forward: speed(press.forward), right: speed(press.right), yaw, jump: press.jump }
    }
}
