//! One who watches: from above, then over somebody's shoulder, then over somebody else's.

use downbeat_client::View;
use downbeat_replica::{Game, Tick};
use downbeat_wire::Look;

use crate::Brain;
use crate::dice::Dice;

/// The brain `spectate` of any game. It sends no inputs.
#[derive(Debug)]
pub(crate) struct Spectate {
    dice: Dice,
    tick_rate_hz: u32,
    /// When it looks elsewhere, in ticks of what it is shown.
    until: f64,
}

/// It looks from one place for so long, in seconds.
const STAYS_S: (f32, f32) = (1.0, 5.0);

/// One time in so many it looks from above.
const OVERVIEWS: u32 = 5;

impl Spectate {
    pub(crate) fn new(seed: u64, tick_rate_hz: u32) -> Self {
        Self { dice: Dice::new(seed), tick_rate_hz, until: 0.0 }
    }

    /// Where to look at the moment `shown`, when `others` are there, known by their slots.
    fn choose(&mut self, shown: f64, others: &[u16]) -> Option<Look> {
        if shown < self.until {
            return None;
        }
        let seconds = f64::from(self.dice.between(STAYS_S.0, STAYS_S.1));
        self.until = shown + seconds * f64::from(self.tick_rate_hz);
        let is_overview = self.dice.below(OVERVIEWS) == 0;
        let whom = others.get(self.dice.below(others.len() as u32) as usize);
        Some(whom.filter(|_| !is_overview).map_or(Look::Overview, |slot| Look::Entity(*slot)))
    }
}

impl<G: Game> Brain<G> for Spectate {
    fn decide(&mut self, _: &View<'_, G>, _: Tick) -> G::Input {
        G::Input::default()
    }

    fn look(&mut self, view: &View<'_, G>) -> Option<Look> {
        let slots: Vec<u16> = view.others.iter().filter_map(|other| u16::try_from(other.id.index()).ok()).collect();
        self.choose(view.shown, &slots)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(seed: u64) -> Vec<(u32, Look)> {
        let mut brain = Spectate::new(seed, 60);
        (0..6_000).filter_map(|tick| Some((tick, brain.choose(f64::from(tick), &[3, 5, 8])?))).collect()
    }

    #[test]
    fn one_who_watches_looks_elsewhere_every_few_seconds_at_somebody_who_is_there() {
        let looks = looks(4);
        assert!(looks.windows(2).all(|pair| (60..=301).contains(&(pair[1].0 - pair[0].0))), "{looks:?}");
        let count = |look: Look| looks.iter().filter(|(_, other)| *other == look).count();
        let known = [Look::Overview, Look::Entity(3), Look::Entity(5), Look::Entity(8)].map(count);
        assert_eq!(known.iter().sum::<usize>(), looks.len());
        assert!(known.iter().all(|&count| count > 0), "{known:?}");
        assert_eq!(Spectate::new(1, 60).choose(0.0, &[]), Some(Look::Overview), "with nobody there, from above");
    }

    #[test]
    fn equal_seeds_look_alike() {
        assert_eq!(looks(9), looks(9));
        assert_ne!(looks(9), looks(10));
    }
}
