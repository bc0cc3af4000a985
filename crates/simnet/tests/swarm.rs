//! Seeds that must hold: a few that are always the same, and a few that nobody has seen before.

use std::hash::{BuildHasher, RandomState};

use downbeat_simnet::{Scenario, play, rerun};

const SECONDS: u32 = 20;

fn check(seed: u64, is_quic: bool) {
    let verdict = play(seed, SECONDS, is_quic);
    assert!(verdict.findings.is_empty(), "{}\n{}", rerun(seed, SECONDS, is_quic), verdict.findings);
}

#[test]
fn fixed_seeds_hold() {
    (0x5eed..0x5eed + 8).for_each(|seed| check(seed, false));
    (0x5eed..0x5eed + 2).for_each(|seed| check(seed, true));
}

#[test]
fn fresh_seeds_hold() {
    // The hasher's keys are the randomness that the standard library has.
    let seed = RandomState::new().hash_one(0);
    println!("fresh seeds from {seed:#x}");
    (0..8).for_each(|n| check(seed.wrapping_add(n), false));
    check(seed, true);
}

#[test]
fn a_seed_plays_the_same_match_again_and_another_seed_another() {
    for (seed, is_quic) in [(1, false), (2, false), (3, false), (1, true)] {
        let [once, again] = [(), ()].map(|()| play(seed, 10, is_quic).trace_hash);
        assert_eq!(once, again, "{}", rerun(seed, 10, is_quic));
        assert_ne!(once, play(seed + 100, 10, is_quic).trace_hash);
        let [once, again] = [(), ()].map(|()| Scenario::draw(seed, 10, is_quic).to_string());
        assert_eq!(once, again);
    }
}
