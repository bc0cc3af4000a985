//! A walker's state as peers serialise it. Every state that a library decodes passes through [`Told`], which counts it:
//! that is what "delivered" means for all of them.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

static READ: AtomicU64 = AtomicU64::new(0);

/// States decoded in this process so far.
pub(crate) fn states_read() -> u64 {
    READ.load(Ordering::Relaxed)
}

/// Counts states that a library decoded without serde.
pub fn count_states(count: usize) {
    READ.fetch_add(count as u64, Ordering::Relaxed);
}

/// How a walker's state is serialised.
pub trait State: Serialize + DeserializeOwned + Copy + PartialEq + Send + Sync + 'static {
    /// What the field holds of a walker: x, y and z in centimetres from -512 m, yaw in 1/1024 turns, health.
    fn of(lanes: [i32; 5]) -> Self;
}

/// As precise as Downbeat tells it, in the smallest integers that hold it: 9 bytes, fewer as variable-length integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rounded {
    /// Centimetres; the ground of 200 walkers reaches 57 m.
    pub x: i16,
    /// Centimetres.
    pub y: i16,
    /// Centimetres.
    pub z: i16,
    /// 1/1024 turns.
    pub yaw: u16,
    /// 0 to 100.
    pub health: u8,
}

/// As games mostly do it: 17 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exact {
    /// Metres.
    pub x: f32,
    /// Metres.
    pub y: f32,
    /// Metres.
    pub z: f32,
    /// Radians.
    pub yaw: f32,
    /// 0 to 100.
    pub health: u8,
}

const ORIGIN: i32 = 51_200;

impl State for Rounded {
    fn of([x, y, z, yaw, health]: [i32; 5]) -> Self {
        let cm = |lane: i32| (lane - ORIGIN) as i16;
        Self { x: cm(x), y: cm(y), z: cm(z), yaw: yaw as u16, health: health as u8 }
    }
}

impl State for Exact {
    fn of([x, y, z, yaw, health]: [i32; 5]) -> Self {
        let metres = |lane: i32| (lane - ORIGIN) as f32 * 0.01;
        let yaw = yaw as f32 * (std::f32::consts::TAU / 1024.0);
        Self { x: metres(x), y: metres(y), z: metres(z), yaw, health: health as u8 }
    }
}

/// A state that is counted when it is read.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Told<S>(pub S);

impl<'de, S: Deserialize<'de>> Deserialize<'de> for Told<S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let state = S::deserialize(deserializer)?;
        count_states(1);
        Ok(Self(state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_precisions_tell_the_same_walker_and_are_counted_when_read() {
        let lanes = [ORIGIN + 1_234, ORIGIN, ORIGIN - 5_678, 256, 99];
        let rounded = Rounded::of(lanes);
        assert_eq!(rounded, Rounded { x: 1_234, y: 0, z: -5_678, yaw: 256, health: 99 });
        let exact = Exact::of(lanes);
        assert!((exact.x - 12.34).abs() < 1e-4 && (exact.z + 56.78).abs() < 1e-4, "{exact:?}");
        assert!((exact.yaw - std::f32::consts::FRAC_PI_2).abs() < 1e-6 && exact.health == 99, "{exact:?}");
        let before = states_read();
        let text = serde_json::to_string(&Told(rounded)).expect("plain data");
        assert_eq!(serde_json::from_str::<Told<Rounded>>(&text).expect("what was written").0, rounded);
        assert_eq!(states_read(), before + 1);
    }
}
