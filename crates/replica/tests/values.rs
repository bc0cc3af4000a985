//! Every kind of value comes back from its lanes within the step that was declared.

use downbeat_replica::glam::{Quat, Vec2, Vec3};
use downbeat_replica::{EntityId, Kind, LaneReader, LaneWriter, PlayerId, Replicated};
use proptest::prelude::*;

#[derive(Replicated, Clone, Copy, Debug, PartialEq)]
enum Mode {
    Walk,
    Swim,
    Fly,
}

#[derive(Replicated, Clone, Debug, PartialEq)]
struct All {
    #[field(position, range = -100.0..=100.0, step = 0.01, owner_bits = 2)]
    at: Vec3,
    #[field(range = 0.0..=1.0, step = 0.001)]
    flat: Vec2,
    #[field(heading, bits = 12)]
    yaw: f32,
    #[field(bits = 10)]
    normal: Vec3,
    #[field(bits = 9)]
    turn: Quat,
    #[field(range = -40..=40)]
    small: i8,
    large: u32,
    flag: bool,
    mode: Mode,
    player: PlayerId,
    target: Option<EntityId>,
    #[field(range = 0.0..=10.0, step = 0.5)]
    maybe: Option<f32>,
}

fn round_trip(all: &All) -> (All, u32) {
    let mut lanes = Vec::new();
    let mut writer = LaneWriter::new(&mut lanes);
    all.write(&mut writer);
    let clamped = writer.clamped();
    let kind = Kind::of::<All>("All");
    assert_eq!(lanes.len(), kind.lanes.len());
    for (lane, &value) in kind.lanes.iter().zip(&lanes).filter(|(lane, _)| !lane.entity) {
        assert!((0..=lane.max).contains(&value), "{value} of {lane:?}");
    }
    let back = All::read(&mut LaneReader::new(&lanes));
    let mut again = Vec::new();
    back.write(&mut LaneWriter::new(&mut again));
    assert_eq!(again[..8], lanes[..8], "what was rounded once stays as it is");
    (back, clamped)
}

fn all() -> impl Strategy<Value = All> {
    let unit = || (-1.0..1.0_f32, -1.0..1.0_f32, -1.0..1.0_f32);
    let numbers = (any::<i8>(), 0..=i32::MAX as u32, any::<bool>(), 0..3_usize, any::<u16>());
    let wide = (-150.0..150.0_f32, -150.0..150.0_f32, -150.0..150.0_f32);
    (
        wide,
        0.0..1.0_f32,
        -20.0..20.0_f32,
        unit(),
        unit(),
        -1.0..1.0_f32,
        numbers,
        any::<Option<(u16, u8)>>(),
        any::<Option<u8>>(),
    )
        .prop_map(|(at, flat, yaw, normal, turn, w, (small, large, flag, mode, player), target, maybe)| All {
            at: Vec3::from(at),
            flat: Vec2::new(flat, 1.0 - flat),
            yaw,
            normal: Vec3::from(normal).try_normalize().unwrap_or(Vec3::Y),
            turn: Quat::from_xyzw(turn.0, turn.1, turn.2, w + 1.5).normalize(),
            small,
            large,
            flag,
            mode: [Mode::Walk, Mode::Swim, Mode::Fly][mode],
            player: PlayerId(player),
            target: target.map(|(index, generation)| EntityId::new(index.into(), generation.into())),
            maybe: maybe.map(|value| f32::from(value % 20) / 2.0),
        })
}

proptest! {
    #[test]
    fn values_come_back_within_their_step_and_clamp_but_never_wrap(all in all()) {
        let (back, clamped) = round_trip(&all);
        let held = all.at.clamp(Vec3::splat(-100.0), Vec3::splat(100.0));
        prop_assert!((back.at - held).abs().max_element() <= 0.00125 + 1e-5, "{:?} {:?}", back.at, held);
        let outside = all.at.to_array().iter().filter(|c| c.abs() > 100.002).count() as u32 + u32::from(all.small.unsigned_abs() > 40);
        prop_assert!(clamped >= outside);
        prop_assert!((back.flat - all.flat).abs().max_element() <= 0.0005 + 1e-6);
        let turn = std::f32::consts::TAU;
        let off = (back.yaw - all.yaw).rem_euclid(turn);
        prop_assert!(off.min(turn - off) <= turn / 8192.0 + 1e-4, "{off}");
        prop_assert!(back.normal.dot(all.normal) > 0.99999, "{:?} {:?}", back.normal, all.normal);
        prop_assert!(back.turn.dot(all.turn).abs() > 0.9999, "{:?} {:?}", back.turn, all.turn);
        prop_assert_eq!(back.small, all.small.clamp(-40, 40));
        prop_assert_eq!((back.large, back.flag, back.mode), (all.large, all.flag, all.mode));
        prop_assert_eq!((back.player, back.target, back.maybe), (all.player, all.target, all.maybe));
    }
}

#[test]
fn a_nan_is_noticed() {
    let mut lanes = Vec::new();
    let mut writer = LaneWriter::new(&mut lanes);
    #[derive(Replicated)]
    struct Point {
        #[field(range = 0.0..=1.0, step = 0.1)]
        x: f32,
    }
    Point { x: f32::NAN }.write(&mut writer);
    assert!(writer.saw_nan());
}
