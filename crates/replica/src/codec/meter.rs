//! Who quantises a game's fields wants to know which of them costs what. The coder itself knows: each decision narrows its
//! interval by what the decision was worth.
//!
//! So a decoder is asked where it stands before and after. What is told by less than a bit costs less than a bit here.

use downbeat_wire::range::Decoder;

use crate::codec::model::KindModel;
use crate::codec::plan::PRESENCE;
use crate::codec::record::{Ask, Io};
use crate::{DecodeError, Kind};

/// Bits that a decoder has read so far, fractions included.
#[must_use]
pub fn bits_read(input: &Decoder<'_>) -> f64 {
    let (bytes, range) = input.state();
    // Six digits of what is left of the interval are plenty: whatever one step lacks, the next one has.
    8.0 * bytes as f64 - f64::from(libm::log2f(range as f32))
}

/// Reads as a [`Decoder`] does, and adds to `slots` what each slot of the record costs in bits.
#[derive(Debug)]
pub struct Metered<'a, 'b> {
    input: &'a mut Decoder<'b>,
    slots: &'a mut Vec<f64>,
    slot: usize,
    from: f64,
}

impl<'a, 'b> Metered<'a, 'b> {
    /// Adds to what `slots` holds.
    pub fn new(input: &'a mut Decoder<'b>, slots: &'a mut Vec<f64>) -> Self {
        let from = bits_read(input);
        Self { input, slots, slot: PRESENCE, from }
    }

    fn note(&mut self) {
        if self.slots.len() <= self.slot {
            self.slots.resize(self.slot + 1, 0.0);
        }
        let to = bits_read(self.input);
        self.slots[self.slot] += to - self.from;
        self.from = to;
    }
}

impl Io for Metered<'_, '_> {
    type Error = DecodeError;

    fn symbol(&mut self, model: &KindModel, ask: Ask<'_>, symbol: u8) -> Result<u8, DecodeError> {
        self.slot = ask.slot;
        let symbol = Io::symbol(self.input, model, ask, symbol)?;
        self.note();
        Ok(symbol)
    }

    fn raw(&mut self, value: u32, bits: u32) -> Result<u32, DecodeError> {
        let value = Io::raw(self.input, value, bits)?;
        self.note();
        Ok(value)
    }
}

impl KindModel {
    /// Which field of `kind`, which it is the model of, each slot of a record is about; the first slot says whether there is a
    /// record, which is about none.
    pub fn fields_of_slots(&self, kind: &Kind) -> impl Iterator<Item = Option<usize>> {
        let parts = &self.plan.parts;
        (0..self.plan.slots()).map(move |slot| {
            let part = parts.iter().find(|part| part.flag == slot).or_else(|| {
                // Values stand behind all flags, part by part.
                parts.iter().rfind(|part| part.slot <= slot && slot > PRESENCE + parts.len())
            })?;
            kind.fields.iter().position(|field| field.lanes == part.lanes)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{History, Known, Op, Plan, Walk};
    use crate::glam::{Quat, Vec3};
    use crate::{Kind, Replicated};
    use downbeat_wire::range::Encoder;

    #[derive(Replicated)]
    struct Ship {
        #[field(range = 0..=200)]
        fuel: u8,
        #[field(position, range = -512.0..=512.0, step = 0.01)]
        position: Vec3,
        #[field(bits = 9)]
        turned: Quat,
        docked: bool,
    }

    #[test]
    fn what_each_field_costs_adds_up_to_what_was_read_and_falls_to_who_changed() {
        let kind = Kind::of::<Ship>("Ship");
        let model = KindModel::untrained(Plan::new(&kind, false));
        let fields: Vec<_> = model.fields_of_slots(&kind).collect();
        assert_eq!(fields.first(), Some(&None));
        assert!((0..kind.fields.len()).all(|field| fields.contains(&Some(field))), "{fields:?}");

        let before = [100, 50_000, 50_000, 50_000, 3, 255, 255, 255, 0];
        let history = [Known { age: 1, lanes: &before }];
        let history = History::of(&history).expect("one is enough");
        let (mut walk, mut ops, mut state) = (Walk::default(), Vec::<Op>::new(), before);
        state[0] = 30;
        walk.begin(&model, &history);
        let Ok(_) = walk.presence(&model, &mut ops, true);
        let Ok(()) = walk.body(&model, &history, &mut ops, &mut state);
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes);
        Op::write(&ops, &mut encoder);
        encoder.finish();

        let (mut decoder, mut slots, mut read) = (Decoder::new(&bytes), Vec::new(), before);
        assert_eq!(bits_read(&decoder), 0.0);
        let mut metered = Metered::new(&mut decoder, &mut slots);
        walk.begin(&model, &history);
        assert_eq!(walk.presence(&model, &mut metered, false), Ok(true));
        walk.body(&model, &history, &mut metered, &mut read).expect("as written");
        assert_eq!(read, state);
        assert!((slots.iter().sum::<f64>() - bits_read(&decoder)).abs() < 1e-3);
        let cost = |name: &str| {
            let of = |field: Option<usize>| field.is_some_and(|field| kind.fields[field].name == name);
            slots.iter().zip(&fields).filter(|(_, field)| of(**field)).map(|(bits, _)| bits).sum::<f64>()
        };
        assert!(cost("fuel") > 8.0, "{slots:?}");
        assert!(cost("position") < 3.0 && cost("turned") < 3.0 && cost("docked") < 3.0, "{slots:?}");
    }
}
