//! A ticket lets one in, once. Bots that come again show another one; which, follows from the scenario and the seed, so that
//! processes that share a run never show the same.

use crate::Bots;
use crate::herd::Herd;
use crate::options::{BotsError, Options};
use crate::scenario::{Scenario, Schedule, Share};
use crate::seats::Seat;

/// Tickets that no plan needs: for bots that are sent away and come back.
#[derive(Debug)]
pub(crate) struct Spare {
    next: usize,
    step: usize,
}

impl Spare {
    /// What is left of the tickets once everybody has come as planned, as far as it is for `share`.
    pub(crate) fn of(options: &Options, scenario: &Scenario) -> Self {
        let Share { index, of } = options.share;
        // Without tickets nobody counts.
        let planned = if options.tokens.len() > 1 { Schedule::joins_of(scenario, options.seed) } else { 0 };
        Self { next: planned + index, step: of }
    }
}

/// Whether there are as many tickets as will be shown. A single one is shown by all: it may be none of those that are good once.
pub(crate) fn check(options: &Options, scenario: &Scenario) -> Result<(), BotsError> {
    let have = options.tokens.len();
    if have < 2 {
        return Ok(());
    }
    let needed = Schedule::joins_of(scenario, options.seed);
    if have < needed { Err(BotsError::Tickets { have, needed }) } else { Ok(()) }
}

impl<G: Bots> Herd<'_, G> {
    /// What lets the bot of a seat in, where the server asks for tickets.
    pub(crate) fn ticket(&self, seat: &Seat) -> Option<&String> {
        match self.options.tokens.as_slice() {
            [only] => Some(only),
            several => several.get(seat.ticket?),
        }
    }

    /// Bot `index` comes again, although nobody planned it: with a ticket that nobody has shown, while there is one.
    pub(crate) fn take_spare_ticket(&mut self, index: usize) {
        let Spare { next, step } = &mut self.spare;
        if *next < self.options.tokens.len() {
            self.seats[index].ticket = Some(*next);
            *next += *step;
        }
    }
}
