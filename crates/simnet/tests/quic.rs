//! What the second layer adds: connections that have to come about, move, and stay what they are.

use downbeat_arena::{Arena, Config};
use downbeat_link::LinkSpec;
use downbeat_replica::Micros;
use downbeat_simnet::{Fault, Layer, Machine, Options, Sim, Trouble, WanderPlayer};

fn sim(options: Options) -> Sim<Arena> {
    Sim::new(options, &Config::default(), |_, seed| Box::new(WanderPlayer::new(seed))).expect("it opens")
}

fn options(line: &str, must_prove: bool, faults: Vec<Fault>) -> Options {
    let link: LinkSpec = line.parse().expect("the line is spelled right");
    Options { link, faults, layer: Layer::Quic { must_prove }, ..Options::new(3) }
}

fn run(sim: &mut Sim<Arena>, ms: u64) -> Vec<u64> {
    let arrived = |sim: &Sim<Arena>| sim.clients().map(|client| client.counters().snapshots).collect::<Vec<_>>();
    let before = arrived(sim);
    sim.run(Micros::from_millis(ms));
    assert!(sim.findings().is_empty(), "{}", sim.findings());
    arrived(sim).iter().zip(before).map(|(after, before)| after - before).collect()
}

#[test]
fn a_handshake_takes_its_round_trips_and_one_more_with_retry() {
    for (must_prove, is_in_ms) in [(false, 100), (true, 200)] {
        let mut sim = sim(options("latency=50ms", must_prove, Vec::new()));
        sim.run(Micros::from_millis(is_in_ms));
        assert_eq!(sim.clients().count(), 0, "Retry: {must_prove}");
        sim.run(Micros::from_millis(100));
        assert_eq!(sim.clients().count(), 2, "Retry: {must_prove}");
    }
}

#[test]
fn a_client_whose_address_changes_plays_on() {
    let moves = Fault { from: Micros::from_millis(3_000), lasts: Micros(0), what: Trouble::Moves(1) };
    let mut sim = sim(options("latency=40ms", false, vec![moves]));
    sim.run(Micros::from_millis(2_900));
    let snapshots = run(&mut sim, 2_000);
    assert!(snapshots.iter().all(|arrived| *arrived >= 105), "{snapshots:?}");
    // What was sent to the old address is lost: at least as much as was under way.
    assert!(snapshots[1] < snapshots[0], "{snapshots:?}");
    assert_eq!(run(&mut sim, 1_000), [60, 60]);
    assert!(sim.converged());
}

#[test]
fn a_line_that_was_dead_for_three_seconds_is_used_again() {
    let outage =
        Fault { from: Micros::from_millis(3_000), lasts: Micros::from_millis(3_000), what: Trouble::Outage(0) };
    let mut sim = sim(options("latency=40ms", false, vec![outage]));
    sim.run(Micros::from_millis(3_100));
    let snapshots = run(&mut sim, 2_900);
    assert!(snapshots[0] == 0 && snapshots[1] >= 172, "{snapshots:?}");
    // As docs/congestion.md says of lines up to 150 ms.
    sim.run(Micros::from_millis(3_500));
    assert_eq!(run(&mut sim, 1_000), [60, 60]);
    assert!(sim.converged());
}

#[test]
fn a_narrow_path_is_played_on_and_larger_packets_are_only_tried() {
    let machine = Machine { mtu: 1_200, ..Machine::default() };
    let mut sim = sim(Options { machines: vec![machine; 2], ..options("latency=10ms", false, Vec::new()) });
    sim.run(Micros::from_millis(1_000));
    assert_eq!(run(&mut sim, 5_000), [300, 300]);
    assert!(sim.converged());
}
