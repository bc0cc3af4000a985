//! What a client is told, counts and shows.

use downbeat_replica::glam::Vec3;
use downbeat_replica::{Game, Micros, PlayerId, Sighting, Tick};
use downbeat_wire::packet::InputReport;

/// What a client starts from: the welcome, and what the connection measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// The client's player; `None` for a spectator.
    pub player: Option<PlayerId>,
    /// Ticks per second.
    pub tick_rate_hz: u32,
    /// Snapshots per second; divides the tick rate.
    pub send_rate_hz: u32,
    /// The tick of the room when the welcome was written.
    pub tick: Tick,
    /// The round trip as measured so far.
    pub rtt: Micros,
}

/// What a datagram of the server brought.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Received {
    /// The tick whose state it told.
    pub tick: Tick,
    /// Whether it is the newest so far.
    pub newest: bool,
    /// What became of the client's inputs; `None` for a spectator.
    pub inputs: Option<InputReport>,
    /// Distance between the avatar's predicted and confirmed position in metres, if this confirmed it.
    pub prediction_error_m: Option<f32>,
}

/// An entity as a client was told of it last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownEntity {
    /// The slot it has. Another entity may have it later: `entered` tells them apart.
    pub slot: u16,
    /// Index of its kind in the schema.
    pub kind: usize,
    /// Whether it is the client's own avatar: its lanes are then those that owners are told.
    pub avatar: bool,
    /// The tick of the first state of it.
    pub entered: Tick,
    /// Its lanes as told; those that name entities name their slots.
    pub lanes: Vec<i32>,
}

/// What makes a bad line bearable, to be left off by who measures what each is worth. `docs/netcode.md` has what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// Datagrams repeat the inputs of those before them.
    Repeats,
    /// The input clock follows the margins that the server reports.
    Dilation,
    /// The view clock follows the lateness of snapshots.
    AdaptiveDelay,
    /// What a correction moves fades.
    Smoothing,
    /// Ticks that ran on substitutes are replayed with them.
    SubstitutionFlags,
}

impl Mechanism {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Repeats, Self::Dilation, Self::AdaptiveDelay, Self::Smoothing, Self::SubstitutionFlags];
}

/// What a client counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Snapshots that arrived.
    pub snapshots: u64,
    /// Snapshots that never arrived, or not yet: those included that were never sent for want of room on the line.
    pub snapshots_missing: u64,
    /// Datagrams that could not be decoded; they count as lost.
    pub undecodable: u64,
    /// Inputs sampled.
    pub inputs: u64,
    /// Ticks that ran on a substitute.
    pub substituted: u64,
    /// Confirmations of the avatar.
    pub confirmed: u64,
    /// Confirmations that made the client go back and replay.
    pub reconciled: u64,
    /// Confirmations that differ from the prediction, ticks with substitutes replayed with them.
    pub mispredicted: u64,
    /// Confirmations that moved the avatar by more than 5 cm, whatever the reason.
    pub corrected: u64,
    /// Shots shown ahead of the server's word.
    pub spawns: u64,
    /// Those of them that the server told of.
    pub spawns_matched: u64,
    /// Those that did not happen after all, or of which the server did not tell in time.
    pub spawns_withdrawn: u64,
    /// Times that playing the past again gave something else ([`Client::set_sync_test`](crate::Client::set_sync_test)).
    pub sync_faults: u64,
    /// Entities shown, summed over frames.
    pub shown: u64,
    /// Those of them whose moment had not arrived when it was shown.
    pub starved: u64,
}

/// What waits inside a client; [`limits`](crate::limits) says how much of each may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Events that may be lost, for their moment.
    pub events: usize,
    /// Reliable events, for theirs.
    pub reliable: usize,
    /// Inputs, for the server to say that it needs them no more.
    pub inputs: usize,
}

/// What the player sees and steers by.
#[derive(Debug)]
pub struct View<'a, G: Game> {
    /// The map and the rules.
    pub world: &'a G::World,
    /// The client's player.
    pub player: Option<PlayerId>,
    /// The avatar as predicted; `None` before the server showed it.
    pub avatar: Option<G::Entity>,
    /// To be added to the avatar's position when it is drawn: what a correction moved, in metres, fading.
    pub avatar_offset: Vec3,
    /// What the avatar shot, in its present ([`Game::predict_spawn`]). Draw these beside the others, where they say they are;
    /// the server's copies of them are not among `others`. An id names a shot from its first frame to its last.
    pub spawned: &'a [Sighting<G::Entity>],
    /// All others, at the shown moment.
    pub others: &'a [Sighting<G::Entity>],
    /// The shown moment, in ticks.
    pub shown: f64,
    /// What happened since the last frame, up to the shown moment: first what is sure to be told, in its order, then what
    /// was not lost of the rest.
    pub events: Vec<G::Event>,
}
