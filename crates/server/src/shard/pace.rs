//! A shard's time, beat by beat: it looks into its sockets, and ticks the rooms whose turn it is. Once a second it looks back:
//! on overload it lowers a send rate, and whoever plays in a room that goes on otherwise than it should is told.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use downbeat_host::SessionId;
use downbeat_replica::Game;
use downbeat_transport::Socket;
use downbeat_wire::Micros;
use downbeat_wire::control::{ServerMessage, frame};
use tracing::warn;

use super::Shard;
use super::beats::{LOBBY, Tally, Turn};
use super::peers::Link;
use super::relief::{Second, Share, Step};
use crate::limits::{REVIEW_PAUSE, ROOMS_REPORTED_MAX};
use crate::meter::{Part, Sums};
use crate::notice::Notice;
use crate::report::RoomFigures;

/// What the last second is judged by: how things stood when it began.
#[derive(Debug, Default)]
pub(super) struct Review {
    begun: Micros,
    worked: Duration,
    kernel_drops: u64,
    /// Beats in which rooms ticked, and those of them that began with datagrams unread.
    beats: u64,
    unread: u64,
    rooms: BTreeMap<u64, Reviewed>,
    shares: Vec<Share>,
    /// Rooms that were taken out.
    gone: Vec<RoomFigures>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Reviewed {
    tally: Tally,
    told: Pace,
}

/// How a room goes on, as far as that is not how it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pace {
    every: u32,
    left_out: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { every: 1, left_out: 0 }
    }
}

impl<G: Game, S: Socket> Shard<G, S> {
    /// One beat, which begins `now`.
    pub(super) fn beat(&mut self, now: Micros) -> io::Result<()> {
        let begins_tick = self.beats.begin(now);
        self.beats_begun += 1;
        self.receive(now)?;
        if begins_tick {
            self.expire_silent(now);
            self.expire_away(now);
            self.describe(now);
            self.follow_bans(now);
        }
        let is_unread = self.is_behind;
        let has_ticked = self.tick_rooms(now)?;
        if begins_tick {
            self.close_empty_rooms();
            self.flush_group(LOBBY)?;
        }
        self.meter.laps.turn(Part::Idle);
        if has_ticked {
            self.review.beats += 1;
            self.review.unread += u64::from(is_unread);
            self.strain.beats_unread += u64::from(is_unread);
        }
        let now = self.clock.now();
        self.measure(now, has_ticked);
        self.obey(now);
        self.look_at_trips();
        if now.since(self.review.begun) >= REVIEW_PAUSE {
            self.look_back(now);
        }
        Ok(())
    }

    /// Ticks the rooms that are due, until the next beat begins; returns whether there were any.
    fn tick_rooms(&mut self, began: Micros) -> io::Result<bool> {
        let mut now = began;
        let mut has_ticked = false;
        while let Some(turn) = self.beats.poll(now) {
            now = self.tick_room(&turn, now)?;
            has_ticked = true;
            if now >= self.beats.next_at() {
                break;
            }
        }
        Ok(has_ticked)
    }

    /// One tick of one room, until all that it says has left. Returns what time it is then.
    fn tick_room(&mut self, turn: &Turn, now: Micros) -> io::Result<Micros> {
        let before = self.meter.laps.sums();
        self.step_room(turn, now)?;
        self.flush_group(turn.group)?;
        self.keep_results(turn.room, None);
        self.meter.laps.turn(Part::Idle);
        let ended = self.clock.now();
        let laps = self.meter.laps.sums().since(&before);
        let work = laps.rooms();
        self.meter.tick_ended(now.since(turn.due), work.sum(), turn.sessions.into());
        let taken = self.beats.ran(turn, work, ended);
        if taken.overran {
            self.strain.overruns += 1;
            self.tell_slow(turn, &laps, work.sum());
        }
        if taken.left_out > 0 {
            self.leave_out(ended, taken.left_out);
        }
        Ok(ended)
    }

    /// A tick was too long: tells what took how long.
    fn tell_slow(&self, turn: &Turn, laps: &Sums, work: Micros) {
        warn!(
            event = "slow_tick",
            shard = self.index,
            room = turn.room,
            tick = self.rooms.present(turn.room).map(|tick| tick.0),
            sessions = turn.sessions,
            work_us = work.0,
            receive_us = laps.us(Part::Receive),
            step_us = laps.us(Part::Step),
            capture_us = laps.us(Part::Capture),
            interest_us = laps.us(Part::Interest),
            encode_us = laps.us(Part::Encode),
            flush_us = laps.us(Part::Flush),
            "a tick was not finished when the next was due"
        );
    }

    /// Takes in a session that has joined `room`.
    pub(super) fn keep_pace(&mut self, now: Micros, link: Link, id: SessionId, room: u64) {
        let group = self.beats.join(room);
        self.pace(now, link, id, (room, group));
    }

    /// Likewise, for one who has been in it before.
    pub(super) fn pace_again(&mut self, now: Micros, link: Link, id: SessionId, room: u64) {
        let group = self.beats.group(room);
        self.pace(now, link, id, (room, group));
    }

    fn pace(&mut self, now: Micros, link: Link, id: SessionId, (room, group): (u64, u16)) {
        self.drivers[link.driver].set_group(link.conn, group);
        let pace = self.pace_of(room, self.beats.tally(room));
        if pace != Pace::default() {
            self.tell_pace(now, id, pace);
        }
    }

    /// Judges the second that is over.
    fn look_back(&mut self, now: Micros) {
        self.leave_counts();
        self.directory.forget_sent(self.index);
        let kernel_drops = self.kernel_drops();
        let review = &mut self.review;
        let worked = self.meter.worked.saturating_sub(review.worked).as_micros();
        let second = Second {
            span: now.since(review.begun),
            work: Micros(u64::try_from(worked).unwrap_or(u64::MAX)),
            beats: review.beats,
            unread: review.unread,
            kernel_drops: kernel_drops - review.kernel_drops,
        };
        review.shares.clear();
        for paced in self.beats.rooms() {
            let before = review.rooms.entry(paced.room).or_default();
            let tally = paced.tally.since(&before.tally);
            before.tally = paced.tally;
            let every = self.rooms.send_every(paced.room);
            review.shares.push(Share { room: paced.room, tally, is_slow: self.beats.is_slow(paced), every });
        }
        let step = self.relief.review(&second, &review.shares);
        (review.begun, review.worked, review.kernel_drops) = (now, self.meter.worked, kernel_drops);
        (review.beats, review.unread) = (0, 0);
        step.into_iter().for_each(|step| self.take(step));
        self.tell_paces(now);
        if self.control.is_watched() {
            self.show(now);
        }
    }

    /// What each room did in the last second.
    pub(super) fn last_second(&self) -> &[Share] {
        &self.review.shares
    }

    fn take(&mut self, Step { room, every }: Step) {
        let send_rate_hz = self.config.send_rate_hz / every;
        let notice = if every > self.rooms.send_every(room) {
            self.strain.rates_lowered += 1;
            Notice::SendRateLowered { room, send_rate_hz }
        } else {
            Notice::SendRateRaised { room, send_rate_hz }
        };
        self.rooms.set_send_every(room, every);
        (self.notify)(&notice);
    }

    /// Tells those who play how their rooms go on, where that changed in the last second.
    fn tell_paces(&mut self, now: Micros) {
        let mut rooms = std::mem::take(&mut self.review.rooms);
        rooms.retain(|&room, reviewed| {
            if !self.rooms.is_open(room) {
                return false;
            }
            let pace = self.pace_of(room, reviewed.tally);
            if pace != std::mem::replace(&mut reviewed.told, pace) {
                self.sessions.ids(Some(room)).into_iter().for_each(|id| self.tell_pace(now, id, pace));
            }
            true
        });
        self.review.rooms = rooms;
    }

    /// A room is to be taken out.
    pub(super) fn close_paced(&mut self, room: u64) {
        if let Some(figures) = self.figures_of(room) {
            self.review.gone.push(figures);
            keep_costliest(&mut self.review.gone);
        }
        self.beats.close(room);
    }

    /// The rooms that took most so far.
    pub(super) fn room_figures(&self) -> Vec<RoomFigures> {
        let mut all = self.review.gone.clone();
        all.extend(self.beats.rooms().filter_map(|paced| self.figures_of(paced.room)));
        keep_costliest(&mut all);
        all
    }

    fn figures_of(&self, room: u64) -> Option<RoomFigures> {
        let Tally { ticks, overruns, left_out, work } = self.beats.tally(room);
        let mean = |sum: Micros| sum.0 as f64 / ticks as f64;
        (ticks > 0).then(|| RoomFigures {
            room,
            ticks,
            overruns,
            ticks_left_out: left_out,
            game_us_mean: mean(work.game),
            telling_us_mean: mean(work.telling),
            send_rate_hz: self.config.send_rate_hz / self.rooms.send_every(room),
        })
    }

    fn pace_of(&self, room: u64, tally: Tally) -> Pace {
        Pace { every: self.rooms.send_every(room), left_out: tally.left_out }
    }

    fn tell_pace(&mut self, now: Micros, id: SessionId, pace: Pace) {
        let send_rate_hz = u16::try_from(self.config.send_rate_hz / pace.every).unwrap_or(u16::MAX);
        let ticks_left_out = u32::try_from(pace.left_out).unwrap_or(u32::MAX);
        self.write(now, id, &frame(&ServerMessage::Pace { send_rate_hz, ticks_left_out }));
    }
}

/// Leaves the rooms that took most, most first, as many as a report lists.
pub(super) fn keep_costliest(rooms: &mut Vec<RoomFigures>) {
    let took = |room: &RoomFigures| room.ticks as f64 * (room.game_us_mean + room.telling_us_mean);
    rooms.sort_by(|a, b| took(b).total_cmp(&took(a)));
    rooms.truncate(ROOMS_REPORTED_MAX);
}
