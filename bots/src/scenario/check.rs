//! What cannot be run is said before anything is sent, with what is allowed instead.

use super::{Group, Phase, PhaseKind, Scenario};
use crate::hostile::Way;
use crate::options::{BREAK_EVERY_MIN, CLIENTS_MAX, SECONDS_MAX};

/// Groups and phases of a scenario at most.
const GROUPS_MAX: usize = 32;
const PHASES_MAX: usize = 256;

/// Characters of a name.
const NAME_CHARS_MAX: usize = 16;

/// Bots that a ramp has join in a second: a handshake costs both ends about a millisecond.
const RAMP_PER_S_MAX: f64 = 400.0;

/// Bots that leave in a second, and seconds until they are back.
const CHURN_PER_S: std::ops::RangeInclusive<f64> = 0.001..=400.0;
const AWAY_S: std::ops::RangeInclusive<f64> = 0.1..=3_600.0;

/// Shortest and longest phase, and what must be left for the measurement. Seconds.
const PHASE_S: std::ops::RangeInclusive<f64> = 0.1..=SECONDS_MAX;
const MEASURED_S_MIN: f64 = 1.0;

/// A part of a scenario, for whoever knows where it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The scenario as a whole.
    Whole,
    /// The group of this index.
    Group(usize),
    /// The phase of this index.
    Phase(usize),
    /// The gate of this index.
    Gate(usize),
}

/// A scenario that cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ScenarioError {
    /// Where.
    pub part: Part,
    /// The key that is wrong, if it is one.
    pub key: Option<&'static str>,
    /// What is wrong and what is allowed.
    pub message: String,
}

type Checked = Result<(), ScenarioError>;

fn wrong(part: Part, key: &'static str, message: String) -> Checked {
    Err(ScenarioError { part, key: Some(key), message })
}

impl Scenario {
    /// Refuses what cannot be run. Brains are not looked at: they are the game's.
    ///
    /// # Errors
    /// Says what is wrong, where, and what is allowed.
    pub fn check(&self) -> Checked {
        if !(1..=GROUPS_MAX).contains(&self.groups.len()) {
            return wrong(
                Part::Whole,
                "groups",
                format!("{} groups: 1 to {GROUPS_MAX} are allowed", self.groups.len()),
            );
        }
        for (index, group) in self.groups.iter().enumerate() {
            self.check_group(index, group)?;
        }
        let clients = self.clients();
        if clients > CLIENTS_MAX {
            let message = format!("{clients} clients in all groups: 1 to {CLIENTS_MAX} are allowed");
            return wrong(Part::Whole, "groups", message);
        }
        if self.groups.iter().all(|group| group.light == group.clients) {
            let message = "all clients are light: at least one must not be, since light ones measure nothing";
            return wrong(Part::Whole, "groups", message.to_owned());
        }
        if !(0.0..=1.0).contains(&self.lost_share_max) {
            let message = format!("`lost_share` is {}; 0 to 1 are allowed", self.lost_share_max);
            return wrong(Part::Whole, "lost_share", message);
        }
        self.check_phases()?;
        self.check_gates()
    }

    fn check_group(&self, index: usize, group: &Group) -> Checked {
        let at = Part::Group(index);
        check_name(at, &group.name)?;
        if self.groups[..index].iter().any(|other| other.name == group.name) {
            return wrong(at, "name", format!("two groups are called `{}`", group.name));
        }
        if !(1..=CLIENTS_MAX).contains(&group.clients) {
            let message =
                format!("`clients` of group `{}` is {}; 1 to {CLIENTS_MAX} are allowed", group.name, group.clients);
            return wrong(at, "clients", message);
        }
        if group.light > group.clients {
            let message = format!(
                "`light` of group `{}` is {}: it is how many of the {} clients are light",
                group.name, group.light, group.clients
            );
            return wrong(at, "light", message);
        }
        match group.break_every {
            Some(every) if !(BREAK_EVERY_MIN..=SECONDS_MAX).contains(&every) => wrong(
                at,
                "break_every",
                format!("`break_every` is {every}; {BREAK_EVERY_MIN} to {SECONDS_MAX} seconds are allowed"),
            ),
            _ => Ok(()),
        }
    }

    /// Refuses hostile groups of which nothing could be told. Brains that were left open must have been filled in.
    pub(crate) fn check_hostile(&self) -> Checked {
        let Some((index, plan)) = self.hostile() else { return Ok(()) };
        let (at, group) = (Part::Group(index), &self.groups[index]);
        let others = || self.groups.iter().filter(|other| other.full() > other.hostile_bots());
        if let Some(other) = self.groups[index + 1..].iter().position(|other| other.hostile.is_some()) {
            let other = index + 1 + other;
            let message = format!(
                "groups `{}` and `{}` are both hostile: what each gained or did could not be told apart; one of them may be",
                group.name, self.groups[other].name
            );
            return wrong(Part::Group(other), "brain", message);
        }
        if group.full() == 0 {
            let message = format!("all clients of group `{}` are light: light ones are never hostile", group.name);
            return wrong(at, "light", message);
        }
        if !others().any(|other| !other.is_watching()) {
            let message = "nobody would be honest: add a group that plays, or say how many of this one are hostile, such as \
                           hostile:KIND:50%";
            return wrong(at, "brain", message.to_owned());
        }
        if plan.kind.way() == Way::Plays && !others().any(|other| other.is_like(group)) {
            let message = format!(
                "nobody would play as group `{}` does, but honestly, so that it could not be said what it gains: add a group \
                 with the brain `{}`, the network `{}` and the same `break_every`, or say how many of this one are hostile, \
                 such as hostile:{}:50%",
                group.name,
                group.brain,
                group.net_words(),
                plan.kind.name()
            );
            return wrong(at, "brain", message);
        }
        Ok(())
    }

    fn check_phases(&self) -> Checked {
        if self.phases.len() > PHASES_MAX {
            let message = format!("{} phases: {PHASES_MAX} at most are allowed", self.phases.len());
            return wrong(Part::Whole, "phases", message);
        }
        if let Some(name) = &self.measure_from
            && !self.phases.iter().any(|phase| phase.name == *name)
        {
            let message =
                format!("`measure_from` is `{name}`; {} are allowed", names(self.phases.iter().map(|p| &p.name)));
            return wrong(Part::Whole, "measure_from", message);
        }
        let Some(seconds) = self.phases_s() else { return Ok(()) };
        let mut levels = Levels::new(self);
        for (index, phase) in self.phases.iter().enumerate() {
            self.check_phase(index, phase, &mut levels)?;
        }
        if let Some((group, most)) = self.groups.iter().zip(&levels.most).find(|(group, most)| group.seats() != **most)
        {
            let message = format!(
                "{} of the {} clients of group `{}` never join: let a phase reach {} in all, or lower `clients`",
                group.seats() - most,
                group.seats(),
                group.name,
                self.clients()
            );
            return wrong(Part::Whole, "phases", message);
        }
        if seconds > SECONDS_MAX {
            let message = format!("the phases last {seconds} seconds together; {SECONDS_MAX} are allowed");
            return wrong(Part::Whole, "phases", message);
        }
        if seconds - self.opened_s() < MEASURED_S_MIN {
            let message = "nothing would be measured: add a phase after those that bring the bots in".to_owned();
            return wrong(Part::Whole, "phases", message);
        }
        Ok(())
    }

    fn check_phase(&self, index: usize, phase: &Phase, levels: &mut Levels) -> Checked {
        let (at, name) = (Part::Phase(index), &phase.name);
        check_name(at, name)?;
        if self.phases[..index].iter().any(|other| other.name == *name) {
            return wrong(at, "name", format!("two phases are called `{name}`"));
        }
        if !PHASE_S.contains(&phase.seconds) {
            let message =
                format!("`seconds` is {}; {} to {} are allowed", phase.seconds, PHASE_S.start(), PHASE_S.end());
            return wrong(at, "seconds", message);
        }
        let group = self.group_of(at, phase)?;
        check_kind(at, phase, levels.now(group))?;
        self.check_level(at, phase, group, levels)
    }

    /// The group that a phase is about.
    fn group_of(&self, at: Part, phase: &Phase) -> Result<Option<usize>, ScenarioError> {
        let Some(name) = &phase.group else { return Ok(None) };
        let group = self.groups.iter().position(|group| group.name == *name);
        if group.is_none() {
            let known = names(self.groups.iter().map(|group| &group.name));
            wrong(at, "group", format!("there is no group `{name}`; {known} are allowed"))?;
        }
        Ok(group)
    }

    /// Whether a phase can bring about as many bots as it is to, and in its time.
    fn check_level(&self, at: Part, phase: &Phase, group: Option<usize>, levels: &mut Levels) -> Checked {
        let Some(to) = phase.kind.to() else { return Ok(()) };
        let before = levels.now(group);
        let clients = group.map_or_else(|| self.clients(), |group| self.groups[group].seats());
        if to > clients {
            return wrong(at, "to", format!("`to` is {to}, but there are {clients} clients in all"));
        }
        if to == before {
            return wrong(at, "to", format!("`to` is {to}, and as many are there already: nobody would join or leave"));
        }
        let per_s = before.abs_diff(to) as f64 / phase.seconds;
        if matches!(phase.kind, PhaseKind::Ramp { .. }) && per_s > RAMP_PER_S_MAX {
            let message = format!(
                "a ramp from {before} to {to} clients in {} s is {per_s:.0} a second; {RAMP_PER_S_MAX} are possible: make \
                 `seconds` longer, or take a storm, in which all come at once",
                phase.seconds
            );
            return wrong(at, "to", message);
        }
        levels.set(group, to, matches!(phase.kind, PhaseKind::Spike { .. }));
        Ok(())
    }
}

/// What each kind of phase asks for, where `there` bots are in when it begins.
fn check_kind(at: Part, phase: &Phase, there: usize) -> Checked {
    match phase.kind {
        PhaseKind::Plateau if phase.group.is_some() => wrong(at, "group", "a plateau is about all groups".to_owned()),
        PhaseKind::Plateau | PhaseKind::Churn { .. } if there == 0 => {
            let message = format!("nobody is there in a {} yet: begin with a ramp or a storm", phase.kind.name());
            wrong(at, "kind", message)
        }
        PhaseKind::Churn { per_s, .. } if !CHURN_PER_S.contains(&per_s) => {
            let (least, most) = CHURN_PER_S.into_inner();
            wrong(at, "per_second", format!("`per_second` is {per_s}; {least} to {most} are allowed"))
        }
        PhaseKind::Churn { away_s, .. } if !AWAY_S.contains(&away_s) => {
            let (least, most) = AWAY_S.into_inner();
            wrong(at, "away", format!("`away` is {away_s}; {least} to {most} seconds are allowed"))
        }
        _ => Ok(()),
    }
}

/// How many of each group are in, and were at most.
struct Levels {
    clients: Vec<usize>,
    now: Vec<usize>,
    most: Vec<usize>,
}

impl Levels {
    fn new(scenario: &Scenario) -> Self {
        let clients: Vec<usize> = scenario.groups.iter().map(Group::seats).collect();
        Self { now: vec![0; clients.len()], most: vec![0; clients.len()], clients }
    }

    fn now(&self, group: Option<usize>) -> usize {
        group.map_or_else(|| self.now.iter().sum(), |group| self.now[group])
    }

    fn set(&mut self, group: Option<usize>, to: usize, for_a_moment: bool) {
        let before = self.now.clone();
        match group {
            Some(group) => self.now[group] = to,
            None => self.now = shared_out(&self.clients, to),
        }
        for (most, now) in self.most.iter_mut().zip(&self.now) {
            *most = (*most).max(*now);
        }
        if for_a_moment {
            self.now = before;
        }
    }
}

/// How many of each group there are when there are `to` in all: every group in proportion.
pub(super) fn shared_out(clients: &[usize], to: usize) -> Vec<usize> {
    let all = clients.iter().sum::<usize>().max(1);
    // Sums are rounded, not parts, so that the parts add up.
    let (mut bots, mut sum) = (0, 0);
    let part = |clients: &usize| {
        bots += clients;
        let before = std::mem::replace(&mut sum, (bots * to + all / 2) / all);
        sum - before
    };
    clients.iter().map(part).collect()
}

fn check_name(part: Part, name: &str) -> Checked {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !(1..=NAME_CHARS_MAX).contains(&name.len()) || !name.chars().all(is_fine) {
        let message = format!("`{name}` is no name: 1 to {NAME_CHARS_MAX} letters, digits, `-` and `_` are allowed");
        return wrong(part, "name", message);
    }
    Ok(())
}

fn names<'a>(names: impl Iterator<Item = &'a String>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
