//! Cheating with inputs: more of them, sooner, later, all at once, or again.

use std::collections::VecDeque;

use downbeat_replica::limits::INPUT_FRAMES_MAX;
use downbeat_replica::{InputFrame, Tick};
use downbeat_wire::Micros;

use super::codec::Upstream;
use super::tamper::{Outbox, Trick};

/// Each input, as several.
pub(crate) struct Extra;

/// An input is sent so often.
const COPIES: usize = 4;

impl Trick for Extra {
    fn play(&mut self, _: Micros, _: Tick, honest: Upstream, out: &mut Outbox<'_>) {
        (0..COPIES).for_each(|_| out.say(&honest));
    }
}

/// A clock that runs twice as fast as time, until it is so far ahead that it begins anew.
#[derive(Default)]
pub(crate) struct Fast {
    ahead: u32,
}

/// Farther ahead than this, in ticks, is close to what is refused.
const AHEAD_MAX: u32 = 30;

impl Trick for Fast {
    fn play(&mut self, _: Micros, _: Tick, mut honest: Upstream, out: &mut Outbox<'_>) {
        let Some(newest) = honest.frames.last().cloned() else { return out.say(&honest) };
        if self.ahead == 0 {
            // The repeats of an honest client are for ticks that this one filled long ago.
            self.ahead = 1;
            return out.say(&honest);
        }
        honest.frames = [self.ahead - 1, self.ahead].map(|ahead| later(&newest, ahead)).to_vec();
        self.ahead = if self.ahead < AHEAD_MAX { self.ahead + 1 } else { 0 };
        out.say(&honest);
    }
}

/// The same input, for a tick that comes `by` later.
fn later(frame: &InputFrame, by: u32) -> InputFrame {
    InputFrame { tick: frame.tick.offset(by.into()), ..frame.clone() }
}

/// Inputs for ticks that the server does not take yet.
#[derive(Default)]
pub(crate) struct Future {
    turn: usize,
}

/// How far ahead, in ticks: just beyond what is taken, and far beyond.
const FUTURES: [u32; 2] = [70, 1_000];

impl Trick for Future {
    fn play(&mut self, _: Micros, _: Tick, mut honest: Upstream, out: &mut Outbox<'_>) {
        out.say(&honest);
        let Some(newest) = honest.frames.pop() else { return };
        let first = FUTURES[self.turn % FUTURES.len()];
        self.turn += 1;
        honest.frames = (first..first + INPUT_FRAMES_MAX as u32).map(|by| later(&newest, by)).collect();
        out.say(&honest);
    }
}

/// Holds back what it has to say, and then says all of it.
pub(crate) struct Hold {
    /// For so long, of so long; the rest of the time it is honest.
    silent: Micros,
    of: Micros,
    began: Option<Micros>,
    held: Vec<Upstream>,
}

impl Hold {
    /// A banker: it is always holding.
    pub(crate) const fn bank() -> Self {
        let silent = Micros::from_millis(250);
        Self { silent, of: silent, began: None, held: Vec::new() }
    }

    /// Who has a lag switch.
    pub(crate) const fn lag() -> Self {
        let (silent, of) = (Micros::from_millis(1_000), Micros::from_millis(4_000));
        Self { silent, of, began: None, held: Vec::new() }
    }
}

impl Trick for Hold {
    fn play(&mut self, now: Micros, _: Tick, honest: Upstream, out: &mut Outbox<'_>) {
        let began = *self.began.get_or_insert(now);
        self.held.push(honest);
        let held_for = now.since(began);
        if held_for >= self.silent {
            self.held.drain(..).for_each(|held| out.say(&held));
        }
        if held_for >= self.of {
            self.began = Some(now);
        }
    }
}

/// Sends again what it sent.
#[derive(Default)]
pub(crate) struct Replay {
    sent: VecDeque<Vec<u8>>,
}

/// How many datagrams ago; at 60 a second, 0.3, 2 and 4 s. The first the server still remembers, the others it does not.
const AGES: [usize; 3] = [18, 120, 240];

impl Trick for Replay {
    fn play(&mut self, _: Micros, _: Tick, honest: Upstream, out: &mut Outbox<'_>) {
        out.say(&honest);
        self.sent.push_front(out.last().to_vec());
        AGES.iter().filter_map(|&age| self.sent.get(age)).for_each(|old| out.raw(old.clone()));
        self.sent.truncate(AGES[AGES.len() - 1] + 1);
    }
}
