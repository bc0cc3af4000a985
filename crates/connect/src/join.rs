//! From an address to a session: reach the server, say hello, be welcomed, build the client.

use std::sync::Arc;

use downbeat_client::{Client, Start};
use downbeat_replica::{Coding, ConfigError, Game, PlayerId, Tick};
use downbeat_wire::control::{Hello, ServerMessage, Welcome, decode};
use downbeat_wire::limits::NAME_CHARS_MAX;
use downbeat_wire::{CloseCode, Resume};
use quinn::{Connection, SendStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::clock::{Clock, micros};
use crate::inbox::Inbox;
use crate::limits::{CONNECT_TIMEOUT, MESSAGES_LEAVING_MAX};
use crate::pump::{Control, Pump, close, receive_datagrams, tell_protocol_error};
use crate::reach::{Reached, reach};
use crate::resume::Route;
use crate::session::{Line, Session};
use crate::{ConnectError, Disconnected, Options};

/// Connects and is let in. The pump must then be run, or nothing arrives.
pub(crate) async fn join<G: Game>(address: &str, options: &Options) -> Result<(Session<G>, Pump), ConnectError> {
    let coding = Arc::new(Coding::of::<G>()?);
    let deadline = Instant::now() + CONNECT_TIMEOUT;
    let game = (coding.schema.game.clone().into_owned(), [coding.schema.hash(), coding.model_hash]);
    let hello = hello(&game.0, game.1, options).to_bytes();
    let first = options.resume.map(|token| token.shard());
    let mut reached = reach(address, options, first, CONNECT_TIMEOUT).await?;
    let clock = Clock::start();
    let Entered { inbox, send, control, welcome } = loop {
        match enter(&reached.connection, &hello, clock, deadline).await {
            Ok(entered) => break entered,
            Err(error) => {
                // A session that was to go on may have: it is to wait for another try, not to end with this connection.
                if options.resume.is_some() {
                    close(&reached.connection, CloseCode::Replaced, "");
                }
                reached = reached.follow(error, options, deadline).await?;
            }
        }
    };
    let world = world::<G>(&welcome).await?;

    let Reached { endpoint, connection, .. } = reached;
    let start = Start {
        player: welcome.player.map(PlayerId),
        tick_rate_hz: welcome.tick_rate_hz.into(),
        send_rate_hz: welcome.send_rate_hz.into(),
        tick: Tick(welcome.tick),
        rtt: micros(connection.rtt()),
    };
    let (say, leaving) = mpsc::channel(MESSAGES_LEAVING_MAX);
    let (ask, asked) = mpsc::channel(1);
    let mut client = Client::new(world, coding, start);
    if let Some(resumed) = &welcome.resumed {
        client.resume(resumed, start.tick).map_err(|error| Disconnected::Protocol(error.to_string()))?;
    }
    let connected = connection.clone();
    let line = Line { endpoint: endpoint.clone(), connection: connected, inbox: Arc::clone(&inbox), say, ask, clock };
    let session = Session::new(client, line, &welcome);
    let route = Route { address: address.to_owned(), options: options.clone(), game };
    Ok((session, Pump { endpoint, connection, control, send, leaving, asked, inbox, clock, route }))
}

/// What one has who was let in.
pub(crate) struct Entered {
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) send: SendStream,
    pub(crate) control: Control,
    pub(crate) welcome: Welcome,
}

/// Says hello and is welcomed.
pub(crate) async fn enter(
    connection: &Connection,
    hello: &[u8],
    clock: Clock,
    deadline: Instant,
) -> Result<Entered, ConnectError> {
    let inbox = Arc::new(Inbox::default());
    // Snapshots may overtake the welcome. They are stamped from the first one on.
    let arriving = receive_datagrams(connection, &inbox, clock);
    let entering = async {
        let (mut send, receive) = connection.open_bi().await.map_err(|error| Disconnected::of(&error))?;
        send.write_all(hello).await.map_err(|error| Disconnected::Transport(error.to_string()))?;
        let mut control = Control::new(receive);
        let welcomed = timeout_at(deadline, welcome(connection, &mut control)).await;
        let welcome = welcomed.map_err(|_| ConnectError::Unreachable(connection.remote_address()))??;
        Ok::<_, ConnectError>((send, control, welcome))
    };
    let (send, control, welcome) = tokio::select! {
        end = arriving => return Err(end.into()),
        entered = entering => entered?,
    };
    Ok(Entered { inbox, send, control, welcome })
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
        ticket: options.ticket.clone().filter(|_| options.resume.is_none()),
        resume: options.resume.map(|token| Resume { token, held: None }),
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
