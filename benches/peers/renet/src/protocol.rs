//! What both ends agree on.

use std::time::{Duration, SystemTime};

use bincode::config::{Configuration, Fixint, LittleEndian};
use peers_world::Told;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub(crate) const PROTOCOL: u64 = 1;

/// Servers and whoever hands out tokens share it.
pub(crate) const KEY: [u8; 32] = [7; 32];

/// A client's whole view of a tick.
#[derive(Serialize, Deserialize)]
pub(crate) struct Snapshot<S> {
    pub(crate) tick: u32,
    /// Which walker, and its state.
    pub(crate) walkers: Vec<(u16, Told<S>)>,
}

const FORMAT: Configuration<LittleEndian, Fixint> = bincode::config::standard().with_fixed_int_encoding();

pub(crate) fn encode(value: &impl Serialize) -> Vec<u8> {
    bincode::serde::encode_to_vec(value, FORMAT).expect("plain data always encodes")
}

pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    bincode::serde::decode_from_slice(bytes, FORMAT).ok().map(|(value, _)| value)
}

/// What netcode takes for the time.
pub(crate) fn since_epoch() -> Duration {
    SystemTime::UNIX_EPOCH.elapsed().expect("clocks are past 1970")
}
