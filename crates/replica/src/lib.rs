//! What both ends share about state: how a game plugs in, its schema, quantised lanes, versions and deltas.
//!
//! A game declares its entities, inputs and events as field tables ([`Replicated`], [`Kinds`]); from then on only
//! `i32` lanes travel, are compared, stored and interpolated, so that none of it depends on a game's types.
#![forbid(unsafe_code)]

extern crate self as downbeat_replica;

pub mod codec;
mod coding;
mod frames;
mod game;
mod ids;
mod input;
mod interpolate;
mod lanes;
pub mod limits;
mod record;
pub mod recording;
mod reliable;
mod replicated;
mod results;
mod scene;
mod schema;
mod schema_bytes;
mod schema_words;
mod shape;
mod twin;
mod value;
mod versions;

pub use coding::Coding;
pub use downbeat_derive::{Input, Replicated};
pub use downbeat_wire::{DecodeError, Micros, Tick, bits, hash, range};
pub use frames::{Frames, Picked, is_retained};
pub use game::{
    Camera, Capture, Captured, ConfigError, Context, Events, Game, Hearers, Inputs, PlayerInput, Rewind, Setup,
    Sighting, Viewer, Visible, dt,
};
pub use glam;
pub use ids::{EntityId, EntityIds, PlayerId};
pub use input::{Input, InputFrame, InputFrames, ViewTick, neutral, substitute};
pub use interpolate::Between;
pub use lanes::{LaneReader, LaneWriter};
pub use record::{
    Cut, EPOCH_ORDER, Enter, Leave, Refs, SLOT_BITS_MAX, event_bits_max, put_count, put_event, put_refs, take_count,
    take_event, take_refs,
};
pub use reliable::{ReliableReader, ToldEvent, put_reliable};
pub use replicated::{Audience, FieldTuner, Kinds, NoEvents, Replicated};
pub use results::{GameResult, Results};
pub use scene::Scene;
pub use schema::{Field, Kind, Lane, Repr, Role, Schema};
pub use schema_bytes::SchemaError;
pub use twin::Twin;
pub use value::{Spec, Value};
pub use versions::{Version, Versions};
