//! The face for frame loops: one call a frame, no async, the network on a thread of its own.

use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use downbeat_client::View;
use downbeat_replica::{Game, Tick};
use tokio::runtime;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::join::join;
use crate::limits::LEAVE_TIMEOUT;
use crate::{ConnectError, Ended, Look, LookError, Message, Options, SayError, Session};

/// How things stand in a frame.
pub enum Status<'a, G: Game> {
    /// Not in a match yet.
    Connecting,
    /// In a match: draw this. Its events are told once.
    Playing(View<'a, G>),
    /// In a match, but the connection was lost, and another one is being made: draw this, which stands still after a moment,
    /// and say so. `Playing` follows when the match goes on.
    Reconnecting(View<'a, G>),
    /// There is no match any more, and there will be none.
    Ended(&'a Ended),
}

/// A connection to a match, for an engine's frame loop: call [`Self::update`] once a frame.
///
/// Dropping it leaves the match, which takes up to [`LEAVE_TIMEOUT`].
pub struct Polled<G: Game> {
    entered: mpsc::Receiver<Entered<G>>,
    /// Kept after its end, for what arrived before and for its resume token.
    session: Option<Box<Session<G>>>,
    end: Option<Ended>,
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

type Entered<G> = Result<Box<Session<G>>, ConnectError>;

impl<G: Game> Polled<G> {
    /// Begins to connect to the server at `address` (`host:port`). Returns at once; [`Self::update`] tells how it goes.
    #[must_use]
    pub fn connect(address: &str, options: Options) -> Self {
        let (enter, entered) = mpsc::sync_channel(1);
        let stop = Arc::new(Notify::new());
        let (address, stopped) = (address.to_owned(), Arc::clone(&stop));
        let network = move || run_network(&address, &options, &enter, &stopped);
        let (thread, end) = match thread::Builder::new().name("downbeat-network".to_owned()).spawn(network) {
            Ok(thread) => (Some(thread), None),
            Err(error) => (None, Some(ConnectError::from(error).into())),
        };
        Self { entered, session: None, end, stop, thread }
    }

    /// Once a frame: takes in what arrived, asks `sample` for the input of each tick that is due (none, one or
    /// several), sends them, and says what is to be seen.
    pub fn update(&mut self, sample: impl FnMut(Tick) -> G::Input) -> Status<'_, G> {
        if self.end.is_none() {
            self.end = self.advance(sample).err();
        }
        match (&self.end, &mut self.session) {
            (Some(why), _) => Status::Ended(why),
            (None, Some(session)) => {
                let is_reconnecting = session.is_reconnecting();
                let view = session.view();
                if is_reconnecting { Status::Reconnecting(view) } else { Status::Playing(view) }
            }
            (None, None) => Status::Connecting,
        }
    }

    fn advance(&mut self, sample: impl FnMut(Tick) -> G::Input) -> Result<(), Ended> {
        if self.session.is_none() {
            self.session = match self.entered.try_recv() {
                Ok(entered) => Some(entered?),
                Err(mpsc::TryRecvError::Empty) => None,
                Err(mpsc::TryRecvError::Disconnected) => return Err(ConnectError::ThreadDied.into()),
            };
        }
        self.session.as_mut().map_or(Ok(()), |session| session.update(sample)).map_err(Ended::from)
    }

    /// The next message of the server, if one waits; also those that came before the end.
    pub fn poll_message(&mut self) -> Option<Message> {
        self.session.as_ref()?.take_message()
    }

    /// Says something to the room; what exceeds 256 bytes is cut.
    ///
    /// # Errors
    /// When earlier messages still wait, or there is no match.
    pub fn say(&self, text: &str) -> Result<(), SayError> {
        self.session().ok_or(SayError::NotConnected)?.say(text)
    }

    /// Looks elsewhere from now on, for spectators; see [`Session::look`].
    ///
    /// # Errors
    /// When there is no match, or this is a player.
    pub fn look(&mut self, look: Look) -> Result<(), LookError> {
        self.session.as_mut().ok_or(LookError::NotConnected)?.look(look)
    }

    /// The session from its beginning, also when it has ended: who one is in it, its figures, its resume token.
    #[must_use]
    pub fn session(&self) -> Option<&Session<G>> {
        self.session.as_deref()
    }
}

impl<G: Game> Drop for Polled<G> {
    fn drop(&mut self) {
        self.session = None;
        self.stop.notify_one();
        if let Some(thread) = self.thread.take() {
            // If it panicked, `update` has told.
            let _ = thread.join();
        }
    }
}

/// The network's thread: connects, hands the session over, and carries it until it ends.
fn run_network<G: Game>(address: &str, options: &Options, enter: &mpsc::SyncSender<Entered<G>>, stop: &Notify) {
    let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return drop(enter.send(Err(error.into()))),
    };
    runtime.block_on(async {
        let entered = tokio::select! {
            entered = join::<G>(address, options) => entered,
            () = stop.notified() => return,
        };
        match entered {
            Ok((session, pump)) => {
                // If nobody waits for the session any more, it is dropped here, which ends the pump.
                drop(enter.send(Ok(Box::new(session))));
                let endpoint = pump.run().await;
                let _ = timeout(LEAVE_TIMEOUT, endpoint.wait_idle()).await;
            }
            Err(error) => drop(enter.send(Err(error))),
        }
    });
}
