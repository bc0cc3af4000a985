//! What a driver tells its owner, and why it says no.

use std::fmt;
use std::net::SocketAddr;

use bytes::Bytes;
use downbeat_wire::{CloseCode, Micros};
use quinn_proto::ConnectionError;

use crate::limits::CLOSE_REASON_BYTES_MAX;

/// A connection of one driver. Never names another one, even after it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

impl ConnId {
    /// The connection's place in its driver: small and dense, reused by later connections.
    #[must_use]
    pub const fn index(self) -> usize {
        self.index as usize
    }
}

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index, self.generation)
    }
}

/// Something happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A handshake was completed.
    Connected {
        /// Which connection.
        conn: ConnId,
        /// The peer's address.
        remote: SocketAddr,
    },
    /// A datagram arrived. It shares memory with its neighbours: copy what is kept for long.
    Datagram {
        /// From which connection.
        conn: ConnId,
        /// What the peer gave to its `send_datagram`.
        payload: Bytes,
        /// When it arrived, by the kernel's stamp where there is one.
        at: Micros,
    },
    /// The next bytes of the control stream, in order.
    Control {
        /// From which connection.
        conn: ConnId,
        /// At least one byte.
        bytes: Bytes,
    },
    /// The next bytes of what a server sent with `send_reliable`, in order.
    Reliable {
        /// From which connection.
        conn: ConnId,
        /// At least one byte.
        bytes: Bytes,
    },
    /// The connection is over: once for each that was `Connected` or came from `connect`, and the last of its events.
    Closed {
        /// Which connection.
        conn: ConnId,
        /// Why.
        reason: CloseReason,
    },
}

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The peer closed it.
    ByPeer {
        /// Its application close code; [`CloseCode::from_code`] knows ours.
        code: u64,
        /// Its text, cut and made printable.
        reason: String,
    },
    /// We closed it.
    Local(CloseCode),
    /// Nothing was heard for the idle timeout, or the handshake took too long.
    TimedOut,
    /// The handshake failed: certificates, ALPN, or the server refuses connections.
    HandshakeFailed(String),
    /// The peer speaks no QUIC version that we speak.
    VersionMismatch,
    /// The peer has forgotten the connection, as a restarted server has.
    Reset,
    /// Either end broke the rules of QUIC.
    Transport(String),
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByPeer { code, reason } => {
                match CloseCode::from_code(*code) {
                    Some(known) => write!(f, "closed by the peer: {known}")?,
                    None => write!(f, "closed by the peer with code {code}")?,
                }
                if reason.is_empty() { Ok(()) } else { write!(f, " ({reason})") }
            }
            Self::Local(code) => write!(f, "closed by us: {code}"),
            Self::TimedOut => f.write_str("timed out"),
            Self::HandshakeFailed(text) => write!(f, "handshake failed: {text}"),
            Self::VersionMismatch => f.write_str("the peer speaks no QUIC version of ours"),
            Self::Reset => f.write_str("the peer has forgotten the connection"),
            Self::Transport(text) => write!(f, "transport error: {text}"),
        }
    }
}

/// TLS alerts of RFC 8446 travel as these QUIC codes (RFC 9001, section 4.8).
const CRYPTO_CODES: std::ops::Range<u64> = 0x100..0x200;
const NO_APPLICATION_PROTOCOL: u64 = 0x178;
const CONNECTION_REFUSED: u64 = 0x2;

impl From<ConnectionError> for CloseReason {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::VersionMismatch => Self::VersionMismatch,
            ConnectionError::TransportError(error) => match u64::from(error.code) {
                code if CRYPTO_CODES.contains(&code) => Self::HandshakeFailed(ours(code, &error.reason)),
                _ => Self::Transport(printable(error.to_string().as_bytes())),
            },
            ConnectionError::ConnectionClosed(close) => match u64::from(close.error_code) {
                CONNECTION_REFUSED => Self::HandshakeFailed("the server refuses connections at the moment".to_owned()),
                code if CRYPTO_CODES.contains(&code) => Self::HandshakeFailed(theirs(code, &close.reason)),
                _ => Self::Transport(format!("the peer says: {}", printable(close.to_string().as_bytes()))),
            },
            ConnectionError::ApplicationClosed(close) => {
                Self::ByPeer { code: close.error_code.into_inner(), reason: printable(&close.reason) }
            }
            ConnectionError::Reset => Self::Reset,
            ConnectionError::TimedOut => Self::TimedOut,
            ConnectionError::LocallyClosed => Self::Local(CloseCode::Bye),
            ConnectionError::CidsExhausted => Self::Transport("no connection ids are left".to_owned()),
        }
    }
}

/// A failure that our TLS found.
fn ours(code: u64, reason: &str) -> String {
    if code == NO_APPLICATION_PROTOCOL {
        return "the peer does not speak the protocol `downbeat`".to_owned();
    }
    // rustls puts this before the texts of our own certificate check.
    printable(reason.strip_prefix("unexpected error: ").unwrap_or(reason).as_bytes())
}

/// A failure that the peer's TLS found. Its text is empty as a rule.
fn theirs(code: u64, reason: &[u8]) -> String {
    match (code, reason) {
        (NO_APPLICATION_PROTOCOL, _) => "the peer does not speak our protocol".to_owned(),
        (_, []) => format!("the peer refused with TLS alert {}", code - CRYPTO_CODES.start),
        _ => format!("the peer refused: {}", printable(reason)),
    }
}

/// At most [`CLOSE_REASON_BYTES_MAX`] bytes of a text, without what would upset a terminal or a log.
pub(crate) fn printable(text: &[u8]) -> String {
    let mut out = String::new();
    for c in String::from_utf8_lossy(&text[..text.len().min(CLOSE_REASON_BYTES_MAX)]).chars() {
        if out.len() + c.len_utf8() > CLOSE_REASON_BYTES_MAX {
            break;
        }
        out.push(if c.is_control() { ' ' } else { c });
    }
    out
}

/// Why `connect` could not begin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The driver only accepts connections.
    #[error("this driver only accepts connections")]
    NotAClient,
    /// The driver has as many connections as it can tell apart.
    #[error("the driver holds as many connections as it can")]
    TooMany,
    /// Neither a host name nor an IP address.
    #[error("`{0}` is neither a host name nor an IP address")]
    ServerName(String),
    /// No datagram can be sent there.
    #[error("{0} is no address to connect to")]
    Remote(SocketAddr),
    /// With ids by address, there is a connection to this remote already.
    #[error("there is a connection to {0} already, and this driver tells connections apart by address")]
    RemoteTaken(SocketAddr),
}

/// Why a datagram was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// There is no such connection, or no longer, or not yet.
    #[error("the connection is not open")]
    NotOpen,
    /// The congestion window or the buffer is full: skip this one.
    #[error("the connection is blocked")]
    Blocked,
    /// Larger than the path or the peer takes.
    #[error("the datagram is larger than {most_bytes} bytes")]
    TooLarge {
        /// What `datagram_space` would say.
        most_bytes: usize,
    },
}

/// Why bytes of a stream were not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// There is no such connection, or no longer.
    #[error("the connection is not open")]
    NotOpen,
    /// The peer reads too slowly; its connection was closed for it.
    #[error("too many bytes wait for the peer; the connection was closed")]
    Overloaded,
}
