//! Who lies about what it was shown gains nothing unless it aims by the lie: its brain is shown the others as they were.

use std::collections::VecDeque;

use downbeat_client::View;
use downbeat_replica::{Game, Sighting, Tick};

use super::tamper::Switch;
use crate::Brain;

/// A brain that is shown the others as they were `ticks` ago, while the attack is on.
pub(crate) struct Delayed<G: Game> {
    inner: Box<dyn Brain<G>>,
    switch: Switch,
    ticks: f64,
    /// What was shown, with its moment, the oldest first.
    past: VecDeque<(f64, Vec<Sighting<G::Entity>>)>,
}

impl<G: Game> Delayed<G> {
    pub(crate) const fn new(inner: Box<dyn Brain<G>>, switch: Switch, ticks: u32) -> Self {
        Self { inner, switch, ticks: ticks as f64, past: VecDeque::new() }
    }

    /// Remembers what is shown, and forgets what is older than what is asked for.
    fn note(&mut self, view: &View<'_, G>) {
        if self.past.back().is_none_or(|(shown, _)| *shown < view.shown) {
            self.past.push_back((view.shown, view.others.to_vec()));
        }
        let wanted = view.shown - self.ticks;
        while self.past.get(1).is_some_and(|(shown, _)| *shown <= wanted) {
            self.past.pop_front();
        }
    }
}

impl<G: Game> Brain<G> for Delayed<G> {
    fn decide(&mut self, view: &View<'_, G>, tick: Tick) -> G::Input {
        self.note(view);
        let Some((shown, others)) = self.past.front().filter(|_| self.switch.is_on()) else {
            return self.inner.decide(view, tick);
        };
        let delayed = View {
            world: view.world,
            player: view.player,
            avatar: view.avatar.clone(),
            avatar_offset: view.avatar_offset,
            spawned: view.spawned,
            others,
            shown: *shown,
            events: view.events.clone(),
        };
        self.inner.decide(&delayed, tick)
    }
}
