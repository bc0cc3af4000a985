//! How a player moves: speeds, slopes, steps, walls, and standing still.

mod common;

use common::{DT, Dice, Match, lanes, predict, room};
use downbeat_arena::{Arena, Config, Entity, Input, Player, World};
use downbeat_replica::Game;
use downbeat_replica::glam::Vec3;

/// One player alone in a room, moved by prediction.
struct Walker {
    world: World,
    own: Player,
}

impl Walker {
    /// At `at`, settled on the ground.
    fn new(solids: &str, at: Vec3) -> Self {
        let config = room(solids, &[at]);
        let own = Match::new(&config, 1).player(0);
        let mut walker = Self { world: Arena::world(&config).expect("the room is legal"), own };
        walker.run(60, &Input::default());
        assert!(walker.own.grounded, "{:?}", walker.own);
        walker
    }

    fn run(&mut self, ticks: u32, input: &Input) {
        (0..ticks).for_each(|_| predict(&self.world, &mut self.own, input));
    }
}

/// Full speed towards −z, turned by `yaw`.
fn forward(yaw: f32) -> Input {
    Input { forward: 1.0, yaw, ..Input::default() }
}

#[test]
fn running_reaches_its_speed_and_aslant_is_no_faster() {
    let mut walker = Walker::new("", Vec3::new(0.0, 0.0, 15.0));
    walker.run(30, &forward(0.0));
    assert!((walker.own.velocity.length() - 6.5).abs() < 0.02, "{}", walker.own.velocity);
    assert!(walker.own.velocity.z < -6.4, "forward at yaw 0 is towards -z");
    walker.run(30, &Input { right: 1.0, ..forward(0.0) });
    assert!((walker.own.velocity.length() - 6.5).abs() < 0.02, "{}", walker.own.velocity);
}

#[test]
fn the_slowest_walk_is_as_fast_as_asked() {
    for yaw in [0.0, 0.1, 0.7, 2.0] {
        let mut walker = Walker::new("", Vec3::ZERO);
        let slow = Input { forward: 0.125, ..forward(yaw) };
        walker.run(30, &slow);
        let from = walker.own.position;
        walker.run(120, &slow);
        let speed = walker.own.position.distance(from) / (120.0 * DT);
        assert!((speed / (6.5 * 0.125) - 1.0).abs() < 0.1, "{speed} m/s at yaw {yaw}");
    }
}

#[test]
fn one_comes_to_a_full_stop() {
    let mut walker = Walker::new("", Vec3::ZERO);
    walker.run(30, &forward(1.0));
    walker.run(30, &Input::default());
    assert_eq!(walker.own.velocity, Vec3::ZERO);
}

#[test]
fn a_jump_is_as_high_as_its_speed_says() {
    let mut walker = Walker::new("", Vec3::ZERO);
    let mut top = 0.0_f32;
    walker.run(1, &Input { jump: true, ..Input::default() });
    for _ in 0..60 {
        walker.run(1, &Input::default());
        top = top.max(walker.own.position.y);
    }
    assert!((top - 6.5 * 6.5 / 36.0).abs() < 0.05, "{top} m");
    assert!(walker.own.grounded);
}

#[test]
fn slopes_are_run_up_and_down_at_full_speed_without_leaving_the_ground() {
    let solids = "ramps = [{ min = [-2.0, 0.0, -4.0], max = [2.0, 3.0, 0.0], rise = '-z' },
                           { min = [-2.0, 0.0, -12.0], max = [2.0, 3.0, -8.0], rise = '+z' }]
                  blocks = [{ min = [-2.0, 0.0, -8.0], max = [2.0, 3.0, -4.0] }]";
    let mut walker = Walker::new(solids, Vec3::new(0.3, 0.0, 6.0));
    walker.run(30, &forward(0.0));
    let mut highest = 0.0_f32;
    for _ in 0..155 {
        let before = walker.own.position;
        walker.run(1, &forward(0.0));
        let way = walker.own.position - before;
        assert!(walker.own.grounded, "{:?}", walker.own);
        assert!((way.z / DT + 6.5).abs() < 0.15, "{} m/s at {}", way.z / DT, walker.own.position);
        assert!(way.y.abs() < 0.13, "no jerk: {} m at {}", way.y, walker.own.position);
        highest = highest.max(walker.own.position.y);
    }
    assert!((highest - 3.0).abs() < 0.01, "{highest}");
    assert!(walker.own.position.y < 0.01);
}

#[test]
fn steps_are_climbed_and_higher_edges_are_not() {
    let step = |height: f32| format!("blocks = [{{ min = [-3.0, 0.0, -9.0], max = [3.0, {height:?}, -1.0] }}]");
    for yaw in [0.0, 0.4, -0.6] {
        let mut walker = Walker::new(&step(0.39), Vec3::ZERO);
        walker.run(40, &forward(yaw));
        assert!(walker.own.position.y > 0.38 && walker.own.position.z < -1.0, "{}", walker.own.position);
        let mut walker = Walker::new(&step(0.42), Vec3::ZERO);
        walker.run(40, &forward(yaw));
        assert!(walker.own.position.y < 0.01 && walker.own.position.z > -1.0, "{}", walker.own.position);
    }
}

#[test]
fn stairs_do_not_slow_anybody() {
    let stairs: Vec<_> = (0..8)
        .map(|i| format!("{{ min = [-3.0, 0.0, -19.0], max = [3.0, {:?}, {:?}] }}", 0.35 * (i + 1) as f32, -(i as f32)))
        .collect();
    let mut walker = Walker::new(&format!("blocks = [{}]", stairs.join(", ")), Vec3::new(0.0, 0.0, 8.0));
    walker.run(30, &forward(0.0));
    let from = walker.own.position;
    walker.run(120, &forward(0.0));
    let speed = (from.z - walker.own.position.z) / (120.0 * DT);
    assert!(speed > 6.3, "{speed} m/s");
    assert!((walker.own.position.y - 2.8).abs() < 0.01);
}

#[test]
fn one_slides_along_walls_at_any_angle() {
    for turn in [0.0_f32, 7.0, 20.0, 33.0, 45.0] {
        let solids = format!("blocks = [{{ min = [-18.0, 0.0, -3.0], max = [18.0, 3.0, -2.0], turn_deg = {turn:?} }}]");
        for aslant in [20.0_f32, 45.0, 70.0] {
            let mut walker = Walker::new(&solids, Vec3::new(0.0, 0.0, 1.5));
            let along = turn.to_radians();
            // Into the wall, turned to the left of its normal.
            let input = forward(along + aslant.to_radians());
            walker.run(40, &input);
            let from = walker.own.position;
            walker.run(40, &input);
            let speed = walker.own.position.distance(from) / (40.0 * DT);
            let at_least = 0.9 * 6.5 * libm::sinf(aslant.to_radians());
            assert!(speed > at_least, "{speed} m/s, wall at {turn}, {aslant} off its normal");
        }
    }
}

#[test]
fn pressing_against_a_wall_or_into_a_corner_does_not_tremble() {
    let solids = "blocks = [{ min = [-5.0, 0.0, -5.0], max = [5.0, 3.0, -4.0], turn_deg = 13.0 },
                            { min = [-5.0, 0.0, -5.0], max = [-4.0, 3.0, 5.0], turn_deg = 13.0 }]";
    for yaw in [0.2, 0.5, 0.9, 1.3] {
        let mut walker = Walker::new(solids, Vec3::ZERO);
        walker.run(240, &forward(yaw));
        let place = |walker: &Walker| lanes(&Entity::Player(walker.own.clone()))[..3].to_vec();
        let apart = |a: &[i32], b: &[i32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<i32>();
        let from = place(&walker);
        let mut walked = 0;
        for _ in 0..60 {
            let before = place(&walker);
            walker.run(1, &forward(yaw));
            walked += apart(&before, &place(&walker));
        }
        // It may creep along the wall, but not to and fro.
        let there_and_back = walked - apart(&from, &place(&walker));
        assert!(there_and_back <= 4, "yaw {yaw}: {there_and_back} steps of a millimetre");
    }
}

#[test]
fn nothing_passes_a_thin_wall_however_fast_and_however_long_the_tick() {
    let solids = "blocks = [{ min = [-25.0, 0.0, -3.05], max = [25.0, 12.0, -3.0], turn_deg = 3.0 }]";
    let config = room(solids, &[Vec3::new(0.0, 0.0, 3.0)]);
    let world = Arena::world(&config).expect("the room is legal");
    let mut dice = Dice(5);
    for _ in 0..2_000 {
        let mut own = Match::new(&config, 1).player(0);
        own.position = Vec3::new(dice.roll(30) as f32 - 15.0, dice.roll(8) as f32, dice.roll(60) as f32 * 0.05);
        own.velocity = Vec3::new(dice.roll(120) as f32 - 60.0, dice.roll(120) as f32 - 60.0, -60.0);
        own.grounded = dice.roll(2) == 0;
        for _ in 0..20 {
            let context = downbeat_replica::Context::<Arena> {
                world: &world,
                tick: downbeat_replica::Tick(0),
                dt: 0.05,
                others: &[],
            };
            let mut entity = Entity::Player(own.clone());
            Arena::predict(&context, &mut entity, &Input::default());
            let Entity::Player(moved) = entity else { unreachable!("it stays a player") };
            own = moved;
            let wall = -3.0 - own.position.x * libm::tanf(3.0_f32.to_radians());
            assert!(own.position.z - wall > 0.3, "{own:?}");
        }
    }
}

#[test]
fn who_stands_keeps_every_lane() {
    for seed in 0..8 {
        let mut room = Match::seeded(&Config::default(), 64, seed);
        let mut dice = Dice(seed);
        let mut inputs = vec![Input::default(); 64];
        for _ in 0..240 {
            inputs = inputs.iter().map(|before| Input { fire: false, ..dice.input(before) }).collect();
            room.step(|player| inputs[usize::from(player)].clone());
        }
        let still = |player: u16| Input { yaw: inputs[usize::from(player)].yaw, ..Input::default() };
        // Everybody comes to the ground and to rest; weapons cool down and items come back.
        room.run(1_000, still);
        let before = room.lanes.clone();
        for _ in 0..200 {
            room.step(still);
            assert_eq!(room.lanes, before, "seed {seed}");
        }
    }
}

#[test]
fn one_falls_off_an_edge_and_lands() {
    let solids = "blocks = [{ min = [-2.0, 0.0, -2.0], max = [2.0, 3.0, 2.0] }]";
    let mut walker = Walker::new(solids, Vec3::new(0.0, 3.0, 0.0));
    assert!(walker.own.position.y > 2.9);
    walker.run(30, &forward(0.3));
    assert!(!walker.own.grounded);
    walker.run(60, &forward(0.3));
    assert!(walker.own.grounded && walker.own.position.y < 0.01);
}
