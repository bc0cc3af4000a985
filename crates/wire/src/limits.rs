//! Every number that bounds what a peer can make us do, with what happens at the bound.

/// Largest control message of a client in bytes, its length prefix apart. A larger one closes the connection with
/// [`ControlTooLarge`](crate::CloseCode::ControlTooLarge).
pub const CONTROL_BYTES_MAX: usize = 4_096;

/// Largest control message of a server: a welcome carries the rules of the match. A client refuses larger ones.
pub const SERVER_CONTROL_BYTES_MAX: usize = 256 * 1_024;

/// Largest schema, and largest model, that a server tells those who ask. A server with a larger one does not start; a client
/// refuses one that is announced.
pub const DESCRIPTION_BYTES_MAX: usize = 1 << 20;

/// Bytes of a schema or model in one message: so few that chat goes on in between.
pub const PART_BYTES_MAX: usize = 2 * 1_024;

/// Longest chat line in bytes of UTF-8; the rest is cut.
pub const CHAT_BYTES_MAX: usize = 256;

/// Longest player name in characters; the rest is cut.
pub const NAME_CHARS_MAX: usize = 32;

/// Largest datagram of a client that is looked at; larger ones count as malformed.
pub const UP_DATAGRAM_BYTES_MAX: usize = 1_200;

/// How far behind the newest a sequence number may be and still be told from a new one.
pub const SEQUENCE_WINDOW: u16 = 1 << 15;

/// Times in a row that a client follows [`Elsewhere`](crate::CloseCode::Elsewhere). Places may be taken meanwhile, so once
/// is not always enough.
pub const REDIRECTS_MAX: u32 = 3;

/// Bytes of a resume token.
pub const RESUME_TOKEN_BYTES: usize = 24;

/// How far from the origin a spectator may look from, along each axis, in metres. What lies beyond is no place, and closes
/// the connection with [`MalformedControl`](crate::CloseCode::MalformedControl).
pub const SPOT_REACH_M: f32 = 1e6;

/// How often a spectator says where it looks at most, per second: a client tells the newest then.
pub const LOOKS_PER_S: u32 = 10;
