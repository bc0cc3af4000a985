//! A client that starts from what it is told predicts its avatar to the bit.

mod support;

use downbeat_field::{AVATAR_SPEED, Avatars, Config, Entity, Field, Input};
use downbeat_replica::{Context, Game, Kinds, LaneReader, LaneWriter, PlayerId, Tick};
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg32;
use support::{DT, Match, any_input, config};

/// Predicts one tick from lanes to lanes, as a client does.
fn predicted(config: &Config, lanes: &[i32], input: &Input) -> Vec<i32> {
    let world = Field::world(config).expect("the rules are legal");
    let context = Context { world: &world, tick: Tick(1), dt: DT, others: &[] };
    let kind = Entity::kinds().len() - 1;
    let mut own = Entity::read(kind, &mut LaneReader::new(lanes)).expect("the kind exists");
    Field::predict(&context, &mut own, input);
    let mut lanes = Vec::new();
    own.write(&mut LaneWriter::new(&mut lanes));
    lanes
}

#[test]
fn prediction_equals_the_step_in_every_lane_whatever_the_input() {
    let rules = config(0, 32, Avatars::Private);
    let mut game = Match::new(&rules, 21);
    (0..8).for_each(|player| game.field.join(PlayerId(player), ""));
    game.capture();
    let mut rng = Pcg32::seed_from_u64(2);
    let mut inputs = [Input::default(); 8];
    let mut own: Vec<_> = (0..8).map(|player| game.lanes_of(&game.captured_avatar(player)).to_vec()).collect();
    let (mut airborne, mut fenced) = (0, 0);
    for tick in 0..5_000 {
        for (input, own) in inputs.iter_mut().zip(&mut own) {
            // Some inputs are held for long, so that borders are met; some are new in every tick.
            if rng.next_u32() % 64 == 0 || tick % 1_000 < 200 {
                *input = any_input(&mut rng);
            }
            *own = predicted(&rules, own, input);
        }
        let sent: Vec<_> = (0..8).zip(inputs).collect();
        game.tick(&sent);
        for player in 0..8 {
            assert_eq!(own[usize::from(player)], game.lanes_of(&game.captured_avatar(player)), "player {player}");
            let avatar = game.avatar(player);
            airborne += u32::from(avatar.position.y > 0.0);
            fenced += u32::from(avatar.position.x.abs().max(avatar.position.z.abs()) > 31.99);
        }
    }
    assert!(airborne > 1_000 && fenced > 100, "{airborne} in the air, {fenced} at the border");
}

#[test]
fn a_resting_avatar_changes_no_lane() {
    let mut game = Match::new(&Config::default(), 22);
    let mut rng = Pcg32::seed_from_u64(3);
    for round in 0..200 {
        game.field.join(PlayerId(round), "");
        for _ in 0..rng.next_u32() % 8 {
            game.tick(&[(round, Input { jump: false, ..any_input(&mut rng) })]);
        }
        game.capture();
        let resting = game.lanes_of(&game.captured_avatar(round)).to_vec();
        for yaw in [0.0, 1.0, -3.0] {
            game.tick(&[(round, Input { yaw, ..Input::default() })]);
            assert_eq!(game.lanes_of(&game.captured_avatar(round)), resting);
        }
        game.tick(&[]);
        assert_eq!(game.lanes_of(&game.captured_avatar(round)), resting, "without any input, too");
    }
}

#[test]
fn rounding_costs_an_avatar_less_than_two_percent_of_its_speed_in_any_direction() {
    let rules = config(20_000, 32, Avatars::Private);
    for seed in 0..64 {
        let mut game = Match::new(&config(0, 32, Avatars::Private), seed);
        let world = Field::world(&rules).expect("the rules are legal");
        game.field.join(PlayerId(0), "");
        game.capture();
        let mut own = game.read(&game.captured_avatar(0));
        let before = game.avatar(0).position;
        let input = Input { forward: 1.0, yaw: seed as f32 * 0.1 - 3.1, ..Input::default() };
        let context = Context { world: &world, tick: Tick(1), dt: DT, others: &[] };
        for _ in 0..60 {
            Field::predict(&context, &mut own, &input);
            let mut lanes = Vec::new();
            own.write(&mut LaneWriter::new(&mut lanes));
            own = Entity::read(own.kind(), &mut LaneReader::new(&lanes)).expect("the kind exists");
        }
        let Entity::Avatar(avatar) = own else { panic!("an avatar stays an avatar") };
        let speed = avatar.position.distance(before);
        assert!((speed / AVATAR_SPEED - 1.0).abs() < 0.02, "{speed} m/s at {}", input.yaw);
    }
}

#[test]
fn a_walker_is_not_predicted() {
    let mut game = Match::new(&Config::default(), 23);
    game.tick(&[]);
    let walker = Entity::Walker(game.walkers()[0]);
    let world = Field::world(&Config::default()).expect("the rules are legal");
    let mut own = walker;
    let context = Context { world: &world, tick: Tick(1), dt: DT, others: &[] };
    Field::predict(&context, &mut own, &Input { forward: 1.0, ..Input::default() });
    assert_eq!(own, walker);
}
