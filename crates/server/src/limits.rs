//! Bounds of what clients can make the process do, with what happens at the bound.

use std::time::Duration;

use downbeat_wire::Micros;

/// Sessions of one shard at a time; more are refused as
/// [`Overloaded`](downbeat_wire::CloseCode::Overloaded).
pub const SESSIONS_MAX: usize = 1 << 16;

/// Connections beyond the places of all rooms, so that those who are too many can be told so.
pub const CONNECTIONS_SPARE: usize = 256;

/// Longest work between two looks at the socket inside a tick.
pub const DRAIN_INTERVAL: Micros = Micros::from_millis(1);

/// Acknowledgements of what was never sent that are forgiven one connection; the next one closes it.
pub const FORGED_ACKS_FORGIVEN: u32 = 3;

/// Control messages per second and client in the long run; beyond the burst the connection is closed as flooding.
pub const MESSAGES_PER_S: u32 = 20;

/// Control messages at once.
pub const MESSAGES_BURST: u32 = 60;

/// Chat lines per second and client in the long run; beyond the burst they are dropped and counted.
pub const SAYS_PER_S: u32 = 1;

/// Chat lines at once.
pub const SAYS_BURST: u32 = 5;

/// Chat lines per second and room in the long run; beyond the burst they are dropped and counted. Leaving and coming back
/// brings a client a burst of its own again, but not the room.
pub const ROOM_SAYS_PER_S: u32 = 10;

/// Chat lines of a room at once.
pub const ROOM_SAYS_BURST: u32 = 20;

/// Control bytes that wait for a client when it is told no more chat. A line that it misses is counted.
pub const CHAT_BACKLOG_BYTES_MAX: usize = 4 * 1_024;

/// Bytes of schemas and models that a shard tells in a second, to all who ask: what a few newcomers need at a time. More
/// take turns.
pub const DESCRIPTIONS_BYTES_PER_S: u64 = 1_000_000;

/// Parts of a schema or model that one client is told in a tick.
pub const PARTS_PER_TICK: usize = 4;

/// Bytes of a match's rules that a welcome carries; a server whose rules are longer does not start.
pub const RULES_BYTES_MAX: usize = 60 * 1_024;

/// How long a server that stops repeats its closes to those who did not hear them.
pub const FAREWELL: Micros = Micros::from_millis(500);

/// Figures begin this long after the last client joined.
pub const WARM_UP: Micros = Micros::from_millis(2_000);

/// From one notice of ticks that were left out to the next.
pub const SLOWED_PAUSE: Micros = Micros::from_millis(1_000);

/// Beats that a tick's length is divided into: a room ticks in one of them, and sockets are looked into in each. Looking on
/// every arrival costs a fifth more; inputs carry the kernel's stamp of their arrival.
pub const BEATS_PER_TICK: u64 = 4;

/// A room whose ticks take longer than a tick's length divided by this, and which is behind, gives way to the other rooms of
/// its shard for as long as it ran. Beyond [`CATCH_UP_TICKS_MAX`](downbeat_host::limits::CATCH_UP_TICKS_MAX) its ticks are
/// left out.
pub const SLOW_ROOM_SHARE: u64 = 2;

/// One of so many ticks late, or begun with datagrams left unread, within a second: a sign of overload.
pub const LATE_TICKS_SHARE: u64 = 10;

/// A shard that works less than this part of the time has room to spare, in percent: no send rate is lowered, and one is
/// raised again only if that is so afterwards.
pub const BUSY_PERCENT: u64 = 75;

/// From one judgement of a shard's load to the next; a step of a send rate is taken in each at most, and a room's clients are
/// told of their pace once at most.
pub const REVIEW_PAUSE: Micros = Micros::from_millis(1_000);

/// A send rate is lowered if that saves this part of the shard's time, in thousandths. Less is of no use to anybody.
pub const RELIEF_WORTH_THOUSANDTHS: u64 = 5;

/// Least snapshots per second that a send rate is lowered to, and
/// [`SEND_EVERY_MAX`](downbeat_host::limits::SEND_EVERY_MAX) says the rest.
pub const LOWERED_RATE_HZ_MIN: u32 = 10;

/// Seconds without overload until a send rate is raised by a step. Twice as many each time that a step had to be taken back,
/// up to [`CALM_SECONDS_MAX`].
pub const CALM_SECONDS: u32 = 3;

/// See [`CALM_SECONDS`].
pub const CALM_SECONDS_MAX: u32 = 48;

/// Log lines of one kind per second in the long run; beyond [`LOG_LINES_BURST`] they are left out, and how many is told within
/// a second.
pub const LOG_LINES_PER_S: u32 = 5;

/// Log lines of one kind at once.
pub const LOG_LINES_BURST: u32 = 20;

/// Log lines that wait for whoever reads the standard error; more are left out, and how many is told when it reads again.
pub const LOG_LINES_WAITING_MAX: usize = 1_024;

/// Records that are delivered at once.
pub const RECORDS_AT_ONCE_MAX: usize = 100;

/// How long a receiver of records may take to answer.
pub const RECORDS_ANSWERED_WITHIN: std::time::Duration = std::time::Duration::from_secs(5);

/// Records are delivered again after this time when that failed; after twice as long each further time, up to
/// [`RECORDS_RETRIED_AFTER_MAX`], and by chance up to half of that sooner.
pub const RECORDS_RETRIED_AFTER: std::time::Duration = std::time::Duration::from_millis(500);

/// See [`RECORDS_RETRIED_AFTER`].
pub const RECORDS_RETRIED_AFTER_MAX: std::time::Duration = std::time::Duration::from_secs(60);

/// How long a server that ends goes on delivering records.
pub const RECORDS_FAREWELL: std::time::Duration = std::time::Duration::from_secs(5);

/// Rooms that a report lists, those that took most.
pub const ROOMS_REPORTED_MAX: usize = 16;

/// Bytes of an account's name; a ticket with a longer one is malformed.
pub const ACCOUNT_BYTES_MAX: usize = 128;

/// Bytes of a ticket's `jti`; likewise.
pub const TICKET_ID_BYTES_MAX: usize = 128;

/// How long a ticket may be good, from when it is shown, in seconds. Longer ones are refused: until then each is remembered.
pub const TICKET_LIFE_S_MAX: u64 = 24 * 3_600;

/// How far the clocks of a backend and of this machine may differ, in seconds.
pub const CLOCK_LEEWAY_S: u64 = 5;

/// Used tickets that are remembered until they expire; more are refused as overloaded, so that none is forgotten early.
pub const TICKETS_REMEMBERED_MAX: usize = 1 << 18;

/// Keys of a key set; a longer one is refused.
pub const KEYS_MAX: usize = 32;

/// Bytes of a key set; likewise.
pub const KEY_SET_BYTES_MAX: usize = 64 * 1_024;

/// Bytes of an HS256 secret at least (RFC 7518, section 3.2).
pub const SECRET_BYTES_MIN: usize = 32;

/// Bytes of a file of certificates or of a key; a longer one is refused.
pub const PEM_BYTES_MAX: usize = 1 << 20;

/// How often the files of ticket keys, certificate and bans are looked at. One is read when it is the same at two looks.
pub const FILES_LOOKED_AT_EVERY: Duration = Duration::from_millis(500);

/// Commands that wait for a shard; more are refused as busy.
pub const COMMANDS_WAITING_MAX: usize = 256;

/// Commands that a shard takes between two beats at most. The rest waits for the next pause.
pub const COMMANDS_PER_BEAT: usize = 8;

/// How long somebody who may wait does so for shards to take a command and to answer.
pub const COMMAND_PATIENCE: Duration = Duration::from_secs(5);

/// From one try to leave a command for a busy shard to the next.
pub const COMMAND_RETRIED_EVERY: Duration = Duration::from_millis(10);

/// Handshakes per second that a network may begin in the long run without a proof of its address; more prove it first.
pub const UNPROVEN_PER_S: u32 = 1;

/// Handshakes that it may begin so at once.
pub const UNPROVEN_BURST: u32 = 5;

/// Networks whose handshakes are counted. While there are more, those that are not known prove their address, and those
/// that did are not counted.
pub const NETWORKS_REMEMBERED_MAX: usize = 8_192;

/// From one look for networks that need not be remembered to the next, while there are too many.
pub const NETWORKS_FORGOTTEN_EVERY: Duration = Duration::from_secs(1);

/// Bans at a time; more are refused.
pub const BANS_MAX: usize = 16_384;

/// Numbers of bans: those that any reader of JSON keeps exactly.
pub const BAN_ID_MAX: u64 = 1 << 53;

/// Bits of the networks that a moderator may ban, at least: IPv4, IPv6. Only an admin locks out more at a time.
pub const MODERATOR_BAN_BITS_MIN: (u8, u8) = (16, 32);

/// Bytes of a configuration file.
pub const CONFIG_BYTES_MAX: usize = 1 << 20;

/// Bytes of a file with a secret.
pub const SECRET_BYTES_MAX: usize = 4_096;

/// Bytes of a ban's reason; longer ones are cut.
pub const BAN_REASON_BYTES_MAX: usize = 200;

/// Bytes of the file of bans; a longer one is refused.
pub const BANS_FILE_BYTES_MAX: usize = 8 << 20;

/// How long a connection of the admin interface may read nothing of an answer.
pub const ADMIN_STALL_TIME_MAX: Duration = Duration::from_secs(5);

/// Bytes of a token of the admin interface.
pub const ADMIN_TOKEN_BYTES: std::ops::RangeInclusive<usize> = 16..=256;

/// Tokens of the admin interface; a file with more is refused.
pub const ADMIN_TOKENS_MAX: usize = 64;

/// Bytes of the file of tokens; a longer one is refused.
pub const ADMIN_TOKENS_FILE_BYTES_MAX: usize = 64 * 1_024;

/// Connections to the admin interface at a time; further ones wait in the kernel's queue.
pub const ADMIN_CONNECTIONS_MAX: usize = 64;

/// Bytes of a request's head at the admin interface; a longer one is refused with status 431.
pub const ADMIN_HEAD_BYTES_MAX: usize = 16 * 1_024;

/// Bytes of a request's body; a longer one is refused with status 413.
pub const ADMIN_BODY_BYTES_MAX: usize = 16 * 1_024;

/// How long a connection may take for the head of its next request, before it is closed.
pub const ADMIN_HEAD_TIME_MAX: Duration = Duration::from_secs(5);

/// How long a request may take from its head on, its body included; then the answer is status 408 or 503.
pub const ADMIN_REQUEST_TIME_MAX: Duration = Duration::from_secs(10);

/// How long a connection may last in all, so that nobody keeps one for ever by reading slowly. A client connects again.
pub const ADMIN_CONNECTION_TIME_MAX: Duration = Duration::from_secs(300);

/// How long a shard may take for a beat before the server counts as hung.
pub const HUNG_AFTER: Duration = Duration::from_secs(5);

/// Bytes of a reason that an operator gives. What is said to all is a chat line, and no longer than one.
pub const REASON_BYTES_MAX: usize = 200;

/// Seconds that a drain may take.
pub const DRAIN_S_MAX: u64 = 24 * 3_600;

/// Clients in one part of a list, if nothing else is asked for.
pub const PAGE_PLAYERS_DEFAULT: usize = 1_000;

/// Clients in one part of a list at most.
pub const PAGE_PLAYERS_MAX: usize = 10_000;

/// Seconds that somebody may be muted at a time.
pub const MUTE_S_MAX: u64 = 366 * 24 * 3_600;

/// Seconds that the admin interface remembers.
pub const HISTORY_SECONDS: usize = 600;

/// How often the orchestrator's thread looks whether something is to be told.
pub const AGONES_LOOKS_EVERY: std::time::Duration = std::time::Duration::from_millis(50);

/// From one word of health to the next.
pub const AGONES_HEALTH_EVERY: Micros = Micros::from_millis(2_000);

/// As long after one that was in vain.
pub const AGONES_HEALTH_AGAIN: Micros = Micros::from_millis(500);

/// A call of the sidecar that takes longer has failed.
pub const AGONES_CALL_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(1);

/// After a call that failed, it is made again after so long; twice as long each time.
pub const AGONES_BACKOFF_MIN: Micros = Micros::from_millis(250);

/// See [`AGONES_BACKOFF_MIN`].
pub const AGONES_BACKOFF_MAX: Micros = Micros::from_millis(5_000);

/// From one count of rooms that is told to the next.
pub const AGONES_COUNTS_EVERY: Micros = Micros::from_millis(1_000);

/// How often the list of players is read, in case that the sidecar remembers another.
pub const AGONES_LIST_READ_EVERY: Micros = Micros::from_millis(15_000);

/// A counter or list that the fleet does not name is asked for again after so long.
pub const AGONES_UNCONFIGURED_PAUSE: Micros = Micros::from_millis(60_000);

/// A stream of words that is silent for so long is opened anew, which brings the present state.
pub const AGONES_SILENCE_MAX: std::time::Duration = std::time::Duration::from_secs(15);

/// From the end of such a stream to the next.
pub const AGONES_LISTENS_AGAIN_AFTER: std::time::Duration = std::time::Duration::from_millis(500);

/// Bytes of one word of that stream; a longer one ends it.
pub const AGONES_WORD_BYTES_MAX: usize = 1 << 20;

/// Bytes of the answer to a call.
pub const AGONES_ANSWER_BYTES_MAX: u64 = 1 << 20;

/// Values of a list, which is what Agones allows.
pub const LIST_VALUES_MAX: usize = 1_000;

/// How long a server that has ended tries to say so.
pub const AGONES_SHUTDOWN_PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);
