//! The client that a game embeds: Downbeat over `quinn`, in two faces.
//!
//! An engine with a frame loop takes [`Polled`]: one call a frame, no async, the network on a thread of its own.
//! A program that lives in tokio anyway takes [`Session`]: one `next().await` that says what is to be done.
//! Both run the same client core; what they add is the handshake, the clock and the queues in between.
//!
//! ```no_run
//! use downbeat_connect::{Options, Polled, Status, Trust};
//! # use downbeat_field::{Field, Input};
//! # fn sample() -> Input { Input::default() }
//! let trust = Trust::Pinned("0011…".parse()?);
//! let mut net = Polled::<Field>::connect("play.example.com:4433", Options::new(trust, "Ada"));
//! loop {
//!     match net.update(|_tick| sample()) {
//!         Status::Connecting => println!("connecting…"),
//!         Status::Playing(view) => println!("I see {} others", view.others.len()),
//!         Status::Reconnecting(_) => println!("connecting again…"),
//!         Status::Ended(why) => break println!("{why}"),
//!     }
//!     // … draw, and wait for the next frame.
//! }
//! # Ok::<_, downbeat_connect::TrustError>(())
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`Polled`], [`Status`] | the face for frame loops |
//! | [`Session`], [`Event`] | the face for tokio |
//! | [`describe`](describe()) | what a server runs, for programs that do not have its game |
//! | [`watch`](watch()), [`Watcher`], [`Watched`] | a match of any game, for such programs |
//! | [`Options`], [`Trust`], [`Fingerprint`] | whom to join, and whom to believe |
//! | [`ConnectError`], [`Disconnected`], [`Ended`] | why it does not go on, and what to do next |
#![forbid(unsafe_code)]

mod clock;
mod describe;
mod error;
mod inbox;
mod join;
pub mod limits;
mod looking;
mod options;
mod polled;
mod pump;
mod quic;
mod reach;
mod resume;
mod session;
mod trust;
mod watch;

pub use describe::{Described, describe};
pub use downbeat_wire::{Look, ResumeToken, Spot};
pub use error::{ConnectError, Disconnected, Ended, LookError, SayError};
pub use options::Options;
pub use polled::{Polled, Status};
pub use session::{Event, Message, Session, Stats};
pub use trust::{Fingerprint, Trust, TrustError};
pub use watch::{Watched, Watcher, watch};
