//! From recordings of a game to its model: for each kind, as owners and as others are told it, lags that suit it, then
//! the model, by as much training as does good. Both are chosen by some pieces of the recordings, and what was chosen is
//! measured on others; all models are trained on the rest.

use super::cost::bits;
use super::draw::Draw;
use super::tracks::Tracks;
use super::{Effort, score, train};
use crate::Schema;
use crate::codec::file::{Model, plans};
use crate::codec::model::KindModel;
use crate::codec::plan::Plan;
use crate::limits::TRAINING_SAMPLES_MAX;

/// Lags to choose from.
const LAGS: [[u32; 2]; 4] = [[1, 3], [1, 5], [2, 8], [4, 12]];

/// One piece of so many is measured, and one of as many of the others chosen by.
const HOLD_OUT: usize = 8;

/// Samples that lags are tried on.
const TRIAL_SAMPLES: usize = 20_000;

/// With fewer samples than this a kind stays untrained.
const SAMPLES_MIN: usize = 256;

/// Passes to choose from, for the drifts and for the scores: few samples bear many before they are learnt by heart, or do
/// not.
const PASSES: [[usize; 2]; 3] = [[6, 8], [20, 40], [60, 100]];

/// Of [`PASSES`] those are tried that look at no more samples than this over all, and the first.
const STEPS_MAX: usize = 8_000_000;

/// How the model of a kind came out.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// Index of the kind in the schema.
    pub kind: usize,
    /// Whether it is that for owners; otherwise it is for others, or for both where owners are told the same.
    pub owner: bool,
    /// Samples that it was trained on.
    pub samples: usize,
    /// What it predicts from; see [`KindModel::lags`].
    pub lags: [u32; 2],
    /// Bits of an update before and after training, on average over stretches that it was not trained on. An update is an
    /// entity in a snapshot, asleep ones that stay so apart. 0 where there was nothing to measure.
    pub bits: [f64; 2],
    /// Whether the trained model is kept.
    pub is_trained: bool,
}

/// What a kind is trained on and measured by.
struct Job<'a> {
    kind: usize,
    plan: Plan,
    owner: bool,
    trained: Draw<'a>,
    chosen: Draw<'a>,
    measured: Draw<'a>,
    samples: usize,
    lags: [u32; 2],
}

/// The model of a game, from `recordings` of it. The same each time, on any machine. `told` hears of each kind when it is
/// done.
///
/// # Panics
/// With recordings of more than [`MODEL_SEEDS_MAX`](crate::limits::MODEL_SEEDS_MAX) seeds.
pub fn fit(schema: &Schema, recordings: &[Tracks], mut told: impl FnMut(&Fit)) -> Model {
    let mut jobs: Vec<_> =
        plans(schema).enumerate().flat_map(|(kind, both)| jobs(schema, recordings, kind, both)).collect();
    jobs.iter_mut().for_each(Job::choose_lags);
    let wakes = wakes(&jobs);
    let mut seeds: Vec<u64> = recordings.iter().map(Tracks::seed).collect();
    seeds.sort_unstable();
    seeds.dedup();
    let mut jobs = jobs.into_iter();
    Model::of(schema, seeds, |_, _| {
        let (model, fit) = jobs.next().expect("there is a job for each plan of the schema").finish(&wakes);
        told(&fit);
        model
    })
}

/// What there is to train for a kind: its model for all, and that for owners if they are told more.
fn jobs<'a>(
    schema: &'a Schema,
    recordings: &'a [Tracks],
    kind: usize,
    (public, owners): (Plan, Option<Plan>),
) -> impl Iterator<Item = Job<'a>> {
    let is_split = owners.is_some();
    let job = move |(plan, owner)| {
        let is_meant = |of: usize, avatar: bool| of == kind && (!is_split || avatar == owner);
        let (rest, measured) = Draw::new(schema, recordings, is_meant).split(HOLD_OUT);
        let (trained, chosen) = rest.split(HOLD_OUT);
        Job { kind, plan, owner, trained, chosen, measured, samples: 0, lags: LAGS[0] }
    };
    [(public, false)].into_iter().chain(owners.map(|plan| (plan, true))).map(job)
}

impl Job<'_> {
    /// Finds the lags with which a short training codes best what it did not see.
    fn choose_lags(&mut self) {
        self.samples = self.trained.count(LAGS[0]);
        if self.samples < SAMPLES_MIN {
            return;
        }
        let trial = self.trained.thinned(self.samples, TRIAL_SAMPLES);
        let chosen = self.chosen.thinned(self.chosen.count(LAGS[0]), TRIAL_SAMPLES);
        let train = |lags| train(self.plan.clone(), &trial, Effort { passes: [4, 6], lags });
        self.lags = best(LAGS.map(train), &chosen).lags;
    }

    fn finish(self, wakes: &[(u32, Vec<u32>)]) -> (KindModel, Fit) {
        let Self { kind, plan, owner, trained, chosen, measured, lags, samples } = self;
        let mut untrained = KindModel::untrained(plan.clone());
        score::fit_wakes(&mut untrained, wakes);
        let before = bits(&untrained, &measured);
        let mut fit = Fit { kind, owner, samples: 0, lags: untrained.lags(), bits: [before; 2], is_trained: false };
        if samples < SAMPLES_MIN {
            return (untrained, fit);
        }
        let thinned = trained.thinned(samples, TRAINING_SAMPLES_MAX).with_wakes(wakes.to_vec());
        fit.samples = thinned.count(lags);
        let is_tried = |&(index, passes): &(usize, [usize; 2])| index == 0 || passes[1] * fit.samples <= STEPS_MAX;
        let tried = PASSES.into_iter().enumerate().filter(is_tried);
        let model = best(tried.map(|(_, passes)| train(plan.clone(), &thinned, Effort { passes, lags })), &chosen);
        fit.bits[1] = bits(&model, &measured);
        if fit.bits[1] >= before {
            return (untrained, fit);
        }
        (fit.lags, fit.is_trained) = (lags, true);
        (model, fit)
    }
}

/// The model that codes `chosen` in the fewest bits.
fn best(models: impl IntoIterator<Item = KindModel>, chosen: &Draw<'_>) -> KindModel {
    let scored = models.into_iter().map(|model| (bits(&model, chosen), model));
    scored.min_by(|a, b| a.0.total_cmp(&b.0)).expect("there is something to choose from").1
}

/// How many sleepers woke in each snapshot, and the gaps between them: over all kinds, by slot.
fn wakes(jobs: &[Job<'_>]) -> Vec<(u32, Vec<u32>)> {
    let mut sleepers = Vec::new();
    for job in jobs {
        job.trained.sleepers(job.lags, &mut sleepers);
        job.chosen.sleepers(job.lags, &mut sleepers);
        job.measured.sleepers(job.lags, &mut sleepers);
    }
    sleepers.sort_unstable();
    let snapshots = sleepers.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1));
    let wakes = |snapshot: &[(usize, usize, u16, bool)]| {
        let mut gap = 0;
        let mut gaps = Vec::new();
        for &(_, _, _, wakes) in snapshot {
            if wakes {
                gaps.push(std::mem::take(&mut gap));
            } else {
                gap += 1;
            }
        }
        (gaps.len() as u32, gaps)
    };
    snapshots.map(wakes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::train::{Recording, Sample};
    use crate::glam::Vec3;
    use crate::recording::{RecordingError, Told, Writer};
    use crate::{Kind, Replicated, Tick};
    use std::collections::BTreeSet;

    #[derive(Replicated)]
    struct Ball {
        #[field(position, range = -512.0..=512.0, step = 0.01)]
        position: Vec3,
        alive: bool,
    }

    #[derive(Replicated)]
    struct Door {
        #[field(range = 0..=100)]
        open: u8,
    }

    #[derive(Replicated)]
    struct Me {
        #[field(position, range = -512.0..=512.0, step = 0.01, owner_bits = 4)]
        position: Vec3,
    }

    fn schema(game: &'static str) -> Schema {
        let kinds = vec![Kind::of::<Ball>("Ball"), Kind::of::<Door>("Door"), Kind::of::<Me>("Me")];
        Schema::new(game.into(), kinds, vec![], Kind::default()).expect("small kinds")
    }

    /// Balls that are thrown again and again, doors that open now and then, and an avatar that walks in circles of sorts.
    fn recording(schema: &Schema, seed: u64, frames: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(schema, seed, 60, &mut bytes);
        let ball = |slot: u16, t: i32| {
            let (phase, way) = ((t + i32::from(slot) * 17) % 90, i32::from(slot) * 3 - 12 + seed as i32);
            let lanes = vec![51_200 + way * phase, phase * (90 - phase) * 2, 51_200 - way * phase, 1];
            // Another ball is thrown from there than came down.
            let entered = Tick((t - phase).max(0) as u32 + 1);
            Told { slot, entered, kind: 0, avatar: false, lanes }
        };
        let door = |slot: u16, t: i32| {
            let open = i32::from((t + i32::from(slot) * 37) % 200 < 60) * 100;
            Told { slot, entered: Tick(1), kind: 1, avatar: false, lanes: vec![open] }
        };
        for t in 0..frames as i32 {
            let at = |x: i32| 819_200 + (x % 400 - 200).abs() * 90;
            let me = Told { slot: 40, entered: Tick(1), kind: 2, avatar: true, lanes: vec![at(t), at(t + 100), 0] };
            let others = (0..8).map(|slot| ball(slot, t)).chain((10..30).map(|slot| door(slot, t)));
            writer.frame(Tick(t as u32 + 1), others.chain([me]), &mut bytes);
        }
        bytes
    }

    fn tracks(schema: &Schema) -> Vec<Tracks> {
        [4, 2].map(|seed| Tracks::read(schema, &recording(schema, seed, 720)).expect("just written")).into()
    }

    #[test]
    fn a_trained_model_codes_what_it_has_not_seen_in_fewer_bits() {
        let schema = schema("test");
        let mut fits = Vec::new();
        let model = fit(&schema, &tracks(&schema), |fit| fits.push(fit.clone()));
        assert_eq!(model.seeds(), [2, 4]);
        let whose: Vec<_> = fits.iter().map(|fit| (fit.kind, fit.owner)).collect();
        assert_eq!(whose, [(0, false), (1, false), (2, false), (2, true)], "others never saw the avatar");
        for fit in [&fits[0], &fits[3]] {
            assert!(fit.is_trained && fit.bits[1] * 2.0 < fit.bits[0], "{fit:?}");
            assert_eq!(model.kind(fit.kind, fit.owner).lags(), fit.lags);
        }
        assert!(!fits[2].is_trained && fits[2].samples == 0, "{:?}", fits[2]);
        assert_eq!(Model::from_bytes(&schema, &model.to_bytes()).map(|back| back.hash()), Ok(model.hash()));
        assert_eq!(fit(&schema, &tracks(&schema), |_| {}).to_bytes(), model.to_bytes(), "it is the same each time");
    }

    #[test]
    fn sleepers_are_told_by_which_of_them_wake() {
        let schema = schema("test");
        let all = tracks(&schema);
        let doors = Draw::new(&schema, &all, |kind, _| kind == 1);
        let mut sleepers = Vec::new();
        doors.sleepers([1, 3], &mut sleepers);
        let woken: BTreeSet<_> =
            sleepers.iter().filter(|sleeper| sleeper.3).map(|&(r, f, slot, _)| (r, f, slot)).collect();
        assert!(woken.len() > 100 && sleepers.len() > woken.len() * 10, "{} of {}", woken.len(), sleepers.len());
        let (mut given, mut others) = (0, 0);
        doors.each([1, 3], &mut |history, sample| match sample {
            Sample::Given(_) => given += usize::from(history.sleeps()),
            _ => others += usize::from(history.sleeps()),
        });
        assert_eq!((given, others), (woken.len(), 0), "no word is lost on those who sleep on");
    }

    #[test]
    fn a_recording_of_another_schema_is_refused() {
        let (ours, theirs) = (schema("ours"), schema("theirs"));
        let read = Tracks::read(&ours, &recording(&theirs, 1, 1)).err();
        assert_eq!(read, Some(RecordingError::OtherSchema { found: theirs.hash(), expected: ours.hash() }));
    }
}
