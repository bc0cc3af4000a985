//! A record's body: one state of an entity, coded against a state that the client holds, or on its own.
//!
//! The body depends on the entity, its two versions and whether the reader owns it, and on nothing else of the
//! client. So it is encoded once a tick for all clients with the same baseline. Lanes that name entities are the
//! exception: they mean another slot to each client, and are left out here.

use downbeat_wire::bits::{BitReader, BitWriter};

use crate::{DecodeError, Kind, Lane};

/// Writes the lanes `state` against `base`, both in the room's units.
pub fn encode_body(kind: &Kind, owner: bool, base: Option<&[i32]>, state: &[i32], out: &mut BitWriter<'_>) {
    let told = |lane: &Lane, value: i32| if owner { value } else { lane.public(value) };
    for field in kind.fields.iter().filter(|field| is_told(kind, field.lanes.start, owner)) {
        let lanes = field.lanes.clone().map(|i| (&kind.lanes[i], told(&kind.lanes[i], state[i]), i));
        let Some(base) = base else {
            lanes.for_each(|(lane, value, _)| out.bits(value as u32, lane.bits(owner)));
            continue;
        };
        let changed = lanes.clone().any(|(lane, value, i)| value != told(lane, base[i]));
        out.flag(changed);
        if changed {
            for (lane, value, i) in lanes {
                put_residual(lane, owner, value - told(lane, base[i]), out);
            }
        }
    }
}

/// Reads what [`encode_body`] wrote: `base` and the result in the units the reader is told.
///
/// # Errors
/// When the bytes end early or a lane leaves its range.
pub fn decode_body(
    kind: &Kind,
    owner: bool,
    base: Option<&[i32]>,
    input: &mut BitReader<'_>,
    state: &mut Vec<i32>,
) -> Result<(), DecodeError> {
    state.clear();
    match base {
        Some(base) => state.extend_from_slice(base),
        None => state.resize(kind.lanes.len(), 0),
    }
    for field in kind.fields.iter().filter(|field| is_told(kind, field.lanes.start, owner)) {
        if base.is_some() && !input.flag()? {
            continue;
        }
        for i in field.lanes.clone() {
            let lane = &kind.lanes[i];
            let max = if owner { lane.max } else { lane.public(lane.max) };
            let value = match base {
                None => i64::from(input.bits(lane.bits(owner))?),
                Some(base) => i64::from(base[i]) + take_residual(lane, owner, base[i], input)?,
            };
            let value = if lane.wraps { value & i64::from(max) } else { value };
            if !(0..=i64::from(max)).contains(&value) {
                return Err(DecodeError::Malformed("lane"));
            }
            state[i] = value as i32;
        }
    }
    Ok(())
}

/// Whether the field that begins at `lane` is part of a body for this reader.
fn is_told(kind: &Kind, lane: usize, owner: bool) -> bool {
    kind.lanes.get(lane).is_some_and(|lane| !lane.entity && (owner || !lane.owner_only))
}

/// Lanes of a few bits are flipped or stated; wider ones get short codes for small changes.
const PLAIN_BITS: u32 = 3;
const GOLOMB_ORDER: u32 = 2;

fn put_residual(lane: &Lane, owner: bool, residual: i32, out: &mut BitWriter<'_>) {
    let bits = lane.bits(owner);
    if bits <= PLAIN_BITS {
        // Modulo the next power of two: the reader knows the base and finds the value.
        return out.bits(residual as u32 & ((1 << bits) - 1), bits);
    }
    let residual = if lane.wraps { residual << (32 - bits) >> (32 - bits) } else { residual };
    out.signed_golomb(residual, GOLOMB_ORDER);
}

fn take_residual(lane: &Lane, owner: bool, base: i32, input: &mut BitReader<'_>) -> Result<i64, DecodeError> {
    let bits = lane.bits(owner);
    if bits > PLAIN_BITS {
        return Ok(i64::from(input.signed_golomb(GOLOMB_ORDER)?));
    }
    let value = (base as u32).wrapping_add(input.bits(bits)?) & ((1 << bits) - 1);
    Ok(i64::from(value) - i64::from(base))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Replicated, glam::Vec3};
    use proptest::prelude::*;

    #[derive(Replicated)]
    struct Thing {
        #[field(position, range = -64.0..=64.0, step = 0.125, owner_bits = 4)]
        position: Vec3,
        #[field(heading, bits = 10)]
        yaw: f32,
        #[field(range = 0..=100)]
        health: u8,
        #[field(owner, range = 0..=30)]
        ammo: u8,
        alive: bool,
    }

    fn states(kind: &Kind) -> impl Strategy<Value = Vec<i32>> + use<> {
        kind.lanes.iter().map(|lane| 0..=lane.max).collect::<Vec<_>>()
    }

    fn told(kind: &Kind, owner: bool, lanes: &[i32]) -> Vec<i32> {
        kind.lanes.iter().zip(lanes).map(|(lane, &value)| if owner { value } else { lane.public(value) }).collect()
    }

    proptest! {
        #[test]
        fn a_body_is_read_as_written((base, state) in { let k = Kind::of::<Thing>("Thing"); (states(&k), states(&k)) },
                                     near in any::<bool>(), has_base in any::<bool>(), owner in any::<bool>()) {
            let kind = Kind::of::<Thing>("Thing");
            let state: Vec<_> = if near {
                kind.lanes.iter().zip(base.iter().zip(&state)).map(|(l, (b, s))| (b + s % 5 - 2).clamp(0, l.max)).collect()
            } else { state };
            let mut bytes = Vec::new();
            let mut writer = BitWriter::new(&mut bytes);
            encode_body(&kind, owner, has_base.then_some(&base), &state, &mut writer);
            writer.finish();
            let base = told(&kind, owner, &base);
            let mut back = Vec::new();
            let mut reader = BitReader::new(&bytes);
            decode_body(&kind, owner, has_base.then_some(&base), &mut reader, &mut back).expect("it was just written");
            prop_assert_eq!(back, told(&kind, owner, &state));
            prop_assert_eq!(reader.finish(), Ok(()));
        }

        #[test]
        fn any_bytes_decode_into_legal_lanes_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..40), owner in any::<bool>(),
                                                         base in { let k = Kind::of::<Thing>("Thing"); states(&k) }, has_base in any::<bool>()) {
            let kind = Kind::of::<Thing>("Thing");
            let base = told(&kind, owner, &base);
            let mut state = Vec::new();
            if decode_body(&kind, owner, has_base.then_some(&base), &mut BitReader::new(&bytes), &mut state).is_ok() {
                let max = |lane: &Lane| if owner { lane.max } else { lane.public(lane.max) };
                prop_assert!(kind.lanes.iter().zip(&state).all(|(lane, &value)| (0..=max(lane)).contains(&value)));
            }
        }
    }

    #[test]
    fn what_only_the_owner_may_know_leaves_no_bit_in_the_body_of_others() {
        let kind = Kind::of::<Thing>("Thing");
        let body = |ammo: i32, fine: i32| {
            let mut bytes = Vec::new();
            let mut writer = BitWriter::new(&mut bytes);
            encode_body(
                &kind,
                false,
                Some(&[160, 160, 160, 5, 50, 1, 1]),
                &[160 + fine, 160, 160, 6, 50, ammo, 1],
                &mut writer,
            );
            writer.finish();
            bytes
        };
        assert_eq!(body(0, 0), body(30, 15));
        assert_ne!(body(0, 0), body(0, 16), "a whole public step is told");
    }
}
