//! What a bot did, by the server's word: from states of its own avatar as they were told, never from what its client
//! predicted.

use downbeat_client::{Client, KnownEntity};
use downbeat_replica::{Between, Coding, Kinds, LaneReader, Tick};

use crate::Bots;

/// A stretch of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stretch {
    /// Everybody is honest.
    Before,
    /// The attack is on.
    During,
}

/// What a bot did in some seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Slice {
    /// By the server's ticks.
    pub(crate) seconds: f64,
    pub(crate) metres: f64,
    /// What [`Bots::acts`] counts.
    pub(crate) acts: u64,
    /// What [`Bots::is_hit`] names.
    pub(crate) hits: u64,
}

/// A slice is so long: long enough that what a bot does in one says little about the next.
const SLICE_S: f64 = 5.0;

/// One bot's deeds.
#[derive(Debug)]
pub(crate) struct Ledger {
    stretch: Option<Stretch>,
    slices: Vec<(Stretch, Slice)>,
    last: Option<(Tick, KnownEntity)>,
}

impl Ledger {
    /// Counts nothing yet.
    pub(crate) const fn new() -> Self {
        Self { stretch: None, slices: Vec::new(), last: None }
    }

    /// What happens from now on belongs to `stretch`.
    pub(crate) fn open(&mut self, stretch: Stretch) {
        self.stretch = Some(stretch);
        self.slices.push((stretch, Slice::default()));
    }

    /// The client was told something new.
    pub(crate) fn note_told<G: Bots>(&mut self, client: &Client<G>, coding: &Coding, tick_rate_hz: u32) {
        let Some(own) = client.known().find(|entity| entity.avatar) else { return self.last = None };
        let told = client.newest();
        let Some((before, was)) = self.last.replace((told, own)) else { return };
        let own = &self.last.as_ref().expect("it was put there just now").1;
        let ticks = told.since(before);
        let is_same = was.kind == own.kind && was.entered == own.entered;
        let Some(slice) = open_slice(self.stretch, &mut self.slices).filter(|_| ticks > 0 && is_same) else { return };
        let seconds = ticks as f64 / f64::from(tick_rate_hz.max(1));
        let way = Between { kind: &coding.schema.entities[own.kind], from: &was.lanes, to: &own.lanes, seconds };
        slice.seconds += seconds;
        // Who was moved did not run there.
        if !way.jumps() {
            slice.metres += f64::from(way.kind.position(way.from).distance(way.kind.position(way.to)));
        }
        let read = |lanes: &[i32]| G::Entity::read(own.kind, &mut LaneReader::new(lanes));
        if let (Some(was), Some(is)) = (read(&was.lanes), read(&own.lanes)) {
            slice.acts += u64::from(G::acts(&was, &is));
        }
    }

    /// The player was shown `events`.
    pub(crate) fn note_shown<G: Bots>(&mut self, events: &[G::Event]) {
        if let Some((_, slice)) = self.slices.last_mut() {
            slice.hits += events.iter().filter(|event| G::is_hit(event)).count() as u64;
        }
    }

    /// All that was counted in `stretch`.
    pub(crate) fn slices(&self, stretch: Stretch) -> impl Iterator<Item = Slice> {
        let of = move |(of, slice): &(Stretch, Slice)| (*of == stretch && slice.seconds > 0.0).then_some(*slice);
        self.slices.iter().filter_map(of)
    }
}

/// The slice that is being filled.
fn open_slice(stretch: Option<Stretch>, slices: &mut Vec<(Stretch, Slice)>) -> Option<&mut Slice> {
    let stretch = stretch?;
    if slices.last().is_some_and(|(_, slice)| slice.seconds >= SLICE_S) {
        slices.push((stretch, Slice::default()));
    }
    slices.last_mut().map(|(_, slice)| slice)
}
