//! Every number that bounds what a peer, a socket or a burst can make the driver do, with what happens at the bound.

use std::time::Duration;

use downbeat_wire::Micros;

/// Largest UDP payload that is read. Longer datagrams are cut by the kernel and fail authentication.
pub const DATAGRAM_BYTES_MAX: usize = 1_500;

/// Datagrams that one system call reads or writes at most.
pub const BATCH_DATAGRAMS: usize = 64;

/// Batches that one `receive` reads at most. What is left stays in the kernel's buffer for the next call.
pub const RECEIVE_BATCHES_MAX: usize = 32;

/// Time that one `receive` of a server takes for the packets of connections. The rest waits for the next call, so that no
/// arrivals make a tick late by more.
pub const RECEIVE_TIME: Duration = Duration::from_millis(1);

/// Time that the packets of one connection may take in a second, in the long run: a tenth of it is plenty for a client that
/// plays. What comes beyond the burst is dropped unread and counted.
pub const WORK_PER_S: Duration = Duration::from_millis(5);

/// Time that the packets of one connection may take at once.
pub const WORK_BURST: Duration = Duration::from_millis(5);

/// The bytes of so much time may come from a connection at once; see
/// [`upload_bytes_per_s`](crate::ServerOptions::upload_bytes_per_s).
pub const BYTES_BURST: Micros = Micros::from_millis(1_000);

/// Most that one packet is charged: the clock runs on while the machine does something else.
pub const WORK_PER_PIECE_MAX: Duration = Duration::from_millis(1);

/// A connection whose packets are too long, or take too long, for this long without a rest is closed as
/// [`Flooding`](downbeat_wire::CloseCode::Flooding).
pub const EXCESS_MAX: Micros = Micros::from_millis(1_000);

/// Time that one handshake's packets may take; it needs a fifth of it. Beyond it is given up and counted.
pub const HANDSHAKE_WORK_MAX: Duration = Duration::from_millis(5);

/// Received datagrams of one connection that wait in the event queue at most. What comes on top is dropped and counted.
pub const EVENT_DATAGRAMS_MAX: u32 = 64;

/// Received control bytes of one connection that wait in the event queue at most. The rest stays under QUIC's flow
/// control and is read when the queue has been drained.
pub const EVENT_CONTROL_BYTES_MAX: usize = 64 * 1024;

/// Received bytes of one connection's stream of reliable events that wait in the event queue at most; as for control.
pub const EVENT_RELIABLE_BYTES_MAX: usize = 64 * 1024;

/// Bytes of reliable events that may wait for one slow peer, beyond what QUIC itself buffers. More close the connection
/// with [`Overloaded`](downbeat_wire::CloseCode::Overloaded): none of them may be lost, and nobody else waits for it.
pub const RELIABLE_BACKLOG_BYTES_MAX: usize = 64 * 1024;

/// Control bytes that may wait for one slow peer. More close the connection with
/// [`Overloaded`](downbeat_wire::CloseCode::Overloaded).
pub const CONTROL_BACKLOG_BYTES_MAX: usize = 64 * 1024;

/// Window of the streams towards a client, and what is buffered of those that leave: what QUIC itself holds for one
/// connection.
pub const CONTROL_WINDOW_BYTES: u32 = 64 * 1024;

/// Window of a client's control stream at the server. A hello and a line of chat fit; a longer message takes more than one
/// round trip. It bounds the pieces in which a peer can send them, and each costs time with every packet.
pub const UP_WINDOW_BYTES: u32 = 1_024;

/// TLS bytes of a client that wait for those before them. Its hello takes 300 bytes, or 1,800 with a key share of
/// post-quantum cryptography.
pub const UP_CRYPTO_BYTES: usize = 4 * 1024;

/// Datagrams' worth of a steady stream's rate that are kept when less was sent: the next one's own, and what one quiet
/// moment left over. More is forgotten.
pub const SHARES_KEPT_MAX: u64 = 2;

/// Outgoing datagrams' buffer of one connection. `datagram_space` says `None` before it overflows.
pub const DATAGRAM_SEND_BUFFER_BYTES: usize = 32 * 1024;

/// Incoming datagrams' buffer of one connection inside QUIC; it is emptied after each packet.
pub const DATAGRAM_RECEIVE_BUFFER_BYTES: usize = 64 * 1024;

/// Attempts with a proven address that wait for handshake budget. For one more the oldest is ignored and counted; its
/// client sends again.
pub const VALIDATED_ATTEMPTS_MAX: usize = 2_048;

/// Attempts of one network that wait before those of crowded networks. More wait behind everybody else's.
pub const NETWORK_ATTEMPTS_MAX: u32 = 8;

/// A handshake that took this long is given up when all places are taken and somebody waits for one. An attempt that came
/// less long ago says that they keep coming.
pub const CROWD_PATIENCE_MS: u64 = 300;

/// An attempt that waited this long while others keep coming is ignored and counted; its client sends again.
pub const CROWD_AGE_MS_MAX: u64 = 500;

/// Strangers' first packets that wait for handshake budget, and as many packets of unfinished handshakes. A network may have
/// as many as there is room left; more are dropped and counted, and clients send again.
pub const HANDSHAKE_PACKETS_MAX: usize = 8_192;

/// Networks whose first packets wait for handshake budget: as many as get their turn within four flushes. A first packet of
/// one more is dropped and counted, and its client sends again.
pub const FIRST_PACKET_NETWORKS_MAX: usize = 512;

/// Packets of one unfinished handshake that wait for handshake budget. More are dropped and counted; clients send again.
pub const HANDSHAKE_PACKETS_EACH_MAX: u32 = 16;

/// Attempts older than this are given up by their client, so no work is spent on them.
pub const ATTEMPT_AGE_MS_MAX: u64 = 3_000;

/// Bytes that QUIC buffers for one attempt that waits: the rest of a long hello, twice.
pub const ATTEMPT_BUFFER_BYTES: u64 = 4 * 1024;

/// How long late packets of a closed connection are answered. QUIC would do so for as long as the peer says it may delay
/// its acknowledgements, three times over: up to a minute, in which a connection costs memory and counts nowhere.
pub const CLOSED_LINGER_MS: u64 = 1_000;

/// Closed connections whose late packets are answered. For one more the oldest is forgotten before its time.
pub const CLOSED_MAX: usize = 1_024;

/// Bytes of a close reason that are sent or kept. Longer ones are cut.
pub const CLOSE_REASON_BYTES_MAX: usize = 256;

/// Connections of one driver, whatever the options say: what two bytes of a client's connection id can tell apart.
pub const CONNECTIONS_MAX: usize = 65_536;

/// Size of the blocks that received and sent datagrams are copied into.
pub const ARENA_BYTES: usize = 16 * 1024;

/// Blocks, for either direction, that are kept to be used again: 8 MiB, as much as 4,096 clients are told in a tick at their
/// most. Further ones are freed with the last datagram in them.
pub const ARENA_BLOCKS_MAX: usize = 512;

/// Receive and send buffers that are asked of the kernel for a socket.
pub const KERNEL_BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// Datagrams that wait at one address of a [`MemoryNetwork`](crate::MemoryNetwork). More are dropped and counted.
pub const MEMORY_INBOX_DATAGRAMS_MAX: usize = 65_536;

/// Datagrams that a conditioner holds in one direction. More are dropped and counted.
pub const CONDITIONER_DATAGRAMS_MAX: usize = 262_144;

/// Flows that a conditioner tells apart. Datagrams of further ones share the link of the last.
pub const CONDITIONER_FLOWS_MAX: usize = 65_536;
