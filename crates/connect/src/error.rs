//! Why it does not go on. Every message says what to do next, since players will read it out to somebody.

use std::io;
use std::net::SocketAddr;

use downbeat_replica::ConfigError;
use downbeat_replica::codec::ModelError;
use downbeat_wire::CloseCode;
use quinn::{ConnectionError, TransportErrorCode};

use crate::TrustError;
use crate::limits::{CONNECT_TIMEOUT, DESCRIBE_TIMEOUT, IDLE_TIMEOUT, REASON_CHARS_MAX};

/// Why a session did not begin.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address cannot be resolved.
    #[error("cannot find `{address}`: {why}; expected host:port, such as play.example.com:4433 or [::1]:4433")]
    Address {
        /// As it was given.
        address: String,
        /// What the resolver says.
        why: String,
    },
    /// The name cannot stand in a certificate.
    #[error("`{0}` cannot be a server's name: expected a host name or an IP address")]
    ServerName(String),
    /// Nobody can be believed that way.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// No socket or thread is to be had.
    #[error("this machine refuses a socket or a thread: {0}")]
    Machine(#[from] io::Error),
    /// The background thread of a [`Polled`](crate::Polled) panicked.
    #[error("the network's thread panicked while connecting; that is a defect, please report it")]
    ThreadDied,
    /// Nothing answered.
    #[error(
        "no answer from {0} within {timeout} s: check the address, that the server runs, and that UDP is let through",
        timeout = CONNECT_TIMEOUT.as_secs()
    )]
    Unreachable(SocketAddr),
    /// The server is not the one that is believed.
    #[error("the server at {address} is not believed: {why}{}", renewed(why))]
    Untrusted {
        /// Where it is.
        address: SocketAddr,
        /// What is wrong with its certificate.
        why: String,
    },
    /// Something else than Downbeat answers there.
    #[error("{0} speaks QUIC but not Downbeat: check the port")]
    NotDownbeat(SocketAddr),
    /// The server takes no connections.
    #[error("the server at {0} takes no new connections now; try again later or elsewhere")]
    Refused(SocketAddr),
    /// The server took the connection and ended it.
    #[error("not let in: {0}")]
    Closed(#[from] Disconnected),
    /// The game comes with a model that is none of its own.
    #[error("the file in the game's `const MODEL` cannot be used: {0}; put in what `train` wrote for this schema")]
    Model(#[from] ModelError),
    /// The server let the client in but was slow to tell what it asked for.
    #[error("the server at {0} did not tell its schema and model within {timeout} s; try again", timeout = DESCRIBE_TIMEOUT.as_secs())]
    Undescribed(SocketAddr),
    /// The server's rules are not rules of this game.
    #[error("the rules that the server sent cannot be used: {0}; update the game")]
    Rules(#[from] ConfigError),
}

/// Why a session ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Disconnected {
    /// This end left.
    #[error("the session was left")]
    Left,
    /// The server ended it.
    #[error("the server ended the connection: {code}{}", addition(*code, reason))]
    Closed {
        /// Why.
        code: CloseCode,
        /// In the server's words; may be empty.
        reason: String,
    },
    /// The server ended it and gave a code that is not known here.
    #[error("the server ended the connection with the unknown code {code}: {reason}; update the game")]
    ClosedUnknown {
        /// The code.
        code: u64,
        /// In the server's words; may be empty.
        reason: String,
    },
    /// The connection was lost, and the session could not be resumed.
    #[error("the connection was lost, and the session cannot be resumed: {why}")]
    Lost {
        /// What the server said last, if it was heard.
        code: Option<CloseCode>,
        /// Why the last attempt failed, in words.
        why: String,
    },
    /// Nothing arrived any more.
    #[error(
        "nothing was heard of the server for {idle} s: check the network, then connect again",
        idle = IDLE_TIMEOUT.as_secs()
    )]
    TimedOut,
    /// The server does not know the connection any more.
    #[error("the server does not know this connection any more, it was probably restarted: connect again")]
    Forgotten,
    /// The server sent what no server sends.
    #[error("the server broke the protocol: {0}; one end is probably out of date")]
    Protocol(String),
    /// QUIC failed.
    #[error("the connection failed: {0}; connect again")]
    Transport(String),
}

/// Why there is no session, for a frame loop that does not ask at which moment it went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// It did not begin.
    #[error(transparent)]
    NotConnected(#[from] ConnectError),
    /// It began and ended.
    #[error(transparent)]
    Disconnected(#[from] Disconnected),
}

/// Why a text was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SayError {
    /// There is no session.
    #[error("nothing can be said while not connected")]
    NotConnected,
    /// The earlier ones are not sent yet.
    #[error("too much is being said: wait a moment")]
    TooFast,
}

/// Why a spectator does not look elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookError {
    /// There is no session.
    #[error("nobody can look around while not connected")]
    NotConnected,
    /// It is a player's.
    #[error("a player looks from where its avatar is: connect as a spectator to look from elsewhere")]
    Player,
}

impl From<ConnectError> for Disconnected {
    /// A session was not resumed.
    fn from(error: ConnectError) -> Self {
        let code = match &error {
            ConnectError::Closed(Self::Closed { code, .. }) => Some(*code),
            _ => None,
        };
        Self::Lost { code, why: error.to_string() }
    }
}

impl Disconnected {
    /// What QUIC's `error` means: the one place where close codes are read.
    pub(crate) fn of(error: &ConnectionError) -> Self {
        match error {
            ConnectionError::ApplicationClosed(close) => {
                let (code, reason) = (close.error_code.into_inner(), readable(&close.reason));
                CloseCode::from_code(code)
                    .map_or(Self::ClosedUnknown { code, reason: reason.clone() }, |code| Self::Closed { code, reason })
            }
            ConnectionError::LocallyClosed => Self::Left,
            ConnectionError::TimedOut => Self::TimedOut,
            ConnectionError::Reset => Self::Forgotten,
            ConnectionError::ConnectionClosed(close) => {
                Self::Transport(format!("{} {}", close.error_code, readable(&close.reason)))
            }
            other => Self::Transport(other.to_string()),
        }
    }
}

impl ConnectError {
    /// What it means when the QUIC handshake with `address` ends in `error`; `refusal` is the verifier's word.
    pub(crate) fn of_handshake(address: SocketAddr, error: &ConnectionError, refusal: Option<String>) -> Self {
        if let Some(why) = refusal {
            return Self::Untrusted { address, why };
        }
        let code = match error {
            ConnectionError::TransportError(error) => Some(error.code),
            ConnectionError::ConnectionClosed(close) => Some(close.error_code),
            _ => None,
        };
        match error {
            ConnectionError::TimedOut => Self::Unreachable(address),
            ConnectionError::VersionMismatch => Self::NotDownbeat(address),
            _ if code == Some(TransportErrorCode::crypto(NO_APPLICATION_PROTOCOL)) => Self::NotDownbeat(address),
            _ if code == Some(TransportErrorCode::CONNECTION_REFUSED) => Self::Refused(address),
            _ => Self::Closed(Disconnected::of(error)),
        }
    }
}

/// What to do about a certificate that is not believed for `why`.
fn renewed(why: &str) -> &'static str {
    match why.contains("not the pinned one") {
        true => "; ask for its fingerprint again: a server without a certificate file has a new one at each start",
        false => "",
    }
}

/// The TLS alert of a server that speaks none of the protocols asked for (RFC 7301).
const NO_APPLICATION_PROTOCOL: u8 = 120;

/// What the server's words add to those of the code.
fn addition(code: CloseCode, reason: &str) -> String {
    if reason.is_empty() || code.reason().contains(reason) { String::new() } else { format!(" ({reason})") }
}

/// A text of the server without what could play with a terminal.
fn readable(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().filter(|c| !c.is_control()).take(REASON_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use quinn::{ApplicationClose, VarInt};

    fn closed(code: u32, reason: &'static str) -> String {
        let close = ApplicationClose { error_code: VarInt::from_u32(code), reason: reason.into() };
        Disconnected::of(&ConnectionError::ApplicationClosed(close)).to_string()
    }

    #[test]
    fn every_close_code_is_told_with_its_name_and_sentence() {
        for &code in CloseCode::ALL {
            let text = closed(code as u32, code.reason());
            assert!(text.ends_with(&format!("{} ({}): {}", code.label(), code as u32, code.reason())), "{text}");
        }
    }

    #[test]
    fn the_words_of_a_server_are_added_without_control_characters() {
        assert!(
            closed(16, "64 of 64 \u{1b}[2Jplaces").ends_with("elsewhere (64 of 64 [2Jplaces)"),
            "{}",
            closed(16, "")
        );
        assert!(closed(9_999, "why").contains("unknown code 9999: why"));
    }
}
