//! The whole chain on the scale game, in virtual time.

use downbeat_field::{Config, Field};
use downbeat_link::LinkSpec;
use downbeat_replica::Micros;
use downbeat_simnet::{Fault, Options, Sim, Trouble, WanderPlayer};

fn sim(options: Options, config: &Config) -> Sim<Field> {
    Sim::new(options, config, |_, seed| Box::new(WanderPlayer::new(seed))).expect("the configuration is fine")
}

fn link(spec: &str) -> LinkSpec {
    spec.parse().expect("the link is spelled right")
}

#[test]
fn the_same_seed_plays_the_same_match() {
    let trace = |seed| {
        let options = Options { link: link("mobile"), clients: 3, ..Options::new(seed) };
        let mut sim = sim(options, &Config { walkers: 30, visible: 10, ..Config::default() });
        sim.run(Micros::from_millis(5_000));
        sim.trace_hash()
    };
    assert_eq!(trace(1), trace(1));
    assert_ne!(trace(1), trace(2));
}

#[test]
fn on_a_perfect_line_every_copy_is_exact_and_nothing_is_mispredicted() {
    let options = Options { link: link("latency=20ms"), ..Options::new(7) };
    let mut sim = sim(options, &Config { walkers: 60, visible: 16, ..Config::default() });
    sim.run(Micros::from_millis(3_000));
    let before: Vec<_> = sim.clients().map(|client| *client.counters()).collect();
    let inputs = sim.room().counters().inputs;
    for _ in 0..200 {
        sim.run(Micros::from_millis(50));
        assert!(sim.converged());
    }
    assert_eq!(sim.wrong_states(), 0);
    for (client, before) in sim.clients().zip(before) {
        let now = client.counters();
        assert_eq!(now.mispredicted, 0, "{now:?}");
        assert_eq!(now.substituted - before.substituted, 0, "{now:?}");
        assert_eq!(now.starved - before.starved, 0, "{now:?}");
        assert!(now.confirmed > 500, "{now:?}");
        assert_eq!(now.undecodable, 0, "{now:?}");
    }
    let late = sim.room().counters().inputs.late - inputs.late;
    assert_eq!(late, 0, "{:?}", sim.room().counters());
}

#[test]
fn copies_converge_after_loss_ends_and_never_hold_what_never_was() {
    for (seed, spec) in [(1, "wifi"), (2, "mobile"), (3, "awful"), (4, "latency=30ms,loss=20%,reorder=10%,dup=5%")] {
        let lossy = link(spec);
        let options = Options { link: lossy, clients: 3, ..Options::new(seed) };
        let mut sim = sim(options, &Config { walkers: 80, visible: 20, ..Config::default() });
        sim.run(Micros::from_millis(10_000));
        sim.set_link(&lossy.without_loss());
        sim.run(Micros::from_millis(500) + lossy.latency + lossy.latency + lossy.latency + lossy.latency);
        assert!(sim.converged(), "{spec}");
        assert_eq!(sim.wrong_states(), 0, "{spec}");
        for client in sim.clients() {
            assert_eq!(client.counters().mispredicted, 0, "{spec}: {:?}", client.counters());
        }
    }
}

/// What the server ran while the client stood still is known from its report: the last input, held.
#[test]
fn a_client_that_stalls_predicts_exactly_when_it_is_back() {
    for (seed, stall_ms) in (0..12).zip([80, 150, 230, 300, 600, 900].into_iter().cycle()) {
        let stall = |second: u64| Fault {
            from: Micros::from_millis(second * 1_000),
            lasts: Micros::from_millis(stall_ms),
            what: Trouble::ClientStalls(0),
        };
        let faults = (3..12).step_by(2).map(stall).collect();
        let options = Options { link: link("latency=40ms,jitter=10ms"), faults, ..Options::new(seed) };
        let mut sim = sim(Options { is_predictable: true, ..options }, &Config::default());
        sim.run(Micros::from_millis(13_000));
        assert!(sim.findings().is_empty(), "{stall_ms} ms: {}", sim.findings());
    }
}
