//! Every number that bounds what a connection waits for or holds, with what happens at the bound.

use std::time::Duration;

use downbeat_wire::Micros;

/// Addresses of one host name that are tried, in the order of the resolver; further ones are not.
pub const ADDRESSES_MAX: usize = 4;

/// How long connecting may take, from the first packet to the welcome, all addresses together; then it fails with
/// [`ConnectError::Unreachable`](crate::ConnectError::Unreachable).
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(8);

/// How long [`describe`](crate::describe()) waits for schema and model once it was let in; then it fails with
/// [`ConnectError::Undescribed`](crate::ConnectError::Undescribed).
pub const DESCRIBE_TIMEOUT: Duration = Duration::from_secs(20);

/// A connection on which nothing arrived for this long is lost.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that sent nothing for this long says that it is still there.
pub const KEEP_ALIVE: Duration = Duration::from_secs(3);

/// No snapshot for so long: the connection is taken for lost, although it does not say so. Longer than a server stands still, so
/// that not all of its clients come again at once.
pub const SILENCE_MAX: Micros = Micros::from_millis(5_000);

/// How long one attempt to resume a session may take.
pub const RESUME_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);

/// From one attempt to resume a session to the next, at first and at most; half of it is left to chance.
pub const RESUME_PAUSE_MIN: Duration = Duration::from_millis(250);

/// See [`RESUME_PAUSE_MIN`].
pub const RESUME_PAUSE_MAX: Duration = Duration::from_secs(4);

/// From one time that the server is told where a spectator looks to the next.
pub const LOOK_PAUSE: Duration = Duration::from_millis(1_000 / downbeat_wire::limits::LOOKS_PER_S as u64);

/// Most that leaving waits for the server to hear of it.
pub const LEAVE_TIMEOUT: Duration = Duration::from_millis(200);

/// Datagrams that arrived and wait for the game: two seconds at 128 Hz. At the cap the oldest is dropped and counted
/// in [`Stats::datagrams_dropped`](crate::Stats::datagrams_dropped); the server tells again what was not acknowledged.
pub const DATAGRAMS_WAITING_MAX: usize = 256;

/// Messages that arrived and wait for the game. At the cap no more are read from the stream, and QUIC's flow control
/// makes the server wait.
pub const MESSAGES_WAITING_MAX: usize = 64;

/// Bytes of reliable events that arrived and wait for the game. At the cap no more are read from their stream, and QUIC's
/// flow control makes the server wait.
pub const RELIABLE_WAITING_BYTES_MAX: usize = 64 * 1_024;

/// Messages of ours that wait for the network. At the cap [`SayError::TooFast`](crate::SayError::TooFast) is returned.
pub const MESSAGES_LEAVING_MAX: usize = 16;

/// Datagrams that arrived and wait inside QUIC until the background task takes them, in bytes; the oldest are dropped.
pub const DATAGRAM_RECEIVE_BUFFER_BYTES: usize = 64 * 1_024;

/// Datagrams of ours that wait inside QUIC, in bytes. The oldest are dropped: later ones repeat their inputs.
pub const DATAGRAM_SEND_BUFFER_BYTES: usize = 4 * 1_024;

/// Bytes of the control stream that may be on their way to us before we read them.
pub const CONTROL_WINDOW_BYTES: u32 = 64 * 1_024;

/// Streams that the server may open: the one of reliable events.
pub const SERVER_STREAMS_MAX: u32 = 1;

/// Bytes that may be on their way to the server unacknowledged, as many as 128 datagrams a second of 120 bytes are in
/// a second. Beyond it datagrams wait in [`DATAGRAM_SEND_BUFFER_BYTES`].
pub const FLIGHT_BYTES_MAX: u64 = 16 * 1_024;

/// Characters of a server's text that are shown; the rest is cut.
pub const REASON_CHARS_MAX: usize = 256;
