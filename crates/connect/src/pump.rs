//! The task behind a session: stamps what arrives, hands it to the inbox, and writes what leaves on the stream.

use std::sync::Arc;

use bytes::Bytes;
use downbeat_replica::PlayerId;
use downbeat_wire::CloseCode;
use downbeat_wire::control::{ControlReader, ServerMessage};
use quinn::{Connection, Endpoint, ReadError, RecvStream, SendStream, VarInt};
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::inbox::Inbox;
use crate::resume::{Request, Route, reconnect};
use crate::{Disconnected, Message};

/// The reading side of the control stream.
pub(crate) struct Control {
    stream: RecvStream,
    reader: ControlReader,
    buffer: [u8; 4_096],
}

impl Control {
    pub(crate) fn new(stream: RecvStream) -> Self {
        Self { stream, reader: ControlReader::default(), buffer: [0; 4_096] }
    }

    /// The next message of the server.
    pub(crate) async fn next(&mut self) -> Result<ServerMessage, Disconnected> {
        loop {
            let next = self.reader.next_from_server();
            if let Some(message) = next.map_err(|error| Disconnected::Protocol(error.to_string()))? {
                return Ok(message);
            }
            match self.stream.read(&mut self.buffer).await {
                Ok(Some(count)) => self.reader.push(&self.buffer[..count]),
                Err(ReadError::ConnectionLost(error)) => return Err(Disconnected::of(&error)),
                Ok(None) | Err(_) => return Err(Disconnected::Protocol("it ended the control stream".to_owned())),
            }
        }
    }
}

/// What a session's task works on.
pub(crate) struct Pump {
    pub(crate) endpoint: Endpoint,
    pub(crate) connection: Connection,
    pub(crate) control: Control,
    pub(crate) send: SendStream,
    pub(crate) leaving: mpsc::Receiver<Vec<u8>>,
    pub(crate) asked: mpsc::Receiver<Request>,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) clock: Clock,
    pub(crate) route: Route,
}

impl Pump {
    /// Carries the session until it ends or is dropped. Returns the endpoint of its last connection.
    pub(crate) async fn run(mut self) -> Endpoint {
        loop {
            self.carry().await;
            if !self.go_on().await {
                return self.endpoint;
            }
        }
    }

    /// Waits for the session to want another connection, and makes it. False when there is no session any more, or none to be had.
    async fn go_on(&mut self) -> bool {
        let Some(Request { resumable, held, answer }) = self.asked.recv().await else { return false };
        let made = tokio::select! {
            made = reconnect(&self.route, self.clock, &resumable, held) => made,
            // There is one request at a time: the session was dropped.
            _ = self.asked.recv() => return false,
        };
        let (fresh, carried) = match made {
            Ok(made) => made,
            Err(error) => {
                let _ = answer.send(Err(error));
                return false;
            }
        };
        (self.endpoint, self.connection) = (fresh.endpoint.clone(), fresh.connection.clone());
        (self.send, self.control) = (carried.send, carried.control);
        self.inbox = Arc::clone(&fresh.inbox);
        // If the session was dropped meanwhile, so is the connection.
        answer.send(Ok(fresh)).is_ok()
    }

    /// Runs until the connection ends.
    async fn carry(&mut self) {
        let end = tokio::select! {
            end = receive_datagrams(&self.connection, &self.inbox, self.clock) => end,
            end = receive_messages(&mut self.control, &self.inbox) => end,
            end = receive_reliable(&self.connection, &self.inbox, self.clock) => end,
            end = send_messages(&mut self.send, &mut self.leaving) => end,
        };
        tell_protocol_error(&self.connection, &end);
        self.inbox.push_end(end);
    }
}

/// Stamps datagrams as they arrive, until the connection ends.
pub(crate) async fn receive_datagrams(connection: &Connection, inbox: &Inbox, clock: Clock) -> Disconnected {
    loop {
        match connection.read_datagram().await {
            Ok(datagram) => inbox.push_datagram(clock.now(), datagram),
            Err(error) => return Disconnected::of(&error),
        }
    }
}

async fn receive_messages(control: &mut Control, inbox: &Inbox) -> Disconnected {
    loop {
        match control.next().await.and_then(understand) {
            Ok(message) => inbox.push_message(message).await,
            Err(end) => return end,
        }
    }
}

/// What a message of the server says to one who was let in and told all that was asked for.
pub(crate) fn understand(message: ServerMessage) -> Result<Message, Disconnected> {
    match message {
        ServerMessage::Said { player, text } => Ok(Message::Said { player: PlayerId(player), text }),
        ServerMessage::Draining { deadline_s } => Ok(Message::Draining { deadline_s }),
        ServerMessage::Pace { send_rate_hz, ticks_left_out } => Ok(Message::Pace { send_rate_hz, ticks_left_out }),
        ServerMessage::Schema(_) | ServerMessage::Model(_) => {
            Err(Disconnected::Protocol("it told what it was not asked for".to_owned()))
        }
        ServerMessage::Welcome(_) => Err(Disconnected::Protocol("it sent a second welcome".to_owned())),
    }
}

async fn receive_reliable(connection: &Connection, inbox: &Inbox, clock: Clock) -> Disconnected {
    let mut reliable = Reliable::new(connection.clone());
    loop {
        match reliable.next().await {
            Ok(bytes) => inbox.push_reliable(clock.now(), bytes).await,
            Err(end) => return end,
        }
    }
}

/// The stream of reliable events, which the server opens when it has the first one.
pub(crate) struct Reliable {
    connection: Connection,
    stream: Option<RecvStream>,
}

impl Reliable {
    pub(crate) const fn new(connection: Connection) -> Self {
        Self { connection, stream: None }
    }

    /// The next bytes of it. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Bytes, Disconnected> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => none.insert(self.connection.accept_uni().await.map_err(|error| Disconnected::of(&error))?),
        };
        match stream.read_chunk(RELIABLE_CHUNK_BYTES, true).await {
            Ok(Some(chunk)) => Ok(chunk.bytes),
            Err(ReadError::ConnectionLost(error)) => Err(Disconnected::of(&error)),
            Ok(None) | Err(_) => Err(Disconnected::Protocol("it ended the stream of reliable events".to_owned())),
        }
    }
}

async fn send_messages(send: &mut SendStream, leaving: &mut mpsc::Receiver<Vec<u8>>) -> Disconnected {
    while let Some(bytes) = leaving.recv().await {
        // A stream that takes nothing more belongs to a connection that ended, of which the others tell.
        if send.write_all(&bytes).await.is_err() {
            break;
        }
    }
    std::future::pending().await
}

/// Bytes of reliable events that are taken at once.
const RELIABLE_CHUNK_BYTES: usize = 4_096;

/// Closes the connection if the server broke the protocol; tells it so.
pub(crate) fn tell_protocol_error(connection: &Connection, end: &Disconnected) {
    if let Disconnected::Protocol(why) = end {
        close(connection, CloseCode::MalformedControl, why);
    }
}

pub(crate) fn close(connection: &Connection, code: CloseCode, reason: &str) {
    connection.close(VarInt::from_u32(code as u32), reason.as_bytes());
}
