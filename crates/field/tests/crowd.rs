//! The crowd does what the parameters say.

mod support;

use downbeat_field::{Avatars, Config, HEALTH_MAX, HEALTH_ODDS, TURN_MAX, WALKER_SPEED_MAX, WALKER_SPEED_MIN, Walker};
use downbeat_field::{Field, WALKERS_MAX};
use downbeat_replica::hash::Fnv;
use downbeat_replica::{Game, PlayerId};
use rand::SeedableRng;
use rand_pcg::Pcg32;
use support::{DT, HZ, Match, any_input, config};

/// Captured walkers of `ticks` ticks, oldest first.
fn recorded(walkers: u32, seed: u64, ticks: u32) -> Vec<Vec<Walker>> {
    let mut game = Match::new(&config(walkers, 32, Avatars::Private), seed);
    (0..ticks)
        .map(|_| {
            game.tick(&[]);
            game.walkers()
        })
        .collect()
}

/// Hash of all lanes of a match with players who come, go and do anything.
fn hash_of_a_match(seed: u64) -> u64 {
    let mut game = Match::new(&config(300, 32, Avatars::Public), seed);
    let mut rng = Pcg32::seed_from_u64(1);
    let mut hash = Fnv::default();
    for tick in 0..600 {
        if tick % 50 == 0 {
            game.field.join(PlayerId(tick), "");
        }
        if tick % 120 == 119 {
            game.field.leave(PlayerId(tick - 69));
        }
        let inputs: Vec<_> = (0..600).step_by(50).map(|player| (player, any_input(&mut rng))).collect();
        game.tick(&inputs);
        game.lanes.iter().for_each(|lane| hash.write(&lane.to_le_bytes()));
        let shown = game.visible(Some(tick / 50 * 50)).into_iter().map(|id| id.index() as u32);
        shown.for_each(|index| hash.write(&index.to_le_bytes()));
    }
    hash.finish()
}

#[test]
fn equal_seeds_and_inputs_make_equal_matches_and_other_seeds_do_not() {
    assert_eq!(hash_of_a_match(5), hash_of_a_match(5));
    assert_ne!(hash_of_a_match(5), hash_of_a_match(6));
}

#[test]
fn a_match_is_the_same_in_every_build() {
    // A change of the rules changes it; a change of compiler, profile or machine must not.
    assert_eq!(hash_of_a_match(7), 11_537_909_050_222_793_194);
}

#[test]
fn players_do_not_reach_the_crowd() {
    let mut game = Match::new(&Config::default(), 3);
    let mut rng = Pcg32::seed_from_u64(1);
    game.field.join(PlayerId(4), "");
    for walkers in recorded(200, 3, 200) {
        game.tick(&[(4, any_input(&mut rng))]);
        assert_eq!(game.walkers(), walkers);
    }
}

#[test]
fn walkers_stay_on_the_ground_they_have_and_use_all_of_it() {
    for walkers in [1, 200, WALKERS_MAX] {
        let rules = config(walkers, 32, Avatars::Private);
        let reach = Field::world(&rules).expect("the rules are legal").reach();
        assert!(reach <= 512.0);
        let mut game = Match::new(&rules, 11);
        let mut farthest = 0_f32;
        for _ in 0..if walkers == WALKERS_MAX { 300 } else { 6_000 } {
            game.tick(&[]);
            let out = |walker: Walker| walker.position.x.abs().max(walker.position.z.abs());
            farthest = game.walkers().into_iter().map(out).fold(farthest, f32::max);
        }
        assert!(farthest < reach && farthest > reach - 10.0, "{walkers} walkers: {farthest} of {reach}");
    }
}

#[test]
fn walkers_walk_at_constant_speeds_from_1_5_to_6_metres_a_second() {
    let ticks = recorded(300, 9, 8 * HZ + 1);
    let path = |walker: usize, ticks: &[Vec<Walker>]| -> f32 {
        let step = |pair: &[Vec<Walker>]| {
            let way = pair[1][walker].position - pair[0][walker].position;
            libm::hypotf(way.x, way.z)
        };
        ticks.windows(2).map(step).sum::<f32>() / (DT * (ticks.len() - 1) as f32)
    };
    let half = ticks.len() / 2;
    let mut speeds: Vec<_> = (0..300)
        .map(|walker| {
            let (early, late) = (path(walker, &ticks[..=half]), path(walker, &ticks[half..]));
            assert!((early - late).abs() < 0.1, "walker {walker}: {early} then {late} m/s");
            (early + late) / 2.0
        })
        .collect();
    speeds.sort_by(f32::total_cmp);
    // Rounding to centimetres zigzags, so that measured paths are longer by a percent or two.
    assert!(speeds[0] >= WALKER_SPEED_MIN && speeds[0] < 1.7, "{speeds:?}");
    assert!(speeds[299] <= WALKER_SPEED_MAX * 1.02 && speeds[299] > 5.8, "{speeds:?}");
}

#[test]
fn walkers_look_where_they_walk_and_turn_at_most_two_radians_a_second() {
    let yaw_step = std::f32::consts::TAU / 1_024.0;
    for pair in recorded(300, 10, 600).windows(2) {
        for (before, after) in pair[0].iter().zip(&pair[1]) {
            let turned = (after.yaw - before.yaw + 9.0 * std::f32::consts::PI) % std::f32::consts::TAU;
            let turned = turned - std::f32::consts::PI;
            assert!(turned.abs() <= TURN_MAX * DT + yaw_step + 1e-4, "{before:?} to {after:?}");
            let way = after.position - before.position;
            let ahead = way.x * libm::sinf(after.yaw) + way.z * libm::cosf(after.yaw);
            assert!(ahead > libm::hypotf(way.x, way.z) * 0.75, "{before:?} to {after:?}");
        }
    }
}

#[test]
fn health_changes_on_two_percent_of_the_walkers_in_a_tick() {
    let ticks = recorded(1_000, 12, 1_001);
    let changed: usize = ticks
        .windows(2)
        .map(|pair| pair[0].iter().zip(&pair[1]).filter(|(before, after)| before.health != after.health).count())
        .sum();
    let share = changed as f32 / 1_000_000.0;
    assert!((share - HEALTH_ODDS).abs() < 0.001, "{share}");
    assert!(ticks.iter().flatten().all(|walker| walker.health <= HEALTH_MAX));
}

#[test]
fn a_walker_hops_about_every_ten_seconds_and_comes_down_again() {
    let ticks = recorded(500, 13, 60 * HZ);
    let hops: usize = ticks
        .windows(2)
        .map(|pair| pair[0].iter().zip(&pair[1]).filter(|(a, b)| a.position.y == 0.0 && b.position.y > 0.0).count())
        .sum();
    let of_walker = hops as f32 / 500.0;
    assert!((4.5..6.5).contains(&of_walker), "{of_walker} hops a minute");
    let top = ticks.iter().flatten().map(|walker| walker.position.y).fold(0.0, f32::max);
    assert!((0.5..0.7).contains(&top), "{top} m");
    assert!(ticks.iter().flatten().all(|walker| walker.position.y >= 0.0));
}

#[test]
fn a_match_without_walkers_goes_on() {
    let mut game = Match::new(&config(0, 32, Avatars::Private), 1);
    game.field.join(PlayerId(0), "");
    game.tick(&[]);
    assert_eq!(game.visible(Some(0)), [game.captured_avatar(0).id]);
}
