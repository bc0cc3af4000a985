//! From an address to a connection: resolve, shake hands, and go to the shard that the server names.

use std::net::SocketAddr;
use std::time::Duration;

use downbeat_wire::CloseCode;
use downbeat_wire::limits::REDIRECTS_MAX;
use quinn::{Connection, Endpoint};
use tokio::time::{Instant, timeout, timeout_at};

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

/// Shakes hands with the first address that answers within `time`, at the shard that `first` stands for.
pub(crate) async fn reach(
    address: &str,
    options: &Options,
    first: Option<u8>,
    time: Duration,
) -> Result<Reached, ConnectError> {
    let bad_address = |why: String| ConnectError::Address { address: address.to_owned(), why };
    let (host, _) = address.rsplit_once(':').ok_or_else(|| bad_address("there is no port".to_owned()))?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let name = options.server_name.as_deref().unwrap_or(host);
    let found = timeout(time, tokio::net::lookup_host(address)).await;
    let found = found.map_err(|_| bad_address("its name was not found in time".to_owned()))?;
    let found = found.map_err(|error| bad_address(error.to_string()))?;
    let found: Vec<SocketAddr> = found.take(ADDRESSES_MAX).collect();

    let mut result = Err(bad_address("the name has no address".to_owned()));
    for &remote in &found {
        let deadline = Instant::now() + time / found.len() as u32;
        result = shake_hands(remote, name, options, first, deadline).await;
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

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::time::Duration;

    use downbeat_field::{Field, Input};
    use downbeat_server::{Config, Listen, Server, ServerReport, Stop};
    use tokio::time::timeout;

    use crate::{Event, Fingerprint, Options, Session, Trust, describe, watch};

    struct Running {
        address: String,
        options: Options,
        stop: Stop,
        thread: std::thread::JoinHandle<ServerReport>,
    }

    /// A server of two shards and one room, which the first of them has.
    fn start() -> Running {
        let listen = vec![Listen::Address(([127, 0, 0, 1], 0).into())];
        let config = Config { listen, shards: 2, rooms_max: 1, spectators_max: 20, ..Config::new("field") };
        let rules = downbeat_field::Config { walkers: 10, visible: 4, ..Default::default() };
        let server = Server::<Field>::start(&config, &rules, Box::new(|_| {})).expect("it starts");
        let address = server.local_addrs()[0].to_string();
        let options = Options::new(Trust::Pinned(Fingerprint(server.fingerprint().0)), "Ada");
        let stop = Stop::new();
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || server.run(&stopped).expect("the sockets work"));
        Running { address, options, stop, thread }
    }

    impl Running {
        fn stop(self) -> ServerReport {
            self.stop.request();
            self.thread.join().expect("the server does not panic")
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn whoever_is_sent_elsewhere_goes_there_and_nobody_notices() {
        let server = start();
        let (address, options) = (&server.address, &server.options);
        let mut inside = Vec::new();
        for _ in 0..8 {
            let session = Session::<Field>::connect(address, options).await.expect("let in");
            assert_eq!(session.room(), 1);
            inside.push(session);
            assert_eq!(describe(address, options).await.expect("told").welcome.room, 1);
            watch(address, options).await.expect("let in").leave().await;
        }
        drop(inside);
        let report = server.stop();
        assert_eq!((report.shards[0].admitted, report.shards[1].admitted), (24, 0));
        // Half of those who come; that none is would happen once in sixteen million runs.
        let redirected = report.shards[1].redirected;
        assert!((1..24).contains(&redirected), "{redirected}");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_session_goes_on_from_other_ports_and_loses_no_input() {
        let server = start();
        let mut session = Session::<Field>::connect(&server.address, &server.options).await.expect("let in");
        let (mut snapshots, mut rebinds, mut sockets) = (0, 0, Vec::new());
        while snapshots < 300 {
            match timeout(Duration::from_secs(5), session.next()).await.expect("it goes on").expect("it goes on") {
                Event::Input(tick) => session.input(tick, &Input { forward: 1.0, ..Input::default() }),
                Event::Snapshot(_) => snapshots += 1,
                other => panic!("{other:?}"),
            }
            if snapshots > 60 + 5 * rebinds {
                rebinds += 1;
                let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
                // Whoever got the old port would answer what is still sent there.
                sockets.push(socket.try_clone().expect("it is open"));
                session.endpoint().rebind(socket).expect("it can be taken");
            }
        }
        let counters = *session.client().counters();
        println!("{rebinds} ports, {counters:?}");
        assert!(rebinds > 40 && counters.undecodable == 0, "{counters:?}");
        // Whatever the machine does meanwhile: half of the ports are the other shard's if it goes by ports.
        assert!(counters.substituted * 20 < counters.inputs, "{counters:?}");
        session.leave().await;
        let report = server.stop();
        assert!(report.shards.iter().all(|shard| shard.udp_ignored == 0), "{:?}", report.shards);
        assert!(report.totals.closes.lost.is_empty(), "{:?}", report.totals.closes);
    }
}
