//! The match whose instructions are counted: 16 players of the field, 200 walkers, the 32 nearest shown.

use super::{field, walker};
use crate::instructions::Played;
use crate::{BenchError, Options, Stage};

const CLIENTS: u16 = 16;

/// Five seconds at 60 Hz: the first state is a small part of it.
const TICKS: u32 = 300;

/// Plays it.
///
/// # Errors
/// When a copy was wrong.
pub fn played(seed: u64) -> Result<Played, BenchError> {
    let options = Options { judged: 1, ..Options::new(seed, CLIENTS) };
    let mut stage = Stage::new(&options, &field(), walker)?;
    stage.run(TICKS);
    stage.verify(true)?;
    let totals = stage.totals();
    Ok(Played { ticks: totals.ticks, updates: totals.updates, inputs: totals.up_datagrams })
}
