//! Every decision of a recording, with all that its score may depend on.

use std::convert::Infallible;

use crate::codec::history::History;
use crate::codec::model::KindModel;
use crate::codec::record::{Ask, Io, Walk};
use crate::codec::train::Sample;

/// One decision.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decision {
    pub(crate) slot: u8,
    pub(crate) symbol: u8,
    pub(crate) own: [f32; 2],
    pub(crate) outcome: f32,
}

/// The decisions of a recording.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    features: Vec<f32>,
    situations: Vec<u8>,
    ends: Vec<usize>,
    decisions: Vec<Decision>,
    walk: Walk,
}

/// Notes decisions.
struct Notes<'a> {
    decisions: &'a mut Vec<Decision>,
    slots: usize,
}

impl Io for Notes<'_> {
    type Error = Infallible;

    fn symbol(&mut self, _: &KindModel, ask: Ask<'_>, symbol: u8) -> Result<u8, Infallible> {
        debug_assert!(ask.slot < self.slots);
        // The outcome of a slot is known when the next one asks.
        if let Some(last) = self.decisions.last_mut() {
            last.outcome = ask.outcomes[usize::from(last.slot)];
        }
        self.decisions.push(Decision { slot: ask.slot as u8, symbol, own: ask.own, outcome: 0.0 });
        Ok(symbol)
    }

    fn raw(&mut self, value: u32, _: u32) -> Result<u32, Infallible> {
        Ok(value)
    }
}

impl Samples {
    /// Adds what became of an entity.
    pub(crate) fn push(&mut self, model: &KindModel, history: &History<'_>, sample: Sample<'_>) {
        self.walk.begin(model, history);
        self.features.extend_from_slice(&self.walk.forecast().features);
        self.situations.push(history.situation() as u8);
        // Outcomes of one record never reach into the next.
        let mut decisions = Vec::with_capacity(model.plan.slots());
        let mut notes = Notes { decisions: &mut decisions, slots: model.plan.slots() };
        if !matches!(sample, Sample::Given(_)) {
            let Ok(_) = self.walk.presence(model, &mut notes, sample.state().is_some());
        }
        if let Some(state) = sample.state() {
            let mut state = state.to_vec();
            let Ok(()) = self.walk.body(model, history, &mut notes, &mut state);
        }
        self.decisions.append(&mut decisions);
        self.ends.push(self.decisions.len());
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Features, situation and decisions of sample `i`.
    pub(crate) fn get(&self, i: usize) -> (&[f32], usize, &[Decision]) {
        let features = self.features.len() / self.ends.len();
        let from = i.checked_sub(1).map_or(0, |before| self.ends[before]);
        let decisions = &self.decisions[from..self.ends[i]];
        (&self.features[i * features..][..features], self.situations[i].into(), decisions)
    }
}
