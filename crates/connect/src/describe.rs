//! What a program can know of a server without having its game: the hello asks with hashes of 0, and the server tells.

use downbeat_replica::Schema;
use downbeat_replica::codec::Model;
use downbeat_wire::CloseCode;
use downbeat_wire::control::Welcome;
use downbeat_wire::description::{Description, DescriptionReader};
use quinn::{Connection, Endpoint, SendStream};
use tokio::time::{Instant, timeout, timeout_at};

use crate::join::{hello, welcome};
use crate::limits::{CONNECT_TIMEOUT, DESCRIBE_TIMEOUT, LEAVE_TIMEOUT};
use crate::pump::{Control, close, tell_protocol_error};
use crate::reach::{Reached, reach};
use crate::{ConnectError, Disconnected, Options};

/// What a server tells of itself.
#[derive(Clone, Debug)]
pub struct Described {
    /// The tables of its game, which say also what the game is called.
    pub schema: Schema,
    /// The model of its game.
    pub model: Model,
    /// How the client was let in: rates, and the rules of the match in the game's own form.
    pub welcome: Welcome,
}

/// Asks the server at `address` (`host:port`), whatever game it runs, for its schema and its model, and leaves again. The
/// client comes as a spectator, whatever the options say, so that it takes no player's place. Must be called inside a tokio
/// runtime with its I/O and time.
///
/// # Errors
/// See [`ConnectError`]. What the server tells is checked: what is no schema or no model of it breaks the protocol.
pub async fn describe(address: &str, options: &Options) -> Result<Described, ConnectError> {
    let (described, line) = enter(address, options).await?;
    leave(&line.endpoint, &line.connection).await;
    Ok(described)
}

/// The network's side of one who was let in and told all.
pub(crate) struct Line {
    pub(crate) endpoint: Endpoint,
    pub(crate) connection: Connection,
    pub(crate) control: Control,
    pub(crate) send: SendStream,
}

/// Enters as a spectator, and hears what the server tells of itself.
pub(crate) async fn enter(address: &str, options: &Options) -> Result<(Described, Line), ConnectError> {
    let options = Options { spectator: true, resume: None, ..options.clone() };
    let deadline = Instant::now() + CONNECT_TIMEOUT;
    let mut reached = reach(address, &options, None, CONNECT_TIMEOUT).await?;
    loop {
        let error = match ask(&reached.connection, deadline, &options).await {
            Ok((described, control, send)) => {
                let Reached { endpoint, connection, .. } = reached;
                return Ok((described, Line { endpoint, connection, control, send }));
            }
            Err(error) => error,
        };
        match reached.follow(error, &options, deadline).await {
            Ok(elsewhere) => reached = elsewhere,
            Err(error) => {
                leave(&reached.endpoint, &reached.connection).await;
                return Err(error);
            }
        }
    }
}

async fn leave(endpoint: &Endpoint, connection: &Connection) {
    close(connection, CloseCode::Bye, CloseCode::Bye.reason());
    // What cannot be told in time the server finds out by itself.
    let _ = timeout(LEAVE_TIMEOUT, endpoint.wait_idle()).await;
}

async fn ask(
    connection: &Connection,
    deadline: Instant,
    options: &Options,
) -> Result<(Described, Control, SendStream), ConnectError> {
    let remote = connection.remote_address();
    let (mut send, receive) = connection.open_bi().await.map_err(|error| Disconnected::of(&error))?;
    let hello = hello("", [0, 0], options).to_bytes();
    send.write_all(&hello).await.map_err(|error| Disconnected::Transport(error.to_string()))?;
    let mut control = Control::new(receive);
    let welcomed = timeout_at(deadline, welcome(connection, &mut control)).await;
    let welcome = welcomed.map_err(|_| ConnectError::Unreachable(remote))??;
    let told = timeout(DESCRIBE_TIMEOUT, hear(&mut control)).await.map_err(|_| ConnectError::Undescribed(remote))?;
    let (schema, model) = told.inspect_err(|end| tell_protocol_error(connection, end))?;
    Ok((Described { schema, model, welcome }, control, send))
}

async fn hear(control: &mut Control) -> Result<(Schema, Model), Disconnected> {
    let broken = |error: &dyn std::error::Error| Disconnected::Protocol(error.to_string());
    let mut reader = DescriptionReader::default();
    let Description { schema, model } = loop {
        if let Some(whole) = reader.push(control.next().await?).map_err(|error| broken(&error))? {
            break whole;
        }
    };
    let schema = Schema::from_bytes(&schema).map_err(|error| broken(&error))?;
    let model = Model::from_bytes(&schema, &model).map_err(|error| broken(&error))?;
    Ok((schema, model))
}
