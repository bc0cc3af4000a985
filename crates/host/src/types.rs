//! What a room is opened with, what it tells, and what it asks of the process around it.

use downbeat_replica::{DecodeError, PlayerId};
use downbeat_wire::Resumed;

/// Names one client of a room, for as long as it takes part; connections come and go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u32);

/// What a room is opened with.
#[derive(Clone, Copy, Debug)]
pub struct RoomOptions {
    /// Ticks per second.
    pub tick_rate_hz: u32,
    /// Snapshots per second; divides the tick rate.
    pub send_rate_hz: u32,
    /// Decides everything random in the match.
    pub seed: u64,
    /// Most players at a time.
    pub players_max: u16,
    /// Most spectators at a time.
    pub spectators_max: u16,
    /// Snapshot bytes per second and client at most, before packet overhead.
    pub client_bytes_per_s: usize,
}

/// Why a session cannot join.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// All places are taken.
    #[error("the room is full")]
    Full,
}

/// What a client did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// A datagram that does not decode.
    #[error("malformed datagram: {0}")]
    Malformed(#[from] DecodeError),
    /// An acknowledgement of what was never sent.
    #[error("acknowledged a datagram that was never sent")]
    ForgedAck,
    /// A session that is not in this room.
    #[error("the session is not in this room")]
    Unknown,
    /// A spectator that sends inputs.
    #[error("a spectator cannot send inputs")]
    SpectatorInput,
    /// A player that says where to look from.
    #[error("a player looks from where its avatar is")]
    PlayerLooks,
}

/// How a session goes on whose client came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Return {
    /// Its player; `None` for a spectator.
    pub player: Option<PlayerId>,
    /// What its client is told of it.
    pub resumed: Resumed,
    /// Reliable events that it has not read yet: to be sent before all others.
    pub events: Vec<u8>,
}

/// The parts of a tick, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Inputs are taken and the game is stepped.
    Step,
    /// The state is captured.
    Capture,
    /// The game says what each client is shown.
    Interest,
    /// Snapshots are chosen, encoded and handed to the connections.
    Encode,
}

/// The way from a room to its clients.
pub trait Net {
    /// Bytes that a datagram to `session` may have now; `None` when its connection cannot take one.
    fn space(&mut self, session: SessionId) -> Option<usize>;
    /// Sends a datagram of at most that size.
    fn send(&mut self, session: SessionId, datagram: &[u8]);
    /// Sends bytes that must arrive, behind all that were sent to `session` so before. A session that does not take them in
    /// is to be ended.
    fn send_reliable(&mut self, session: SessionId, bytes: &[u8]);
    /// A part of the tick begins. The scheduler may take the time and drain its socket here.
    fn phase(&mut self, phase: Phase) {
        let _ = phase;
    }
}

/// What became of inputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InputCounters {
    /// Ticks that ran on a real input.
    pub consumed: u64,
    /// Ticks that ran without one, the player's first input apart.
    pub starved: u64,
    /// Inputs whose first copy came after their tick.
    pub late: u64,
    /// Inputs too far in the future.
    pub rejected: u64,
}

/// What a room counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Inputs of all clients.
    pub inputs: InputCounters,
    /// Datagrams of clients that did not decode.
    pub malformed: u64,
    /// Acknowledgements of what was never sent.
    pub forged_acks: u64,
    /// Datagrams of spectators that had inputs.
    pub spectator_inputs: u64,
    /// Snapshots sent.
    pub snapshots: u64,
    /// Snapshots not sent because the connection could not take one.
    pub skipped: u64,
    /// Snapshots not sent because the room's send rate was lowered.
    pub left_out: u64,
    /// Records put off because the budget was used up.
    pub deferred: u64,
    /// Entities shown, summed over snapshots.
    pub shown: u64,
    /// State values that were out of range and clamped.
    pub clamped: u64,
    /// Entities that held a NaN and kept their previous state, and avatars of players who had one, which became nobody's.
    pub refused: u64,
    /// Events that did not fit.
    pub events_dropped: u64,
    /// By how much datagrams' newest inputs came before their ticks.
    pub margins: Margins,
}

/// How input margins are distributed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Margins {
    /// Margins up to each of [`Self::BOUNDS`], the lower ones apart, and those above all of them.
    pub counts: [u64; Self::BOUNDS.len() + 1],
    /// Their sum, in sixteenths of a tick.
    pub sum: i64,
}

impl Margins {
    /// Upper bounds, in sixteenths of a tick. Negative margins are those of late inputs.
    pub const BOUNDS: [i16; 12] = [-64, -16, -8, 0, 4, 8, 16, 24, 32, 48, 64, 128];

    /// Notes a margin in sixteenths of a tick.
    pub fn note(&mut self, margin: i16) {
        let place = Self::BOUNDS.iter().position(|&bound| margin <= bound).unwrap_or(Self::BOUNDS.len());
        self.counts[place] += 1;
        self.sum += i64::from(margin);
    }

    /// Adds another room's.
    pub fn add(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, other)| *count += other);
        self.sum += other.sum;
    }
}

impl Counters {
    /// Adds another room's.
    pub fn add(&mut self, other: &Self) {
        self.inputs.consumed += other.inputs.consumed;
        self.inputs.starved += other.inputs.starved;
        self.inputs.late += other.inputs.late;
        self.inputs.rejected += other.inputs.rejected;
        self.malformed += other.malformed;
        self.forged_acks += other.forged_acks;
        self.spectator_inputs += other.spectator_inputs;
        self.snapshots += other.snapshots;
        self.skipped += other.skipped;
        self.left_out += other.left_out;
        self.deferred += other.deferred;
        self.shown += other.shown;
        self.clamped += other.clamped;
        self.refused += other.refused;
        self.events_dropped += other.events_dropped;
        self.margins.add(&other.margins);
    }
}

/// An entity as a client is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The slot it has at the client.
    pub slot: u16,
    /// Index of its kind in the schema.
    pub kind: usize,
    /// Its lanes as the client is told them; those that name entities name their slots.
    pub lanes: Vec<i32>,
}

/// Figures of one session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionReport {
    /// Its player; `None` for a spectator.
    pub player: Option<PlayerId>,
    /// Its inputs.
    pub inputs: InputCounters,
    /// Inputs that wait for their tick.
    pub inputs_waiting: usize,
    /// By how much the latest of the newest inputs came before its tick, as the client was told last, in sixteenths of a
    /// tick; negative when it was late.
    pub margin_sixteenths: Option<i16>,
    /// Slots that it has ever had at a time.
    pub slots: usize,
}
