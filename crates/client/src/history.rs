//! What was played here, tick by tick, in one piece of memory for each kind of lanes.

use downbeat_replica::Tick;

use crate::limits::HISTORY_TICKS;

/// What an input put into the world besides moving the avatar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spawn {
    pub(crate) kind: usize,
    pub(crate) lanes: Vec<i32>,
}

/// One tick of the past, as it was played here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Played<'a> {
    pub(crate) tick: Tick,
    /// What the server ran the tick on, as far as known.
    pub(crate) input: &'a [i32],
    /// The avatar after the tick.
    pub(crate) lanes: &'a [i32],
    pub(crate) spawn: Option<&'a Spawn>,
}

/// The last [`HISTORY_TICKS`] ticks. Each has its place, where the one so many ticks later takes over.
#[derive(Debug)]
pub(crate) struct History {
    ticks: Vec<Tick>,
    inputs: Vec<i32>,
    lanes: Vec<i32>,
    spawns: Vec<Option<Box<Spawn>>>,
    /// Lanes of an input, and of the avatar.
    widths: (usize, usize),
}

impl History {
    /// Nothing yet, with so many lanes of an input and of the avatar.
    pub(crate) fn new(input: usize, avatar: usize) -> Self {
        Self {
            ticks: vec![Tick::ZERO; HISTORY_TICKS],
            inputs: vec![0; input * HISTORY_TICKS],
            lanes: vec![0; avatar * HISTORY_TICKS],
            spawns: vec![None; HISTORY_TICKS],
            widths: (input, avatar),
        }
    }

    const fn place(tick: Tick) -> usize {
        tick.0 as usize % HISTORY_TICKS
    }

    /// What was played in `tick`, if that is remembered.
    pub(crate) fn get(&self, tick: Tick) -> Option<Played<'_>> {
        let (place, (input, avatar)) = (Self::place(tick), self.widths);
        (self.ticks[place] == tick && tick != Tick::ZERO).then(|| Played {
            tick,
            input: &self.inputs[place * input..][..input],
            lanes: &self.lanes[place * avatar..][..avatar],
            spawn: self.spawns[place].as_deref(),
        })
    }

    /// Remembers `tick` in place of what was played in it before.
    pub(crate) fn set(&mut self, tick: Tick, input: &[i32], lanes: &[i32], spawn: Option<Spawn>) {
        let place = Self::place(tick);
        self.ticks[place] = tick;
        self.set_input(tick, input);
        self.lanes[place * self.widths.1..][..self.widths.1].copy_from_slice(lanes);
        self.spawns[place] = spawn.map(Box::new);
    }

    /// The server ran `tick`, which is remembered, on this.
    pub(crate) fn set_input(&mut self, tick: Tick, input: &[i32]) {
        self.inputs[Self::place(tick) * self.widths.0..][..self.widths.0].copy_from_slice(input);
    }

    /// Forgets what was played from `tick` on.
    pub(crate) fn forget_from(&mut self, tick: Tick) {
        self.ticks.iter_mut().filter(|played| **played >= tick).for_each(|played| *played = Tick::ZERO);
    }
}
