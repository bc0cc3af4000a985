//! Bounds of what a room and its clients keep, with what happens at the bound.

use crate::Micros;

/// Indices of entities in a room; [`EntityIds::spawn`](crate::EntityIds::spawn) gives `None` beyond.
pub const ENTITIES_MAX: usize = (1 << 20) - 1;

/// Freed indices that rest before one is used again.
pub const IDS_RESTING: usize = 1_024;

/// Players of a room; joining beyond is refused.
pub const PLAYERS_MAX: usize = 4_096;

/// Kinds of entities (or of events) of a game; more is an error when the schema is built.
pub const KINDS_MAX: usize = 64;

/// Lanes of one kind, so that a set of them is one `u64`; more is an error when the schema is built.
pub const LANES_MAX: usize = 64;

/// Bytes of a name in a schema; a longer one is an error when the schema is built.
pub const NAME_BYTES_MAX: usize = 64;

/// Low bits of a lane that only the owner may be told; more is an error when the schema is built.
pub const OWNER_BITS_MAX: u8 = 24;

/// Snapshots that a later one can build on: so many before it. A client keeps an entity's states of as many. Part of the
/// protocol: the server relies on it.
pub const RETAINED_SNAPSHOTS: u32 = 32;

/// Distinct versions of an entity that a room keeps. From older ones nothing can be told, and none be rewound to.
pub const ROOM_VERSIONS: usize = 64;

/// Slots of one client: entities that it can know at a time. What exceeds it is not shown.
pub const SLOTS_MAX: usize = 16_384;

/// Input frames in one datagram.
pub const INPUT_FRAMES_MAX: usize = 32;

/// Events in one datagram; more are dropped and counted.
pub const EVENTS_PER_DATAGRAM_MAX: usize = 64;

/// Bytes of one reliable event, its length apart: more than any kind of event can take. A client refuses a longer one.
pub const RELIABLE_EVENT_BYTES_MAX: usize = 512;

/// Lanes of one kind that name entities; more is an error when the schema is built.
pub const ENTITY_LANES_MAX: usize = 4;

/// Seeds of recordings that a model was trained on; a file with more is refused.
pub const MODEL_SEEDS_MAX: usize = 1_024;

/// Ticks between the newest and the oldest state that a model takes motion from; a file with more is refused. A datagram
/// can name states that are so much older than the newest.
pub const MODEL_LAG_MAX: u32 = 16;

/// Lanes of one recording, over all entities and frames, that training keeps; a recording with more is refused.
pub const RECORDING_LANES_MAX: usize = 1 << 26;

/// Samples of a kind, as its owner or as others are told it, that a model is trained on; of more, some are drawn.
pub const TRAINING_SAMPLES_MAX: usize = 150_000;

/// Ticks ahead of the present for which a room takes an input; later ones are rejected and counted. Clients know, so that
/// they can tell that theirs were.
pub const INPUT_TICKS_AHEAD_MAX: u32 = 64;

/// Bytes of one result as JSON; a longer one is counted and not kept.
pub const RESULT_BYTES_MAX: usize = 4_096;

/// Results that a game tells at a time, in one tick or at one leave; more are counted and not kept.
pub const RESULTS_WAITING_MAX: usize = 256;

/// How long a held input stands in for missing ones; after that the player does nothing.
pub const SUBSTITUTE_MAX: Micros = Micros::from_millis(250);

/// An entity that moved farther between two states than this many times what its faster velocity explains, and
/// [`JUMP_M`] metres more, was moved: it is not shown in between.
pub const JUMP_TIMES_SPEED: f64 = 2.0;

/// See [`JUMP_TIMES_SPEED`]; a step up a stair, or out of a wall, is shorter.
pub const JUMP_M: f64 = 1.5;
