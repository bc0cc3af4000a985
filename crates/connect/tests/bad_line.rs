//! A long and lossy line must not keep inputs back.

mod support;

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use downbeat_connect::{Event, Session};
use downbeat_field::{Field, Input};
use downbeat_link::{LinkSpec, Pipe};
use downbeat_replica::Micros;
use support::{Rules, StandIn};

/// Carries the datagrams of one client to the server and back over two model links.
struct Line {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Line {
    fn to(server: SocketAddr, spec: &LinkSpec) -> Self {
        let near = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let far = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        far.connect(server).expect("loopback");
        near.set_read_timeout(Some(Duration::from_millis(1))).expect("a read may time out");
        far.set_nonblocking(true).expect("a socket need not block");
        let (address, stop) = (near.local_addr().expect("it is bound"), Arc::<AtomicBool>::default());
        let (mut up, mut down) = (Pipe::new(spec, 1), Pipe::new(spec, 2));
        let (started, stopped) = (Instant::now(), Arc::clone(&stop));
        let carry = move || {
            let (mut client, mut buffer) = (None, [0; 2_048]);
            while !stopped.load(Ordering::Relaxed) {
                if let Ok((count, from)) = near.recv_from(&mut buffer) {
                    client = Some(from);
                    up.send(micros(started), buffer[..count].to_vec(), count + 28);
                }
                while let Ok(count) = far.recv(&mut buffer) {
                    down.send(micros(started), buffer[..count].to_vec(), count + 28);
                }
                while let Some((_, datagram)) = up.poll(micros(started)) {
                    let _ = far.send(&datagram);
                }
                while let Some((_, datagram)) = down.poll(micros(started)) {
                    let _ = near.send_to(&datagram, client.expect("the client spoke first"));
                }
            }
        };
        Self { address, stop, thread: Some(std::thread::spawn(carry)) }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().expect("it is taken here alone").join().expect("it did not panic");
    }
}

fn micros(since: Instant) -> Micros {
    Micros(since.elapsed().as_micros() as u64)
}

#[tokio::test(flavor = "current_thread")]
async fn inputs_pass_a_long_and_lossy_line() {
    let server = StandIn::start(Rules::default());
    let spec = "latency=150ms,jitter=20ms,loss=20%".parse().expect("a good spec");
    let line = Line::to(server.address, &spec);
    let mut session = Session::<Field>::connect(&line.address.to_string(), &server.options()).await.expect("let in");
    let started = Instant::now();
    let mut before = None;
    while started.elapsed() < Duration::from_secs(8) {
        if started.elapsed() > Duration::from_secs(4) {
            before.get_or_insert_with(|| server.counters().inputs);
        }
        if let Event::Input(tick) = session.next().await.expect("connected") {
            session.input(tick, &Input { forward: 1.0, yaw: (tick.0 / 20) as f32, ..Input::default() });
        }
    }
    let (before, after) = (before.expect("four seconds passed"), server.counters().inputs);
    let (consumed, starved) = (after.consumed - before.consumed, after.starved - before.starved);
    println!("{consumed} consumed, {starved} starved, {:?}", session.stats());
    assert!(consumed > 200, "{consumed} inputs arrived in four seconds at 60 Hz");
    assert!(starved * 20 < consumed, "{starved} ticks starved, {consumed} did not");
}
