//! A connection is lost: the network's task makes another one and goes on with the session, while the game plays on as if the
//! line were silent. It tries again and again, at growing intervals, until the server has given the session up.

use std::sync::Arc;
use std::time::Duration;

use downbeat_wire::control::Welcome;
use downbeat_wire::{CloseCode, Held, Resumable, Resume};
use quinn::{Connection, Endpoint, SendStream};
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use crate::clock::Clock;
use crate::inbox::Inbox;
use crate::join::{self, hello};
use crate::limits::{RESUME_ATTEMPT_TIMEOUT, RESUME_PAUSE_MAX, RESUME_PAUSE_MIN};
use crate::pump::{Control, close};
use crate::reach::{Reached, reach};
use crate::{ConnectError, Disconnected, Options};

/// How a server is reached: what the session was begun with.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) address: String,
    pub(crate) options: Options,
    /// The game's name, and the hashes of its schema and model.
    pub(crate) game: (String, [u64; 2]),
}

/// Somebody wants to go on with a session.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) resumable: Resumable,
    pub(crate) held: Held,
    pub(crate) answer: oneshot::Sender<Result<Fresh, ConnectError>>,
}

/// Another connection of a session, as the session needs it.
#[derive(Debug)]
pub(crate) struct Fresh {
    pub(crate) endpoint: Endpoint,
    pub(crate) connection: Connection,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) welcome: Welcome,
}

/// The same, as the network's task needs it.
pub(crate) struct Carried {
    pub(crate) send: SendStream,
    pub(crate) control: Control,
}

/// Whether a session may go on after its connection ended so: nobody decided that it ends.
pub(crate) const fn is_lost(end: &Disconnected) -> bool {
    matches!(end, Disconnected::TimedOut | Disconnected::Forgotten | Disconnected::Transport(_))
}

/// Tries until it succeeds, is told that it is in vain, or the session's time is over.
pub(crate) async fn reconnect(
    route: &Route,
    clock: Clock,
    resumable: &Resumable,
    held: Held,
) -> Result<(Fresh, Carried), ConnectError> {
    let over = Instant::now() + Duration::from_secs(resumable.window_s.into());
    let mut pause = RESUME_PAUSE_MIN;
    loop {
        let error = match attempt(route, clock, resumable, held).await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let rest = pause.mul_f64(0.5 + 0.5 * chance());
        if !is_worth_a_try(&error) || Instant::now() + rest >= over {
            return Err(error);
        }
        sleep(rest).await;
        pause = (2 * pause).min(RESUME_PAUSE_MAX);
    }
}

async fn attempt(
    route: &Route,
    clock: Clock,
    resumable: &Resumable,
    held: Held,
) -> Result<(Fresh, Carried), ConnectError> {
    let Route { address, options, game: (game, hashes) } = route;
    let deadline = Instant::now() + RESUME_ATTEMPT_TIMEOUT;
    let mut hello = hello(game, *hashes, options);
    (hello.ticket, hello.resume) = (None, Some(Resume { token: resumable.token, held: Some(held) }));
    let hello = hello.to_bytes();
    let mut reached = reach(address, options, Some(resumable.token.shard()), RESUME_ATTEMPT_TIMEOUT).await?;
    let entered = loop {
        match join::enter(&reached.connection, &hello, clock, deadline).await {
            Ok(entered) => break entered,
            // The server may have gone on with the session over it: it is to know that this one is not meant.
            Err(error) => {
                close(&reached.connection, CloseCode::Replaced, "");
                reached = reached.follow(error, options, deadline).await?;
            }
        }
    };
    let Reached { endpoint, connection, .. } = reached;
    let join::Entered { inbox, send, control, welcome } = entered;
    Ok((Fresh { endpoint, connection, inbox, welcome }, Carried { send, control }))
}

/// Whether another try may have another end.
const fn is_worth_a_try(error: &ConnectError) -> bool {
    match error {
        ConnectError::Address { .. }
        | ConnectError::Machine(_)
        | ConnectError::Unreachable(_)
        | ConnectError::Refused(_) => true,
        ConnectError::Closed(Disconnected::Closed { code, .. }) => {
            matches!(code, CloseCode::Overloaded | CloseCode::TooManyConnections | CloseCode::Elsewhere)
        }
        ConnectError::Closed(end) => is_lost(end),
        _ => false,
    }
}

/// From 0 to 1: clients that lost a server at the same time shall not come back at the same time.
fn chance() -> f64 {
    let mut bytes = [0; 4];
    SystemRandom::new().fill(&mut bytes).expect("the operating system has randomness");
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}
