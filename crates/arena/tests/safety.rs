//! Whatever players do, they stay in the map and outside its solids. parry, which the game does not use, judges.

mod common;

use common::{Dice, Match};
use downbeat_arena::{Config, Input, Player, Rise, World};
use downbeat_replica::glam::Vec3;
use parry3d::math::{Pose, Vector};
use parry3d::query::distance;
use parry3d::shape::{ConvexPolyhedron, Cuboid, Segment, Shape};
use proptest::prelude::*;

/// A body may be this far in a solid, by rounding; it is moved out in the next tick.
const TOLERANCE_M: f32 = 0.001;

/// The map in another library's terms.
struct Judge(Vec<(Pose, Box<dyn Shape>)>);

impl Judge {
    fn new(world: &World) -> Self {
        let map = world.map();
        let blocks = map.blocks.iter().map(|block| {
            let (min, max) = (Vec3::from(block.min), Vec3::from(block.max));
            let (middle, half) = ((min + max) * 0.5, (max - min) * 0.5);
            let turn = Vector::new(0.0, block.turn_deg.to_radians(), 0.0);
            let pose = Pose::new(Vector::from(middle.to_array()), turn);
            (pose, Box::new(Cuboid::new(Vector::from(half.to_array()))) as Box<dyn Shape>)
        });
        let ramps = map.ramps.iter().map(|ramp| {
            let ([x0, y0, z0], [x1, y1, z1]) = (ramp.min, ramp.max);
            let top = match ramp.rise {
                Rise::EastX => [[x1, y1, z0], [x1, y1, z1]],
                Rise::WestX => [[x0, y1, z0], [x0, y1, z1]],
                Rise::SouthZ => [[x0, y1, z1], [x1, y1, z1]],
                Rise::NorthZ => [[x0, y1, z0], [x1, y1, z0]],
            };
            let base = [[x0, y0, z0], [x1, y0, z0], [x0, y0, z1], [x1, y0, z1]];
            let points: Vec<_> = base.into_iter().chain(top).map(Vector::from).collect();
            let wedge = ConvexPolyhedron::from_convex_hull(&points).expect("a wedge is convex");
            (Pose::IDENTITY, Box::new(wedge) as Box<dyn Shape>)
        });
        Self(blocks.chain(ramps).collect())
    }

    /// Asserts that the capsule of `player` is in the bounds and in no solid.
    fn check(&self, world: &World, player: &Player, what: &str) {
        let (rules, (min, max)) = (world.rules(), world.bounds());
        let (radius, height, feet) = (rules.body_radius_m, rules.body_height_m, player.position);
        assert!(player.position.is_finite() && player.velocity.is_finite(), "{what}: {player:?}");
        let low = feet - Vec3::new(radius, 0.0, radius) + TOLERANCE_M;
        let high = feet + Vec3::new(radius, height, radius) - TOLERANCE_M;
        assert!(low.cmpge(min).all() && high.cmple(max).all(), "{what}: outside of the map: {player:?}");
        let core = Segment::new(
            Vector::from((feet + Vec3::Y * radius).to_array()),
            Vector::from((feet + Vec3::Y * (height - radius)).to_array()),
        );
        for (pose, solid) in &self.0 {
            let apart = distance(pose, &**solid, &Pose::IDENTITY, &core).expect("parry knows these shapes").distance;
            assert!(apart > radius - TOLERANCE_M, "{what}: {} m deep in a solid: {player:?}", radius - apart);
        }
    }
}

fn rampage(seed: u64, contact: bool, ticks: u32) {
    let mut config = Config::default();
    config.rules.contact = contact;
    config.rules.rocket.ammo_start = 24;
    let rate = [60, 20, 128][seed as usize % 3];
    let mut room = Match::at_rate(&config, 24, seed, rate);
    let judge = Judge::new(&room.world);
    let mut dice = Dice(seed);
    let mut inputs = vec![Input::default(); 24];
    for tick in 0..ticks {
        inputs = inputs.iter().map(|before| dice.input(before)).collect();
        room.step(|player| inputs[usize::from(player)].clone());
        for (player, (_, body)) in room.players() {
            judge.check(
                &room.world,
                &body,
                &format!("seed {seed} contact {contact} {rate} Hz tick {tick} player {}", player.0),
            );
            assert!(!body.grounded || body.velocity.y == 0.0, "who stands does not fall: {body:?}");
        }
    }
}

#[test]
fn nobody_gets_out_of_the_map_or_into_a_solid() {
    for seed in 0..6 {
        rampage(seed, seed % 2 == 1, 1_500);
    }
}

#[test]
#[ignore = "minutes; run it after a change to the movement"]
fn nobody_gets_out_of_the_map_or_into_a_solid_for_long() {
    for seed in 100..160 {
        rampage(seed, seed % 2 == 1, 6_000);
    }
}

#[test]
fn who_wants_to_move_from_where_a_rampage_left_it_can() {
    let mut room = Match::seeded(&Config::default(), 64, 3);
    let mut dice = Dice(3);
    let mut inputs = vec![Input::default(); 64];
    for round in 0..20 {
        for _ in 0..120 {
            inputs = inputs.iter().map(|before| dice.input(before)).collect();
            room.step(|player| Input { fire: false, ..inputs[usize::from(player)].clone() });
        }
        // In some direction there is a way; a body that hangs in a gap has none.
        let mut moved = [0.0_f32; 64];
        for quarter in 0..4 {
            let before: Vec<_> = (0..64).map(|player| room.player(player).position).collect();
            room.run(25, |_| Input { forward: 1.0, yaw: quarter as f32 * 1.571, ..Input::default() });
            for player in 0..64 {
                let way = room.player(player).position.distance(before[usize::from(player)]);
                moved[usize::from(player)] = moved[usize::from(player)].max(way);
            }
        }
        let stuck = (0..64).find(|&player| moved[usize::from(player)] < 0.5 && room.player(player).alive);
        assert_eq!(stuck, None, "round {round}: {:?}", stuck.map(|player| room.player(player)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_way_through_any_blocks_stays_outside_of_them(
        seed in any::<u64>(),
        blocks in prop::collection::vec((0..34_u8, 1..20_u8, 0..34_u8, 2..40_u8, 2..20_u8, 2..40_u8, -90..90_i16), 1..12),
        ramps in prop::collection::vec((0..30_u8, 0..30_u8, 0..4_usize), 0..4),
    ) {
        let blocks: Vec<_> = blocks.iter().map(|&(x, y, z, width, height, depth, turn)| {
            // Nothing within 2 m of the spawn at the corner.
            let min = [f32::from(x) * 0.5 - 15.0, f32::from(y) * 0.1 - 0.1, f32::from(z) * 0.5 - 15.0];
            let size = [f32::from(width) * 0.1, f32::from(height) * 0.1, f32::from(depth) * 0.1];
            let max: [f32; 3] = std::array::from_fn(|axis| min[axis] + size[axis]);
            format!("{{ min = {min:?}, max = {max:?}, turn_deg = {turn}.0 }}")
        }).collect();
        let ramps: Vec<_> = ramps.iter().map(|&(x, z, rise)| {
            let (x, z) = (f32::from(x) - 15.0, f32::from(z) - 15.0);
            let rise = ["+x", "-x", "+z", "-z"][rise];
            format!("{{ min = [{x:?}, 0.0, {z:?}], max = [{:?}, 2.0, {:?}], rise = '{rise}' }}", x + 4.0, z + 3.0)
        }).collect();
        let solids = format!("blocks = [{}]\nramps = [{}]", blocks.join(", "), ramps.join(", "));
        let config = common::room(&solids, &[Vec3::new(-18.5, 0.0, -18.5)]);
        let mut room = Match::new(&config, 8);
        let judge = Judge::new(&room.world);
        let mut dice = Dice(seed);
        let mut inputs = vec![Input::default(); 8];
        for tick in 0..400 {
            inputs = inputs.iter().map(|before| dice.input(before)).collect();
            room.step(|player| inputs[usize::from(player)].clone());
            for (_, body) in room.players().values() {
                judge.check(&room.world, body, &format!("tick {tick}"));
            }
        }
    }
}
