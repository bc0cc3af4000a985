//! Lies: about what was shown, about what arrived, and what means nothing at all.

use std::collections::VecDeque;

use downbeat_replica::{Tick, ViewTick};
use downbeat_wire::Micros;
use downbeat_wire::control::{ClientMessage, frame};
use downbeat_wire::limits::UP_DATAGRAM_BYTES_MAX;
use downbeat_wire::packet::Acks;

use super::codec::Upstream;
use super::tamper::{Outbox, Trick};
use crate::dice::Dice;

/// Ticks by which a bot that looks back sees the others later than it could: 133 ms at 60 a second.
pub(crate) const BACK_TICKS: u32 = 8;

/// Says that it was shown what its brain is shown: a past that is [`BACK_TICKS`] longer ago.
pub(crate) struct Back;

impl Trick for Back {
    fn play(&mut self, _: Micros, _: Tick, mut honest: Upstream, out: &mut Outbox<'_>) {
        look_back(&mut honest);
        out.say(&honest);
    }
}

fn look_back(said: &mut Upstream) {
    for frame in &mut said.frames {
        frame.view.tick = frame.view.tick.offset(-i64::from(BACK_TICKS));
    }
}

/// Says that it was shown the present.
pub(crate) struct Ahead;

impl Trick for Ahead {
    fn play(&mut self, _: Micros, _: Tick, mut honest: Upstream, out: &mut Outbox<'_>) {
        honest.frames.iter_mut().for_each(|frame| frame.view = ViewTick { tick: frame.tick, sixteenths: 0 });
        out.say(&honest);
    }
}

/// As [`Back`], and acknowledges [`BACK_TICKS`] late, so that its line seems to explain it.
#[derive(Default)]
pub(crate) struct Late {
    acks: VecDeque<Option<Acks>>,
}

impl Trick for Late {
    fn play(&mut self, _: Micros, _: Tick, mut honest: Upstream, out: &mut Outbox<'_>) {
        look_back(&mut honest);
        self.acks.push_back(honest.acks);
        let is_full = self.acks.len() > BACK_TICKS as usize;
        honest.acks = if is_full { self.acks.pop_front().flatten() } else { None };
        out.say(&honest);
    }
}

/// Acknowledges what was never sent.
pub(crate) struct Forge;

/// So many snapshots after the newest.
const FORGED_AHEAD: u16 = 1_000;

impl Trick for Forge {
    fn play(&mut self, _: Micros, _: Tick, mut honest: Upstream, out: &mut Outbox<'_>) {
        if let Some(acks) = &mut honest.acks {
            acks.newest = acks.newest.wrapping_add(FORGED_AHEAD);
        }
        out.say(&honest);
    }
}

/// Sends noise beside what it has to say.
pub(crate) struct Noise(pub(crate) Dice);

/// Bytes of noise, at most.
const NOISE_BYTES_MAX: u32 = 200;

impl Trick for Noise {
    fn play(&mut self, _: Micros, _: Tick, honest: Upstream, out: &mut Outbox<'_>) {
        out.say(&honest);
        let bytes = 1 + self.0.below(NOISE_BYTES_MAX);
        // A datagram that ends in zeros is one by no reading: a whole byte of padding is an error.
        out.raw((0..bytes).map(|_| self.0.below(256) as u8).chain([0, 0]).collect());
    }
}

/// Sends what is too long beside what it has to say.
pub(crate) struct Long;

impl Trick for Long {
    fn play(&mut self, _: Micros, _: Tick, honest: Upstream, out: &mut Outbox<'_>) {
        out.say(&honest);
        let mut long = out.last().to_vec();
        long.resize(UP_DATAGRAM_BYTES_MAX + 1, 0);
        out.raw(long);
    }
}

/// Says more on the control stream than anybody has to say.
pub(crate) struct Flood;

/// Lines in each tick.
const LINES: usize = 10;

impl Trick for Flood {
    fn play(&mut self, _: Micros, _: Tick, honest: Upstream, out: &mut Outbox<'_>) {
        out.say(&honest);
        out.control(&frame(&ClientMessage::Say { text: "spam".to_owned() }).repeat(LINES));
    }
}
