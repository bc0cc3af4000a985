//! Everything that only grows while a stage plays; a figure is a quotient of two differences.

use std::time::Duration;

/// What a stage counted since it opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Ticks of the room.
    pub ticks: u64,
    /// Payload bytes of the room's datagrams.
    pub down_bytes: u64,
    /// The room's datagrams.
    pub down_datagrams: u64,
    /// Payload bytes of the clients' datagrams.
    pub up_bytes: u64,
    /// The clients' datagrams.
    pub up_datagrams: u64,
    /// Updates: entities shown, summed over ticks and clients, written or not.
    pub updates: u64,
    /// Time in which the game said what each client is shown.
    pub interest: Duration,
    /// Time in which the room captured the state.
    pub capture: Duration,
    /// Time in which it chose, encoded and handed over.
    pub encode: Duration,
    /// Time in which clients took in datagrams.
    pub decode: Duration,
    /// Entities shown to clients when a datagram was taken in, summed over datagrams.
    pub decoded_updates: u64,
    /// Allocations while the room took in datagrams.
    pub receive_allocations: u64,
    /// Allocations in ticks of the room, the game's step included.
    pub tick_allocations: u64,
}

impl Totals {
    /// What came since `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            ticks: self.ticks - before.ticks,
            down_bytes: self.down_bytes - before.down_bytes,
            down_datagrams: self.down_datagrams - before.down_datagrams,
            up_bytes: self.up_bytes - before.up_bytes,
            up_datagrams: self.up_datagrams - before.up_datagrams,
            updates: self.updates - before.updates,
            interest: self.interest.checked_sub(before.interest).unwrap_or_default(),
            capture: self.capture.checked_sub(before.capture).unwrap_or_default(),
            encode: self.encode.checked_sub(before.encode).unwrap_or_default(),
            decode: self.decode.checked_sub(before.decode).unwrap_or_default(),
            decoded_updates: self.decoded_updates - before.decoded_updates,
            receive_allocations: self.receive_allocations - before.receive_allocations,
            tick_allocations: self.tick_allocations - before.tick_allocations,
        }
    }

    /// Payload bytes of a client's update.
    #[must_use]
    pub fn bytes_per_update(&self) -> f64 {
        self.down_bytes as f64 / self.updates as f64
    }

    /// Nanoseconds of the room's tick without the game's step, by update.
    #[must_use]
    pub fn tick_ns_per_update(&self) -> f64 {
        (self.capture + self.interest + self.encode).as_nanos() as f64 / self.updates as f64
    }

    /// Nanoseconds of choosing, encoding and handing over, by update.
    #[must_use]
    pub fn encode_ns_per_update(&self) -> f64 {
        self.encode.as_nanos() as f64 / self.updates as f64
    }

    /// Nanoseconds of taking in, by update.
    #[must_use]
    pub fn decode_ns_per_update(&self) -> f64 {
        self.decode.as_nanos() as f64 / self.decoded_updates as f64
    }
}
