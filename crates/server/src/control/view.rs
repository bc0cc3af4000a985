//! What a shard leaves once a second for others to look at.

use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::keys::PlayerKey;

/// A shard as it was when it was looked at last.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ShardView {
    /// Seconds that it had run.
    pub seconds: f64,
    /// Sessions, spectators included.
    pub clients: usize,
    /// What it counted so far.
    pub totals: TotalsView,
    /// Its rooms, ascending by id.
    pub rooms: Vec<RoomView>,
    /// Everybody in them, ascending by key.
    pub players: Vec<PlayerView>,
}

/// What a shard counted since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TotalsView {
    /// Seconds that it was not idle.
    pub worked_s: f64,
    /// Bytes sent: UDP payload.
    pub bytes_out: u64,
    /// Bytes read.
    pub bytes_in: u64,
    /// Ticks of its rooms.
    pub ticks: u64,
    /// Ticks that were not finished when the next was due.
    pub overruns: u64,
    /// Ticks that were left out.
    pub ticks_left_out: u64,
    /// Ticks of players that ran on a real input.
    pub consumed: u64,
    /// Ticks of players that ran without one.
    pub starved: u64,
    /// Datagrams that the kernel dropped.
    pub kernel_drops: u64,
}

impl TotalsView {
    /// What came on top of `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            worked_s: self.worked_s - before.worked_s,
            bytes_out: self.bytes_out - before.bytes_out,
            bytes_in: self.bytes_in - before.bytes_in,
            ticks: self.ticks - before.ticks,
            overruns: self.overruns - before.overruns,
            ticks_left_out: self.ticks_left_out - before.ticks_left_out,
            consumed: self.consumed - before.consumed,
            starved: self.starved - before.starved,
            kernel_drops: self.kernel_drops - before.kernel_drops,
        }
    }
}

/// A room.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct RoomView {
    /// Its id.
    pub id: u64,
    /// The shard that it is on.
    pub shard: u8,
    /// Those who play.
    pub players: usize,
    /// Most that may.
    pub players_max: usize,
    /// Those who watch.
    pub spectators: usize,
    /// Most that may.
    pub spectators_max: usize,
    /// Whether it stays open while nobody is in it.
    pub is_kept: bool,
    /// The tick that it ran last.
    pub tick: u32,
    /// Ticks that it ran in the last second.
    pub ticks_per_s: u64,
    /// Snapshots per second that it sends each client.
    pub send_rate_hz: u32,
    /// Of a tick in the last second, what the game took: microseconds.
    pub game_us: f64,
    /// Of a tick in the last second, what its snapshots took: microseconds.
    pub telling_us: f64,
    /// Ticks that were not finished when the next was due, since it was opened.
    pub overruns: u64,
    /// Ticks that were left out, since it was opened.
    pub ticks_left_out: u64,
}

/// A client.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct PlayerView {
    /// Names it in commands.
    #[schema(value_type = u64)]
    pub id: PlayerKey,
    /// What it is called.
    #[schema(value_type = String)]
    pub name: Arc<str>,
    /// Its account; `None` where no tickets are asked for.
    #[schema(value_type = Option<String>)]
    pub account: Option<Arc<str>>,
    /// Where it is reached. Who may see addresses is for the reader to decide.
    #[serde(skip)]
    pub address: Option<IpAddr>,
    /// Where it takes part.
    pub room: u64,
    /// Its place in the match; `None` for a spectator.
    pub player: Option<u16>,
    /// Seconds since it was let in.
    pub seconds: f64,
    /// Whether nobody hears what it says.
    pub is_muted: bool,
    /// What its connection is like; `None` while it has none.
    pub line: Option<LineView>,
    /// What became of its inputs; `None` for a spectator.
    pub inputs: Option<InputsView>,
}

/// A client's connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct LineView {
    /// Smoothed round trip, in milliseconds.
    pub rtt_ms: f64,
    /// Shortest round trip, in milliseconds.
    pub rtt_min_ms: f64,
    /// Packets that the server sent since the client came.
    pub packets_sent: u64,
    /// Of these, packets taken for lost.
    pub packets_lost: u64,
    /// Bytes that went to the client since it came: UDP payload.
    pub bytes_out: u64,
    /// Bytes that came from it.
    pub bytes_in: u64,
}

/// A player's inputs since it came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct InputsView {
    /// By how many ticks the latest of the newest ones came before its tick; negative when it was late. `None` before the
    /// first.
    pub margin_ticks: Option<f64>,
    /// Ticks that ran on a real input.
    pub consumed: u64,
    /// Ticks that ran without one.
    pub starved: u64,
    /// Inputs whose first copy came after their tick.
    pub late: u64,
    /// Inputs too far in the future.
    pub rejected: u64,
}
