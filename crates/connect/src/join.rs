//! From an address to a session: resolve, shake hands, say hello, be welcomed, build the client.

use std::net::SocketAddr;
use std::sync::Arc;

use downbeat_client::{Client, Start};
use downbeat_replica::{Coding, ConfigError, Game, PlayerId, Tick};
use downbeat_wire::control::{Hello, ServerMessage, Welcome, decode};
use downbeat_wire::limits::NAME_CHARS_MAX;
use quinn::{Connection, Endpoint};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use crate::clock::{Clock, micros};
use crate::error::share_of_timeout;
use crate::inbox::Inbox;
use crate::limits::{ADDRESSES_MAX, CONNECT_TIMEOUT, MESSAGES_LEAVING_MAX};
use crate::pump::{Control, Pump, receive_datagrams, tell_protocol_error};
use crate::session::{Line, Session};
use crate::trust::Refusal;
use crate::{ConnectError, Disconnected, Options, quic};

/// Connects and is let in. The pump must then be run, or nothing arrives.
pub(crate) async fn join<G: Game>(address: &str, options: &Options) -> Result<(Session<G>, Pump), ConnectError> {
    let coding = Arc::new(Coding::of::<G>()?);
    let deadline = Instant::now() + CONNECT_TIMEOUT;
    let hello = hello(&coding.schema.game, [coding.schema.hash(), coding.model_hash], options).to_bytes();
    let (endpoint, connection) = reach(address, options).await?;
    let clock = Clock::start();
    let inbox = Arc::new(Inbox::default());

    // Snapshots may overtake the welcome. They are stamped from the first one on.
    let arriving = receive_datagrams(&connection, &inbox, clock);
    let entering = async {
        let (mut send, receive) = connection.open_bi().await.map_err(|error| Disconnected::of(&error))?;
        send.write_all(&hello).await.map_err(|error| Disconnected::Transport(error.to_string()))?;
        let mut control = Control::new(receive);
        let welcomed = timeout_at(deadline, welcome(&connection, &mut control)).await;
        let welcome = welcomed.map_err(|_| ConnectError::Unreachable(connection.remote_address()))??;
        let world = world::<G>(&welcome).await?;
        Ok::<_, ConnectError>((send, control, welcome, world))
    };
    let (send, control, welcome, world) = tokio::select! {
        end = arriving => return Err(end.into()),
        entered = entering => entered?,
    };

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

/// Shakes hands with the first address that answers.
pub(crate) async fn reach(address: &str, options: &Options) -> Result<(Endpoint, Connection), ConnectError> {
    let bad_address = |why: String| ConnectError::Address { address: address.to_owned(), why };
    let (host, _) = address.rsplit_once(':').ok_or_else(|| bad_address("there is no port".to_owned()))?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let name = options.server_name.as_deref().unwrap_or(host);
    let found = tokio::net::lookup_host(address).await.map_err(|error| bad_address(error.to_string()))?;
    let found: Vec<SocketAddr> = found.take(ADDRESSES_MAX).collect();

    let mut result = Err(bad_address("the name has no address".to_owned()));
    for &remote in &found {
        result = shake_hands(remote, name, options, found.len()).await;
        // Only silence is a reason to look elsewhere.
        if !matches!(result, Err(ConnectError::Unreachable(_))) {
            break;
        }
    }
    result
}

async fn shake_hands(
    remote: SocketAddr,
    name: &str,
    options: &Options,
    candidates: usize,
) -> Result<(Endpoint, Connection), ConnectError> {
    let refusal = Refusal::default();
    let config = quic::client(&options.trust, &refusal)?;
    let endpoint = quic::endpoint(remote)?;
    let connecting = endpoint.connect_with(config, remote, name).map_err(|error| match error {
        quinn::ConnectError::InvalidServerName(name) => ConnectError::ServerName(name),
        other => ConnectError::Address { address: remote.to_string(), why: other.to_string() },
    })?;
    let connected = timeout(share_of_timeout(candidates), connecting).await;
    let connection = connected.map_err(|_| ConnectError::Unreachable(remote))?.map_err(|error| {
        let refusal = refusal.lock().expect("nobody panics while holding it").take();
        ConnectError::of_handshake(remote, &error, refusal)
    })?;
    if connection.max_datagram_size().is_none() {
        return Err(ConnectError::NotDownbeat(remote));
    }
    Ok((endpoint, connection))
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
