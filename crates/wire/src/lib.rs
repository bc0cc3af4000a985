//! Bytes and nothing else: what crosses the network and how it is written. `WIRE.md` states every byte.
#![forbid(unsafe_code)]

pub mod bits;
pub mod close;
pub mod control;
pub mod description;
mod error;
pub mod hash;
pub mod limits;
mod look;
pub mod packet;
pub mod range;
mod resume;
pub mod time;

pub use close::CloseCode;
pub use error::DecodeError;
pub use look::{Look, Spot};
pub use resume::{Base, Held, Resumable, Resume, ResumeToken, Resumed};
pub use time::{Micros, Tick};

/// The ALPN of the protocol. It never changes; versions are told in the hello.
pub const ALPN: &[u8] = b"downbeat";
