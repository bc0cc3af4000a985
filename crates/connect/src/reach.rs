//! From an address to a connection: resolve, shake hands, and go to the shard that the server names.

use std::net::SocketAddr;

use downbeat_wire::CloseCode;
use downbeat_wire::limits::REDIRECTS_MAX;
use quinn::{Connection, Endpoint};
use tokio::time::{Instant, timeout_at};

use crate::error::share_of_timeout;
use crate::limits::ADDRESSES_MAX;
use crate::trust::Refusal;
use crate::{ConnectError, Disconnected, Options, quic};

/// A connection to a server, on a socket of its own.
pub(crate) struct Reached {
    pub(crate) endpoint: Endpoint,
    pub(crate) connection: Connection,
    /// What the server is called in its certificate.
    name: String,
    /// How often it was followed to another shard.
    redirects: u32,
}

/// Shakes hands with the first address that answers.
pub(crate) async fn reach(address: &str, options: &Options) -> Result<Reached, ConnectError> {
    let bad_address = |why: String| ConnectError::Address { address: address.to_owned(), why };
    let (host, _) = address.rsplit_once(':').ok_or_else(|| bad_address("there is no port".to_owned()))?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let name = options.server_name.as_deref().unwrap_or(host);
    let found = tokio::net::lookup_host(address).await.map_err(|error| bad_address(error.to_string()))?;
    let found: Vec<SocketAddr> = found.take(ADDRESSES_MAX).collect();

    let mut result = Err(bad_address("the name has no address".to_owned()));
    for &remote in &found {
        let deadline = Instant::now() + share_of_timeout(found.len());
        result = shake_hands(remote, name, options, None, deadline).await;
        // Only silence is a reason to look elsewhere.
        if !matches!(result, Err(ConnectError::Unreachable(_))) {
            break;
        }
    }
    let (endpoint, connection) = result?;
    Ok(Reached { endpoint, connection, name: name.to_owned(), redirects: 0 })
}

impl Reached {
    /// Goes to the shard that the server named when it ended the connection with `error`.
    ///
    /// # Errors
    /// `error` itself when it names none, or too many did before; otherwise why that shard cannot be reached.
    pub(crate) async fn follow(
        &self,
        error: ConnectError,
        options: &Options,
        deadline: Instant,
    ) -> Result<Self, ConnectError> {
        let first = match &error {
            ConnectError::Closed(Disconnected::Closed { code, reason }) if self.redirects < REDIRECTS_MAX => {
                CloseCode::sent_elsewhere(u64::from(*code as u32), reason)
            }
            _ => None,
        };
        let Some(first) = first else { return Err(error) };
        let remote = self.connection.remote_address();
        let (endpoint, connection) = shake_hands(remote, &self.name, options, Some(first), deadline).await?;
        Ok(Self { endpoint, connection, name: self.name.clone(), redirects: self.redirects + 1 })
    }
}

async fn shake_hands(
    remote: SocketAddr,
    name: &str,
    options: &Options,
    first: Option<u8>,
    deadline: Instant,
) -> Result<(Endpoint, Connection), ConnectError> {
    let refusal = Refusal::default();
    let config = quic::client(&options.trust, &refusal, first)?;
    let endpoint = quic::endpoint(remote)?;
    let connecting = endpoint.connect_with(config, remote, name).map_err(|error| match error {
        quinn::ConnectError::InvalidServerName(name) => ConnectError::ServerName(name),
        other => ConnectError::Address { address: remote.to_string(), why: other.to_string() },
    })?;
    let connected = timeout_at(deadline, connecting).await;
    let connection = connected.map_err(|_| ConnectError::Unreachable(remote))?.map_err(|error| {
        let refusal = refusal.lock().expect("nobody panics while holding it").take();
        ConnectError::of_handshake(remote, &error, refusal)
    })?;
    if connection.max_datagram_size().is_none() {
        return Err(ConnectError::NotDownbeat(remote));
    }
    Ok((endpoint, connection))
}
