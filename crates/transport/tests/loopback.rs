//! The same driver over real sockets, with our own client and with a stock one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use downbeat_transport::{
    ClientOptions, Clock, CloseReason, ConnId, Driver, Event, Identity, KernelSocket, Outgoing, ServerOptions, Shard,
    Socket, SocketOptions, Trust,
};
use downbeat_wire::{CloseCode, Micros};

const LOOPBACK: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

fn socket() -> KernelSocket {
    KernelSocket::bind(SocketAddr::from(LOOPBACK), SocketOptions::default()).expect("loopback")
}

fn identity() -> Identity {
    Identity::self_signed(&["localhost"]).expect("a good name")
}

/// One turn of a loop as a shard runs it.
fn turn(driver: &mut Driver<KernelSocket>, clock: Clock) -> Vec<Event> {
    driver.wait(Duration::from_millis(1)).expect("loopback");
    let now = clock.now();
    driver.receive(now).expect("loopback");
    driver.handle_timeouts(now).expect("loopback");
    std::iter::from_fn(|| driver.poll_event()).collect()
}

#[test]
fn both_ends_meet_over_the_kernel() {
    let clock = Clock::start();
    let identity = identity();
    let mut server = Driver::server(&ServerOptions::new(identity.clone()), socket()).expect("good options");
    let trust = Trust::pinned(identity.fingerprint());
    let mut client = Driver::client(&ClientOptions::new(trust), socket()).expect("good options");
    let conns: Vec<ConnId> = (0..20)
        .map(|_| client.connect(clock.now(), server.local_addr(), "localhost").expect("a good address"))
        .collect();
    for &conn in &conns {
        client.write_control(clock.now(), conn, b"hello").expect("room");
    }
    let (mut echoes, mut closed, mut controls) = (0, 0, 0);
    let deadline = clock.now() + Micros::from_millis(10_000);
    while closed < 20 && clock.now() < deadline {
        for event in turn(&mut server, clock) {
            match event {
                Event::Control { conn, bytes } => {
                    assert_eq!(bytes, b"hello"[..]);
                    controls += 1;
                    server.send_datagram(conn, &[7; 1_000]).expect("room");
                }
                Event::Datagram { conn, payload, at } => {
                    // The kernel's stamp: before we read it, and after it was sent.
                    assert!(at <= clock.now() && clock.now().since(at) < Micros::from_millis(5_000));
                    assert_eq!(payload, [8; 50][..]);
                    server.close(clock.now(), conn, CloseCode::RoomClosed, "done");
                }
                _ => {}
            }
        }
        server.flush(clock.now()).expect("loopback");
        for event in turn(&mut client, clock) {
            match event {
                Event::Datagram { conn, payload, .. } => {
                    assert_eq!(payload, [7; 1_000][..]);
                    echoes += 1;
                    client.send_datagram(conn, &[8; 50]).expect("room");
                }
                Event::Closed { reason: CloseReason::ByPeer { code, reason }, .. } => {
                    assert_eq!((code, reason.as_str()), (CloseCode::RoomClosed as u64, "done"));
                    closed += 1;
                }
                _ => {}
            }
        }
        client.flush(clock.now()).expect("loopback");
    }
    assert_eq!((controls, echoes, closed), (20, 20, 20));
    assert_eq!(server.counters().socket.kernel_drops, 0);
}

#[test]
fn the_kernel_says_how_many_datagrams_it_dropped() {
    let mut receiver = socket();
    let mut sender = socket();
    let mut batch = Outgoing::new();
    let mut sent = 0u64;
    // Until the receive buffer must be full: the kernel counts its own book-keeping as well.
    for _ in 0..4_000 {
        while let Some(slot) = batch.vacant() {
            slot.remote = receiver.local_addr();
            slot.payload.resize(1_400, 1);
            batch.commit();
            sent += 1;
        }
        sender.send_batch(Micros(0), &mut batch).expect("loopback");
        if sent > 20_000 {
            break;
        }
    }
    let drain = |receiver: &mut KernelSocket| {
        let mut got = 0;
        loop {
            let count = receiver.recv_batch(Micros(1), &mut |_| {}).expect("loopback");
            got += count as u64;
            if count == 0 {
                return got;
            }
        }
    };
    let got = drain(&mut receiver);
    assert!(got < sent - sender.counters().send_drops);
    // The count comes with the next datagram that is queued.
    let slot = batch.vacant().expect("an empty batch");
    slot.remote = receiver.local_addr();
    slot.payload.push(1);
    batch.commit();
    sender.send_batch(Micros(0), &mut batch).expect("loopback");
    receiver.wait(Duration::from_secs(1)).expect("loopback");
    assert_eq!(drain(&mut receiver), 1);
    assert_eq!(receiver.counters().kernel_drops, sent - sender.counters().send_drops - got);
}

#[test]
fn stamps_ecn_and_own_address_come_with_a_datagram() {
    for (bind, to) in
        [("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "::1"), ("[::]:0", "::ffff:127.0.0.1"), ("0.0.0.0:0", "127.0.0.9")]
    {
        let any: SocketAddr = bind.parse().expect("an address");
        let options = SocketOptions { dual_stack: any.is_ipv6(), ..SocketOptions::default() };
        let Ok(mut receiver) = KernelSocket::bind(any, options) else {
            eprintln!("no {bind} on this machine");
            continue;
        };
        let mut sender = KernelSocket::bind(any, options).expect("bound above");
        let clock = Clock::start();
        std::thread::sleep(Duration::from_millis(5));
        let mut batch = Outgoing::new();
        for ecn in [0, 2, 3] {
            let slot = batch.vacant().expect("room");
            slot.remote = SocketAddr::new(to.parse().expect("an address"), receiver.local_addr().port());
            slot.ecn = ecn;
            slot.payload.push(ecn);
            batch.commit();
        }
        sender.send_batch(clock.now(), &mut batch).expect("loopback");
        let sent = clock.now();
        std::thread::sleep(Duration::from_millis(20));
        let mut seen = 0;
        receiver
            .recv_batch(clock.now(), &mut |d| {
                assert_eq!(d.ecn, d.payload[0], "{bind}");
                assert_eq!(d.local_ip.map(|ip| ip.to_string()).as_deref(), Some(to), "{bind}");
                let apart = sent.0.abs_diff(d.at.0);
                assert!(apart < 10_000, "{bind}: stamped {apart} us away from its sending");
                seen += 1;
            })
            .expect("loopback");
        assert_eq!(seen, 3, "{bind}");
    }
}

#[test]
fn waiting_ends_with_a_datagram_or_in_time() {
    let mut receiver = socket();
    let clock = Clock::start();
    receiver.wait(Duration::from_micros(3_500)).expect("loopback");
    let waited = clock.now();
    assert!((3_500..50_000).contains(&waited.0), "{waited:?}");
}

#[test]
fn shards_of_one_port_get_their_connections_by_id() {
    let options = SocketOptions { reuse_port: true, ..SocketOptions::default() };
    let first = KernelSocket::bind(SocketAddr::from(LOOPBACK), options).expect("loopback");
    let mut shards = vec![first];
    for _ in 1..3 {
        shards.push(KernelSocket::bind(shards[0].local_addr(), options).expect("a shared port"));
    }
    shards[0].steer_by_connection_id(3).expect("classic BPF needs no privilege");
    let mut sender = socket();
    let mut batch = Outgoing::new();
    for byte in 0..60u8 {
        let slot = batch.vacant().expect("room");
        slot.remote = shards[0].local_addr();
        let head: &[u8] = if byte % 2 == 0 { &[0x40] } else { &[0xc0, 0, 0, 0, 1, 8] };
        slot.payload.extend_from_slice(head);
        slot.payload.extend_from_slice(&[byte; 30]);
        batch.commit();
    }
    sender.send_batch(Micros(0), &mut batch).expect("loopback");
    for (index, shard) in shards.iter_mut().enumerate() {
        let mut seen = 0;
        shard
            .recv_batch(Micros(0), &mut |d| {
                assert_eq!(usize::from(d.payload[10] % 3), index);
                seen += 1;
            })
            .expect("loopback");
        assert_eq!(seen, 20);
    }
}

#[test]
fn a_client_chooses_its_shard_and_stays_there_when_its_address_changes() {
    const SHARDS: u8 = 3;
    let clock = Clock::start();
    let shared = SocketOptions { reuse_port: true, ..SocketOptions::default() };
    let first = KernelSocket::bind(SocketAddr::from(LOOPBACK), shared).expect("loopback");
    let address = first.local_addr();
    let others = (1..SHARDS).map(|_| KernelSocket::bind(address, shared).expect("a shared port"));
    let sockets: Vec<_> = std::iter::once(first).chain(others).collect();
    sockets[0].steer_by_connection_id(SHARDS).expect("classic BPF needs no privilege");
    let identity = identity();
    let trust = Trust::pinned(identity.fingerprint());
    let mut options = ServerOptions::new(identity);
    let mut shards: Vec<_> = (0..SHARDS)
        .zip(sockets)
        .map(|(index, socket)| {
            options.shard = Shard::new(index, SHARDS).expect("below the count");
            Driver::server(&options, socket).expect("good options")
        })
        .collect();
    let mut client = Driver::client(&ClientOptions::new(trust), socket()).expect("good options");
    // Bytes all over their range, and one client that leaves it to chance.
    let conns: Vec<ConnId> = (0..255)
        .step_by(17)
        .map(Some)
        .chain([None])
        .map(|first| client.connect_to_shard(clock.now(), address, "localhost", first).expect("a good address"))
        .collect();
    let mut echoes = vec![0; conns.len()];
    let mut old_sockets = Vec::new();
    let deadline = clock.now() + Micros::from_millis(20_000);
    while echoes.iter().any(|&echoes| echoes < 40) && clock.now() < deadline {
        for (index, shard) in (0..SHARDS).zip(&mut shards) {
            for event in turn(shard, clock) {
                if let Event::Datagram { conn, payload, .. } = event {
                    assert!(payload[0] == 0 || payload[0] % SHARDS == index, "{payload:?} came to shard {index}");
                    shard.send_datagram(conn, &payload).expect("room");
                }
            }
            shard.flush(clock.now()).expect("loopback");
        }
        for event in turn(&mut client, clock) {
            if let Event::Datagram { conn, .. } = event {
                let place = conns.iter().position(|&own| own == conn).expect("one of ours");
                echoes[place] += 1;
            }
        }
        if echoes.iter().all(|&echoes| echoes > 0) {
            // Another port, as behind a router that forgets. The old one is nobody else's.
            old_sockets.push(std::mem::replace(client.socket_mut(), socket()));
        }
        for (place, &conn) in conns.iter().enumerate() {
            let byte = if place + 1 < conns.len() { place as u8 * 17 } else { 0 };
            let _ = client.send_datagram(conn, &[byte; 40]);
        }
        client.flush(clock.now()).expect("loopback");
    }
    assert!(echoes.iter().all(|&echoes| echoes >= 40), "{echoes:?}");
    assert!(shards.iter().all(|shard| shard.counters().ignored == 0 && shard.counters().open > 0));
    assert_eq!(shards.iter().map(|shard| shard.counters().open).sum::<u64>(), conns.len() as u64);
}

/// A server that greets on the control stream and echoes datagrams, until told to stop.
fn echo_server(stop: Arc<AtomicBool>) -> (SocketAddr, Identity, std::thread::JoinHandle<Vec<u8>>) {
    let identity = identity();
    let mut server = Driver::server(&ServerOptions::new(identity.clone()), socket()).expect("good options");
    let address = server.local_addr();
    let thread = std::thread::spawn(move || {
        let clock = Clock::start();
        let mut control = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            for event in turn(&mut server, clock) {
                match event {
                    Event::Control { conn, bytes } => {
                        control.extend_from_slice(&bytes);
                        server.write_control(clock.now(), conn, b"welcome").expect("room");
                    }
                    Event::Datagram { conn, payload, .. } => server.send_datagram(conn, &payload).expect("room"),
                    _ => {}
                }
            }
            server.flush(clock.now()).expect("loopback");
        }
        control
    });
    (address, identity, thread)
}

fn stock_config(identity: &Identity, alpn: &[u8]) -> quinn::ClientConfig {
    use quinn::rustls;
    use rustls::pki_types::pem::PemObject;
    let mut roots = rustls::RootCertStore::empty();
    let certificate = rustls::pki_types::CertificateDer::from_pem_slice(identity.certificate_pem().as_bytes());
    roots.add(certificate.expect("our own PEM")).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![alpn.to_vec()];
    let tls = quinn::crypto::rustls::QuicClientConfig::try_from(tls).expect("an initial cipher");
    quinn::ClientConfig::new(Arc::new(tls))
}

#[test]
fn a_stock_quinn_client_speaks_with_the_driver() {
    let stop = Arc::new(AtomicBool::new(false));
    let (address, identity, thread) = echo_server(stop.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut endpoint = quinn::Endpoint::client(SocketAddr::from(LOOPBACK)).expect("loopback");
        endpoint.set_default_client_config(stock_config(&identity, downbeat_wire::ALPN));
        let conn = endpoint.connect(address, "localhost").expect("a good address").await.expect("a handshake");
        let (mut send, mut recv) = conn.open_bi().await.expect("the control stream");
        send.write_all(b"hello").await.expect("room");
        let mut greeting = [0; 7];
        recv.read_exact(&mut greeting).await.expect("a greeting");
        assert_eq!(&greeting, b"welcome");
        for n in 0..20u8 {
            conn.send_datagram(vec![n; 300].into()).expect("room");
            let echo = conn.read_datagram().await.expect("an echo");
            assert_eq!(echo[..], [n; 300]);
        }
        let second = tokio::time::timeout(Duration::from_millis(200), conn.open_bi()).await;
        assert!(second.is_err(), "a second stream is beyond the limit");
        let uni = tokio::time::timeout(Duration::from_millis(200), conn.open_uni()).await;
        assert!(uni.is_err(), "clients have no unidirectional streams");
        conn.close(0u32.into(), b"bye");
        endpoint.wait_idle().await;

        endpoint.set_default_client_config(stock_config(&identity, b"hq-29"));
        let refused = endpoint.connect(address, "localhost").expect("a good address").await.expect_err("wrong ALPN");
        assert!(refused.to_string().contains("120"), "TLS alert no_application_protocol: {refused}");
    });
    stop.store(true, Ordering::Relaxed);
    assert_eq!(thread.join().expect("no panic"), b"hello");
}
