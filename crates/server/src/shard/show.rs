//! How a shard looks from outside, once a second.

use downbeat_host::SessionId;
use downbeat_replica::Game;
use downbeat_transport::{ConnStats, Socket};
use downbeat_wire::Micros;

use super::Shard;
use super::beats::Tally;
use crate::control::{InputsView, LineView, PlayerKey, PlayerView, RoomView, ShardView, TotalsView};
use crate::counts::Counts;

impl<G: Game, S: Socket> Shard<G, S> {
    /// Leaves a view of the second that is over.
    pub(super) fn show(&mut self, now: Micros) {
        let mut rooms: Vec<_> = self.beats.rooms().filter_map(|paced| self.show_room(paced.room)).collect();
        rooms.sort_unstable_by_key(|room| room.id);
        let players: Vec<_> = self.sessions.ids(None).into_iter().filter_map(|id| self.show_player(now, id)).collect();
        let (seconds, clients, totals) = (now.as_secs_f64(), self.sessions.len(), self.totals());
        self.control.leave(self.index, ShardView { seconds, clients, totals, rooms, players });
    }

    fn totals(&self) -> TotalsView {
        let Counts { ticks, worked, counted, .. } = self.counts();
        let (traffic, inputs) = (counted.traffic(), counted.rooms.inputs);
        TotalsView {
            worked_s: worked.as_secs_f64(),
            bytes_out: traffic.bytes_out,
            bytes_in: traffic.bytes_in,
            ticks,
            overruns: counted.strain.overruns,
            ticks_left_out: counted.strain.ticks_left_out,
            consumed: inputs.consumed,
            starved: inputs.starved,
            kernel_drops: counted.kernel_drops(),
        }
    }

    fn show_room(&self, room: u64) -> Option<RoomView> {
        // None of a room that was opened since.
        let share = self.last_second().iter().find(|share| share.room == room);
        let tally = share.map_or(Tally::default(), |share| share.tally);
        let (standing, options, is_kept) = self.rooms.stands(room)?;
        let mean = |sum: Micros| if tally.ticks > 0 { sum.0 as f64 / tally.ticks as f64 } else { 0.0 };
        let ever = self.beats.tally(room);
        Some(RoomView {
            id: room,
            shard: self.index,
            players: standing.players,
            players_max: options.players_max.into(),
            spectators: standing.spectators,
            spectators_max: options.spectators_max.into(),
            is_kept,
            tick: self.rooms.present(room).map_or(0, |tick| tick.0),
            ticks_per_s: tally.ticks,
            send_rate_hz: self.config.send_rate_hz / self.rooms.send_every(room),
            game_us: mean(tally.work.game),
            telling_us: mean(tally.work.telling),
            overruns: ever.overruns,
            ticks_left_out: ever.left_out,
        })
    }

    fn show_player(&self, now: Micros, id: SessionId) -> Option<PlayerView> {
        let session = self.sessions.get(id)?;
        let link = session.link;
        let report = self.rooms.session(session.room, id)?;
        Some(PlayerView {
            id: PlayerKey { shard: self.index, session: id },
            name: session.identity.name.clone(),
            account: session.identity.account.clone(),
            address: link.and_then(|link| self.drivers[link.driver].remote(link.conn)).map(|remote| remote.ip()),
            room: session.room,
            player: session.player.map(|player| player.0),
            seconds: now.since(session.identity.since).as_secs_f64(),
            is_muted: session.muted_until > now,
            line: link.and_then(|link| self.drivers[link.driver].stats(link.conn)).map(|stats| line(&stats)),
            inputs: report.player.map(|_| InputsView {
                margin_ticks: report.margin_sixteenths.map(|sixteenths| f64::from(sixteenths) / 16.0),
                consumed: report.inputs.consumed,
                starved: report.inputs.starved,
                late: report.inputs.late,
                rejected: report.inputs.rejected,
            }),
        })
    }
}

fn line(stats: &ConnStats) -> LineView {
    LineView {
        rtt_ms: stats.rtt.0 as f64 / 1e3,
        rtt_min_ms: stats.rtt_min.0 as f64 / 1e3,
        packets_sent: stats.sent_packets,
        packets_lost: stats.lost_packets,
        bytes_out: stats.bytes_out,
        bytes_in: stats.bytes_in,
    }
}
