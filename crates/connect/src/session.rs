//! The face for tokio: one `next().await` says what is to be done next.

use std::sync::Arc;

use bytes::Bytes;
use downbeat_client::{Client, Received, View};
use downbeat_replica::{Game, Micros, PlayerId, Tick};
use downbeat_wire::CloseCode;
use downbeat_wire::control::{ClientMessage, Welcome, frame};
use downbeat_wire::limits::CHAT_BYTES_MAX;
use quinn::{Connection, Endpoint};
use tokio::sync::mpsc;
use tokio::time::{timeout, timeout_at};

use crate::clock::{Clock, micros};
use crate::inbox::Inbox;
use crate::join::join;
use crate::limits::LEAVE_TIMEOUT;
use crate::pump::{close, tell_protocol_error};
use crate::{ConnectError, Disconnected, Options, SayError};

/// What [`Session::next`] brings.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The input of this tick is due: hand it to [`Session::input`] at once.
    Input(Tick),
    /// A snapshot arrived and was taken in.
    Snapshot(Received),
    /// The server sent a message.
    Message(Message),
}

/// What a server says during a match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A player said something.
    Said {
        /// Which one.
        player: PlayerId,
        /// What.
        text: String,
    },
    /// The server will close soon.
    Draining {
        /// Seconds from now.
        deadline_s: u32,
    },
    /// The server is overloaded, or no longer. Nothing needs to be done: the clocks follow.
    Pace {
        /// Snapshots per second that the room sends from here on.
        send_rate_hz: u16,
        /// Ticks that the room has left out since it was opened; its clock stood still for as long.
        ticks_left_out: u32,
    },
}

/// How the line is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// The round trip, as QUIC estimates it.
    pub rtt: Micros,
    /// Datagrams that arrived but waited too long to be taken; see
    /// [`DATAGRAMS_WAITING_MAX`](crate::limits::DATAGRAMS_WAITING_MAX).
    pub datagrams_dropped: u64,
}

/// The network's side of a session.
pub(crate) struct Line {
    pub(crate) endpoint: Endpoint,
    pub(crate) connection: Connection,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) say: mpsc::Sender<Vec<u8>>,
    pub(crate) clock: Clock,
}

/// A place in a match. Dropping it leaves the match; [`Self::leave`] also waits until the server knows.
pub struct Session<G: Game> {
    client: Client<G>,
    line: Line,
    room: u64,
    player: Option<PlayerId>,
    resume_token: [u8; 16],
    /// Whether there is something to tell the server: inputs, or a spectator's acknowledgements.
    unsent: bool,
    datagram: Vec<u8>,
}

impl<G: Game> Session<G> {
    /// Connects to the server at `address` (`host:port`) and joins a match. Must be called inside a tokio runtime with
    /// its I/O and time, which also runs the session's background task.
    ///
    /// # Errors
    /// See [`ConnectError`]; its messages are meant for people.
    pub async fn connect(address: &str, options: &Options) -> Result<Self, ConnectError> {
        let (session, pump) = join(address, options).await?;
        tokio::spawn(pump.run());
        Ok(session)
    }

    pub(crate) fn new(client: Client<G>, line: Line, welcome: &Welcome) -> Self {
        Self {
            client,
            line,
            room: welcome.room,
            player: welcome.player.map(PlayerId),
            resume_token: welcome.resume,
            unsent: false,
            datagram: Vec::new(),
        }
    }

    /// Waits for the next thing to do. Dropping the future loses nothing. Datagrams are stamped by the background task
    /// as they arrive, so a caller that is late does not spoil the clocks.
    ///
    /// # Errors
    /// When the session ended; it stays so.
    pub async fn next(&mut self) -> Result<Event, Disconnected> {
        loop {
            if let Some(tick) = self.client.poll_input(self.now()) {
                return Ok(Event::Input(tick));
            }
            self.transmit();
            if let Some((at, datagram)) = self.line.inbox.take_datagram() {
                match self.receive(at, &datagram) {
                    Some(received) => return Ok(Event::Snapshot(received)),
                    None => continue,
                }
            }
            self.receive_reliable();
            if let Some(message) = self.line.inbox.take_message() {
                return Ok(Event::Message(message));
            }
            if let Some(end) = self.line.inbox.end() {
                return Err(end);
            }
            match self.client.next_input_at() {
                // That the input is due is seen at the top.
                Some(at) => drop(timeout_at(self.line.clock.instant(at).into(), self.line.inbox.arrived()).await),
                None => self.line.inbox.arrived().await,
            }
        }
    }

    /// Plays `tick` with `input`. It is sent by the following [`Self::next`], together with others that are due.
    pub fn input(&mut self, tick: Tick, input: &G::Input) {
        self.client.input(self.now(), tick, input);
        self.unsent = true;
    }

    /// What is to be seen now. Once a frame.
    pub fn view(&mut self) -> View<'_, G> {
        self.client.view(self.line.clock.now())
    }

    /// Says something to the room; what exceeds 256 bytes is cut.
    ///
    /// # Errors
    /// When earlier messages still wait, or the session ended.
    pub fn say(&self, text: &str) -> Result<(), SayError> {
        let end = text.floor_char_boundary(CHAT_BYTES_MAX);
        let bytes = frame(&ClientMessage::Say { text: text[..end].to_owned() });
        self.line.say.try_send(bytes).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => SayError::TooFast,
            mpsc::error::TrySendError::Closed(_) => SayError::NotConnected,
        })
    }

    /// Leaves the match and waits, but not for long, until the server knows.
    pub async fn leave(self) {
        let endpoint = self.line.endpoint.clone();
        drop(self);
        // What cannot be told in time the server finds out by itself.
        let _ = timeout(LEAVE_TIMEOUT, endpoint.wait_idle()).await;
    }

    /// The client core, for its counters and tools.
    pub const fn client(&self) -> &Client<G> {
        &self.client
    }

    /// Takes the times from sampling an input to the first snapshot that had it, since the last call.
    pub fn take_input_latencies(&mut self) -> impl Iterator<Item = Micros> {
        self.client.take_input_latencies()
    }

    /// The client's player; `None` for a spectator.
    pub const fn player(&self) -> Option<PlayerId> {
        self.player
    }

    /// The room.
    pub const fn room(&self) -> u64 {
        self.room
    }

    /// What another connection names to go on with this session: [`Options::resume`], not acted on by servers yet.
    pub const fn resume_token(&self) -> [u8; 16] {
        self.resume_token
    }

    /// The time of the session's clock, which [`Client`] is told everything in.
    pub fn now(&self) -> Micros {
        self.line.clock.now()
    }

    /// How the line is doing.
    pub fn stats(&self) -> Stats {
        Stats { rtt: micros(self.line.connection.rtt()), datagrams_dropped: self.line.inbox.dropped() }
    }

    /// One frame: takes in what arrived, samples the inputs that are due, sends them.
    pub(crate) fn update(&mut self, mut sample: impl FnMut(Tick) -> G::Input) -> Result<(), Disconnected> {
        while let Some((at, datagram)) = self.line.inbox.take_datagram() {
            self.receive(at, &datagram);
        }
        self.receive_reliable();
        if let Some(end) = self.line.inbox.end() {
            return Err(end);
        }
        while let Some(tick) = self.client.poll_input(self.now()) {
            let input = sample(tick);
            self.input(tick, &input);
        }
        self.transmit();
        Ok(())
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        self.line.endpoint.clone()
    }

    pub(crate) fn take_message(&self) -> Option<Message> {
        self.line.inbox.take_message()
    }

    fn receive(&mut self, at: Micros, datagram: &[u8]) -> Option<Received> {
        // One that does not decode is as good as lost; the client counts it.
        let received = self.client.receive(at, datagram).ok()?;
        // A spectator has no inputs for its acknowledgements to ride on.
        self.unsent |= self.player.is_none();
        Some(received)
    }

    /// Takes in what arrived of the stream of reliable events, as far as the game keeps up with seeing them.
    fn receive_reliable(&mut self) {
        while self.client.takes_reliable()
            && let Some((at, bytes)) = self.line.inbox.take_reliable()
        {
            if let Err(error) = self.client.receive_reliable(at, &bytes) {
                let end = Disconnected::Protocol(format!("its stream of reliable events cannot be read: {error}"));
                tell_protocol_error(&self.line.connection, &end);
                return self.line.inbox.push_end(end);
            }
        }
    }

    fn transmit(&mut self) {
        if !std::mem::take(&mut self.unsent) {
            return;
        }
        self.client.transmit(&mut self.datagram);
        // If the connection ended, the inbox tells. Nothing else can be wrong with a datagram this small.
        let _ = self.line.connection.send_datagram(Bytes::copy_from_slice(&self.datagram));
    }
}

impl<G: Game> Drop for Session<G> {
    fn drop(&mut self) {
        close(&self.line.connection, CloseCode::Bye, CloseCode::Bye.reason());
    }
}
