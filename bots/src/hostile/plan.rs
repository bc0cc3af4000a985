//! `hostile:KIND[:SHARE][:BRAIN]`, as a brain is asked for.

use super::kind::{Kind, Way, list};

/// What a run with hostile bots is asked to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// What hostile bots do.
    pub kind: Kind,
    /// How many of the bots that are not light are hostile: more than 0, at most 1. Of less than 1 at least one is, and one is not.
    pub share: f64,
}

/// Among whom hostile bots are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Among {
    /// The bots of a run, of which some stay honest.
    Run,
    /// A group of a scenario, beside which others are honest.
    Group,
}

impl Among {
    /// The share that is hostile if nothing is said.
    const fn share(self) -> f64 {
        match self {
            Self::Run => 0.25,
            Self::Group => 1.0,
        }
    }
}

/// What such a brain begins with.
const PREFIX: &str = "hostile:";

impl Plan {
    /// Reads a brain that may be hostile: `None` if it is not. Else the plan, and the brain of whoever plays: empty for the
    /// game's first.
    ///
    /// # Errors
    /// Says what is wrong, and what is allowed.
    pub fn parse(brain: &str, among: Among) -> Result<Option<(Self, &str)>, String> {
        let Some(rest) = brain.strip_prefix(PREFIX) else { return Ok(None) };
        let mut parts = rest.split(':');
        let name = parts.next().unwrap_or_default();
        let kind = Kind::named(name).ok_or_else(|| format!("there is no kind `{name}`; there are:\n{}", list()))?;
        let (mut plan, mut plays) = (Self { kind, share: among.share() }, "");
        for part in parts {
            if part.starts_with(|first: char| first.is_ascii_digit() || first == '.' || first == '-') {
                plan.share = share(part, among)?;
            } else if plays.is_empty() && !part.is_empty() {
                plays = part;
            } else {
                return Err(format!(
                    "`{part}` is neither a share nor a brain: hostile:KIND[:SHARE][:BRAIN] is allowed"
                ));
            }
        }
        Ok(Some((plan, plays)))
    }

    /// How many of `bots` are hostile.
    #[must_use]
    pub fn hostile(&self, bots: usize) -> usize {
        if self.share >= 1.0 {
            return bots;
        }
        ((bots as f64 * self.share).round() as usize).clamp(1, bots.saturating_sub(1).max(1))
    }

    /// How many of `bots` play, hostile ones included if they do.
    pub(crate) fn playing(&self, bots: usize) -> usize {
        match self.kind.way() {
            Way::Plays => bots,
            Way::Beside => bots - self.hostile(bots),
        }
    }

    /// Whether bot `index` of `bots` is hostile. They are spread evenly, so that every room has some.
    pub(crate) fn is_hostile(&self, index: usize, bots: usize) -> bool {
        let before = |index: usize| index * self.hostile(bots) / bots.max(1);
        self.kind.way() == Way::Plays && index < bots && before(index + 1) > before(index)
    }
}

/// A share as a number below 1, or in percent.
fn share(text: &str, among: Among) -> Result<f64, String> {
    let (number, whole) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 100.0));
    let share = number.parse::<f64>().ok().map(|number| number / whole);
    let allowed = match among {
        Among::Run => "more than 0 and less than 1 is allowed, or 1% to 99%",
        Among::Group => "more than 0 and at most 1 is allowed, or 1% to 100%",
    };
    share
        .filter(|share| *share > 0.0 && (*share < 1.0 || (*share == 1.0 && among == Among::Group)))
        .ok_or_else(|| format!("a share of `{text}` is hostile: {allowed}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_read_and_what_is_none_says_what_is_allowed() {
        let plan = |kind, share| Plan { kind, share };
        let parse = |brain| Plan::parse(brain, Among::Run);
        assert_eq!(parse("fight"), Ok(None));
        assert_eq!(parse("hostile:lag"), Ok(Some((plan(Kind::Lag, 0.25), ""))));
        assert_eq!(parse("hostile:fast:50%:wander"), Ok(Some((plan(Kind::Fast, 0.5), "wander"))));
        assert_eq!(parse("hostile:bank:wander:0.1"), Ok(Some((plan(Kind::Bank, 0.1), "wander"))));
        for (text, says) in [
            ("hostile:list", "view-back"),
            ("hostile:", "there is no kind ``"),
            ("hostile:lag:0", "more than 0"),
            ("hostile:lag:100%", "less than 1"),
            ("hostile:lag:-1", "more than 0"),
            ("hostile:lag:fight:wander", "neither a share nor a brain"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(says), "{text}: {error}");
        }
        let of_group = |brain| Plan::parse(brain, Among::Group);
        for brain in ["hostile:lag", "hostile:lag:1", "hostile:lag:100%"] {
            assert_eq!(of_group(brain), Ok(Some((plan(Kind::Lag, 1.0), ""))));
        }
        assert!(of_group("hostile:lag:101%").is_err_and(|error| error.contains("at most 1")));
    }

    #[test]
    fn all_of_a_group_can_be_hostile() {
        let plan = Plan { kind: Kind::Lag, share: 1.0 };
        assert!((1..20).all(|bots| plan.hostile(bots) == bots && (0..bots).all(|index| plan.is_hostile(index, bots))));
        assert_eq!(Plan { kind: Kind::HalfOpen, ..plan }.playing(7), 0);
    }

    #[test]
    fn hostile_bots_are_as_many_as_asked_spread_evenly_and_never_all() {
        for bots in 2..70 {
            for share in [0.01, 0.25, 0.5, 0.99] {
                let plan = Plan { kind: Kind::Lag, share };
                let hostile: Vec<usize> = (0..bots + 5).filter(|&index| plan.is_hostile(index, bots)).collect();
                assert_eq!(hostile.len(), plan.hostile(bots));
                assert!((1..bots).contains(&hostile.len()), "{bots} {share}");
            }
        }
        let plan = Plan { kind: Kind::Lag, share: 0.25 };
        assert_eq!((0..16).filter(|&index| plan.is_hostile(index, 16)).collect::<Vec<_>>(), [3, 7, 11, 15]);
        let beside = Plan { kind: Kind::HalfOpen, share: 0.25 };
        assert_eq!((beside.playing(16), beside.hostile(16), beside.is_hostile(15, 16)), (12, 4, false));
    }
}
