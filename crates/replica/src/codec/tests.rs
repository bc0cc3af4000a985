//! Whatever is written comes back, whatever is read is legal, and a model that nobody trusts can do no harm.

use super::train::{Effort, Recording, Sample, train};
use super::*;
use crate::glam::{Quat, Vec3};
use crate::hash::Fnv;
use crate::limits::{MODEL_LAG_MAX, MODEL_SEEDS_MAX};
use crate::{DecodeError, EntityId, Kind, Replicated, Schema};
use downbeat_wire::range::{Decoder, Encoder};
use proptest::prelude::*;

#[derive(Replicated)]
enum Mode {
    Walk,
    Swim,
    Fly,
}

/// A field of every sort.
#[derive(Replicated)]
struct Thing {
    #[field(position, range = -64.0..=64.0, step = 0.125, owner_bits = 4)]
    position: Vec3,
    #[field(heading, bits = 10)]
    yaw: f32,
    #[field(bits = 9)]
    turned: Quat,
    #[field(range = 0..=100)]
    health: u8,
    #[field(owner, range = 0..=30)]
    ammo: u8,
    #[field(range = -1000000..=1000000000)]
    score: i32,
    alive: bool,
    #[field(bits = 10)]
    normal: Vec3,
    mode: Mode,
    target: Option<EntityId>,
    #[field(range = 0.0..=10.0, step = 0.5)]
    maybe: Option<f32>,
}

#[derive(Replicated)]
struct Ball {
    #[field(position, range = -64.0..=64.0, step = 0.01)]
    position: Vec3,
}

fn kind() -> Kind {
    Kind::of::<Thing>("Thing")
}

fn schema(game: &'static str) -> Schema {
    let ball = Kind::of::<Ball>("Ball");
    Schema::new(game.into(), vec![kind(), ball], vec![], Kind::default()).expect("small kinds")
}

fn told(kind: &Kind, owner: bool, lanes: &[i32]) -> Vec<i32> {
    let mut told = Vec::new();
    kind.told(owner, lanes, &mut told);
    told
}

fn states() -> impl Strategy<Value = Vec<i32>> {
    kind().lanes.iter().map(|lane| 0..=lane.max).collect::<Vec<_>>()
}

fn ages() -> impl Strategy<Value = [u32; 3]> {
    (1..40_u32, 1..40_u32, 1..400_u32).prop_map(|(a, b, c)| [a, a + b, a + b + c])
}

fn history<'a>(states: &'a [Vec<i32>], ages: [u32; 3], rest: u32, count: usize) -> History<'a> {
    let lags = [ages[1] - ages[0], ages[2] - ages[0]];
    let known = (0..count.max(1)).map(|i| Known { age: ages[i], lanes: &states[i] });
    let history = History::pick(lags, rest, known).expect("one is known");
    if count == 0 { History::guess(history.newest().lanes) } else { history }
}

/// The record of `state`.
fn encode(model: &KindModel, history: &History<'_>, state: &[i32]) -> Vec<u8> {
    let (mut walk, mut ops, mut bytes, mut kept) = (Walk::default(), Vec::<Op>::new(), Vec::new(), state.to_vec());
    walk.begin(model, history);
    let Ok(_) = walk.presence(model, &mut ops, true);
    let Ok(()) = walk.body(model, history, &mut ops, &mut kept);
    assert_eq!(kept, state, "an encoder leaves the state as it is");
    let mut encoder = Encoder::new(&mut bytes);
    Op::write(&ops, &mut encoder);
    encoder.finish();
    bytes
}

fn decode(model: &KindModel, history: &History<'_>, bytes: &[u8], state: &mut [i32]) -> Result<bool, DecodeError> {
    let (mut walk, mut decoder) = (Walk::default(), Decoder::new(bytes));
    walk.begin(model, history);
    let present = walk.presence(model, &mut decoder, false)?;
    walk.body(model, history, &mut decoder, state)?;
    decoder.check()?;
    Ok(present)
}

/// A model whose weights are drawn by `seed`: some small, some at the bound.
fn strange(owner: bool, always: u64, seed: u64) -> KindModel {
    let mut model = KindModel::untrained(Plan::new(&kind(), owner));
    let mut luck = seed | 1;
    for weight in model.weights_mut().into_iter().flatten() {
        luck = luck.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let unit = (luck >> 40) as f32 / (1_u64 << 23) as f32 - 1.0;
        *weight = if luck >> 20 & 7 == 0 { unit.signum() * 10_000.0 } else { unit };
    }
    model.along.iter_mut().for_each(|along| *along = along.abs());
    model.always = always;
    model
}

/// Whichever model a test is about: an honest one or a strange one.
fn model(owner: bool, always: u64, seed: Option<u64>) -> KindModel {
    if let Some(seed) = seed {
        return strange(owner, always, seed);
    }
    let mut model = KindModel::untrained(Plan::new(&kind(), owner));
    model.always = always;
    model.along.fill(0.5);
    model
}

proptest! {
    #[test]
    fn a_record_is_read_as_written(known in prop::collection::vec(states(), 3), state in states(), near in any::<bool>(), ages in ages(),
                                   rest in 0..100_u32, count in 0..=3_usize, owner in any::<bool>(), always in any::<u64>(),
                                   seed in any::<Option<u64>>()) {
        let kind = kind();
        let state: Vec<_> = if near {
            kind.lanes.iter().zip(known[0].iter().zip(&state)).map(|(l, (b, s))| (b + s % 5 - 2).clamp(0, l.max)).collect()
        } else { state };
        let known: Vec<_> = known.iter().map(|state| told(&kind, owner, state)).collect();
        let state = told(&kind, owner, &state);
        let model = model(owner, always, seed);
        let history = history(&known, ages, rest, count);
        let bytes = encode(&model, &history, &state);
        let mut back = vec![0; state.len()];
        prop_assert_eq!(decode(&model, &history, &bytes, &mut back), Ok(true));
        prop_assert_eq!(back, state);
    }

    #[test]
    fn any_bytes_give_legal_lanes_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..80), known in prop::collection::vec(states(), 3),
                                              ages in ages(), count in 0..=3_usize, owner in any::<bool>(), always in any::<u64>(),
                                              seed in any::<Option<u64>>()) {
        let kind = kind();
        let known: Vec<_> = known.iter().map(|state| told(&kind, owner, state)).collect();
        let model = model(owner, always, seed);
        let history = history(&known, ages, 0, count);
        let (mut walk, mut decoder) = (Walk::default(), Decoder::new(&bytes));
        for _ in 0..8 {
            let mut back = known[0].clone();
            walk.begin(&model, &history);
            let read = walk.presence(&model, &mut decoder, false).and_then(|_| walk.body(&model, &history, &mut decoder, &mut back));
            if read.is_ok() {
                let max = |i: usize| if owner { kind.lanes[i].max } else { kind.lanes[i].public(kind.lanes[i].max) };
                prop_assert!(back.iter().enumerate().all(|(i, &value)| kind.lanes[i].entity || (0..=max(i)).contains(&value)), "{back:?}");
            }
        }
    }

    #[test]
    fn what_only_the_owner_may_know_leaves_no_bit_in_the_record_of_others(known in prop::collection::vec(states(), 3), state in states(),
                                                                          ages in ages(), ammo in 0..=30, fine in 0..16_i32) {
        let (kind, model) = (kind(), model(false, 0, None));
        let known: Vec<_> = known.iter().map(|state| told(&kind, false, state)).collect();
        let history = history(&known, ages, 0, 3);
        let mut other = state.clone();
        let ammo_lane = kind.fields.iter().find(|field| field.name == "ammo").expect("it has some").lanes.start;
        other[ammo_lane] = ammo;
        other[0] = ((state[0] >> 4 << 4) + fine).min(kind.lanes[0].max);
        prop_assume!(other[0] >> 4 == state[0] >> 4);
        prop_assert_eq!(encode(&model, &history, &told(&kind, false, &state)), encode(&model, &history, &told(&kind, false, &other)));
    }

    #[test]
    fn any_bytes_give_a_model_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..80), at in any::<prop::sample::Index>(), flip in 1..=255_u8) {
        let schema = schema("test");
        prop_assert!(Model::from_bytes(&schema, &bytes).is_err());
        let model = Model::of(&schema, vec![1, 2], |_, plan| KindModel::untrained(plan));
        let mut file = model.to_bytes();
        let at = at.index(file.len());
        file[at] ^= flip;
        if let Ok(read) = Model::from_bytes(&schema, &file) {
            prop_assert_eq!(&read.to_bytes(), &file);
            prop_assert_ne!(read.hash(), model.hash());
        }
        file[at] ^= flip;
        file.truncate(at);
        prop_assert!(Model::from_bytes(&schema, &file).is_err());
    }
}

#[test]
fn a_model_comes_back_from_its_file_with_its_seeds() {
    let schema = schema("test");
    let model = Model::of(&schema, vec![11, 12], |_, plan| KindModel::untrained(plan));
    let back = Model::from_bytes(&schema, &model.to_bytes()).expect("it was just written");
    assert_eq!((back.seeds(), back.hash(), back.to_bytes()), (model.seeds(), model.hash(), model.to_bytes()));
    assert_ne!(back.kind(0, true).plan(), back.kind(0, false).plan(), "owners are told more of a thing");
    assert_eq!(back.kind(1, true).plan(), back.kind(1, false).plan(), "but not of a ball");
}

#[test]
fn a_model_of_another_schema_is_named_and_refused() {
    let (ours, theirs) = (schema("ours"), schema("theirs"));
    let read = Model::from_bytes(&ours, &Model::untrained(&theirs).to_bytes());
    assert_eq!(read.err(), Some(ModelError::OtherSchema { found: theirs.hash(), expected: ours.hash() }));
    assert_eq!(Model::from_bytes(&ours, b"GIF89a").err(), Some(ModelError::NotAModel));
}

#[test]
fn counts_lags_weights_and_tables_that_training_never_writes_are_refused() {
    let schema = schema("test");
    // Magic, hash and number of seeds are followed by lags, the parts that always change, and weights.
    let with = |at: usize, bytes: &[u8]| {
        let mut file = Model::untrained(&schema).to_bytes();
        file[at..][..bytes.len()].copy_from_slice(bytes);
        Model::from_bytes(&schema, &file).err()
    };
    assert_eq!(with(12, &u32::MAX.to_le_bytes()), Some(ModelError::Illegal("number of seeds")));
    assert_eq!(with(12, &(MODEL_SEEDS_MAX as u32 + 1).to_le_bytes()), Some(ModelError::Illegal("number of seeds")));
    let lags = |a: u32, b: u32| with(16, &[a.to_le_bytes(), b.to_le_bytes()].concat());
    assert_eq!(lags(1, MODEL_LAG_MAX), None);
    for (a, b) in [(0, 5), (5, 5), (5, 1), (1, MODEL_LAG_MAX + 1), (u32::MAX, u32::MAX)] {
        assert_eq!(lags(a, b), Some(ModelError::Illegal("lag")), "{a}, {b}");
    }
    for weight in [f32::NAN, f32::INFINITY, -1e9] {
        assert_eq!(with(32, &weight.to_le_bytes()), Some(ModelError::Illegal("weight")));
    }
    assert_eq!(with(32, &(-1.0_f32).to_le_bytes()), Some(ModelError::Illegal("spread")));
    let last = Model::untrained(&schema).to_bytes().len() - 2;
    assert_eq!(with(last, &u16::MAX.to_le_bytes()), Some(ModelError::Illegal("table")));
}

/// A ball that is thrown up again and again.
struct Throws;

impl Throws {
    fn states() -> Vec<Vec<i32>> {
        let height = |t: i32| (t % 60) * (60 - t % 60) * 5 / 4;
        (0..600).map(|t| vec![t * 7, height(t), 3_000 + t / 60 * 40]).collect()
    }

    fn history(states: &[Vec<i32>], lags: [u32; 2], t: usize) -> History<'_> {
        let known = (4..40).map(|age| Known { age: age as u32, lanes: &states[t - age] });
        History::pick(lags, 0, known).expect("some are known")
    }
}

impl Recording for Throws {
    fn each(&self, lags: [u32; 2], visit: &mut dyn FnMut(&History<'_>, Sample<'_>)) {
        let states = Self::states();
        (40..states.len()).for_each(|t| visit(&Self::history(&states, lags, t), Sample::Told(&states[t])));
    }
}

fn trained() -> KindModel {
    let plan = Plan::new(&Kind::of::<Ball>("Ball"), false);
    train(plan, &Throws, Effort { passes: [30, 10], lags: [1, 5] })
}

#[test]
fn training_halves_what_a_throw_costs() {
    let states = Throws::states();
    let cost = |model: &KindModel| -> usize {
        (40..states.len()).map(|t| encode(model, &Throws::history(&states, model.lags(), t), &states[t]).len()).sum()
    };
    let (plain, trained) = (cost(&KindModel::untrained(Plan::new(&Kind::of::<Ball>("Ball"), false))), cost(&trained()));
    assert!(trained * 2 < plain, "{trained} bytes trained, {plain} untrained");
}

/// A server and its clients may run on different machines: what they compute must not differ by a bit.
#[test]
fn models_and_records_are_the_same_bits_everywhere() {
    let mut hash = Fnv::default();
    let (schema, kind) = (schema("golden"), kind());
    hash.write(&Model::untrained(&schema).to_bytes());
    let states: Vec<Vec<i32>> = (0..400_i64)
        .map(|t| {
            let at = |(i, lane): (usize, &crate::Lane)| (t * 7_919 * (i as i64 + 1) % (i64::from(lane.max) + 1)) as i32;
            kind.lanes.iter().enumerate().map(at).collect()
        })
        .collect();
    for seed in [None, Some(7)] {
        let model = model(true, 0b101, seed);
        for three in states.windows(4) {
            let known: Vec<_> = three[..3].iter().map(|state| told(&kind, true, state)).collect();
            let history = history(&known, [4, 5, 9], 0, 3);
            hash.write(&encode(&model, &history, &told(&kind, true, &three[3])));
        }
    }
    assert_eq!(hash.finish(), 0x6b69_ef14_09c8_7c00, "{:016x}", hash.finish());
}
