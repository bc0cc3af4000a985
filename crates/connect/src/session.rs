//! The face for tokio: one `next().await` says what is to be done next.

mod lost;

use std::sync::Arc;

use bytes::Bytes;
use downbeat_client::{Client, Received, View};
use downbeat_replica::{Game, Micros, PlayerId, Tick};
use downbeat_wire::control::{ClientMessage, Welcome, frame};
use downbeat_wire::limits::CHAT_BYTES_MAX;
use downbeat_wire::{CloseCode, Look, Resumable, ResumeToken};
use quinn::{Connection, Endpoint};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{timeout, timeout_at};

use crate::clock::{Clock, micros};
use crate::inbox::Inbox;
use crate::join::join;
use crate::limits::{LEAVE_TIMEOUT, SILENCE_MAX};
use crate::looking::Looking;
use crate::pump::{close, tell_protocol_error};
use crate::resume::{Fresh, Request};
use crate::{ConnectError, Disconnected, LookError, Options, SayError};

/// What [`Session::next`] brings.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The input of this tick is due: hand it to [`Session::input`] at once.
    Input(Tick),
    /// A snapshot arrived and was taken in.
    Snapshot(Received),
    /// The server sent a message.
    Message(Message),
    /// The connection was lost, for this reason, and another one is being made. The match goes on without word from the server:
    /// inputs are asked for as before, so that the picture goes on, but do not arrive.
    Reconnecting(Disconnected),
    /// The session goes on.
    Resumed {
        /// Whether both ends know what they knew before. If not, all is told anew.
        keeps_state: bool,
        /// Whether reliable events were lost: more than the server keeps.
        lost_events: bool,
    },
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
    pub(crate) ask: mpsc::Sender<Request>,
    pub(crate) clock: Clock,
}

/// A place in a match. Dropping it leaves the match; [`Self::leave`] also waits until the server knows.
pub struct Session<G: Game> {
    client: Client<G>,
    line: Line,
    room: u64,
    player: Option<PlayerId>,
    resumable: Option<Resumable>,
    /// Another connection is being made.
    reconnecting: Option<oneshot::Receiver<Result<Fresh, ConnectError>>>,
    /// It is over.
    end: Option<Disconnected>,
    /// When the server was heard of last.
    heard: Micros,
    /// Whether there is something to tell the server: inputs, or acknowledgements.
    unsent: bool,
    looking: Looking,
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
            room: welcome.room,
            player: welcome.player.map(PlayerId),
            resumable: welcome.resume,
            reconnecting: None,
            end: None,
            heard: line.clock.now(),
            unsent: false,
            looking: Looking::default(),
            datagram: Vec::new(),
            line,
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
            self.tell_look();
            if self.reconnecting.is_none() {
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
                if let Some(event) = self.check_line()? {
                    return Ok(event);
                }
            }
            // What is due is seen at the top.
            let due = self.line.clock.instant(self.next_due());
            if let Ok(Some(answer)) = timeout_at(due.into(), self.awaited()).await {
                return self.go_on(answer);
            }
        }
    }

    /// When something is to be done, whatever arrives.
    fn next_due(&self) -> Micros {
        let silence =
            Some(self.heard + SILENCE_MAX).filter(|_| self.resumable.is_some() && self.reconnecting.is_none());
        let times =
            [self.client.next_input_at(), silence, self.looking.next_at().filter(|_| self.reconnecting.is_none())];
        times.into_iter().flatten().min().unwrap_or(self.now() + SILENCE_MAX)
    }

    /// Looks elsewhere from now on. The server is told ten times a second at most, and the last word counts.
    ///
    /// # Errors
    /// When this is a player.
    pub fn look(&mut self, look: Look) -> Result<(), LookError> {
        if self.player.is_some() {
            return Err(LookError::Player);
        }
        self.looking.set(look);
        Ok(())
    }

    fn tell_look(&mut self) {
        let now = self.now();
        if self.reconnecting.is_none()
            && let Some(look) = self.looking.poll(now)
        {
            // What does not fit behind other messages is told next time.
            let is_sent = self.line.say.try_send(frame(&ClientMessage::Look { look })).is_ok();
            self.looking.told(now, is_sent);
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

    /// What another run of this program names to go on with this session: [`Options::resume`]. It is a secret, and another one
    /// after each lost connection; `None` where the server lets nobody resume.
    #[must_use]
    pub const fn resume_token(&self) -> Option<ResumeToken> {
        match self.resumable {
            Some(resumable) => Some(resumable.token),
            None => None,
        }
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
        match self.reconnecting.as_mut().map(oneshot::Receiver::try_recv) {
            Some(Ok(answer)) => drop(self.go_on(answer)?),
            Some(Err(oneshot::error::TryRecvError::Closed)) => drop(self.go_on(Err(ConnectError::ThreadDied))?),
            Some(Err(oneshot::error::TryRecvError::Empty)) | None => {}
        }
        if self.reconnecting.is_none() {
            while let Some((at, datagram)) = self.line.inbox.take_datagram() {
                self.receive(at, &datagram);
            }
            self.receive_reliable();
            self.check_line()?;
        }
        self.tell_look();
        while let Some(tick) = self.client.poll_input(self.now()) {
            let input = sample(tick);
            self.input(tick, &input);
        }
        self.transmit();
        Ok(())
    }

    /// What a test pulls the rug from under.
    #[cfg(test)]
    pub(crate) fn endpoint(&self) -> Endpoint {
        self.line.endpoint.clone()
    }

    pub(crate) fn take_message(&self) -> Option<Message> {
        self.line.inbox.take_message()
    }

    fn receive(&mut self, at: Micros, datagram: &[u8]) -> Option<Received> {
        // One that does not decode is as good as lost; the client counts it.
        let received = self.client.receive(at, datagram).ok()?;
        self.heard = at;
        // A spectator has no inputs for its acknowledgements to ride on.
        self.unsent |= self.player.is_none() || self.client.owes_answer();
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
        if !std::mem::take(&mut self.unsent) || self.reconnecting.is_some() {
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
