//! A run in virtual time can be repeated to the packet.

mod common;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use common::{CLIENT, SERVER, client_options, server_options};
use downbeat_link::LinkSpec;
use downbeat_transport::{
    Conditioner, Driver, FlowKey, MemoryNetwork, MemorySocket, Outgoing, Received, Socket, SocketCounters,
};
use downbeat_wire::Micros;

/// Notes when each datagram left and how long it was.
struct Recorder {
    socket: MemorySocket,
    sent: Vec<(Micros, usize)>,
}

impl Socket for Recorder {
    fn local_addr(&self) -> SocketAddr {
        self.socket.local_addr()
    }

    fn recv_batch(&mut self, now: Micros, sink: &mut dyn FnMut(Received<'_>)) -> io::Result<usize> {
        self.socket.recv_batch(now, sink)
    }

    fn send_batch(&mut self, now: Micros, batch: &mut Outgoing) -> io::Result<()> {
        self.sent.extend(batch.datagrams().iter().map(|datagram| (now, datagram.payload.len())));
        self.socket.send_batch(now, batch)
    }

    fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        self.socket.wait(timeout)
    }

    fn counters(&self) -> SocketCounters {
        self.socket.counters()
    }
}

fn run(seed: u64) -> Vec<(Micros, usize)> {
    let network = MemoryNetwork::new();
    let recorder = Recorder { socket: network.bind(SERVER.into()), sent: Vec::new() };
    let mut server = Driver::server(&server_options(), recorder).expect("good options");
    let spec: LinkSpec = "awful".parse().expect("a preset");
    let conditioner = Conditioner::new(network.bind(CLIENT.into()), &spec, seed, FlowKey::ConnectionId);
    let mut client = Driver::client(&client_options(), conditioner).expect("good options");
    let conns: Vec<_> =
        (0..8).map(|_| client.connect(Micros(0), SERVER.into(), "localhost").expect("a good address")).collect();
    let mut peers = Vec::new();
    for ms in 1..10_000 {
        let now = Micros::from_millis(ms);
        server.receive(now).expect("memory");
        server.handle_timeouts(now).expect("memory");
        client.receive(now).expect("memory");
        client.handle_timeouts(now).expect("memory");
        while let Some(event) = server.poll_event() {
            if let downbeat_transport::Event::Connected { conn, .. } = event {
                peers.push(conn);
            }
        }
        while client.poll_event().is_some() {}
        if ms % 16 == 0 {
            for (n, &peer) in peers.iter().enumerate() {
                let _ = server.send_datagram(peer, &vec![0; 100 + 10 * n]);
            }
            for (n, &conn) in conns.iter().enumerate() {
                let _ = client.send_datagram(conn, &vec![0; 60 + n]);
            }
            server.flush(now).expect("memory");
            client.flush(now).expect("memory");
        }
    }
    assert_eq!(peers.len(), 8);
    server.socket().sent.clone()
}

#[test]
fn a_seed_repeats_sizes_and_times_of_all_packets() {
    let first = run(1);
    assert!(first.len() > 4_000);
    assert_eq!(first, run(1));
    assert_ne!(first, run(2));
}
