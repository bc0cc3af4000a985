//! Clients that come and go, or come and do not read.

use downbeat_transport::{CloseReason, ConnId, Driver, Event, KernelSocket};
use downbeat_wire::control::{ControlReader, Hello, ServerMessage};
use downbeat_wire::{CloseCode, Micros};

use super::Kind;
use super::beside::{Attacker, Orders, Outcome};
use crate::join::{code_of, told};

/// One that comes again and again, each time on a connection of its own.
pub(crate) struct Visitor {
    driver: Driver<KernelSocket>,
    kind: Kind,
    server: std::net::SocketAddr,
    server_name: String,
    hello: Hello,
    /// Those of the bots that play.
    tickets: Vec<String>,
    conn: Option<ConnId>,
    /// When the attack began, since the run did.
    began: Micros,
    reader: ControlReader,
    visits: usize,
    /// When it does something next.
    wakes_at: Micros,
    is_in: bool,
}

/// From the end of a visit to the next.
const PAUSE: Micros = Micros::from_millis(50);

/// A slow reader reads this often.
const READS_EVERY: Micros = Micros::from_millis(2_000);

impl Visitor {
    /// Attacker `index` of those of `orders`.
    pub(crate) fn new(driver: Driver<KernelSocket>, orders: &Orders, index: usize) -> Self {
        let options = &orders.options;
        Self {
            driver,
            kind: orders.kind,
            server: options.connect,
            server_name: options.server_name.clone().unwrap_or_else(|| options.connect.ip().to_string()),
            hello: Hello { name: format!("{}-hostile-{index}", options.name), ..orders.hello.clone() },
            tickets: orders.tickets.clone(),
            conn: None,
            began: orders.began,
            reader: ControlReader::default(),
            visits: index,
            wakes_at: Micros::default(),
            is_in: false,
        }
    }

    fn come(&mut self, now: Micros, outcome: &mut Outcome) {
        // Addresses and names were good for the bots that play.
        let Ok(conn) = self.driver.connect(now, self.server, &self.server_name) else { return };
        let ticket = self.tickets.get(self.visits % self.tickets.len().max(1));
        let hello = match self.kind {
            Kind::TicketReplay => Hello { ticket: ticket.cloned(), ..self.hello.clone() },
            // With these hashes it is told all that there is to tell.
            Kind::SlowReader => Hello { schema_hash: 0, model_hash: 0, ..self.hello.clone() },
            _ => self.hello.clone(),
        };
        // Bytes may be written before the handshake is complete.
        let _ = self.driver.write_control(now, conn, &hello.to_bytes());
        (self.conn, self.reader, self.is_in) = (Some(conn), ControlReader::default(), false);
        self.visits += 1;
        outcome.attempts += 1;
    }

    /// It was let in.
    fn enter(&mut self, now: Micros, conn: ConnId, outcome: &mut Outcome) {
        outcome.admitted += 1;
        self.is_in = true;
        match self.kind {
            Kind::SlowReader => self.wakes_at = now + READS_EVERY,
            // Every second time without a word.
            Kind::Reconnect if self.visits.is_multiple_of(2) => {
                self.driver.abandon(conn);
                self.rest(now);
            }
            _ => self.driver.close(now, conn, CloseCode::Bye, ""),
        }
    }

    fn rest(&mut self, now: Micros) {
        (self.conn, self.wakes_at) = (None, now + PAUSE);
    }

    fn take(&mut self, now: Micros, event: Event, outcome: &mut Outcome) {
        match event {
            Event::Control { conn, bytes } if self.conn == Some(conn) => {
                self.reader.push(&bytes);
                while let Ok(Some(message)) = self.reader.next_from_server() {
                    if matches!(message, ServerMessage::Welcome(_)) {
                        return self.enter(now, conn, outcome);
                    }
                }
            }
            Event::Closed { conn, reason } if self.conn == Some(conn) => {
                if !matches!(reason, CloseReason::Local(_)) {
                    outcome.reasons.add(self.began + now, self.is_in, code_of(&reason), told(&reason));
                }
                self.rest(now);
            }
            _ => {}
        }
    }
}

impl Attacker for Visitor {
    fn turn(&mut self, now: Micros, outcome: &mut Outcome) -> std::io::Result<()> {
        if now < self.wakes_at {
            return Ok(());
        }
        if self.conn.is_none() {
            self.come(now, outcome);
        }
        self.driver.flush(now)?;
        self.driver.receive(now)?;
        self.driver.handle_timeouts(now)?;
        if self.kind == Kind::SlowReader && self.is_in {
            self.wakes_at = now + READS_EVERY;
            // Its streams it does not read at all, unless they ended.
            if self.conn.is_some_and(|conn| self.driver.stats(conn).is_some()) {
                return Ok(());
            }
        }
        while let Some(event) = self.driver.poll_event() {
            self.take(now, event, outcome);
        }
        self.driver.flush(now)
    }

    fn leave(&mut self, now: Micros) {
        if let Some(conn) = self.conn {
            self.driver.close(now, conn, CloseCode::Bye, "");
            let _ = self.driver.flush(now);
        }
    }
}
