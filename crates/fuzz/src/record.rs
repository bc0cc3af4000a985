//! Records of entities: any bytes decode to a state that can be, beside whatever is known, and any state comes back.

use std::sync::LazyLock;

use downbeat_replica::codec::{History, Known, Model, Op, Walk, guess, wakes};
use downbeat_replica::range::{Decoder, Encoder};
use downbeat_replica::{Between, Coding, Kind, Schema};

use crate::bytes::Bytes;
use crate::puppets::Puppets;

static CODING: LazyLock<Coding> = LazyLock::new(|| Coding::of::<Puppets>().expect("the game's tables can be"));

pub(crate) fn run(bytes: &[u8]) {
    check(&CODING.schema, &CODING.model, &mut Bytes::new(bytes));
}

/// Tries a record of some kind of `schema`.
pub(crate) fn check(schema: &Schema, model: &Model, bytes: &mut Bytes<'_>) {
    let Some(table) = schema.entities.get(bytes.below(schema.entities.len())) else { return };
    let kind = schema.entities.iter().position(|other| std::ptr::eq(other, table)).expect("it is one of them");
    let (owner, count) = (bytes.byte() & 1 == 1, bytes.below(4));
    let states: Vec<Vec<i32>> = (0..3).map(|_| state(table, owner, bytes)).collect();
    let mut age = 0;
    let known: Vec<_> = states
        .iter()
        .take(count)
        .map(|lanes| {
            age += 1 + u32::from(bytes.byte() % 32);
            Known { age, lanes }
        })
        .collect();
    let mut guessed = Vec::new();
    guess(table, owner, Some((table, owner, &states[0])), &mut guessed);
    let history = History::of(&known).unwrap_or_else(|| History::guess(&guessed));
    let fresh = state(table, owner, bytes);
    let mut case = Case { table, model, kind, owner, history };
    case.round_trip(&fresh);
    case.decode(bytes.rest());
    show(table, owner, &states);
}

/// Lanes as a reader is told them.
fn state(table: &Kind, owner: bool, bytes: &mut Bytes<'_>) -> Vec<i32> {
    let whole: Vec<_> = table
        .lanes
        .iter()
        .map(|lane| {
            let value = match bytes.byte() {
                0..=63 => 0,
                64..=95 => u32::MAX,
                96..=159 => u32::from(bytes.byte()),
                _ => bytes.word(),
            };
            (u64::from(value) % (lane.max as u64 + 1)) as i32
        })
        .collect();
    let mut told = Vec::new();
    table.told(owner, &whole, &mut told);
    told
}

struct Case<'a> {
    table: &'a Kind,
    model: &'a Model,
    kind: usize,
    owner: bool,
    history: History<'a>,
}

impl Case<'_> {
    fn round_trip(&mut self, state: &[i32]) {
        let model = self.model.kind(self.kind, self.owner);
        let (mut walk, mut ops, mut told) = (Walk::default(), Vec::<Op>::new(), state.to_vec());
        walk.begin(model, &self.history);
        let Ok(_) = walk.presence(model, &mut ops, true);
        let Ok(()) = walk.body(model, &self.history, &mut ops, &mut told);
        assert_eq!(told, state, "the encoder's own state");
        let mut bytes = Vec::new();
        let mut out = Encoder::new(&mut bytes);
        Op::write(&ops, &mut out);
        out.finish();
        let bits: u32 = ops.iter().map(|op| op.cost()).sum();
        assert!(bytes.len() <= bits as usize / (8 * 256) + 9, "{} bytes for {bits} / 256 bits", bytes.len());
        assert_eq!(self.read(&mut Decoder::new(&bytes)), Some(state.to_vec()));
    }

    fn read(&self, input: &mut Decoder<'_>) -> Option<Vec<i32>> {
        let model = self.model.kind(self.kind, self.owner);
        let mut walk = Walk::default();
        walk.begin(model, &self.history);
        walk.presence(model, input, false).ok()?;
        let mut state = self.history.newest().lanes.to_vec();
        walk.body(model, &self.history, input, &mut state).ok()?;
        // Whom lanes name is no part of it.
        self.table.entity_lanes().for_each(|lane| state[lane] = 0);
        Some(state)
    }

    /// Whatever the bytes are, the state is one that can be.
    fn decode(&self, bytes: &[u8]) {
        let mut input = Decoder::new(bytes);
        for _ in 0..RECORDS_MAX {
            let Some(state) = self.read(&mut input) else { return };
            for (lane, &value) in self.table.lanes.iter().zip(&state) {
                let max = if self.owner { lane.max } else { lane.public(lane.max) };
                assert!((0..=max).contains(&value), "{value} of {max} in field {}", lane.field);
            }
            let model = self.model.kind(self.kind, self.owner);
            let _ = wakes::take_count(model, 1_000, &mut input);
            if wakes::take_gap(model, u32::MAX, &mut input).is_err() {
                return;
            }
        }
    }
}

/// Records that are read of one row of bytes: some cost next to nothing.
const RECORDS_MAX: usize = 64;

/// Shown states can be drawn.
fn show(table: &Kind, owner: bool, states: &[Vec<i32>]) {
    let (mut from, mut to, mut lanes, mut fractions) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    table.untold(owner, &states[0], &mut from);
    table.untold(owner, &states[1], &mut to);
    for t in [0.0, 0.3, 1.0, 1.5] {
        Between { kind: table, from: &from, to: &to, seconds: 0.05 }.at(t, &mut lanes, &mut fractions);
        assert_eq!(lanes.len(), table.lanes.len());
    }
    assert!(table.position(&from).is_finite());
    let _ = table.player(&from);
}
