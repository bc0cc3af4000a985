//! Bots find their way about the embedded map.

mod common;

use common::{DT, Dice, Match};
use downbeat_arena::{Config, Input, Nav, World, angles_towards};
use downbeat_replica::glam::Vec3;

#[test]
fn every_spawn_and_item_of_the_yard_can_be_reached_from_every_other() {
    let world = World::new(&Config::default()).expect("the default is legal");
    let nav = Nav::new(&world);
    let places: Vec<_> = world.spawns().chain(world.pick_ups()).collect();
    for &from in &places {
        for &to in &places {
            assert!(!nav.route(&world, from, to).is_empty(), "{from} to {to}");
        }
    }
}

#[test]
fn sixteen_wanderers_keep_moving_and_see_each_other() {
    let mut room = Match::new(&Config::default(), 16);
    let nav = Nav::new(&room.world);
    let mut dice = Dice(11);
    let mut routes: Vec<Vec<Vec3>> = vec![Vec::new(); 16];
    let (mut walked, mut seen, mut looks) = (0.0, 0, 0);
    let ticks = 1_800;
    for tick in 0..ticks {
        let before: Vec<_> = (0..16).map(|player| room.player(player).position).collect();
        let mut inputs = Vec::new();
        for (player, route) in routes.iter_mut().enumerate() {
            let at = before[player];
            if route.first().is_some_and(|to| (*to - at).with_y(0.0).length() < 0.6) {
                route.remove(0);
            }
            if route.is_empty() || tick % 600 == 599 {
                let to = nav.places()[dice.roll(nav.places().len() as u64) as usize];
                *route = nav.route(&room.world, at, to);
            }
            let yaw = route.first().map_or(0.0, |&to| angles_towards(at, to).0);
            inputs.push(Input { forward: 1.0, yaw, ..Input::default() });
        }
        room.step(|player| inputs[usize::from(player)].clone());
        for player in 0..16 {
            walked += room.player(player).position.distance(before[usize::from(player)]);
        }
        if tick % 60 == 0 {
            let eyes: Vec<_> = (0..16).map(|player| room.world.eyes(room.player(player).position)).collect();
            for a in 0..16 {
                looks += 1;
                seen += (0..16).filter(|&b| a != b && room.world.line_of_sight(eyes[a], eyes[b])).count();
            }
        }
    }
    let speed = walked / (ticks as f32 * DT * 16.0);
    let in_sight = seen as f32 / looks as f32;
    println!("{speed} m/s, {in_sight} of 15 others in sight");
    assert!(speed > 5.0, "{speed} m/s");
    assert!(in_sight > 8.0, "{in_sight} others in sight");
}
