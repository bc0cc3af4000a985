//! From an address to a session: reach the server, say hello, be welcomed, build the client.

use std::sync::Arc;

use downbeat_client::{Client, Start};
use downbeat_replica::{Coding, ConfigError, Game, PlayerId, Tick};
use downbeat_wire::control::{Hello, ServerMessage, Welcome, decode};
use downbeat_wire::limits::NAME_CHARS_MAX;
use quinn::{Connection, SendStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::clock::{Clock, micros};
use crate::inbox::Inbox;
use crate::limits::{CONNECT_TIMEOUT, MESSAGES_LEAVING_MAX};
use crate::pump::{Control, Pump, receive_datagrams, tell_protocol_error};
use crate::reach::{Reached, reach};
use crate::session::{Line, Session};
use crate::{ConnectError, Disconnected, Options};

/// Connects and is let in. The pump must then be run, or nothing arrives.
pub(crate) async fn join<G: Game>(address: &str, options: &Options) -> Result<(Session<G>, Pump), ConnectError> {
    let coding = Arc::new(Coding::of::<G>()?);
    let deadline = Instant::now() + CONNECT_TIMEOUT;
    let hello = hello(&coding.schema.game, [coding.schema.hash(), coding.model_hash], options).to_bytes();
    let mut reached = reach(address, options).await?;
    let Entered { clock, inbox, send, control, welcome, world } = loop {
        match enter::<G>(&reached.connection, &hello, deadline).await {
            Ok(entered) => break entered,
            Err(error) => reached = reached.follow(error, options, deadline).await?,
        }
    };

    let Reached { endpoint, connection, .. } = reached;
    let start = Start {
        player: welcome.player.map(PlayerId),
        tick_rate_hz: welcome.tick_rate_hz.into(),
        send_rate_hz: welcome.send_rate_hz.into(),
        tick: Tick(welcome.tick),
        rtt: micros(connection.rtt()),
    };
    let (say, leaving) = mpsc::channel(MESSAGES_LEAVING_MAX);
    let line = Line { endpoint, connection: connection.clone(), inbox: Arc::clone(&inbox), say, clock };
    let session = Session::new(Client::new(world, coding, start), line, &welcome);
    Ok((session, Pump { connection, control, send, leaving, inbox, clock }))
}

/// What one has who was let in.
struct Entered<W> {
    clock: Clock,
    inbox: Arc<Inbox>,
    send: SendStream,
    control: Control,
    welcome: Welcome,
    world: Arc<W>,
}

/// Says hello and is welcomed.
async fn enter<G: Game>(
    connection: &Connection,
    hello: &[u8],
    deadline: Instant,
) -> Result<Entered<G::World>, ConnectError> {
    let clock = Clock::start();
    let inbox = Arc::new(Inbox::default());
    // Snapshots may overtake the welcome. They are stamped from the first one on.
    let arriving = receive_datagrams(connection, &inbox, clock);
    let entering = async {
        let (mut send, receive) = connection.open_bi().await.map_err(|error| Disconnected::of(&error))?;
        send.write_all(hello).await.map_err(|error| Disconnected::Transport(error.to_string()))?;
        let mut control = Control::new(receive);
        let welcomed = timeout_at(deadline, welcome(connection, &mut control)).await;
        let welcome = welcomed.map_err(|_| ConnectError::Unreachable(connection.remote_address()))??;
        let world = world::<G>(&welcome).await?;
        Ok::<_, ConnectError>((send, control, welcome, world))
    };
    let (send, control, welcome, world) = tokio::select! {
        end = arriving => return Err(end.into()),
        entered = entering => entered?,
    };
    Ok(Entered { clock, inbox, send, control, welcome, world })
}

/// The hello of a client whose schema and model have these hashes.
pub(crate) fn hello(game: &str, [schema_hash, model_hash]: [u64; 2], options: &Options) -> Hello {
    Hello {
        game: game.to_owned(),
        schema_hash,
        model_hash,
        name: options.name.chars().take(NAME_CHARS_MAX).collect(),
        room: options.room,
        spectator: options.spectator,
        ticket: options.ticket.clone(),
        resume: options.resume,
    }
}

pub(crate) async fn welcome(connection: &Connection, control: &mut Control) -> Result<Welcome, Disconnected> {
    let welcome = match control.next().await {
        Ok(ServerMessage::Welcome(welcome)) => Ok(welcome),
        Ok(_) => Err(Disconnected::Protocol("its first message is no welcome".to_owned())),
        Err(end) => Err(end),
    };
    let rates = |welcome: &Welcome| (welcome.tick_rate_hz, welcome.send_rate_hz);
    let welcome = welcome.and_then(|welcome| match rates(&welcome) {
        (tick, send) if tick > 0 && send > 0 && tick.is_multiple_of(send) => Ok(welcome),
        (tick, send) => Err(Disconnected::Protocol(format!("it ticks at {tick} Hz and sends at {send} Hz"))),
    });
    welcome.inspect_err(|end| tell_protocol_error(connection, end))
}

/// Builds the map from the rules of the match, on a thread that may take its time.
async fn world<G: Game>(welcome: &Welcome) -> Result<Arc<G::World>, ConnectError> {
    let config: Option<G::Config> = decode(&welcome.config);
    let config = config.ok_or_else(|| ConfigError("they do not decode".to_owned()))?;
    let world = tokio::task::spawn_blocking(move || G::world(&config)).await;
    Ok(Arc::new(world.map_err(|error| ConfigError(error.to_string()))??))
}
