//! Bounds of what a client keeps, with what happens at the bound.

use downbeat_replica::Micros;

/// Ticks of inputs and predictions that are remembered: more than a round trip of two seconds at 60 Hz. What is
/// confirmed later than that is taken as it is.
pub const HISTORY_TICKS: usize = 160;

/// Most input ticks that one frame catches up; a client that stalled longer skips the rest.
pub const CATCH_UP_TICKS_MAX: u32 = 16;

/// Beyond this error a clock jumps; below it, it runs a little faster or slower.
pub const CLOCK_SNAP: Micros = Micros::from_millis(250);

/// Most by which a clock's rate departs from real time.
pub const DILATION_MAX: f64 = 0.05;

/// Corrections of the avatar larger than this, in metres, are shown at once.
pub const SMOOTHING_MAX_M: f32 = 2.0;

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

/// Ticks per second of the fastest room; what a server says beyond it is taken for this.
pub const TICK_RATE_HZ_MAX: u32 = 1_000;

/// How long an entity whose next state does not arrive is shown to go on as it went. Then it stands still.
pub const EXTRAPOLATION_MAX: Micros = Micros::from_millis(100);
