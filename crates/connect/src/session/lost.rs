//! A session whose connection is lost: it asks the network's task for another one, and goes on over that.

use downbeat_replica::{Game, PlayerId, Tick};
use downbeat_wire::CloseCode;
use tokio::sync::oneshot;

use super::{Event, Session};
use crate::limits::SILENCE_MAX;
use crate::pump::{close, tell_protocol_error};
use crate::resume::{Fresh, Request, is_lost};
use crate::{ConnectError, Disconnected};

impl<G: Game> Session<G> {
    /// Waits for the network: for anything to arrive, or for another connection.
    pub(super) async fn awaited(&mut self) -> Option<Result<Fresh, ConnectError>> {
        match &mut self.reconnecting {
            Some(answer) => Some(answer.await.unwrap_or(Err(ConnectError::ThreadDied))),
            None => {
                self.line.inbox.arrived().await;
                None
            }
        }
    }

    /// Looks whether the connection has ended, or is silent; begins another one then, if the session may go on.
    pub(super) fn check_line(&mut self) -> Result<Option<Event>, Disconnected> {
        if let Some(end) = &self.end {
            return Err(end.clone());
        }
        let is_silent = self.resumable.is_some() && self.now().since(self.heard) > SILENCE_MAX;
        let Some(end) = self.line.inbox.end().or(is_silent.then_some(Disconnected::TimedOut)) else { return Ok(None) };
        let Some(resumable) = self.resumable.filter(|_| is_lost(&end)) else { return Err(end) };
        // The server may still hear it.
        close(&self.line.connection, CloseCode::Replaced, "");
        let (answer, answered) = oneshot::channel();
        let request = Request { resumable, held: self.client.held(), answer };
        if self.line.ask.try_send(request).is_err() {
            return Err(end);
        }
        self.reconnecting = Some(answered);
        Ok(Some(Event::Reconnecting(end)))
    }

    /// Another connection was made, or none is to be had.
    pub(super) fn go_on(&mut self, answer: Result<Fresh, ConnectError>) -> Result<Event, Disconnected> {
        self.reconnecting = None;
        let gone_on = answer.map_err(Disconnected::from).and_then(|fresh| self.resume(fresh));
        gone_on.inspect_err(|end| self.end = Some(end.clone()))
    }

    fn resume(&mut self, fresh: Fresh) -> Result<Event, Disconnected> {
        let Fresh { endpoint, connection, inbox, welcome } = fresh;
        inbox.adopt(&self.line.inbox);
        (self.line.endpoint, self.line.connection, self.line.inbox) = (endpoint, connection, inbox);
        self.resumable = welcome.resume;
        self.heard = self.now();
        let is_same = (welcome.room, welcome.player.map(PlayerId)) == (self.room, self.player);
        let read = self.client.held().events_read;
        let resumed = welcome.resumed.filter(|_| is_same).ok_or_else(|| "it resumed another session".to_owned());
        let went_on = resumed.and_then(|resumed| {
            let done = self.client.resume(&resumed, Tick(welcome.tick));
            done.map(|()| resumed).map_err(|error| error.to_string())
        });
        let resumed = went_on.map_err(Disconnected::Protocol);
        let resumed = resumed.inspect_err(|end| tell_protocol_error(&self.line.connection, end))?;
        self.looking.repeat(resumed.base.is_some());
        Ok(Event::Resumed { keeps_state: resumed.base.is_some(), lost_events: resumed.events_from != read })
    }

    /// Whether the connection was lost and another one is being made.
    #[must_use]
    pub const fn is_reconnecting(&self) -> bool {
        self.reconnecting.is_some()
    }
}
