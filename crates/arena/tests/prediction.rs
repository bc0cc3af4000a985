//! A client that knows its own lanes and its inputs computes what the server computes.

mod common;

use common::{DT, Dice, Match, lanes, predict};
use downbeat_arena::{Arena, Config, Entity, Input, Select};
use downbeat_replica::{Context, Game, Input as _, Kinds, LaneReader};

#[test]
fn prediction_agrees_to_the_bit_for_thousands_of_ticks() {
    let mut config = Config::default();
    // Items are given by the server alone.
    config.map.pick_ups.clear();
    config.rules.rifle.ammo_max = 250;
    config.rules.rifle.ammo_start = 250;
    for seed in 0..12 {
        let mut room = Match::seeded(&config, 1, seed);
        let mut dice = Dice(seed);
        let mut input = Input::default();
        let mut own = room.player(0);
        let (mut airborne, mut high, mut shots) = (0, 0, 0);
        for tick in 0..4_000 {
            // Rockets throw their launcher, which is not predicted.
            input = Input { select: Select::Keep, ..dice.input(&input) };
            room.step(|_| input.clone());
            predict(&room.world, &mut own, &input.rounded());
            let told = room.player(0);
            assert_eq!(
                lanes(&Entity::Player(told.clone())),
                lanes(&Entity::Player(own.clone())),
                "seed {seed} tick {tick}: {told:?} and {own:?}"
            );
            airborne += u32::from(!own.grounded);
            high += u32::from(own.position.y > 1.3 && own.grounded);
            shots = 250 - own.rifle_ammo;
        }
        assert!(airborne > 200 && shots > 20, "the walk was a dull one: {airborne} {high} {shots}");
    }
}

#[test]
fn changing_the_weapon_and_launching_is_predicted() {
    let mut config = Config::default();
    config.map.pick_ups.clear();
    config.rules.rocket.splash_radius_m = 0.1;
    let mut room = Match::new(&config, 1);
    let mut own = room.player(0);
    for tick in 0..300 {
        let select = [Select::Rocket, Select::Rifle, Select::Keep][tick / 50 % 3];
        let input = Input { select, fire: true, pitch: 0.5, ..Input::default() };
        room.step(|_| input.clone());
        predict(&room.world, &mut own, &input.rounded());
        assert_eq!(room.player(0), own, "tick {tick}");
    }
    assert!(own.rockets < 24 && own.rifle_ammo < 120);
}

#[test]
fn a_rocket_is_predicted_to_the_bit_from_its_launch_to_the_wall_it_meets() {
    let mut config = Config::default();
    config.map.pick_ups.clear();
    config.rules.rocket.splash_radius_m = 0.1;
    let mut room = Match::new(&config, 1);
    let (mut flying, mut own) = (None, room.player(0));
    let (mut launches, mut flights) = (0, 0);
    for tick in 0..1_200 {
        let yaw = tick as f32 * 0.01;
        let input = Input { select: Select::Rocket, fire: true, yaw, pitch: 0.1, ..Input::default() }.rounded();
        room.step(|_| input.clone());
        let context = Context::<Arena> { world: &room.world, tick: room.tick, dt: DT, others: &[] };
        // The rocket first: the one that is launched in a tick has flown in it.
        let flies = flying.as_mut().is_some_and(|rocket| Arena::predict_flight(&context, rocket));
        flying = flying.filter(|_| flies).map(|rocket| read(&rocket));
        let (before, mut after) = (Entity::Player(own.clone()), Entity::Player(own.clone()));
        Arena::predict(&context, &mut after, &input);
        if let Some(rocket) = Arena::predict_spawn(&context, &before, &after, &input) {
            launches += 1;
            flying = Some(read(&rocket));
        }
        let Entity::Player(rounded) = read(&after) else { unreachable!("it was a player") };
        own = rounded;
        if let Some(rocket) = &flying {
            flights += 1;
            let told = room.rockets().into_iter().map(Entity::Rocket).find(|told| lanes(told) == lanes(rocket));
            assert!(told.is_some(), "tick {tick}: {rocket:?} and {:?}", room.rockets());
        }
    }
    assert!(launches > 15 && flights > 200, "{launches} launches, {flights} ticks of flight");
}

/// As a client remembers it.
fn read(entity: &Entity) -> Entity {
    Entity::read(entity.kind(), &mut LaneReader::new(&lanes(entity))).expect("it is of a known kind")
}
