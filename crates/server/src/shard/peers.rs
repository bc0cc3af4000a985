//! A peer is one connection: what it has said so far, and how well it behaves. What it takes part in is its session's.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use downbeat_host::SessionId;
use downbeat_transport::{ConnId, network_of};
use downbeat_wire::Micros;
use downbeat_wire::control::ControlReader;
use tracing::Span;

use crate::directory::Directory;
use crate::guard::{Faults, Rate};

/// A connection of one of the shard's drivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) driver: usize,
    pub(crate) conn: ConnId,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Peer {
    conn: ConnId,
    pub(crate) address: IpAddr,
    /// What a log is told of it belongs here.
    pub(crate) span: Span,
    pub(crate) reader: ControlReader,
    /// What it takes part in, once it was let in.
    pub(crate) session: Option<SessionId>,
    /// We closed it, and nothing it says counts any more.
    pub(crate) is_dismissed: bool,
    pub(crate) datagrams: Rate,
    pub(crate) messages: Rate,
    pub(crate) malformed: Faults,
    pub(crate) acks_forged: u32,
}

/// All connections of a shard.
#[derive(Debug)]
pub(crate) struct Peers {
    /// By driver, then by the connection's index.
    peers: Vec<Vec<Option<Box<Peer>>>>,
    /// Where the connections of a network are counted.
    directory: Arc<Directory>,
    /// Those that have not said hello, and when they must have; earliest first.
    silent: VecDeque<(Micros, Link)>,
}

impl Peers {
    pub(crate) fn new(drivers: usize, directory: Arc<Directory>) -> Self {
        Self { peers: (0..drivers).map(|_| Vec::new()).collect(), directory, silent: VecDeque::new() }
    }

    /// A new connection, which must say hello until `deadline` (the same time for all after they came). Returns how
    /// many its network has now, on all shards.
    pub(crate) fn insert(&mut self, link: Link, address: IpAddr, deadline: Micros, span: Span) -> u32 {
        let address = network_of(address);
        let peers = &mut self.peers[link.driver];
        if peers.len() <= link.conn.index() {
            peers.resize_with(link.conn.index() + 1, || None);
        }
        peers[link.conn.index()] = Some(Box::new(Peer {
            conn: link.conn,
            address,
            span,
            reader: ControlReader::default(),
            session: None,
            is_dismissed: false,
            datagrams: Rate::default(),
            messages: Rate::default(),
            malformed: Faults::default(),
            acks_forged: 0,
        }));
        self.silent.push_back((deadline, link));
        self.directory.connect(address)
    }

    /// A connection that still counts: neither gone nor dismissed.
    pub(crate) fn get_mut(&mut self, link: Link) -> Option<&mut Peer> {
        let peer = self.peers[link.driver].get_mut(link.conn.index())?.as_deref_mut()?;
        (peer.conn == link.conn && !peer.is_dismissed).then_some(peer)
    }

    pub(crate) fn remove(&mut self, link: Link) -> Option<Peer> {
        let place = self.peers[link.driver].get_mut(link.conn.index())?;
        let peer = *place.take_if(|peer| peer.conn == link.conn)?;
        self.directory.disconnect(peer.address);
        Some(peer)
    }

    /// A connection whose time for a hello is over at `now`, and that has not said one.
    pub(crate) fn poll_silent(&mut self, now: Micros) -> Option<Link> {
        while let Some(&(_, link)) = self.silent.front().filter(|(deadline, _)| *deadline <= now) {
            self.silent.pop_front();
            if self.get_mut(link).is_some_and(|peer| peer.session.is_none()) {
                return Some(link);
            }
        }
        None
    }

    /// All connections, dismissed ones too.
    pub(crate) fn links(&self) -> Vec<Link> {
        let drivers = self.peers.iter().enumerate();
        drivers
            .flat_map(|(driver, peers)| peers.iter().flatten().map(move |peer| Link { driver, conn: peer.conn }))
            .collect()
    }
}
