//! The control stream: one bidirectional QUIC stream, opened by the client, for what must arrive.
//!
//! The client's first bytes are the hello. It starts with a fixed layout that never changes, so that any two
//! versions can tell each other apart: magic (4 bytes), version (u16), length of the body (u16), both little-endian.
//! Every later message, either way, is its length (u32, little-endian) and its body. Bodies are bincode 2.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::description::Part;
use crate::limits::{CONTROL_BYTES_MAX, SERVER_CONTROL_BYTES_MAX};
use crate::{CloseCode, Look, Resumable, Resume, Resumed};

/// The first bytes of a hello.
pub const MAGIC: [u8; 4] = *b"DNBT";

/// The version of everything behind the fixed layout. `WIRE.md` and the golden vectors move with it.
pub const PROTOCOL_VERSION: u16 = 5;

/// Who speaks where an operator does: no player's number is as high.
pub const OPERATOR: u16 = u16::MAX;

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The game's name. Empty, it means whatever the server runs; only a client that asks for the schema can play that.
    pub game: String,
    /// Hash of the client's schema; 0 asks the server to tell its own.
    pub schema_hash: u64,
    /// Hash of the client's model; 0 asks the server to tell its own.
    pub model_hash: u64,
    /// What the player calls itself.
    pub name: String,
    /// The room to join; without one the server chooses.
    pub room: Option<u64>,
    /// Whether the client comes to watch only.
    pub spectator: bool,
    /// What lets the client in, where the server asks for it.
    pub ticket: Option<String>,
    /// Goes on with a session whose connection was lost. Name, room and role are then the session's, whatever stands here.
    pub resume: Option<Resume>,
}

/// What a client may send after its hello.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientMessage {
    /// Says something to the room.
    Say {
        /// At most [`CHAT_BYTES_MAX`](crate::limits::CHAT_BYTES_MAX) bytes.
        text: String,
    },
    /// A spectator looks elsewhere from now on.
    Look {
        /// Where.
        look: Look,
    },
}

/// What a server sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServerMessage {
    /// The client is in.
    Welcome(Welcome),
    /// A player said something, or an operator did.
    Said {
        /// Which one; [`OPERATOR`] is no player.
        player: u16,
        /// What.
        text: String,
    },
    /// The server will close soon.
    Draining {
        /// Seconds from now.
        deadline_s: u32,
    },
    /// A part of the schema, behind the welcome of a client that asked for it.
    Schema(Part),
    /// A part of the model, likewise, behind the schema if that was asked for, too.
    Model(Part),
    /// The server is overloaded, or no longer: how the room goes on.
    Pace {
        /// Snapshots per second that it sends from here on, at most what the welcome says.
        send_rate_hz: u16,
        /// Ticks that the room has left out since it was opened, because it could not keep up: its clock stood still
        /// for as long.
        ticks_left_out: u32,
    },
}

/// How a client is let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// How this session can be resumed; `None` when the server does not let it.
    pub resume: Option<Resumable>,
    /// How it goes on, if it was resumed.
    pub resumed: Option<Resumed>,
    /// The room.
    pub room: u64,
    /// The player's place in it; `None` for a spectator.
    pub player: Option<u16>,
    /// Ticks per second.
    pub tick_rate_hz: u16,
    /// Snapshots per second.
    pub send_rate_hz: u16,
    /// The tick of the room when this was written.
    pub tick: u32,
    /// The rules of the match: the game's `Config`, by [`encode`].
    pub config: Vec<u8>,
}

/// Why the control stream cannot go on. Each has its close code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// The first bytes are not [`MAGIC`].
    #[error("the hello does not begin with the magic bytes")]
    BadMagic,
    /// The hello is of another version.
    #[error("protocol version {0} is not spoken here; this is version {PROTOCOL_VERSION}")]
    Version(u16),
    /// A length over the limit.
    #[error("a message of {0} bytes exceeds the limit")]
    TooLarge(usize),
    /// A body that does not decode.
    #[error("a message of {0} bytes does not decode")]
    Malformed(usize),
    /// A hello where a message should be.
    #[error("the hello was sent twice")]
    SecondHello,
    /// A part of a schema or model that does not follow the one before.
    #[error("the parts of a schema or model do not fit together")]
    BadPart,
}

impl ControlError {
    /// The close code to answer with.
    #[must_use]
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::BadMagic => CloseCode::BadMagic,
            Self::Version(_) => CloseCode::VersionMismatch,
            Self::TooLarge(_) => CloseCode::ControlTooLarge,
            Self::Malformed(_) | Self::BadPart => CloseCode::MalformedControl,
            Self::SecondHello => CloseCode::SecondHello,
        }
    }
}

/// What the server read from a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromClient {
    /// The first message.
    Hello(Hello),
    /// Any later one.
    Message(ClientMessage),
}

/// Cuts the bytes of a control stream into messages. Never holds more than one message beyond what was pushed.
#[derive(Debug, Default)]
pub struct ControlReader {
    bytes: Vec<u8>,
    greeted: bool,
}

impl ControlReader {
    /// Takes in what arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next message of a client.
    ///
    /// # Errors
    /// After an error the stream cannot go on: close with its code.
    pub fn next_from_client(&mut self) -> Result<Option<FromClient>, ControlError> {
        if self.greeted {
            return Ok(self.next_frame(CONTROL_BYTES_MAX)?.map(FromClient::Message));
        }
        let magic = &self.bytes[..self.bytes.len().min(4)];
        if magic != &MAGIC[..magic.len()] {
            return Err(ControlError::BadMagic);
        }
        let Some(head) = self.bytes.get(4..HELLO_HEAD) else { return Ok(None) };
        let version = u16::from_le_bytes([head[0], head[1]]);
        if version != PROTOCOL_VERSION {
            return Err(ControlError::Version(version));
        }
        let length = usize::from(u16::from_le_bytes([head[2], head[3]]));
        let hello = self.take_body(HELLO_HEAD, length, CONTROL_BYTES_MAX)?;
        self.greeted = hello.is_some();
        Ok(hello.map(FromClient::Hello))
    }

    /// The next message of a server.
    ///
    /// # Errors
    /// As [`Self::next_from_client`].
    pub fn next_from_server(&mut self) -> Result<Option<ServerMessage>, ControlError> {
        self.next_frame(SERVER_CONTROL_BYTES_MAX)
    }

    fn next_frame<T: DeserializeOwned>(&mut self, max: usize) -> Result<Option<T>, ControlError> {
        let Some(&head) = self.bytes.first_chunk::<FRAME_HEAD>() else { return Ok(None) };
        if head == MAGIC {
            return Err(ControlError::SecondHello);
        }
        self.take_body(FRAME_HEAD, u32::from_le_bytes(head) as usize, max)
    }

    fn take_body<T: DeserializeOwned>(
        &mut self,
        head: usize,
        length: usize,
        max: usize,
    ) -> Result<Option<T>, ControlError> {
        if length > max {
            return Err(ControlError::TooLarge(length));
        }
        let Some(body) = self.bytes.get(head..head + length) else { return Ok(None) };
        let message = decode(body).ok_or(ControlError::Malformed(length))?;
        self.bytes.drain(..head + length);
        Ok(Some(message))
    }
}

impl Hello {
    /// The hello as the first bytes of the control stream.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let body = encode(self);
        let length = u16::try_from(body.len()).unwrap_or(u16::MAX);
        [&MAGIC[..], &PROTOCOL_VERSION.to_le_bytes(), &length.to_le_bytes(), &body].concat()
    }
}

/// A message with its length.
#[must_use]
pub fn frame<T: Serialize>(message: &T) -> Vec<u8> {
    let body = encode(message);
    [&(body.len() as u32).to_le_bytes()[..], &body].concat()
}

/// A body: bincode 2, little-endian, variable-length integers.
#[must_use]
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    bincode::serde::encode_to_vec(value, bincode::config::standard())
        .expect("messages are plain data, which always encodes")
}

/// Reads a body to its last byte; `None` when it is anything but what [`encode`] writes.
#[must_use]
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let config = bincode::config::standard().with_limit::<SERVER_CONTROL_BYTES_MAX>();
    let (value, length) = bincode::serde::decode_from_slice(bytes, config).ok()?;
    (length == bytes.len()).then_some(value)
}

const HELLO_HEAD: usize = 8;
const FRAME_HEAD: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Held, ResumeToken};
    use proptest::prelude::*;

    fn hello() -> Hello {
        Hello {
            game: "arena".into(),
            schema_hash: 0x0123_4567_89ab_cdef,
            model_hash: 0,
            name: "Ada".into(),
            room: Some(7),
            spectator: false,
            ticket: None,
            resume: Some(Resume { token: ResumeToken([9; 24]), held: Some(Held { tick: 300, events_read: 7 }) }),
        }
    }

    #[test]
    fn messages_are_read_however_they_are_cut() {
        let say = ClientMessage::Say { text: "hello".into() };
        let bytes = [hello().to_bytes(), frame(&say), frame(&say)].concat();
        for step in 1..bytes.len() {
            let mut reader = ControlReader::default();
            let mut read = Vec::new();
            for chunk in bytes.chunks(step) {
                reader.push(chunk);
                while let Some(message) = reader.next_from_client().expect("the bytes are right") {
                    read.push(message);
                }
            }
            let expected =
                [FromClient::Hello(hello()), FromClient::Message(say.clone()), FromClient::Message(say.clone())];
            assert_eq!(read, expected, "in steps of {step}");
        }
    }

    #[test]
    fn each_kind_of_wrong_hello_has_its_own_close_code() {
        let code = |bytes: &[u8]| {
            let mut reader = ControlReader::default();
            reader.push(bytes);
            loop {
                match reader.next_from_client() {
                    Ok(Some(_)) => {}
                    Ok(None) => return None,
                    Err(error) => return Some(error.close_code()),
                }
            }
        };
        let good = hello().to_bytes();
        assert_eq!(code(&good), None);
        assert_eq!(code(b"GET / HTTP/1.1"), Some(CloseCode::BadMagic));
        assert_eq!(code(b"DX"), Some(CloseCode::BadMagic), "told as early as it can be");
        assert_eq!(code(&[&good[..4], &[1, 0], &good[6..]].concat()), Some(CloseCode::VersionMismatch));
        assert_eq!(code(&[&good[..6], &[0xff, 0xff]].concat()), Some(CloseCode::ControlTooLarge));
        let mut trailing = good.clone();
        trailing[6] += 1;
        trailing.push(0);
        assert_eq!(code(&trailing), Some(CloseCode::MalformedControl), "a byte too many");
        assert_eq!(code(&[good.clone(), good.clone()].concat()), Some(CloseCode::SecondHello));
        assert_eq!(code(&[&good[..], &[0, 0, 1, 0]].concat()), Some(CloseCode::ControlTooLarge));
        assert_eq!(code(&[&good[..], &[1, 0, 0, 0, 0xfe]].concat()), Some(CloseCode::MalformedControl));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..80), greeted in any::<bool>()) {
            let mut reader = ControlReader { greeted, ..ControlReader::default() };
            reader.push(&bytes);
            while let Ok(Some(_)) = reader.next_from_client() {}
            let mut reader = ControlReader::default();
            reader.push(&bytes);
            while let Ok(Some(_)) = reader.next_from_server() {}
        }
    }
}
