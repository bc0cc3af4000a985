//! A spectator of any game: what the server tells of it suffices.

use std::sync::Arc;

use bytes::Bytes;
use downbeat_client::Mirror;
use downbeat_replica::{Coding, Tick, ToldEvent};
use downbeat_wire::control::{ClientMessage, ServerMessage, Welcome, frame};
use downbeat_wire::{CloseCode, Look};
use quinn::{Connection, Endpoint, SendStream};
use tokio::time::{Instant, sleep_until, timeout};

use crate::describe::{Described, Line, enter};
use crate::limits::{LEAVE_TIMEOUT, LOOK_PAUSE};
use crate::pump::{Control, Reliable, close, tell_protocol_error, understand};
use crate::{ConnectError, Disconnected, Message, Options};

/// What [`Watcher::next`] brings.
#[derive(Clone, Debug, PartialEq)]
pub enum Watched {
    /// A snapshot of this tick was taken in: see [`Watcher::mirror`].
    Snapshot(Tick),
    /// Reliable events.
    Reliable(Vec<ToldEvent>),
    /// The server sent a message.
    Message(Message),
}

/// A place among the spectators of a match. Dropping it leaves; [`Self::leave`] also waits until the server knows.
pub struct Watcher {
    mirror: Mirror,
    welcome: Welcome,
    endpoint: Endpoint,
    connection: Connection,
    control: Control,
    reliable: Reliable,
    send: SendStream,
    /// When the server may be told again where to look.
    look_at: Instant,
    answer: Vec<u8>,
}

/// Watches the match at `address` (`host:port`), whatever game it is. The client comes as a spectator, whatever the options
/// say. Must be called inside a tokio runtime with its I/O and time.
///
/// # Errors
/// See [`ConnectError`], as for [`describe`](crate::describe()).
pub async fn watch(address: &str, options: &Options) -> Result<Watcher, ConnectError> {
    let (described, line) = enter(address, options).await?;
    let Described { schema, model, welcome } = described;
    let Line { endpoint, connection, control, send } = line;
    let coding = Coding::new(schema, model).expect("the model was read for this schema");
    let (tick_rate_hz, send_rate_hz) = (welcome.tick_rate_hz.into(), welcome.send_rate_hz.into());
    Ok(Watcher {
        mirror: Mirror::new(Arc::new(coding), tick_rate_hz, send_rate_hz, Tick(welcome.tick)),
        welcome,
        reliable: Reliable::new(connection.clone()),
        endpoint,
        connection,
        control,
        send,
        look_at: Instant::now(),
        answer: Vec::new(),
    })
}

enum Arrived {
    Datagram(Bytes),
    Reliable(Bytes),
    Message(ServerMessage),
}

impl Watcher {
    /// Waits for what comes next, and answers it. Dropping the future loses nothing. What is not taken for long waits inside
    /// QUIC, as much as [`DATAGRAM_RECEIVE_BUFFER_BYTES`](crate::limits::DATAGRAM_RECEIVE_BUFFER_BYTES) of datagrams.
    ///
    /// # Errors
    /// When the session ended.
    pub async fn next(&mut self) -> Result<Watched, Disconnected> {
        loop {
            let next = match self.arrived().await {
                Ok(Arrived::Datagram(datagram)) => match self.receive(&datagram) {
                    Some(tick) => Ok(Watched::Snapshot(tick)),
                    None => continue,
                },
                Ok(Arrived::Reliable(bytes)) => {
                    self.mirror.receive_reliable(&bytes).map(Watched::Reliable).map_err(|error| {
                        Disconnected::Protocol(format!("its stream of reliable events cannot be read: {error}"))
                    })
                }
                Ok(Arrived::Message(message)) => understand(message).map(Watched::Message),
                Err(end) => Err(end),
            };
            return next.inspect_err(|end| tell_protocol_error(&self.connection, end));
        }
    }

    async fn arrived(&mut self) -> Result<Arrived, Disconnected> {
        let Self { connection, control, reliable, .. } = self;
        tokio::select! {
            datagram = connection.read_datagram() => match datagram {
                Ok(datagram) => Ok(Arrived::Datagram(datagram)),
                Err(error) => Err(Disconnected::of(&error)),
            },
            bytes = reliable.next() => bytes.map(Arrived::Reliable),
            message = control.next() => message.map(Arrived::Message),
        }
    }

    fn receive(&mut self, datagram: &[u8]) -> Option<Tick> {
        // One that does not decode is as good as lost.
        let tick = self.mirror.receive(datagram).ok()?;
        self.mirror.transmit(&mut self.answer);
        // If the connection ended, the next read tells. Nothing else can be wrong with a datagram this small.
        let _ = self.connection.send_datagram(Bytes::copy_from_slice(&self.answer));
        Some(tick)
    }

    /// Looks elsewhere from now on. Waits until a tenth of a second has passed since the last time; once begun, it is to be
    /// waited for to its end.
    ///
    /// # Errors
    /// When the session ended.
    pub async fn look(&mut self, look: Look) -> Result<(), Disconnected> {
        sleep_until(self.look_at).await;
        self.look_at = Instant::now() + LOOK_PAUSE;
        let message = frame(&ClientMessage::Look { look });
        self.send.write_all(&message).await.map_err(|error| Disconnected::Transport(error.to_string()))
    }

    /// What is known of the match.
    #[must_use]
    pub const fn mirror(&self) -> &Mirror {
        &self.mirror
    }

    /// How the client was let in: rates, and the rules of the match in the game's own form.
    #[must_use]
    pub const fn welcome(&self) -> &Welcome {
        &self.welcome
    }

    /// Leaves and waits, but not for long, until the server knows.
    pub async fn leave(self) {
        let endpoint = self.endpoint.clone();
        drop(self);
        // What cannot be told in time the server finds out by itself.
        let _ = timeout(LEAVE_TIMEOUT, endpoint.wait_idle()).await;
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        close(&self.connection, CloseCode::Bye, CloseCode::Bye.reason());
    }
}
