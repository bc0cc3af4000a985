//! Numbers for metrics and reports. Each only grows, except where it says "now".

use downbeat_wire::Micros;

use crate::socket::SocketCounters;

/// What a driver counted since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DriverCounters {
    /// UDP datagrams read.
    pub datagrams_in: u64,
    /// UDP datagrams given to the socket.
    pub datagrams_out: u64,
    /// UDP payload bytes read.
    pub bytes_in: u64,
    /// UDP payload bytes given to the socket.
    pub bytes_out: u64,
    /// UDP datagrams that led to nothing: garbage, strangers' ids, attempts dropped before any work.
    pub ignored: u64,
    /// Application datagrams dropped because the event queue held too many of their connection.
    pub events_dropped: u64,
    /// Packets dropped unread because their connection sent too many.
    pub packets_dropped: u64,
    /// Packets dropped unread because their connection sent too many bytes.
    pub packets_heavy: u64,
    /// Packets dropped unread because those that their connection sent before took too long.
    pub packets_costly: u64,
    /// Handshakes begun as server.
    pub accepted: u64,
    /// Attempts that were told to prove their address first.
    pub retried: u64,
    /// Attempts refused because the driver is full or draining.
    pub refused: u64,
    /// Attempts refused because of whom they come from; see [`Turnstile`](crate::Turnstile).
    pub turned_away: u64,
    /// Attempts ignored, looked at or not: too many or too old.
    pub attempts_dropped: u64,
    /// Handshake packets dropped because too many wait.
    pub handshake_packets_dropped: u64,
    /// Handshakes given up because their packets took too long.
    pub handshakes_costly: u64,
    /// Handshakes as server that failed or took too long.
    pub handshakes_failed: u64,
    /// Of these, handshakes given up early because somebody waited for their place.
    pub handshakes_evicted: u64,
    /// Connections that completed their handshake.
    pub connected: u64,
    /// Connections closed because their peer did not read its streams.
    pub overloaded: u64,
    /// Handshakes under way, now.
    pub half_open: u64,
    /// Connections that are open, now.
    pub open: u64,
    /// What the socket counted.
    pub socket: SocketCounters,
}

impl DriverCounters {
    /// Adds another driver's.
    pub fn add(&mut self, other: &Self) {
        // Each by its name, so that none is forgotten.
        let Self {
            datagrams_in,
            datagrams_out,
            bytes_in,
            bytes_out,
            ignored,
            events_dropped,
            packets_dropped,
            packets_heavy,
            packets_costly,
            accepted,
            retried,
            refused,
            turned_away,
            attempts_dropped,
            handshake_packets_dropped,
            handshakes_costly,
            handshakes_failed,
            handshakes_evicted,
            connected,
            overloaded,
            half_open,
            open,
            socket: SocketCounters { kernel_drops, send_drops, reads, writes },
        } = other;
        self.datagrams_in += datagrams_in;
        self.datagrams_out += datagrams_out;
        self.bytes_in += bytes_in;
        self.bytes_out += bytes_out;
        self.ignored += ignored;
        self.events_dropped += events_dropped;
        self.packets_dropped += packets_dropped;
        self.packets_heavy += packets_heavy;
        self.packets_costly += packets_costly;
        self.accepted += accepted;
        self.retried += retried;
        self.refused += refused;
        self.turned_away += turned_away;
        self.attempts_dropped += attempts_dropped;
        self.handshake_packets_dropped += handshake_packets_dropped;
        self.handshakes_costly += handshakes_costly;
        self.handshakes_failed += handshakes_failed;
        self.handshakes_evicted += handshakes_evicted;
        self.connected += connected;
        self.overloaded += overloaded;
        self.half_open += half_open;
        self.open += open;
        self.socket.kernel_drops += kernel_drops;
        self.socket.send_drops += send_drops;
        self.socket.reads += reads;
        self.socket.writes += writes;
    }
}

/// One connection's path and traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnStats {
    /// Smoothed round trip.
    pub rtt: Micros,
    /// Shortest round trip seen.
    pub rtt_min: Micros,
    /// Congestion window in bytes.
    pub window_bytes: u64,
    /// What the window stands for in bytes per second, packets' overhead included: as much may be sent now, or a little
    /// less. A peer's byte budget should follow it.
    pub rate_bytes_per_s: u64,
    /// Packets sent.
    pub sent_packets: u64,
    /// Packets taken for lost.
    pub lost_packets: u64,
    /// UDP datagrams sent.
    pub datagrams_out: u64,
    /// UDP payload bytes sent.
    pub bytes_out: u64,
    /// UDP datagrams received.
    pub datagrams_in: u64,
    /// UDP payload bytes received.
    pub bytes_in: u64,
    /// Largest UDP payload that the path is known to take, in bytes.
    pub mtu: u16,
}
