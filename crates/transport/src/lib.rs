//! The shard's QUIC driver: quinn-proto's state machines in one plain loop, without tasks, threads or locks.
//!
//! One thread owns a [`Driver`] and calls, in this order and as often as it likes:
//! [`receive`](Driver::receive) and [`handle_timeouts`](Driver::handle_timeouts), [`poll_event`](Driver::poll_event) until
//! `None`, its own writes, and at the tick [`flush`](Driver::flush). What is known only by calling it is told in
//! microseconds, so the same driver runs in real and in virtual time.
//!
//! | module | holds |
//! |---|---|
//! | [`Driver`] | the loop's entry points |
//! | [`Event`], [`CloseReason`], [`ConnStats`], [`DriverCounters`] | what comes out |
//! | [`ServerOptions`], [`ClientOptions`], [`Tuning`] | what can be told |
//! | [`Identity`], [`Trust`], [`Fingerprint`] | certificates |
//! | [`Socket`] and its makers | where datagrams come from and go to |
#![deny(unsafe_code)]

mod arena;
mod attempts;
mod cid;
mod clock;
mod congestion;
mod connection;
mod core;
mod counters;
mod driver;
mod event;
mod fair;
mod gate;
mod handshake;
mod identity;
mod inbox;
mod inflow;
pub mod limits;
mod network;
mod options;
mod outbox;
mod socket;
mod stopwatch;
mod streams;
mod timers;
mod tls;

pub use clock::Clock;
pub use counters::{ConnStats, DriverCounters};
pub use driver::Driver;
pub use event::{CloseReason, ConnId, ConnectError, ControlError, Event, SendError};
pub use identity::{Fingerprint, Identity, IdentityError, LiveIdentity, Trust};
pub use network::network_of;
pub use options::{ClientIds, ClientOptions, HandshakeBudget, Secret, ServerOptions, Shard, Tuning, Turnstile};
pub use socket::{
    Conditioned, Conditioner, Flow, FlowKey, KernelSocket, MemoryNetwork, MemorySocket, Outgoing, PortableSocket,
    Received, Socket, SocketCounters, SocketOptions, Transmit,
};
