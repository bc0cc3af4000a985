//! Where a spectator looks.

use serde::{Deserialize, Serialize};

use crate::limits::SPOT_REACH_M;

/// What a spectator is to be shown: what the game says is of interest there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Look {
    /// The match as a whole, as far as the game shows it to one who looks from nowhere.
    #[default]
    Overview,
    /// From a place: one that stays, or one of a camera that flies.
    At(Spot),
    /// From where the avatar of this player is.
    Player(u16),
    /// From where an entity is, by the slot under which the spectator knows it.
    Entity(u16),
}

impl Look {
    /// From the place `at`, in the units of the game; `None` when that is no place.
    #[must_use]
    pub fn at(at: [f32; 3]) -> Option<Self> {
        Spot::new(at).map(Self::At)
    }
}

/// A place: three finite numbers of at most [`SPOT_REACH_M`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "[f32; 3]", into = "[f32; 3]")]
pub struct Spot([f32; 3]);

// None of them is a NaN.
impl Eq for Spot {}

impl Spot {
    /// The place `at`; `None` when that is none.
    #[must_use]
    pub fn new(at: [f32; 3]) -> Option<Self> {
        // A NaN is not within anything.
        at.iter().all(|axis| axis.abs() <= SPOT_REACH_M).then_some(Self(at))
    }
}

impl TryFrom<[f32; 3]> for Spot {
    type Error = &'static str;

    fn try_from(at: [f32; 3]) -> Result<Self, Self::Error> {
        Self::new(at).ok_or("it is no place")
    }
}

impl From<Spot> for [f32; 3] {
    fn from(spot: Spot) -> Self {
        spot.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{ClientMessage, decode, encode};

    #[test]
    fn what_is_no_place_is_not_decoded() {
        for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1.1 * SPOT_REACH_M] {
            for axis in 0..3 {
                let mut at = [1.0; 3];
                assert!(Look::at(at).is_some());
                at[axis] = wrong;
                assert_eq!(Look::at(at), None);
                let forged = encode(&(1_u8, 1_u8, at));
                assert_eq!(decode::<ClientMessage>(&forged), None, "{at:?}");
            }
        }
        let honest = ClientMessage::Look { look: Look::at([-1.0, 0.5, SPOT_REACH_M]).expect("a place") };
        assert_eq!(encode(&honest), encode(&(1_u8, 1_u8, [-1.0_f32, 0.5, SPOT_REACH_M])));
        assert_eq!(decode(&encode(&honest)), Some(honest));
    }
}
