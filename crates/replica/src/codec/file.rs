//! A model is a file that a server hands to whoever asks: a client must be able to load one that it does not trust.
//!
//! So the file tells its schema and is read against it: sizes follow from the schema alone, every count, weight and lag is
//! checked, and what is left is a model that codes badly at worst. All numbers are little-endian:
//! magic, the schema's hash (u64), number of seeds (u32), seeds (u64), then for each kind its public model and, if owners
//! are told more than others, theirs: lags (u32), parts that always change (u64), weights (f32), counts of tables (u16).

use downbeat_wire::hash::Fnv;

use crate::codec::history::STATES;
use crate::codec::model::KindModel;
use crate::codec::net::Net;
use crate::codec::plan::Plan;
use crate::codec::table::Tables;
use crate::limits::{MODEL_LAG_MAX, MODEL_SEEDS_MAX};
use crate::{Game, Schema};

/// A game's model.
#[derive(Clone, Debug)]
pub struct Model {
    schema_hash: u64,
    seeds: Vec<u64>,
    kinds: Vec<Both>,
}

/// The models of one kind.
#[derive(Clone, Debug)]
struct Both {
    public: KindModel,
    /// Where an owner is told the same as everybody, there is none.
    owner: Option<KindModel>,
}

/// Why bytes are not a model of this game.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// Another file.
    #[error("this is not a model")]
    NotAModel,
    /// It was trained for other tables.
    #[error("the model is for schema {found:016x}; this one is {expected:016x}: train it again")]
    OtherSchema {
        /// The hash in the file.
        found: u64,
        /// That of the schema it is loaded for.
        expected: u64,
    },
    /// It ends early, or goes on where it should end.
    #[error("the model does not have the length that its schema gives")]
    Length,
    /// A number that training never writes; names it.
    #[error("illegal {0} in the model")]
    Illegal(&'static str),
}

const MAGIC: [u8; 4] = *b"dbm1";

/// Weights beyond this are none: sums of them stay numbers.
const WEIGHT_MAX: f32 = 10_000.0;

impl Model {
    /// The one that comes with the game, or an untrained one for a game without.
    ///
    /// # Errors
    /// When [`Game::MODEL`] is no model, or was trained for other tables than the game has now.
    pub fn of_game<G: Game>(schema: &Schema) -> Result<Self, ModelError> {
        if G::MODEL.is_empty() { Ok(Self::untrained(schema)) } else { Self::from_bytes(schema, G::MODEL) }
    }

    /// For a game that nobody trained.
    #[must_use]
    pub fn untrained(schema: &Schema) -> Self {
        Self::of(schema, Vec::new(), |_, plan| KindModel::untrained(plan))
    }

    /// The model that `fit` makes of each kind (its index in the schema), from recordings of `seeds`. The plan for owners
    /// follows that for all others where it differs.
    ///
    /// # Panics
    /// With more than [`MODEL_SEEDS_MAX`] seeds.
    #[must_use]
    pub fn of(schema: &Schema, seeds: Vec<u64>, mut fit: impl FnMut(usize, Plan) -> KindModel) -> Self {
        assert!(seeds.len() <= MODEL_SEEDS_MAX, "a model has at most {MODEL_SEEDS_MAX} seeds");
        let both = |(kind, (public, owner)): (usize, (Plan, Option<Plan>))| Both {
            public: fit(kind, public),
            owner: owner.map(|plan| fit(kind, plan)),
        };
        let kinds = plans(schema).enumerate().map(both).collect();
        Self { schema_hash: schema.hash(), seeds, kinds }
    }

    /// Seeds of the recordings it was trained on; they must not be scored with it.
    #[must_use]
    pub fn seeds(&self) -> &[u64] {
        &self.seeds
    }

    /// The model of the schema's kind at index `kind`, for a reader who owns the entity or one who does not.
    ///
    /// # Panics
    /// When the schema has no such kind.
    #[inline]
    #[must_use]
    pub fn kind(&self, kind: usize, owner: bool) -> &KindModel {
        let both = &self.kinds[kind];
        both.owner.as_ref().filter(|_| owner).unwrap_or(&both.public)
    }

    /// The model as a file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend(self.schema_hash.to_le_bytes());
        out.extend((self.seeds.len() as u32).to_le_bytes());
        self.seeds.iter().for_each(|seed| out.extend(seed.to_le_bytes()));
        for both in &self.kinds {
            put(&both.public, &mut out);
            both.owner.iter().for_each(|owner| put(owner, &mut out));
        }
        out
    }

    /// Reads a file for `schema`.
    ///
    /// # Errors
    /// When it is no model, one of another schema, or holds what training never writes.
    pub fn from_bytes(schema: &Schema, bytes: &[u8]) -> Result<Self, ModelError> {
        let mut bytes = Bytes(bytes);
        if bytes.take() != Ok(MAGIC) {
            return Err(ModelError::NotAModel);
        }
        let (found, expected) = (u64::from_le_bytes(bytes.take()?), schema.hash());
        if found != expected {
            return Err(ModelError::OtherSchema { found, expected });
        }
        let count = u32::from_le_bytes(bytes.take()?) as usize;
        if count > MODEL_SEEDS_MAX {
            return Err(ModelError::Illegal("number of seeds"));
        }
        let seeds = (0..count).map(|_| Ok(u64::from_le_bytes(bytes.take()?))).collect::<Result<_, ModelError>>()?;
        let mut kinds = Vec::with_capacity(schema.entities.len());
        for (public, owner) in plans(schema) {
            let public = take(public, &mut bytes)?;
            kinds.push(Both { public, owner: owner.map(|plan| take(plan, &mut bytes)).transpose()? });
        }
        if !bytes.0.is_empty() {
            return Err(ModelError::Length);
        }
        Ok(Self { schema_hash: found, seeds, kinds })
    }

    /// Whether it is one of `schema`.
    ///
    /// # Errors
    /// When it is not.
    pub(crate) fn check(&self, schema: &Schema) -> Result<(), ModelError> {
        let (found, expected) = (self.schema_hash, schema.hash());
        if found == expected { Ok(()) } else { Err(ModelError::OtherSchema { found, expected }) }
    }

    /// What ends compare in the handshake.
    #[must_use]
    pub fn hash(&self) -> u64 {
        let mut hash = Fnv::default();
        hash.write(&self.to_bytes());
        hash.finish()
    }
}

/// The plans of each kind: for all, and for owners where theirs differs.
pub(crate) fn plans(schema: &Schema) -> impl Iterator<Item = (Plan, Option<Plan>)> {
    schema.entities.iter().map(|kind| {
        let (public, owner) = (Plan::new(kind, false), Plan::new(kind, true));
        let owner = (owner != public).then_some(owner);
        (public, owner)
    })
}

/// Whether motion can be taken from states so much older: ascending, and not from before the match.
pub(crate) fn are_lags([first, second]: [u32; STATES - 1]) -> bool {
    0 < first && first < second && second <= MODEL_LAG_MAX
}

fn put(model: &KindModel, out: &mut Vec<u8>) {
    model.lags.iter().for_each(|lag| out.extend(lag.to_le_bytes()));
    out.extend(model.always.to_le_bytes());
    let nets = [&model.drift, &model.score].into_iter().flat_map(Net::weights);
    for weights in [&model.along].into_iter().chain(nets).chain([&model.outcome, &model.own]) {
        weights.iter().for_each(|weight| out.extend(weight.to_le_bytes()));
    }
    model.tables.counts().for_each(|count| out.extend(count.to_le_bytes()));
}

fn take(plan: Plan, bytes: &mut Bytes<'_>) -> Result<KindModel, ModelError> {
    let mut model = KindModel::untrained(plan);
    for lag in &mut model.lags {
        *lag = u32::from_le_bytes(bytes.take()?);
    }
    if !are_lags(model.lags) {
        return Err(ModelError::Illegal("lag"));
    }
    model.always = u64::from_le_bytes(bytes.take()?);
    for weight in model.weights_mut().into_iter().flatten() {
        *weight = f32::from_le_bytes(bytes.take()?);
        // NaN is in no range.
        if !(-WEIGHT_MAX..=WEIGHT_MAX).contains(weight) {
            return Err(ModelError::Illegal("weight"));
        }
    }
    if model.along.iter().any(|&along| along < 0.0) {
        return Err(ModelError::Illegal("spread"));
    }
    let mut short = false;
    let tables = Tables::from_counts(&model.plan.alphabet, || {
        let count = bytes.take().map(u16::from_le_bytes);
        short |= count.is_err();
        count.ok()
    });
    model.tables = tables.ok_or(if short { ModelError::Length } else { ModelError::Illegal("table") })?;
    Ok(model)
}

struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], ModelError> {
        let (head, rest) = self.0.split_first_chunk().ok_or(ModelError::Length)?;
        self.0 = rest;
        Ok(*head)
    }
}
