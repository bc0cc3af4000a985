//! Why a connection ended: QUIC application close codes, each with a sentence for people.

use std::fmt;

macro_rules! close_codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $label:literal, $text:literal;)*) => {
        /// The application close codes of the protocol. They never change their meaning; `WIRE.md` lists them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u32)]
        pub enum CloseCode {
            $($(#[$doc])* $name = $code,)*
        }

        impl CloseCode {
            /// Every code, in ascending order.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The code that a peer sent, if it is one of ours.
            #[must_use]
            pub const fn from_code(code: u64) -> Option<Self> {
                match code {
                    $($code => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// The name as it stands in metrics, logs and `WIRE.md`.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Self::$name => $label,)* }
            }

            /// A sentence that a player or an operator can act on.
            #[must_use]
            pub const fn reason(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

close_codes! {
    /// The peer left of its own will.
    Bye = 0, "BYE", "left";
    /// The server is going down.
    ShuttingDown = 1, "SHUTTING_DOWN", "the server is shutting down";
    /// The room ended or was closed.
    RoomClosed = 2, "ROOM_CLOSED", "the room was closed";
    /// The room's game panicked; other rooms go on.
    RoomFailed = 3, "ROOM_FAILED", "the room failed and was closed; join another";
    /// Removed by an operator.
    Kicked = 4, "KICKED", "removed by an operator";
    /// Another connection took the session over, or the account came in again. To a server: the client goes on with the
    /// session over another connection.
    Replaced = 5, "REPLACED", "another connection of this player took over";
    /// Every room and every place is taken.
    ServerFull = 16, "SERVER_FULL", "the server is full; try again later or elsewhere";
    /// The server cannot take the connection now.
    Overloaded = 17, "OVERLOADED", "the server is overloaded; try again in a moment";
    /// The room that was asked for does not exist or takes nobody.
    NoSuchRoom = 18, "NO_SUCH_ROOM", "the room that was asked for does not exist";
    /// The address has as many connections as it may have.
    TooManyConnections = 19, "TOO_MANY_CONNECTIONS", "too many connections from this address";
    /// Another shard of the server is to serve this client. The reason is a number, 0..=255 in decimal: a client connects
    /// again with that as the first byte of the first connection id that it sends to, and is let in there.
    Elsewhere = 20, "ELSEWHERE", "another shard serves this room; connect again as the protocol says";
    /// There is no session that the resume token opens, or no longer.
    SessionOver = 21, "SESSION_OVER", "the session that was to be resumed is over; join again";
    /// The account has a session, and the server lets no second one in.
    AlreadyConnected = 22, "ALREADY_CONNECTED", "this account is connected already; leave there first";
    /// The hello does not begin with the magic bytes.
    BadMagic = 32, "BAD_MAGIC", "this is not the Downbeat protocol";
    /// The hello names a protocol version that is not spoken here.
    VersionMismatch = 33, "VERSION_MISMATCH", "client and server speak different protocol versions; update the older one";
    /// The hello names another game.
    WrongGame = 34, "WRONG_GAME", "the server runs another game";
    /// Same game, other field tables.
    SchemaMismatch = 35, "SCHEMA_MISMATCH", "client and server were built from different versions of the game; update the older one";
    /// The ticket was not accepted.
    Unauthorized = 36, "UNAUTHORIZED", "the ticket was refused";
    /// Same tables, another model.
    ModelMismatch = 37, "MODEL_MISMATCH", "client and server have different models of the game; update the older one";
    /// No hello came in time.
    HelloTimeout = 48, "HELLO_TIMEOUT", "no hello arrived within the time allowed";
    /// A second hello on a connection that was admitted already.
    SecondHello = 49, "SECOND_HELLO", "the hello was sent twice";
    /// A control message that does not decode.
    MalformedControl = 50, "MALFORMED_CONTROL", "a control message could not be decoded";
    /// A control message over its limit.
    ControlTooLarge = 51, "CONTROL_TOO_LARGE", "a control message exceeds its size limit";
    /// Datagrams that do not decode, more of them than are forgiven.
    MalformedDatagram = 52, "MALFORMED_DATAGRAM", "too many datagrams could not be decoded";
    /// More datagrams or bytes than a client may send.
    Flooding = 53, "FLOODING", "more was sent than a client may send";
    /// Acknowledged what was never sent.
    ForgedAck = 54, "FORGED_ACK", "datagrams were acknowledged that were never sent";
    /// A message that its sender may not send.
    NotAllowed = 55, "NOT_ALLOWED", "that message is not allowed here";
    /// An invariant of the sender broke.
    Internal = 64, "INTERNAL", "an internal error";
}

impl CloseCode {
    /// Where a connection that was closed with `code` and `reason` is sent: the byte that [`Elsewhere`](Self::Elsewhere)
    /// names. `None` for every other end.
    #[must_use]
    pub fn sent_elsewhere(code: u64, reason: &str) -> Option<u8> {
        if Self::from_code(code)? == Self::Elsewhere { reason.parse().ok() } else { None }
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.label(), *self as u32, self.reason())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_found_again_and_named_once() {
        for (i, &code) in CloseCode::ALL.iter().enumerate() {
            assert_eq!(CloseCode::from_code(u64::from(code as u32)), Some(code));
            assert!(!code.reason().is_empty());
            assert!(CloseCode::ALL[..i].iter().all(|c| c.label() != code.label()));
        }
        assert_eq!(CloseCode::from_code(9_999), None);
    }

    #[test]
    fn a_number_alone_sends_elsewhere_and_with_its_code_alone() {
        let sent = |code: CloseCode, reason| CloseCode::sent_elsewhere(u64::from(code as u32), reason);
        assert_eq!((sent(CloseCode::Elsewhere, "0"), sent(CloseCode::Elsewhere, "255")), (Some(0), Some(255)));
        for reason in ["", "256", "-1", "two", CloseCode::Elsewhere.reason()] {
            assert_eq!(sent(CloseCode::Elsewhere, reason), None, "{reason}");
        }
        assert_eq!(sent(CloseCode::ServerFull, "1"), None);
    }
}
