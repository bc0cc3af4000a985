//! A full bot costs more than a client costs the server, so a loop of full bots cannot show how many clients a server
//! holds. A light client is as heavy to the server as any other, and as light to the loop as that allows: real QUIC, an
//! input for every tick and true acknowledgements of what arrived; but of a snapshot it reads the head alone, it shows
//! and predicts nothing, and its clock is the loop's.
//!
//! Its inputs leave in one of a few moments of a tick, so that the clients of a moment share a system call. It looks for
//! no more than that they come in time: half a tick or more before theirs.

use downbeat_client::Start;
use downbeat_replica::bits::BitWriter;
use downbeat_replica::range::Decoder;
use downbeat_replica::{InputFrame, Kind, Tick, ViewTick};
use downbeat_wire::Micros;
use downbeat_wire::packet::{Acks, Arrivals, DownHead, UpHead};

use crate::brains::Wander;
use crate::light_figures::{LightGrowth, LightMarks, Traffic};

/// A light client that was let in.
pub(crate) struct Light {
    tick_rate_hz: u32,
    /// Ticks from one snapshot to the next.
    interval: u32,
    /// The moment of each tick at which its inputs leave, of [`MOMENTS`].
    moment: u64,
    /// The number of its next moment; `None` before the first snapshot.
    next: Option<u64>,
    /// By how much the tick of a moment's input is more than the moment's number.
    lead: i64,
    /// Moments to pass before another look at the margins: those reported meanwhile are of inputs sent before.
    settle: u32,
    wander: Option<Wander>,
    neutral: Vec<i32>,
    /// The last inputs, the newest at the end. It is sent with the one before it.
    frames: Vec<InputFrame>,
    sequence: u16,
    seen: Option<Acks>,
    newest: Tick,
    heard: Micros,
    /// What stood when it began to be measured, and what stands now.
    base: LightMarks,
    latest: LightMarks,
}

/// Moments of a tick at which light clients send.
const MOMENTS: u64 = 16;

/// Inputs come between so many 1/16 ticks before theirs, or the lead changes.
const MARGIN: std::ops::RangeInclusive<i64> = 8..=40;

/// What the lead is changed to bring about.
const MARGIN_WANTED: i64 = 24;

/// How many moments it takes until margins show what a change did.
const SETTLES_WITHIN: u32 = 8;

/// Inputs of a datagram: the newest and one that was sent before.
const FRAMES: usize = 2;

impl Light {
    /// The light client number `index`, let in at `now`. `wander` chooses its inputs; without, it does nothing.
    pub(crate) fn new(now: Micros, start: &Start, index: usize, neutral: &[i32], wander: Option<Wander>) -> Self {
        Self {
            tick_rate_hz: start.tick_rate_hz.max(1),
            interval: (start.tick_rate_hz / start.send_rate_hz.max(1)).max(1),
            moment: index as u64 % MOMENTS,
            next: None,
            lead: 0,
            settle: 0,
            wander,
            neutral: neutral.to_vec(),
            frames: Vec::new(),
            sequence: 0,
            seen: None,
            newest: start.tick,
            heard: now,
            base: LightMarks::default(),
            latest: LightMarks::default(),
        }
    }

    /// Takes in a datagram that arrived `at`. Returns whether it was a snapshot that had not come before.
    pub(crate) fn receive(&mut self, at: Micros, datagram: &[u8]) -> bool {
        // What has no head is no snapshot, and is not acknowledged.
        let Ok(head) = DownHead::decode(self.newest, &mut Decoder::new(datagram)) else { return false };
        let number = (head.tick.0 / self.interval) as u16;
        if self.seen.is_some_and(|seen| seen.contains(number)) {
            return false;
        }
        Acks::note(&mut self.seen, number);
        self.newest = self.newest.max(head.tick);
        self.heard = at;
        self.latest.snapshots += 1;
        if let Some(Arrivals { margin, .. }) = head.inputs.and_then(|inputs| inputs.arrivals) {
            self.keep_margin(margin.into());
        }
        if self.next.is_none() {
            let next = self.moment_at(at) + 1;
            self.next = Some(next);
            // The next tick may begin before its input could leave, the one after that does not.
            self.lead = i64::from(head.tick.0) + 2 - next as i64;
        }
        true
    }

    /// An input came `margin` 1/16 ticks before its tick.
    fn keep_margin(&mut self, margin: i64) {
        if self.settle == 0 && !MARGIN.contains(&margin) {
            self.lead += (MARGIN_WANTED - margin + 8).div_euclid(16);
            self.settle = SETTLES_WITHIN;
        }
    }

    /// Notes what has come until `now`; `traffic` is what its connection tells, while there is one.
    pub(crate) fn mark(&mut self, now: Micros, traffic: Option<Traffic>) {
        self.latest.at = now;
        self.latest.traffic = traffic.unwrap_or(self.latest.traffic);
    }

    /// Begins to measure: only what comes now counts.
    pub(crate) const fn begin(&mut self) {
        self.base = self.latest;
    }

    /// What came since then, up to the last mark.
    pub(crate) fn growth(&self) -> LightGrowth {
        let mut growth = LightGrowth::default();
        growth.add(&self.base, &self.latest);
        growth
    }

    /// When something of the server arrived last.
    pub(crate) const fn heard(&self) -> Micros {
        self.heard
    }

    /// When it wants to be woken; `None` before its first snapshot.
    pub(crate) fn due_at(&self) -> Option<Micros> {
        self.next.map(|next| self.time_of(next))
    }

    /// Plays the input that is due at `now`, and writes into `out` what it sends.
    pub(crate) fn wake(&mut self, now: Micros, kind: &Kind, out: &mut Vec<u8>) {
        let moment = self.moment_at(now);
        self.next = Some(moment + 1);
        self.settle = self.settle.saturating_sub(1);
        self.play_up_to(Tick::ZERO.offset(moment as i64 + self.lead));
        out.clear();
        let mut writer = BitWriter::new(out);
        UpHead { sequence: self.sequence, acks: self.seen }.encode(&mut writer);
        self.sequence = self.sequence.wrapping_add(1);
        InputFrame::encode(&self.frames, kind, &self.neutral, &mut writer);
        writer.finish();
    }

    /// Chooses the inputs of the ticks up to `tick` that it has not chosen yet; of many, the last.
    fn play_up_to(&mut self, tick: Tick) {
        let next = self.frames.last().map_or(tick, |last| last.tick.next());
        let first = next.max(tick.offset(1 - FRAMES as i64));
        if first != next {
            self.frames.clear();
        }
        // The others would be shown an interval behind the newest snapshot.
        let view = ViewTick { tick: self.newest.offset(-i64::from(self.interval)), sixteenths: 0 };
        for tick in (first.0..=tick.0).map(Tick) {
            let mut frame = if self.frames.len() < FRAMES { InputFrame::default() } else { self.frames.remove(0) };
            frame.lanes.clear();
            frame.lanes.extend_from_slice(self.wander.as_mut().map_or(&self.neutral, |wander| wander.play(tick)));
            self.frames.push(InputFrame { tick, view, ..frame });
        }
    }

    /// When its moment number `moment` is.
    fn time_of(&self, moment: u64) -> Micros {
        Micros((moment * MOMENTS + self.moment) * 1_000_000 / (u64::from(self.tick_rate_hz) * MOMENTS))
    }

    /// The number of its last moment, at `now` at the latest.
    fn moment_at(&self, now: Micros) -> u64 {
        // Times are rounded down, so one that is not after `now` is less than a microsecond after it.
        let moments = ((now.0 + 1) * u64::from(self.tick_rate_hz) * MOMENTS).div_ceil(1_000_000);
        (moments - 1).saturating_sub(self.moment) / MOMENTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use downbeat_field::Input;
    use downbeat_replica::bits::BitReader;
    use downbeat_replica::range::Encoder;
    use downbeat_replica::{Input as _, InputFrames, neutral};
    use downbeat_wire::packet::{InputReport, Known};

    const HZ: u32 = 60;
    const TICK_US: f64 = 1e6 / HZ as f64;

    fn light(index: usize) -> Light {
        let start =
            Start { player: None, tick_rate_hz: HZ, send_rate_hz: HZ / 2, tick: Tick(900), rtt: Micros::default() };
        Light::new(Micros(0), &start, index, &neutral::<Input>(), Some(Wander::new::<Input>(3, HZ)))
    }

    /// A snapshot's head, with nothing behind it that could be read.
    fn snapshot(tick: u32, margin: Option<i64>) -> Vec<u8> {
        let arrivals = margin.map(|margin| Arrivals { margin: margin as i16, missing: 0 });
        let inputs = Some(InputReport { consumed: Tick(tick - 1), substituted: 0, arrivals });
        let mut bytes = Vec::new();
        let mut out = Encoder::new(&mut bytes);
        DownHead { tick: Tick(tick), known: Known::of(0), inputs }.encode(&mut out);
        out.finish();
        bytes.extend([0xff; 60]);
        bytes
    }

    fn read(datagram: &[u8]) -> (UpHead, Vec<u32>) {
        let mut input = BitReader::new(datagram);
        let head = UpHead::decode(&mut input).expect("a head");
        let mut frames = InputFrames::default();
        frames.decode(Tick(1_000), &Input::kind(), &neutral::<Input>(), &mut input).expect("inputs");
        input.finish().expect("and nothing else");
        (head, frames.iter().map(|(tick, ..)| tick.0).collect())
    }

    #[test]
    fn moments_lie_in_a_row_a_tick_apart_and_share_out_the_tick() {
        for index in 0..2 * MOMENTS as usize {
            let light = light(index);
            for moment in 0..500 {
                let at = light.time_of(moment);
                assert_eq!(light.moment_at(at), moment, "its time has come");
                if moment > 0 {
                    assert_eq!(light.moment_at(at - Micros(1)), moment - 1, "and not before");
                }
                let exact = (moment as f64 + (index as u64 % MOMENTS) as f64 / MOMENTS as f64) * TICK_US;
                assert!((at.0 as f64 - exact).abs() <= 1.0);
            }
        }
    }

    #[test]
    fn what_arrived_is_acknowledged_and_nothing_else_is() {
        let mut light = light(0);
        assert!(light.due_at().is_none(), "it begins with the first snapshot");
        for (tick, is_new) in [(1_000, true), (1_002, true), (1_006, true), (1_002, false), (1_008, true)] {
            assert_eq!(light.receive(Micros(1_000), &snapshot(tick, None)), is_new);
        }
        assert!(!light.receive(Micros(2_000), &[0xff; 2]), "this is no snapshot");
        assert!(light.due_at().is_some());
        let mut out = Vec::new();
        light.wake(Micros(20_000), &Input::kind(), &mut out);
        // Every second tick has a snapshot; the one of 1,004 did not come.
        let acks = read(&out).0.acks.expect("something arrived");
        assert_eq!(acks.iter().collect::<Vec<_>>(), [504, 503, 501, 500]);
    }

    #[test]
    fn every_tick_gets_an_input_before_it_begins_wherever_in_a_tick_the_snapshot_came() {
        for (index, late_us) in [(0, 300), (5, 9_000), (11, 16_000), (15, 0)] {
            let mut light = light(index);
            // Tick 1,000 begins at 5 s.
            let begins = |tick: u32| 5e6 + f64::from(tick - 1_000) * TICK_US;
            light.receive(Micros(5_000_000 + late_us), &snapshot(1_000, None));
            let (mut out, mut ticks, mut sequences) = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..120 {
                let now = light.due_at().expect("it has begun") + Micros(150);
                light.wake(now, &Input::kind(), &mut out);
                let (head, sent) = read(&out);
                let newest = *sent.last().expect("an input");
                assert!(now.0 as f64 + 0.2 * TICK_US < begins(newest), "{newest} is late");
                assert!(begins(newest) < now.0 as f64 + 2.5 * TICK_US, "{newest} is very early");
                ticks.push(newest);
                sequences.push(head.sequence);
            }
            assert!(ticks.windows(2).all(|pair| pair[1] == pair[0] + 1), "{ticks:?}");
            assert!(sequences.windows(2).all(|pair| pair[1] == pair[0] + 1));
        }
    }

    #[test]
    fn inputs_that_come_too_late_or_too_early_move_the_lead_once() {
        for (margin, by) in [(-20, 3), (3, 1), (8, 0), (40, 0), (41, -1), (90, -4)] {
            let mut light = light(0);
            light.receive(Micros(0), &snapshot(1_000, None));
            let wake = |light: &mut Light| {
                let mut out = Vec::new();
                light.wake(light.due_at().expect("it has begun"), &Input::kind(), &mut out);
                read(&out).1
            };
            let before = *wake(&mut light).last().expect("an input");
            light.receive(Micros(20_000), &snapshot(1_002, Some(margin)));
            light.receive(Micros(20_000), &snapshot(1_004, Some(margin)));
            let mut ticks = vec![before];
            for _ in 0..7 {
                ticks.extend(wake(&mut light));
            }
            ticks.sort_unstable();
            ticks.dedup();
            assert_eq!(ticks.last().copied(), Some((i64::from(before) + 7 + by) as u32), "{margin}");
            let gap = ticks.windows(2).any(|pair| pair[1] > pair[0] + 1);
            assert!(!gap || by > 1, "a tick is left out where it is too late for it alone: {margin}: {ticks:?}");
        }
    }
}
