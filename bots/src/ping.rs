//! How far a server is, for whoever chooses one: a handshake, a few packets there and back, and gone. Nobody joins, so no place
//! is taken and no ticket asked for; the server takes it for a client that has not said hello yet, with the same limits.

use std::net::SocketAddr;
use std::time::Duration;

use downbeat_transport::{ClientOptions, Clock, ConnId, Driver, Event, KernelSocket, SocketOptions, Trust};
use downbeat_wire::{CloseCode, Micros};

use crate::join::told;
use crate::options::BotsError;
use crate::run::own_address;

/// Most pings of one call.
pub const PINGS_MAX: u32 = 1_000;

/// A handshake that takes longer has failed.
const HANDSHAKE_WITHIN: Micros = Micros::from_millis(3_000);

/// How long packets go there and back once the handshake is done, beside four round trips; a server that wants its hello sooner
/// ends it.
const LISTEN_FOR: Micros = Micros::from_millis(80);

/// From one of these packets to the next.
const PACKET_EVERY: Micros = Micros::from_millis(20);

/// From the end of one ping to the next: a server lets an address begin ten handshakes a second.
const PAUSE: Duration = Duration::from_millis(120);

/// How long the server is given to hear of the end.
const LEAVE_WITHIN: Micros = Micros::from_millis(200);

/// What one ping found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ping {
    /// From the first packet to the end of the handshake, a proof of address included where the server asked for one.
    pub handshake: Micros,
    /// The round trip as QUIC estimates it.
    pub rtt: Micros,
    /// The shortest one seen.
    pub rtt_min: Micros,
}

/// Pings the server at `remote` so many times, one after the other, with a connection of its own each; calls `each` with what
/// came of it, or with what went wrong.
///
/// # Errors
/// When there is no socket, or connecting cannot even begin.
pub fn ping(
    remote: SocketAddr,
    trust: &Trust,
    server_name: Option<&str>,
    count: u32,
    mut each: impl FnMut(Result<Ping, String>),
) -> Result<(), BotsError> {
    let name = server_name.map_or_else(|| remote.ip().to_string(), str::to_owned);
    for n in 0..count.min(PINGS_MAX) {
        if n > 0 {
            std::thread::sleep(PAUSE);
        }
        each(ping_once(remote, trust, &name)?);
    }
    Ok(())
}

fn ping_once(remote: SocketAddr, trust: &Trust, name: &str) -> Result<Result<Ping, String>, BotsError> {
    let clock = Clock::start();
    let mut options = ClientOptions::new(trust.clone());
    options.tuning.handshake_timeout = HANDSHAKE_WITHIN;
    options.tuning.keep_alive = Some(PACKET_EVERY);
    let socket = KernelSocket::bind(own_address(remote), SocketOptions::default())?;
    let mut driver = Driver::client(&options, socket)?;
    let began = clock.now();
    let conn = driver.connect(began, remote, name)?;
    let found = listen(&mut driver, conn, clock, began);
    driver.close(clock.now(), conn, CloseCode::Bye, "ping");
    let until = clock.now() + LEAVE_WITHIN;
    while !driver.is_idle() && clock.now() < until {
        turn(&mut driver, clock)?;
        while driver.poll_event().is_some() {}
    }
    found
}

fn listen(
    driver: &mut Driver<KernelSocket>,
    conn: ConnId,
    clock: Clock,
    began: Micros,
) -> Result<Result<Ping, String>, BotsError> {
    let mut found: Option<Ping> = None;
    let mut until = began + HANDSHAKE_WITHIN + HANDSHAKE_WITHIN;
    while clock.now() < until {
        turn(driver, clock)?;
        let (now, stats) = (clock.now(), driver.stats(conn));
        while let Some(event) = driver.poll_event() {
            match event {
                Event::Connected { .. } => {
                    let stats = stats.unwrap_or_default();
                    found = Some(Ping { handshake: now.since(began), rtt: stats.rtt, rtt_min: stats.rtt_min });
                    until = now + LISTEN_FOR + Micros(4 * stats.rtt.0);
                }
                // Whoever wants a hello sooner has been measured all the same.
                Event::Closed { reason, .. } => return Ok(found.ok_or_else(|| told(&reason))),
                Event::Datagram { .. } | Event::Control { .. } | Event::Reliable { .. } => {}
            }
        }
        if let (Some(found), Some(stats)) = (&mut found, stats) {
            (found.rtt, found.rtt_min) = (stats.rtt, stats.rtt_min);
        }
    }
    Ok(found.ok_or_else(|| "no answer".to_owned()))
}

/// One turn of the client's loop.
fn turn(driver: &mut Driver<KernelSocket>, clock: Clock) -> std::io::Result<()> {
    driver.flush(clock.now())?;
    driver.wait(Duration::from_millis(2))?;
    driver.receive(clock.now())?;
    driver.handle_timeouts(clock.now())
}
