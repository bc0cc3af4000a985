//! What a simulation is set up with.

use downbeat_client::Mechanism;
use downbeat_link::LinkSpec;
use downbeat_replica::Micros;
use downbeat_replica::limits::INPUT_TICKS_AHEAD_MAX;

use crate::clock::LocalClock;
use crate::faults::{Fault, Trouble};

/// A simulation. Times are true time from its beginning.
#[derive(Clone, Debug)]
pub struct Options {
    /// Decides everything random: the match, the links, the players.
    pub seed: u64,
    /// Players, all from the beginning unless one is [away](crate::Trouble::Away) then.
    pub clients: u16,
    /// Each client's link, one way; both ways are alike.
    pub link: LinkSpec,
    /// Ticks per second.
    pub tick_rate_hz: u32,
    /// Snapshots per second.
    pub send_rate_hz: u32,
    /// Largest datagram in bytes.
    pub datagram_bytes_max: usize,
    /// Snapshot bytes per second and client at most.
    pub client_bytes_per_s: usize,
    /// What each client plays on, by index; those that are missing are as [`Machine::default`].
    pub machines: Vec<Machine>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// What clients leave off, for measuring what it is worth.
    pub without: Option<Mechanism>,
    /// What carries datagrams.
    pub layer: Layer,
    /// Whether what happens to an avatar depends on nothing but itself and its inputs, so that predictions must be exact.
    pub is_predictable: bool,
}

impl Options {
    /// Two clients at 60 Hz on a perfect line.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self {
            seed,
            clients: 2,
            link: LinkSpec::PERFECT,
            tick_rate_hz: 60,
            send_rate_hz: 60,
            datagram_bytes_max: 1_162,
            client_bytes_per_s: 1 << 20,
            machines: Vec::new(),
            faults: Vec::new(),
            without: None,
            layer: Layer::Links,
            is_predictable: false,
        }
    }

    /// What client `index` plays on.
    #[must_use]
    pub fn machine(&self, index: usize) -> Machine {
        self.machines.get(index).copied().unwrap_or_default()
    }

    /// Whether the server stalls for so long that inputs are too far ahead of it then.
    pub(crate) fn refuses_inputs(&self) -> bool {
        let too_long = Micros(u64::from(INPUT_TICKS_AHEAD_MAX) * 1_000_000 / u64::from(self.tick_rate_hz));
        self.faults.iter().any(|fault| fault.what == Trouble::ServerStalls && fault.lasts > too_long)
    }

    /// The links of client `index`: up and down.
    #[must_use]
    pub fn links(&self, index: usize) -> (LinkSpec, LinkSpec) {
        let machine = self.machine(index);
        (machine.up.unwrap_or(self.link), machine.down.unwrap_or(self.link))
    }
}

/// What carries datagrams between the ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layer {
    /// Model links alone. Who connects is in at once.
    #[default]
    Links,
    /// QUIC over model links.
    Quic {
        /// Whether clients must prove their addresses before their handshake (Retry).
        must_prove: bool,
    },
}

/// What a client plays on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Its way to the server, where that is not [`Options::link`].
    pub up: Option<LinkSpec>,
    /// The server's way to it, likewise.
    pub down: Option<LinkSpec>,
    /// What its clock says.
    pub clock: LocalClock,
    /// When it looks and acts.
    pub frames: Frames,
    /// Largest UDP payload in bytes that its ways carry, 1,200 or more. Model links alone carry everything.
    pub mtu: u16,
}

impl Default for Machine {
    fn default() -> Self {
        Self { up: None, down: None, clock: LocalClock::default(), frames: Frames::default(), mtu: 1_472 }
    }
}

/// When a client looks and acts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Frames {
    /// Exactly when an input is due.
    #[default]
    WhenDue,
    /// At a rate of its own, by its own clock.
    Every {
        /// From one frame to the next; not zero.
        length: Micros,
        /// From the clock's zero to a frame.
        phase: Micros,
    },
}
