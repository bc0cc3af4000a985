//! An entity that enters was nowhere before, but it will not be far from who looks.

use crate::codec::plan::LANE_WIDE_BITS;
use crate::{Kind, Repr, Role};

/// What both ends take for the state of an entity of `kind` before they know any: for
/// [`History::guess`](crate::codec::History::guess). `owner`: whether the reader owns it. `from` is the reader's own
/// avatar, as both know it: its kind, and its lanes as an owner is told them.
pub fn guess(kind: &Kind, owner: bool, from: Option<(&Kind, &[i32])>, out: &mut Vec<i32>) {
    out.clear();
    let max = |lane: &crate::Lane| if owner { lane.max } else { lane.public(lane.max) };
    out.extend(kind.lanes.iter().map(|lane| if lane.bits(owner) > LANE_WIDE_BITS { max(lane) / 2 } else { 0 }));
    let (Some(to), Some((avatar, lanes))) = (kind.field_with(Role::Position), from) else { return };
    let Some(at) = avatar.field_with(Role::Position) else { return };
    let alike = |repr: &Repr| matches!(repr, Repr::Linear { .. }) && *repr == to.repr;
    if !alike(&at.repr) || at.lanes.len() != to.lanes.len() {
        return;
    }
    for (to, at) in to.lanes.clone().zip(at.lanes.clone()) {
        let lane = &kind.lanes[to];
        let there = lanes[at].clamp(0, lane.max);
        out[to] = if owner { there } else { lane.public(there) };
    }
}
