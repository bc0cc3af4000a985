//! What goes wrong beyond what a link does to each datagram: for a while, at a known time.

use std::fmt;

use downbeat_replica::Micros;

use crate::carrier::End;

/// Something goes wrong for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// When it begins.
    pub from: Micros,
    /// How long it lasts.
    pub lasts: Micros,
    /// What it is.
    pub what: Trouble,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// What is sent to or by this client is lost.
    Outage(u16),
    /// This client does nothing; what arrives waits for it, with the time of its arrival.
    ClientStalls(u16),
    /// The server does nothing; what arrives waits likewise. Ticks that were missed are made up for as the server does.
    ServerStalls,
    /// This client does not take part: it leaves when this begins (or is not there yet), and joins when it ends.
    Away(u16),
    /// The connection of this client is gone at the beginning, and neither end is told so; a second later the server notices. At
    /// the end the client connects again and resumes its session.
    Breaks(u16),
    /// The address of this client changes, at the beginning; on model links alone, nothing happens.
    Moves(u16),
}

impl Fault {
    /// When it is over.
    #[must_use]
    pub fn until(&self) -> Micros {
        self.from + self.lasts
    }

    /// When the server notices, if it is a connection that breaks.
    fn noticed(&self) -> Micros {
        self.until().min(self.from + NOTICED_AFTER)
    }

    fn is_on(&self, now: Micros) -> bool {
        (self.from..self.until()).contains(&now)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} s to {:.3} s: ", self.from.as_secs_f64(), self.until().as_secs_f64())?;
        match self.what {
            Trouble::Outage(client) => write!(f, "nothing passes to or from client {client}"),
            Trouble::ClientStalls(client) => write!(f, "client {client} stalls"),
            Trouble::ServerStalls => write!(f, "the server stalls"),
            Trouble::Away(client) => write!(f, "client {client} is away"),
            Trouble::Breaks(client) => write!(f, "the connection of client {client} is gone, until it resumes"),
            Trouble::Moves(client) => write!(f, "client {client} has another address"),
        }
    }
}

/// How long a server goes on sending to a client whose connection is gone, unless it comes back before.
const NOTICED_AFTER: Micros = Micros::from_millis(1_000);

/// Whether the line of `client` is dead at `now`.
pub(crate) fn is_cut_off(faults: &[Fault], now: Micros, client: usize) -> bool {
    faults
        .iter()
        .any(|fault| matches!(fault.what, Trouble::Outage(of) if usize::from(of) == client) && fault.is_on(now))
}

/// Whether `end` does nothing at `now`.
pub(crate) fn is_stalled(faults: &[Fault], now: Micros, end: End) -> bool {
    let stalls = |what| match (what, end) {
        (Trouble::ServerStalls, End::Server) => true,
        (Trouble::ClientStalls(of), End::Client(client)) => usize::from(of) == client,
        _ => false,
    };
    faults.iter().any(|fault| stalls(fault.what) && fault.is_on(now))
}

/// Whether `client` takes no part at `now`.
pub(crate) fn is_away(faults: &[Fault], now: Micros, client: usize) -> bool {
    faults.iter().any(|fault| matches!(fault.what, Trouble::Away(of) if usize::from(of) == client) && fault.is_on(now))
}

/// What becomes of a connection that breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Break {
    /// It is gone.
    Begins,
    /// The server notices.
    Noticed,
    /// The client begins to connect again.
    Ends,
}

/// What becomes of connections that break, after `before` and until `now`, with the clients whose they are.
pub(crate) fn breaks(faults: &[Fault], before: Micros, now: Micros) -> Vec<(Break, usize)> {
    let of = |fault: &Fault| match fault.what {
        Trouble::Breaks(client) => Some((*fault, usize::from(client))),
        _ => None,
    };
    let moments = |(fault, client): (Fault, usize)| {
        let all = [(Break::Begins, fault.from), (Break::Noticed, fault.noticed()), (Break::Ends, fault.until())];
        all.map(|(what, at)| (what, at, client))
    };
    let moments = faults.iter().filter_map(of).flat_map(moments);
    moments.filter(|(_, at, _)| *at > before && *at <= now).map(|(what, _, client)| (what, client)).collect()
}

/// The clients whose addresses change after `before` and until `now`.
pub(crate) fn moves(faults: &[Fault], before: Micros, now: Micros) -> impl Iterator<Item = usize> {
    let moved = move |fault: &&Fault| fault.from > before && fault.from <= now;
    faults.iter().filter(moved).filter_map(|fault| match fault.what {
        Trouble::Moves(client) => Some(client.into()),
        _ => None,
    })
}

/// When the next fault after `now` begins or ends.
pub(crate) fn next_change(faults: &[Fault], now: Micros) -> Option<Micros> {
    faults.iter().flat_map(|fault| [fault.from, fault.noticed(), fault.until()]).filter(|at| *at > now).min()
}
