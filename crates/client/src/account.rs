//! What a client is told costs bytes, and a game's developer wants to know for what.
//!
//! While a datagram is read, the reader says what it just read, and the coder how many bits that was. Who does not want to
//! know passes `()`, of which nothing is left in the program.

use std::collections::BTreeMap;

use downbeat_replica::codec::{self, History, KindModel, Metered, Walk};
use downbeat_replica::range::Decoder;
use downbeat_replica::{DecodeError, Kind};

/// What bits of a snapshot are about. Numbers are indices in the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Item {
    /// The head: tick, what it builds on, what became of inputs, and how much had no room.
    Head,
    /// Which entities leave.
    Leave,
    /// How many entities enter; of each, its slot and kind.
    Enter {
        /// The kind; `None` for the number.
        kind: Option<usize>,
    },
    /// A field of an entity that enters.
    Entering {
        /// Of this kind.
        kind: usize,
        /// Which field.
        field: usize,
    },
    /// Whether there is a record of an entity.
    Presence {
        /// Of this kind.
        kind: usize,
    },
    /// A field of an entity that is known: whether it changed, and how.
    Field {
        /// Of this kind.
        kind: usize,
        /// Which field.
        field: usize,
    },
    /// The entities that a state names.
    Names {
        /// The kind of the state.
        kind: usize,
    },
    /// Which of those that rest have a record.
    Wakes,
    /// How many events there are, and those of a kind.
    Event {
        /// The kind; `None` for the number.
        kind: Option<usize>,
    },
    /// The end of the code: what makes whole bytes of it. Less than nothing, where zeros were left out.
    End,
    /// Datagrams that had come before or did not decode, from where that showed.
    Unread,
}

/// What an item cost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// In all, in bits.
    pub bits: f64,
    /// How often it was told: of a field, how often its entity was.
    pub times: u64,
}

/// What snapshots cost, by what they tell. It adds up to their bytes.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// Datagrams.
    pub datagrams: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What they were spent on, records apart.
    items: BTreeMap<Item, Cost>,
    records: BTreeMap<Whose, Records>,
    /// Where the datagram under way was last looked at, in bits.
    at: f64,
}

/// Whose records are alike: of this kind, of one that enters or not, of the client's avatar or not.
type Whose = (usize, bool, bool);

/// Records that are alike.
#[derive(Clone, Debug, Default)]
struct Records {
    times: u64,
    /// The field that each slot is about.
    fields: Vec<Option<usize>>,
    /// What each slot cost, in bits.
    bits: Vec<f64>,
}

/// Is told what is read.
pub(crate) trait Meter {
    /// What was read since the last call was `item`.
    fn note(&mut self, item: Item, input: &Decoder<'_>);

    /// Reads a record's state: that of a known entity, or of one that enters.
    fn read_body(
        &mut self,
        walk: &mut Walk,
        who: Record<'_>,
        input: &mut Decoder<'_>,
        state: &mut [i32],
    ) -> Result<(), DecodeError>;
}

/// The record that is read: how, and of whom.
#[derive(Clone, Copy)]
pub(crate) struct Record<'a> {
    pub(crate) model: &'a KindModel,
    pub(crate) history: &'a History<'a>,
    pub(crate) kind: usize,
    pub(crate) table: &'a Kind,
    pub(crate) enters: bool,
    pub(crate) avatar: bool,
}

impl Meter for () {
    #[inline(always)]
    fn note(&mut self, _: Item, _: &Decoder<'_>) {}

    #[inline(always)]
    fn read_body(
        &mut self,
        walk: &mut Walk,
        Record { model, history, .. }: Record<'_>,
        input: &mut Decoder<'_>,
        state: &mut [i32],
    ) -> Result<(), DecodeError> {
        walk.body(model, history, input, state)
    }
}

impl Account {
    /// A datagram begins.
    pub(crate) fn begin(&mut self, bytes: usize) {
        self.datagrams += 1;
        self.bytes += bytes as u64;
        self.at = 0.0;
    }

    /// It ends, `bytes` long; whether it was read to its end.
    pub(crate) fn end(&mut self, bytes: usize, is_read: bool) {
        let bits = 8.0 * bytes as f64 - self.at;
        self.add(if is_read { Item::End } else { Item::Unread }, bits);
    }

    /// What the bytes were spent on.
    #[must_use]
    pub fn items(&self) -> BTreeMap<Item, Cost> {
        let mut items = self.items.clone();
        for (&(kind, enters, _), records) in &self.records {
            let mut fields: BTreeMap<usize, f64> = BTreeMap::new();
            for (field, bits) in records.fields.iter().zip(&records.bits) {
                field.iter().for_each(|field| *fields.entry(*field).or_default() += bits);
            }
            for (field, bits) in fields {
                let item = if enters { Item::Entering { kind, field } } else { Item::Field { kind, field } };
                let cost = items.entry(item).or_default();
                (cost.bits, cost.times) = (cost.bits + bits, cost.times + records.times);
            }
        }
        items
    }

    fn add(&mut self, item: Item, bits: f64) {
        let cost = self.items.entry(item).or_default();
        (cost.bits, cost.times) = (cost.bits + bits, cost.times + 1);
    }
}

impl Meter for Account {
    fn note(&mut self, item: Item, input: &Decoder<'_>) {
        let at = codec::bits_read(input);
        self.add(item, at - self.at);
        self.at = at;
    }

    fn read_body(
        &mut self,
        walk: &mut Walk,
        Record { model, history, kind, table, enters, avatar }: Record<'_>,
        input: &mut Decoder<'_>,
        state: &mut [i32],
    ) -> Result<(), DecodeError> {
        let records = self.records.entry((kind, enters, avatar)).or_default();
        if records.times == 0 {
            records.fields = model.fields_of_slots(table).collect();
        }
        records.times += 1;
        let read = walk.body(model, history, &mut Metered::new(input, &mut records.bits), state);
        self.at = codec::bits_read(input);
        read
    }
}
