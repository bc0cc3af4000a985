//! What a driver may be told. Each default is what the server runs with.

use std::net::IpAddr;
use std::sync::Arc;

use downbeat_wire::Micros;
use ring::rand::{SecureRandom, SystemRandom};

use crate::identity::{LiveIdentity, Trust};

/// Which part of a server's connections a driver owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: u8,
    count: u8,
}

impl Shard {
    /// The only shard of a server.
    pub const ONLY: Self = Self { index: 0, count: 1 };

    /// Shard `index` of `count`; `None` unless `index < count`.
    #[must_use]
    pub const fn new(index: u8, count: u8) -> Option<Self> {
        if index < count { Some(Self { index, count }) } else { None }
    }

    /// Which of them it is, from 0 on.
    #[must_use]
    pub const fn index(self) -> u8 {
        self.index
    }

    /// How many there are.
    #[must_use]
    pub const fn count(self) -> u8 {
        self.count
    }

    /// Whether datagrams for a connection id that begins with `first` are this shard's.
    #[must_use]
    pub const fn owns(self, first: u8) -> bool {
        first % self.count == self.index
    }

    /// The byte nearest below or at `first`, or the lowest, that this shard owns.
    pub(crate) const fn steer(self, first: u8) -> u8 {
        let base = first - first % self.count;
        match base.checked_add(self.index) {
            Some(byte) => byte,
            None => self.index,
        }
    }
}

/// The secret behind connection ids, retry tokens and resets. All shards of a port share it. A server that keeps it
/// across restarts can tell the clients of its last life at once that their connections are gone.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub(crate) [u8; 32]);

impl Secret {
    /// Fresh from the operating system.
    #[must_use]
    pub fn random() -> Self {
        let mut bytes = [0; 32];
        SystemRandom::new().fill(&mut bytes).expect("the operating system has randomness");
        Self(bytes)
    }

    /// These bytes, which must come from a good source and stay private.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// How much handshake work is done between two `flush`es; the rest waits for the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeBudget {
    /// Until this much time was spent, by the monotonic clock of the machine.
    Time(Micros),
    /// This many steps (a step is an accept or a handshake packet): for virtual time, where clocks stand still.
    Steps(u32),
}

/// What both ends of a connection can be told.
#[derive(Clone, Debug)]
pub struct Tuning {
    /// A connection without any packet for this long is closed. At least 1 ms.
    pub idle_timeout: Micros,
    /// A connection that sent nothing for this long sends a ping; `None` = never.
    pub keep_alive: Option<Micros>,
    /// A handshake that takes longer is given up.
    pub handshake_timeout: Micros,
    /// Handshake work between two flushes.
    pub handshake_budget: HandshakeBudget,
    /// UDP payload that is assumed to pass at first, in bytes: 1,200..=1,472.
    pub initial_mtu: u16,
    /// Largest UDP payload that is tried, in bytes. At or below `initial_mtu`: none is tried.
    pub max_mtu: u16,
    /// What one connection may send in bytes per second: the cap of its congestion window.
    pub rate_cap_bytes_per_s: u64,
    /// Randomness of a reproducible run; `None` = from the operating system.
    pub seed: Option<[u8; 32]>,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            idle_timeout: Micros::from_millis(10_000),
            keep_alive: Some(Micros::from_millis(3_000)),
            handshake_timeout: Micros::from_millis(5_000),
            handshake_budget: HandshakeBudget::Time(Micros::from_millis(2)),
            initial_mtu: 1_200,
            max_mtu: 1_452,
            rate_cap_bytes_per_s: 500_000,
            seed: None,
        }
    }
}

/// Options of a driver that accepts connections.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Certificate and key. Whoever keeps a clone can replace them while the driver runs.
    pub identity: LiveIdentity,
    /// What both ends can be told.
    pub tuning: Tuning,
    /// The connections that this driver owns.
    pub shard: Shard,
    /// Shared by all shards of a port.
    pub secret: Secret,
    /// Connections at a time, handshakes apart. Further attempts are refused.
    pub connections_max: usize,
    /// Handshakes at a time. Further attempts wait.
    pub half_open_max: usize,
    /// Attempts without a proven address that may wait or be in their handshake; the rest must prove theirs first
    /// (Retry). 0 = all must.
    pub unproven_max: usize,
    /// QUIC packets per second that a connection may receive in the long run. More are dropped unread, and a connection
    /// that does not stop is closed as [`Flooding`](downbeat_wire::CloseCode::Flooding).
    pub packets_per_s: u32,
    /// QUIC packets that a connection may receive at once.
    pub packets_burst: u32,
    /// UDP payload bytes per second that a connection may receive, and as many at once. What is more is dropped unread, and a
    /// connection that goes on for a second is closed as flooding, too.
    pub upload_bytes_per_s: u32,
    /// Who may begin a handshake; `None` = anybody.
    pub turnstile: Option<Arc<dyn Turnstile>>,
}

/// Limits handshakes by where they come from. Asked about each attempt before any cryptography.
pub trait Turnstile: std::fmt::Debug + Send + Sync {
    /// Whether another handshake may begin from `address`. Where it is not proven that the address is the peer's own, one
    /// that may not is told to prove it (Retry), and asked about again; otherwise it is refused.
    fn pass(&self, address: IpAddr, is_proven: bool) -> bool;
}

impl ServerOptions {
    /// A server with `identity` and defaults otherwise.
    #[must_use]
    pub fn new(identity: impl Into<LiveIdentity>) -> Self {
        Self {
            identity: identity.into(),
            tuning: Tuning::default(),
            shard: Shard::ONLY,
            secret: Secret::random(),
            connections_max: 4_096,
            half_open_max: 256,
            unproven_max: 32,
            packets_per_s: 2_000,
            packets_burst: 1_000,
            upload_bytes_per_s: 3_000_000,
            turnstile: None,
        }
    }
}

/// How the server tells a client's connections apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientIds {
    /// By address: no id on the wire, one connection per driver and remote.
    Address,
    /// By ids of four bytes: any number of connections on one socket.
    Shared,
}

/// Options of a driver that connects.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Which servers are believed.
    pub trust: Trust,
    /// How the server tells our connections apart.
    pub ids: ClientIds,
    /// What both ends can be told.
    pub tuning: Tuning,
    /// The protocol asked for; anything but [`downbeat_wire::ALPN`] is for tests.
    pub alpn: Vec<u8>,
}

impl ClientOptions {
    /// A client that believes `trust`, shares its socket between connections, and has defaults otherwise.
    #[must_use]
    pub fn new(trust: Trust) -> Self {
        Self { trust, ids: ClientIds::Shared, tuning: Tuning::default(), alpn: downbeat_wire::ALPN.to_vec() }
    }
}
