//! What a log is told of connections and rooms. A span goes along with each: `handshake` from its first packet that counts to
//! its hello, `admission` while that is judged, `session` while it takes part; and `room` while there is one. Nothing that a
//! client wrote is told, and its address only where the configuration says so.

use std::net::IpAddr;

use downbeat_replica::{Game, PlayerId};
use downbeat_transport::{CloseReason, Socket};
use downbeat_wire::CloseCode;
use tracing::field::display;
use tracing::{Span, debug, error_span, info};

use super::Shard;
use super::peers::Link;
use crate::counts::label;
use crate::notice::Notice;
use crate::ticket::TicketError;

impl<G: Game, S: Socket> Shard<G, S> {
    /// The first span of a connection. All of them are there whatever the level is, so that a warning has its own.
    pub(super) fn tell_connected(&self, link: Link, address: IpAddr) -> Span {
        let Link { driver, conn } = link;
        let address = self.config.log.addresses.then(|| display(address));
        let span = error_span!("handshake", shard = self.index, conn = %format_args!("{driver}.{conn}"), address);
        span.in_scope(|| debug!(event = "connected", "connected"));
        span
    }

    /// While a hello is judged.
    pub(super) fn admission_span(&self, link: Link) -> Span {
        let Link { driver, conn } = link;
        let address = self.address_told(link).map(display);
        error_span!("admission", shard = self.index, conn = %format_args!("{driver}.{conn}"), address)
    }

    /// The span of a connection that takes part.
    pub(super) fn tell_admitted(&self, link: Link, room: u64, player: Option<PlayerId>) -> Span {
        let Link { driver, conn } = link;
        let (address, player) = (self.address_told(link).map(display), player.map(|player| player.0));
        debug!(event = "admitted", room, player, "let in");
        error_span!("session", shard = self.index, conn = %format_args!("{driver}.{conn}"), address, room, player)
    }

    pub(super) fn tell_refused(&self, code: CloseCode, ticket: Option<TicketError>) {
        let (label, ticket) = (code.label(), ticket.map(TicketError::label));
        // Being sent to another shard is the way in.
        if code == CloseCode::Elsewhere {
            debug!(event = "redirected", "sent to another shard");
        } else {
            info!(event = "refused", code = label, ticket, "not let in: {}", code.reason());
        }
    }

    /// We close a connection.
    pub(super) fn tell_dismissed(&self, span: &Span, code: CloseCode) {
        let label = code.label();
        span.in_scope(|| match code {
            // What its peer did wrong.
            _ if code as u32 >= CloseCode::HelloTimeout as u32 => {
                info!(event = "dismissed", code = label, "sent away: {}", code.reason());
            }
            _ => debug!(event = "dismissed", code = label, "sent away: {}", code.reason()),
        });
    }

    /// A connection has ended.
    pub(super) fn tell_closed(&self, span: &Span, reason: &CloseReason) {
        let by = match reason {
            CloseReason::Local(_) => "server",
            CloseReason::ByPeer { .. } => "client",
            _ => "nobody",
        };
        span.in_scope(|| debug!(event = "closed", by, code = label(reason), "connection ended"));
    }

    /// A notice about a room.
    pub(super) fn notify_of(&mut self, room: u64, notice: &Notice) {
        let span = error_span!("room", shard = self.index, room);
        span.in_scope(|| (self.notify)(notice));
        self.keep_room(notice);
    }

    fn address_told(&self, link: Link) -> Option<IpAddr> {
        let is_told = self.config.log.addresses;
        is_told.then(|| self.drivers[link.driver].remote(link.conn)).flatten().map(|remote| remote.ip())
    }
}
