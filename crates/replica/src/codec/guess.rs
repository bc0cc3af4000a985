//! Who comes into view is most likely near the viewer.

use crate::{Kind, Lane, Repr, Role};

/// Guesses the lanes, as told, of an entity of `kind` that enters, for
/// [`History::guess`](crate::codec::History::guess). `owner` says whether its reader is its owner. Server and client call
/// it alike, with what both know: `from` is the client's own avatar in the newest state that both know (its kind, whether
/// its lanes are those that owners are told, the lanes), `None` if they know none.
///
/// The position is the avatar's if both kinds tell positions to others in the same form; otherwise, like all lanes of more
/// than eight bits, it is the middle of the range. Other lanes are 0.
pub fn guess(kind: &Kind, owner: bool, from: Option<(&Kind, bool, &[i32])>, out: &mut Vec<i32>) {
    let max = |lane: &Lane| if owner { lane.max } else { lane.public(lane.max) };
    out.clear();
    out.extend(kind.lanes.iter().map(|lane| {
        let max = max(lane);
        if lane.entity || max < 1 << NARROW_BITS { 0 } else { max / 2 }
    }));
    let Some((avatar, owned, lanes)) = from else { return };
    let (Some(to), Some(from)) = (kind.field_with(Role::Position), avatar.field_with(Role::Position)) else { return };
    let form = public_form(kind);
    if form.is_none() || form != public_form(avatar) || lanes.len() != avatar.lanes.len() {
        return;
    }
    for (to, from) in to.lanes.clone().zip(from.lanes.clone()) {
        let lane = kind.lanes[to];
        let public = if owned { avatar.lanes[from].public(lanes[from]) } else { lanes[from] };
        let there = if owner { i64::from(public) << lane.owner_bits } else { public.into() };
        out[to] = there.clamp(0, max(&lane).into()) as i32;
    }
}

/// Lanes up to so many bits are guessed to be 0: flags, counts and the like.
const NARROW_BITS: u32 = 8;

/// How others are told the position of `kind`: its smallest value, the step of a lane, and the number of lanes. `None` if
/// they are told none that can be converted.
fn public_form(kind: &Kind) -> Option<(f64, f64, usize)> {
    let field = kind.field_with(Role::Position)?;
    let lanes = &kind.lanes[field.lanes.clone()];
    let first = lanes.first()?;
    let Repr::Linear { min, step } = field.repr else { return None };
    let alike = lanes.iter().all(|lane| !lane.owner_only && lane.owner_bits == first.owner_bits);
    // Exact: the factor is a power of two.
    alike.then(|| (min, step * f64::from(1_u32 << first.owner_bits), lanes.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Replicated;
    use crate::glam::{Quat, Vec3};

    #[derive(Replicated)]
    struct Avatar {
        #[field(range = 0..=100)]
        health: u8,
        #[field(position, range = -8.0..=8.0, step = 0.5, owner_bits = 4)]
        position: Vec3,
    }

    #[derive(Replicated)]
    struct Crate {
        #[field(position, range = -8.0..=8.0, step = 0.5)]
        position: Vec3,
        #[field(heading, bits = 10)]
        yaw: f32,
        open: bool,
    }

    #[derive(Replicated)]
    struct Far {
        #[field(position, range = -500.0..=500.0, step = 0.5)]
        position: Vec3,
        #[field(bits = 9)]
        turned: Quat,
    }

    fn guessed(kind: &Kind, owner: bool, from: Option<(&Kind, bool, &[i32])>) -> Vec<i32> {
        let mut out = vec![9];
        guess(kind, owner, from, &mut out);
        out
    }

    #[test]
    fn it_is_where_the_avatar_is_in_the_precision_of_its_reader() {
        let (avatar, other) = (Kind::of::<Avatar>("Avatar"), Kind::of::<Crate>("Crate"));
        let (fine, coarse) = ([50, 65, 40, 500], [50, 4, 2, 31]);
        assert_eq!(guessed(&other, false, Some((&avatar, true, &fine))), [4, 2, 31, 511, 0]);
        assert_eq!(guessed(&other, false, Some((&avatar, false, &coarse))), [4, 2, 31, 511, 0]);
        assert_eq!(guessed(&avatar, true, Some((&avatar, false, &coarse))), [0, 64, 32, 496]);
        assert_eq!(guessed(&avatar, false, Some((&avatar, true, &fine))), [0, 4, 2, 31]);
    }

    #[test]
    fn without_an_avatar_of_the_same_form_it_is_in_the_middle() {
        let (avatar, far) = (Kind::of::<Avatar>("Avatar"), Kind::of::<Far>("Far"));
        let middle = [1_000, 1_000, 1_000, 0, 255, 255, 255];
        assert_eq!(guessed(&far, false, Some((&avatar, true, &[50, 65, 40, 500]))), middle);
        assert_eq!(guessed(&far, false, None), middle);
        assert_eq!(guessed(&avatar, true, None), [0, 256, 256, 256]);
        assert_eq!(guessed(&Kind::default(), false, None), [0; 0]);
    }
}
