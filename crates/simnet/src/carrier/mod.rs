//! What carries datagrams from one end to the other: the seam between the loop and the layer beneath it.

mod lines;
mod quic;
mod stream;
mod wires;

use downbeat_link::LinkSpec;
use downbeat_replica::Micros;

use crate::options::{Layer, Options};
use lines::Lines;
use quic::Quic;

/// One end of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    /// The one that all clients talk to.
    Server,
    /// The client of this index.
    Client(usize),
}

/// What came out at an end.
#[derive(Debug)]
pub(crate) struct Arrival {
    /// The client whose connection it came over.
    pub(crate) client: usize,
    /// When it arrived, which is earlier than now when the end was stalled.
    pub(crate) at: Micros,
    pub(crate) what: Arrived,
}

#[derive(Debug)]
pub(crate) enum Arrived {
    /// At the server: the client is connected.
    Opened,
    Datagram(Vec<u8>),
    /// At a client: the next bytes of the reliable stream.
    Reliable(Vec<u8>),
    /// The connection is over; why, if nobody asked for it.
    Closed(String),
}

/// Connections between one server and its clients. Times are true time.
pub(crate) trait Carrier {
    /// The client begins to connect; `Opened` follows at the server.
    fn open(&mut self, now: Micros, client: usize);

    /// The client goes; `Closed` follows at the server.
    fn close(&mut self, now: Micros, client: usize);

    /// The client's end of its connection is gone; the server is not told.
    fn cut(&mut self, client: usize);

    /// The client's address changes, where there are addresses.
    fn rebind(&mut self, client: usize) {
        let _ = client;
    }

    /// Changes what the ways of a client are like from now on; what is under way stays under way.
    fn set_line(&mut self, client: usize, up: &LinkSpec, down: &LinkSpec);

    /// When `end` should be polled.
    fn next_at(&self, end: End) -> Option<Micros>;

    /// What arrived at `end` by `now`. An end that is stalled is not polled, and sends nothing.
    fn poll(&mut self, now: Micros, end: End) -> Option<Arrival>;

    /// Bytes that a datagram to `client` may have; `None` when its connection takes none now.
    fn space(&mut self, now: Micros, client: usize) -> Option<usize>;

    /// `from` sends a datagram: a client to the server, the server to `client`.
    fn send(&mut self, now: Micros, from: End, client: usize, datagram: &[u8]);

    /// The server sends bytes that must arrive, in order.
    fn send_reliable(&mut self, now: Micros, client: usize, bytes: &[u8]);

    /// `end` has sent all that it has to send for now.
    fn flush(&mut self, now: Micros, end: End);

    /// What went beyond a limit, if something did.
    fn overflow(&self) -> Option<String>;

    /// Hash of what happened beneath what the ends are given.
    fn trace_hash(&self) -> u64 {
        0
    }
}

/// The layer that `options` ask for.
pub(crate) fn carrier(options: &Options) -> Box<dyn Carrier> {
    match options.layer {
        Layer::Links => Box::new(Lines::new(options)),
        Layer::Quic { must_prove } => Box::new(Quic::new(options, must_prove)),
    }
}
