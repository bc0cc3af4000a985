//! A bot's place in a scenario: what it is, whoever plays it and however often it comes and goes.

use downbeat_wire::Micros;

use crate::dice::mix;
use crate::scenario::{Scenario, Share};

/// The place of one bot.
#[derive(Clone, Debug)]
pub(crate) struct Seat {
    /// Over all groups and all processes that share the run.
    pub(crate) number: usize,
    /// The group, and the place in it.
    pub(crate) group: usize,
    pub(crate) index: usize,
    pub(crate) is_light: bool,
    /// Whether it cheats or attacks when the time comes.
    pub(crate) is_hostile: bool,
    /// The line that it plays over.
    pub(crate) line: usize,
    /// Whether its time to join has come.
    pub(crate) asked: bool,
    /// Whether it was ever let in.
    pub(crate) entered: bool,
    /// Which of the tickets it shows when it comes next.
    pub(crate) ticket: Option<usize>,
    /// When it was let in last.
    pub(crate) since: Micros,
}

impl Seat {
    /// The places of `share` in `scenario`, by number.
    pub(crate) fn all(scenario: &Scenario, share: Share) -> Vec<Self> {
        let (_, lines) = scenario.nets();
        let places = scenario.groups.iter().enumerate().flat_map(|(group, of)| {
            let full = of.seats() - of.light;
            (0..of.seats()).map(move |index| (group, index, index >= full))
        });
        let seats = places.enumerate().map(|(number, (group, index, is_light))| Self {
            number,
            group,
            index,
            is_light,
            is_hostile: false,
            line: lines[group],
            asked: false,
            entered: false,
            ticket: None,
            since: Micros::default(),
        });
        seats.filter(|seat| share.has(seat.number)).collect()
    }

    /// What all chance of this bot is drawn from. Other groups do not change it.
    pub(crate) fn seed(&self, scenario: &Scenario, seed: u64) -> u64 {
        mix(seed.wrapping_add(scenario.groups[self.group].seed), self.index as u64)
    }

    /// What it is called on the server.
    pub(crate) fn name(&self, scenario: &Scenario, name: &str) -> String {
        match scenario.groups[self.group].name.as_str() {
            "" => format!("{name}-{}", self.index),
            group => format!("{name}-{group}-{}", self.index),
        }
    }
}
