//! Who decides on a client's inputs.

use downbeat_client::View;
use downbeat_replica::{Game, Input, LaneReader, Replicated, Tick};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

/// Who decides on a client's inputs. Each view is shown once, to one of the two.
pub trait Player<G: Game> {
    /// The input of `tick`, seeing `view`.
    fn decide(&mut self, tick: Tick, view: &View<'_, G>) -> G::Input;

    /// A frame in which no input is due.
    fn watch(&mut self, view: &View<'_, G>) {
        let _ = view;
    }
}

impl<G: Game, F: FnMut(Tick, &View<'_, G>) -> G::Input> Player<G> for F {
    fn decide(&mut self, tick: Tick, view: &View<'_, G>) -> G::Input {
        self(tick, view)
    }
}

/// Random inputs of any game, each held for up to a second.
#[derive(Debug)]
pub struct WanderPlayer {
    rng: Pcg64,
    until: Tick,
    lanes: Vec<i32>,
}

impl WanderPlayer {
    /// A player whose inputs `seed` decides.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { rng: Pcg64::seed_from_u64(seed), until: Tick::ZERO, lanes: Vec::new() }
    }
}

impl<G: Game> Player<G> for WanderPlayer {
    fn decide(&mut self, tick: Tick, _: &View<'_, G>) -> G::Input {
        let kind = G::Input::kind();
        if tick >= self.until {
            self.until = tick.offset(self.rng.random_range(5..60));
            self.lanes = kind.lanes.iter().map(|lane| self.rng.random_range(0..=lane.max)).collect();
        } else {
            // What was pressed is pressed once.
            for field in kind.fields.iter().filter(|field| field.action) {
                let neutral = G::Input::default().lanes();
                self.lanes[field.lanes.clone()].copy_from_slice(&neutral[field.lanes.clone()]);
            }
        }
        G::Input::read(&mut LaneReader::new(&self.lanes))
    }
}
