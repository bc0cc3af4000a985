//! The same seed and the same inputs give the same match.

mod common;

use common::{Dice, Match};
use downbeat_arena::{Config, Input};

/// Lanes of every 50th tick of a fight.
fn fight(seed: u64, players: u16, contact: bool) -> Vec<Vec<i32>> {
    let mut config = Config::default();
    config.rules.contact = contact;
    let mut room = Match::seeded(&config, players, seed);
    let mut dice = Dice(seed);
    let mut inputs = vec![Input::default(); usize::from(players)];
    let mut kept = Vec::new();
    for tick in 0..2_000 {
        inputs = inputs.iter().map(|before| dice.input(before)).collect();
        room.step(|player| inputs[usize::from(player)].clone());
        assert_eq!(room.clamped, 0, "tick {tick}");
        if tick % 50 == 0 {
            kept.push(room.lanes.clone());
        }
    }
    let deaths: u32 = room.players().values().map(|(_, player)| u32::from(player.deaths)).sum();
    assert!(deaths > 0, "it was a fight: {deaths} deaths");
    kept
}

#[test]
fn the_same_seed_and_inputs_give_the_same_lanes_for_two_thousand_ticks() {
    for contact in [false, true] {
        assert_eq!(fight(9, 48, contact), fight(9, 48, contact));
    }
    assert_ne!(fight(9, 16, false), fight(10, 16, false));
}

#[test]
fn one_who_comes_and_goes_leaves_nothing_behind() {
    use downbeat_replica::{Game, PlayerId};
    let mut room = Match::new(&Config::default(), 3);
    let before = room.entities.len();
    for _ in 0..200 {
        room.arena.join(PlayerId(7), "guest");
        room.run(2, |_| Input { fire: true, ..Input::default() });
        assert_eq!(room.players().len(), 4);
        room.arena.leave(PlayerId(7));
        room.run(1, |_| Input::default());
        assert_eq!(room.players().len(), 3);
    }
    assert_eq!(room.entities.len(), before);
}
