//! Bounds of what a client keeps, with what happens at the bound.

use downbeat_replica::Micros;
use downbeat_replica::limits::INPUT_TICKS_AHEAD_MAX;

/// Ticks of inputs and predictions that are remembered: more than a round trip of two seconds at 60 Hz. What is
/// confirmed later than that is taken as it is.
pub const HISTORY_TICKS: usize = 160;

/// Most input ticks that one frame catches up; a client that stalled longer skips the rest.
pub const CATCH_UP_TICKS_MAX: u32 = 16;

/// Beyond this error a clock jumps; below it, it runs a little faster or slower.
pub const CLOCK_SNAP: Micros = Micros::from_millis(250);

/// When datagrams come earlier than the latest of the last while by more than this, 16 in a row, then what was before is
/// over: the line is another one, or the server stood still. It is forgotten at once.
pub const LATENESS_CHANGE: Micros = Micros::from_millis(100);

/// Inputs that come so many ticks before their tick were refused, as are those under way: the server stood still, and its
/// ticks have fallen behind. By so much more than it takes at most, that none of them can have been taken.
pub const REFUSED_TICKS: u32 = INPUT_TICKS_AHEAD_MAX + 8;

/// Most by which a clock's rate departs from real time.
pub const DILATION_MAX: f64 = 0.05;

/// Who is more than this many metres away from where he was told to be before, and from where that led, was moved there by
/// the game: a teleport, which is shown at once.
pub const TELEPORT_M: f32 = 2.0;

/// Most that what is drawn may be away from what is so, in metres; beyond it, it jumps. Two seconds of fading, and more than
/// a runner covers in an outage of two seconds.
pub const OFFSET_MAX_M: f32 = 16.0;

/// An error too small to be seen halves in this time, in seconds.
pub const FADE_SMALL_HALVING_S: f64 = 0.2;

/// An error of a metre sets out to halve in this time, in seconds; those between, between.
pub const FADE_METRE_HALVING_S: f64 = 0.05;

/// Fastest that an error fades, in metres per second. With a runner's own 6.5 m/s the picture moves less than 25 cm in a
/// frame at 60 Hz.
pub const FADE_SPEED_MAX_MPS: f64 = 8.0;

/// Shots of its own that a client shows ahead of the server's word; one more is seen when the server tells of it.
pub const SPAWNS_MAX: usize = 32;

/// How far from where it was predicted in the same tick an entity may be told and still be the one predicted, in metres.
pub const SPAWN_MATCH_M: f32 = 2.0;

/// How long after the server confirmed the tick of a shot it may be silent on what was shot; then there was none.
pub const SPAWN_UNTOLD_MAX: Micros = Micros::from_millis(250);

/// Faults of the sync test that are kept; later ones are only counted.
pub const SYNC_FAULTS_MAX: usize = 64;

/// How often inputs are repeated before anything is known of the line.
pub const REPEATS_UNMEASURED: usize = 3;

/// Corrections of the avatar up to this, in metres, are not counted: nobody sees them.
pub const CORRECTION_MIN_M: f32 = 0.05;

/// Latencies of inputs that wait for being asked for; later ones are left out.
pub const LATENCIES_MAX: usize = 1_024;

/// Events that wait for their moment; the oldest are dropped.
pub const EVENTS_WAITING_MAX: usize = 256;

/// Reliable events that wait for their moment. None may be lost, so with one more the stream is refused; whoever reads it
/// leaves off at [`RELIABLE_WAITING_FEW`], and QUIC's flow control makes the server wait.
pub const RELIABLE_WAITING_MAX: usize = 16_384;

/// Reliable events that may wait when more bytes of their stream are taken in.
pub const RELIABLE_WAITING_FEW: usize = 256;

/// How long a reliable event waits for its moment, whatever the view clock says; then it is shown at once.
pub const RELIABLE_LATE_MAX: Micros = Micros::from_millis(1_000);

/// Snapshots that arrive before a client answers without an input to send: after a stall its input clock stands still for a
/// moment, and the server must not take that for silence.
pub const UNANSWERED_MAX: usize = 8;

/// Ticks per second of the fastest room; what a server says beyond it is taken for this.
pub const TICK_RATE_HZ_MAX: u32 = 1_000;

/// How long an entity whose next state does not arrive is shown to go on as it went. Then it stands still.
pub const EXTRAPOLATION_MAX: Micros = Micros::from_millis(100);
