//! What a load is made of: groups of bots, and phases in which they come and go.
//!
//! | module | holds |
//! |---|---|
//! | `check` | which scenarios can be run |
//! | `schedule` | who comes and who goes when |
//! | `share` | a part of the bots, for several processes |

mod check;
mod schedule;
mod share;

use downbeat_link::LinkSpec;

use crate::brains::SPECTATE;
use crate::gates::Gate;
use crate::hostile::{Among, Plan};
use crate::options::Options;

pub use check::{Part, ScenarioError};
pub(crate) use schedule::Schedule;
pub use share::Share;

/// A load: who plays, when, and what must come of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// What it is called in the report.
    pub name: String,
    /// Who plays: at least one group.
    pub groups: Vec<Group>,
    /// What happens, one after the other. Without any, all bots join as fast as they can, and stay.
    pub phases: Vec<Phase>,
    /// The phase in which the measurement begins, after a warm-up; the end of the first ramp, or the first storm, when
    /// nothing is said.
    pub measure_from: Option<String>,
    /// The run ends when more than this share of those who got in were lost; 1: when all were.
    pub lost_share_max: f64,
    /// What the report must say.
    pub gates: Vec<Gate>,
}

/// Bots that are alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// What it is called in the report: short, of letters, digits, `-` and `_`. Empty for the only group of a run without
    /// scenario.
    pub name: String,
    /// How many bots.
    pub clients: usize,
    /// How many of them are light.
    pub light: usize,
    /// The brain; the game's first when empty. Or `hostile:KIND`, until [`Self::find_hostile`] reads it.
    pub brain: String,
    /// How some or all of them are hostile.
    pub hostile: Option<Plan>,
    /// The network that each of them is behind.
    pub net: LinkSpec,
    /// The network as it is called in the report; as it is spelled out when nothing is said.
    pub net_name: Option<String>,
    /// Is added to the seed of the run: groups with equal offsets draw alike.
    pub seed: u64,
    /// How often the connection of each breaks without a word, in seconds.
    pub break_every: Option<f64>,
}

impl Group {
    /// The network as it is called in reports.
    pub(crate) fn net_words(&self) -> String {
        self.net_name.clone().unwrap_or_else(|| self.net.to_string())
    }

    /// Reads what `hostile:KIND` says in the brain, where it does: the brain that is left is that of whoever plays.
    ///
    /// # Errors
    /// Says what is wrong, and what is allowed.
    pub fn find_hostile(&mut self) -> Result<(), String> {
        if let Some((plan, brain)) = Plan::parse(&self.brain, Among::Group)? {
            (self.hostile, self.brain) = (Some(plan), brain.to_owned());
        }
        Ok(())
    }

    /// How many of them are not light, whether they play or attack beside the match.
    pub(crate) const fn full(&self) -> usize {
        self.clients.saturating_sub(self.light)
    }

    /// How many are hostile.
    #[must_use]
    pub fn hostile_bots(&self) -> usize {
        self.hostile.map_or(0, |plan| plan.hostile(self.full()))
    }

    /// How many come to play, light ones and hostile ones included: not those who attack beside the match.
    pub(crate) fn seats(&self) -> usize {
        self.hostile.map_or(self.clients, |plan| plan.playing(self.full()) + self.light)
    }

    /// Whether bots of `other` play as these do, so that the one may be compared with the other.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.brain == other.brain && self.net == other.net && self.break_every == other.break_every
    }

    /// Whether it watches instead of playing.
    pub(crate) fn is_watching(&self) -> bool {
        self.brain == SPECTATE
    }
}

/// A stretch of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    /// What it is called in the report.
    pub name: String,
    /// What happens.
    pub kind: PhaseKind,
    /// How long it lasts.
    pub seconds: f64,
    /// The group that it is about; all of them when nothing is said.
    pub group: Option<String>,
}

/// What happens in a phase.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PhaseKind {
    /// Bots join or leave one after the other, until there are this many.
    Ramp {
        /// So many.
        to: usize,
    },
    /// Nobody joins or leaves.
    Plateau,
    /// At once there are this many, and at the end as many as before.
    Spike {
        /// So many.
        to: usize,
    },
    /// All who are missing join at the same moment, or leave.
    Storm {
        /// So many.
        to: usize,
    },
    /// Bots leave, and come again as strangers.
    Churn {
        /// So many a second.
        per_s: f64,
        /// So many seconds later.
        away_s: f64,
    },
}

impl PhaseKind {
    /// What it is called in files and reports.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Ramp { .. } => "ramp",
            Self::Plateau => "plateau",
            Self::Spike { .. } => "spike",
            Self::Storm { .. } => "storm",
            Self::Churn { .. } => "churn",
        }
    }

    /// How many bots it is to bring about.
    const fn to(&self) -> Option<usize> {
        match self {
            Self::Ramp { to } | Self::Spike { to } | Self::Storm { to } => Some(*to),
            Self::Plateau | Self::Churn { .. } => None,
        }
    }
}

impl Scenario {
    /// What options without a scenario say: one group, and no phases.
    pub(crate) fn of(options: &Options) -> Self {
        let group = Group {
            name: String::new(),
            clients: options.clients,
            light: options.light,
            brain: options.brain.clone(),
            hostile: options.hostile,
            net: options.net,
            net_name: options.net_name.clone(),
            seed: 0,
            break_every: options.break_every,
        };
        Self {
            name: String::new(),
            groups: vec![group],
            phases: Vec::new(),
            measure_from: None,
            lost_share_max: 1.0,
            gates: Vec::new(),
        }
    }

    /// How many bots there are in all, those apart that attack beside the match.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.groups.iter().map(Group::seats).sum()
    }

    /// The group of which some or all are hostile, and how.
    pub(crate) fn hostile(&self) -> Option<(usize, Plan)> {
        self.groups.iter().enumerate().find_map(|(index, group)| Some((index, group.hostile?)))
    }

    /// How long all phases last together, in seconds; `None` where there are none.
    #[must_use]
    pub fn phases_s(&self) -> Option<f64> {
        (!self.phases.is_empty()).then(|| self.phases.iter().map(|phase| phase.seconds).sum())
    }

    /// When those with whom the measurement begins have been asked to join, in seconds.
    pub(crate) fn opened_s(&self) -> f64 {
        if let Some(name) = &self.measure_from {
            let before = self.phases.iter().take_while(|phase| phase.name != *name);
            return before.map(|phase| phase.seconds).sum();
        }
        match self.phases.first() {
            Some(Phase { kind: PhaseKind::Ramp { .. }, seconds, .. }) => *seconds,
            _ => 0.0,
        }
    }

    /// The networks, each once, and which of them each group is behind.
    pub(crate) fn nets(&self) -> (Vec<LinkSpec>, Vec<usize>) {
        let mut nets: Vec<LinkSpec> = Vec::new();
        let mut line_of = |group: &Group| {
            nets.iter().position(|net| *net == group.net).unwrap_or_else(|| {
                nets.push(group.net);
                nets.len() - 1
            })
        };
        let lines = self.groups.iter().map(&mut line_of).collect();
        (nets, lines)
    }
}
