//! Inputs arrive jittered, some twice, some never; a tick needs exactly one.
//!
//! Each client's inputs wait here for their tick. When the tick comes without its input, the last one stands in:
//! what is held goes on for a while, an action never repeats.

use downbeat_replica::{InputFrame, Kind, Micros, Tick, ViewTick, substitute};

use crate::limits::INPUT_TICKS_AHEAD_MAX;
use crate::types::InputCounters;

/// The inputs of one client.
#[derive(Debug)]
pub(crate) struct InputQueue {
    /// Frames by `tick % len`; those of [`Tick::ZERO`] are none.
    waiting: Vec<InputFrame>,
    last: InputFrame,
    /// The newest tick that ran on a real input; zero before the first.
    consumed: Tick,
    /// Bit `i`: `present - i` ran on a substitute.
    substituted: u32,
    /// Bit `i`: the input of `present - i` was not seen at all so far.
    unseen: u64,
    /// The smallest margin in microseconds since the last report, and the datagrams that were missing.
    arrivals: Option<(i64, u32)>,
}

/// What a player does in a tick.
#[derive(Debug)]
pub(crate) struct Taken<'a> {
    pub(crate) lanes: &'a [i32],
    pub(crate) view: ViewTick,
    pub(crate) substituted: bool,
}

impl InputQueue {
    pub(crate) fn new(neutral: &[i32]) -> Self {
        let none = InputFrame { lanes: neutral.to_vec(), ..InputFrame::default() };
        Self {
            waiting: vec![none.clone(); INPUT_TICKS_AHEAD_MAX as usize + 1],
            last: none,
            consumed: Tick::ZERO,
            substituted: 0,
            unseen: 0,
            arrivals: None,
        }
    }

    /// Takes in a frame while `present` is the tick that ran last.
    pub(crate) fn receive(
        &mut self,
        (tick, view, lanes): (Tick, ViewTick, &[i32]),
        present: Tick,
        counters: &mut InputCounters,
    ) {
        let ahead = tick.since(present);
        if ahead > i64::from(INPUT_TICKS_AHEAD_MAX) {
            counters.rejected += 1;
            return;
        }
        if ahead <= 0 {
            let age = u32::try_from(-ahead).unwrap_or(u32::MAX);
            if age < u64::BITS && self.unseen >> age & 1 == 1 {
                self.unseen &= !(1 << age);
                counters.late += 1;
            }
            return;
        }
        let place = tick.0 as usize % self.waiting.len();
        let waiting = &mut self.waiting[place];
        if waiting.tick != tick {
            (waiting.tick, waiting.view) = (tick, view);
            waiting.lanes.copy_from_slice(lanes);
        }
    }

    /// A datagram came later than `missing` others that were sent before it and did not come yet. Its newest input came
    /// `margin_us` before its tick.
    pub(crate) fn note_arrival(&mut self, margin_us: i64, missing: u32) {
        let (least, before) = self.arrivals.unwrap_or((margin_us, 0));
        self.arrivals = Some((least.min(margin_us), before.saturating_add(missing)));
    }

    /// The input that `tick` runs on: the real one, or its substitute.
    pub(crate) fn take(
        &mut self,
        tick: Tick,
        tick_length: Micros,
        kind: &Kind,
        neutral: &[i32],
        counters: &mut InputCounters,
    ) -> Taken<'_> {
        let place = tick.0 as usize % self.waiting.len();
        let substituted = self.waiting[place].tick != tick;
        if !substituted {
            std::mem::swap(&mut self.last, &mut self.waiting[place]);
            self.consumed = tick;
            counters.consumed += 1;
        } else if self.consumed != Tick::ZERO {
            counters.starved += 1;
            let missing = u32::try_from(tick.since(self.consumed)).unwrap_or(u32::MAX);
            substitute(kind, neutral, missing, tick_length, &mut self.last.lanes);
            // The player's view of the others moves on with the ticks, as far as anybody knows.
            self.last.view.tick = self.last.view.tick.next();
        }
        self.waiting[place].tick = Tick::ZERO;
        self.substituted = self.substituted << 1 | u32::from(substituted);
        self.unseen = self.unseen << 1 | u64::from(substituted);
        Taken { lanes: &self.last.lanes, view: self.last.view, substituted }
    }

    /// How many wait for their tick.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.iter().filter(|frame| frame.tick != Tick::ZERO).count()
    }

    /// The newest tick that ran on an input of the client; zero before the first.
    pub(crate) const fn consumed(&self) -> Tick {
        self.consumed
    }

    /// Bit `i`: the tick `i` before the present ran on a substitute.
    pub(crate) const fn substituted(&self) -> u32 {
        self.substituted
    }

    /// The smallest margin in microseconds since this was last asked, and how many datagrams were missing.
    pub(crate) const fn take_arrivals(&mut self) -> Option<(i64, u32)> {
        self.arrivals.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use downbeat_replica::{Input, neutral};

    #[derive(Input, Clone, Debug, Default, PartialEq)]
    struct Pad {
        forward: bool,
        #[field(action)]
        fire: bool,
    }

    struct Bench {
        queue: InputQueue,
        kind: Kind,
        neutral: Vec<i32>,
        counters: InputCounters,
    }

    impl Bench {
        fn new() -> Self {
            let neutral = neutral::<Pad>();
            Self { queue: InputQueue::new(&neutral), kind: Pad::kind(), neutral, counters: InputCounters::default() }
        }

        fn receive(&mut self, tick: u32, present: u32, fire: bool) {
            let lanes = Pad { forward: true, fire }.lanes();
            self.queue.receive((Tick(tick), ViewTick::default(), &lanes), Tick(present), &mut self.counters);
        }

        fn take(&mut self, tick: u32) -> (Vec<i32>, bool) {
            let taken =
                self.queue.take(Tick(tick), Micros::from_millis(10), &self.kind, &self.neutral, &mut self.counters);
            (taken.lanes.to_vec(), taken.substituted)
        }
    }

    #[test]
    fn an_input_waits_for_its_tick() {
        let mut bench = Bench::new();
        bench.receive(12, 9, true);
        assert_eq!(bench.take(10), (vec![0, 0], true));
        assert_eq!(bench.take(11), (vec![0, 0], true));
        assert_eq!(bench.take(12), (vec![1, 1], false));
        assert_eq!(bench.counters.starved, 0, "nothing is owed before the first input");
        assert_eq!(bench.queue.consumed(), Tick(12));
    }

    #[test]
    fn a_starved_tick_holds_what_is_held_for_a_while_and_repeats_no_action() {
        let mut bench = Bench::new();
        bench.receive(10, 9, true);
        bench.take(10);
        for tick in 11..=35 {
            assert_eq!(bench.take(tick), (vec![1, 0], true), "tick {tick}");
        }
        assert_eq!(bench.take(36), (vec![0, 0], true), "after 250 ms nothing is held");
        assert_eq!(bench.counters.starved, 26);
        assert_eq!(bench.queue.substituted() & 0b11, 0b11);
    }

    #[test]
    fn a_late_input_is_dropped_and_counted_once() {
        let mut bench = Bench::new();
        bench.receive(10, 9, false);
        bench.take(10);
        bench.take(11);
        bench.receive(11, 11, false);
        bench.receive(11, 11, false);
        bench.receive(10, 11, false);
        assert_eq!(bench.counters.late, 1);
        assert!(bench.take(12).1);
    }

    #[test]
    fn the_first_copy_counts_and_a_far_future_is_rejected() {
        let mut bench = Bench::new();
        bench.receive(10, 9, true);
        bench.receive(10, 9, false);
        bench.receive(9 + INPUT_TICKS_AHEAD_MAX, 9, false);
        bench.receive(10 + INPUT_TICKS_AHEAD_MAX, 9, false);
        assert_eq!(bench.counters.rejected, 1);
        assert_eq!(bench.take(10).0, [1, 1]);
    }
}
