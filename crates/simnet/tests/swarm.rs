//! Seeds that must hold: a few that are always the same, and a few that nobody has seen before.

use std::hash::{BuildHasher, RandomState};

use downbeat_simnet::{Scenario, play, rerun};

const SECONDS: u32 = 20;

fn check(seed: u64) {
    let verdict = play(seed, SECONDS);
    assert!(verdict.findings.is_empty(), "{}\n{}", rerun(seed, SECONDS), verdict.findings);
}

#[test]
fn fixed_seeds_hold() {
    (0x5eed..0x5eed + 8).for_each(check);
}

#[test]
fn fresh_seeds_hold() {
    // The hasher's keys are the randomness that the standard library has.
    let seed = RandomState::new().hash_one(0);
    println!("fresh seeds from {seed:#x}");
    (0..8).for_each(|n| check(seed.wrapping_add(n)));
}

#[test]
fn a_seed_plays_the_same_match_again_and_another_seed_another() {
    for seed in [1, 2, 3] {
        let [once, again] = [(), ()].map(|()| play(seed, 10).trace_hash);
        assert_eq!(once, again, "{}", rerun(seed, 10));
        assert_ne!(once, play(seed + 100, 10).trace_hash);
        let [once, again] = [(), ()].map(|()| Scenario::draw(seed, 10).to_string());
        assert_eq!(once, again);
    }
}
