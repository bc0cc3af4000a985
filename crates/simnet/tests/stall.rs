//! The server stands still for seconds, and leaves out the ticks that it missed. Its clock is behind then; what clients sampled
//! meanwhile is for a far future, and most of it is refused. They notice, give it up, and play on in the server's time.

use downbeat_arena::{Arena, Config as Rules};
use downbeat_field::{Config, Field};
use downbeat_replica::Micros;
use downbeat_simnet::{Fault, Options, Sim, Trouble, WanderPlayer};

const STALL_AT: Micros = Micros::from_millis(5_000);

/// A match until the server goes on after its stall.
fn stalled(line: &str, lasts_ms: u64, seed: u64) -> Sim<Field> {
    let lasts = Micros::from_millis(lasts_ms);
    let faults = vec![Fault { from: STALL_AT, lasts, what: Trouble::ServerStalls }];
    let link = line.parse().expect("the link is spelled right");
    let options = Options { link, faults, is_predictable: true, ..Options::new(seed) };
    let player = |_, seed| -> Box<dyn downbeat_simnet::Player<Field>> { Box::new(WanderPlayer::new(seed)) };
    let mut sim = Sim::<Field>::new(options, &Config::default(), player).expect("the configuration is fine");
    sim.run(STALL_AT + lasts);
    sim
}

#[test]
fn after_a_stall_of_three_seconds_clients_play_on_in_the_servers_time() {
    for (line, starved_max, latency_max_ms, seed) in [
        ("latency=25ms,jitter=2ms", 8, 100, 1),
        ("latency=25ms,jitter=2ms", 8, 100, 2),
        ("latency=5ms", 8, 60, 3),
        ("latency=150ms,jitter=10ms,loss=2%", 15, 450, 4),
    ] {
        let mut sim = stalled(line, 3_000, seed);
        let before = sim.room().counters().inputs;
        // What was sampled in the first of those seconds waits and is played; the rest was for nothing.
        sim.run(Micros::from_millis(1_500));
        let starved = sim.room().counters().inputs.starved - before.starved;
        assert!(starved <= 2 * starved_max, "{line}: {starved} ticks of two clients");
        let since: Vec<_> = sim.clients_mut().map(|client| client.take_input_latencies().count()).collect();
        assert!(since.iter().all(|count| *count > 0), "{since:?}");

        let before = sim.room().counters().inputs;
        sim.run(Micros::from_millis(4_000));
        let now = sim.room().counters().inputs;
        assert!(now.starved - before.starved <= 4 && now.rejected == before.rejected, "{line}: {before:?}, {now:?}");
        for client in sim.clients_mut() {
            let latency = client.take_input_latencies().max().expect("inputs are confirmed");
            assert!(latency < Micros::from_millis(latency_max_ms), "{line}: {latency:?}");
            assert_eq!(client.counters().mispredicted, 0, "{line}: {:?}", client.counters());
        }
        assert!(sim.findings().is_empty(), "{line}: {}", sim.findings());
    }
}

#[test]
fn inputs_of_a_shorter_stall_are_all_played() {
    for (lasts_ms, seed) in [(300, 1), (500, 2), (900, 3)] {
        let mut sim = stalled("latency=25ms,jitter=2ms", lasts_ms, seed);
        let before = sim.room().counters().inputs;
        // Up to 250 ms are made up for by a clock that runs 5 % slower.
        sim.run(Micros::from_millis(5_000));
        let now = sim.room().counters().inputs;
        assert_eq!((now.starved, now.rejected), (before.starved, before.rejected), "{lasts_ms} ms");
        sim.clients_mut().for_each(|client| client.take_input_latencies().for_each(drop));
        sim.run(Micros::from_millis(1_000));
        for client in sim.clients_mut() {
            let latency = client.take_input_latencies().max().expect("inputs are confirmed");
            assert!(latency < Micros::from_millis(100), "{lasts_ms} ms: {latency:?}");
        }
        assert!(sim.findings().is_empty(), "{lasts_ms} ms: {}", sim.findings());
    }
}

/// What was shot with inputs that were refused is not shown until its tick comes, a second later.
#[test]
fn shots_of_inputs_that_were_refused_are_withdrawn_at_once() {
    let (mut before, mut after) = (0, 0);
    for seed in 0..4 {
        let faults = vec![Fault { from: STALL_AT, lasts: Micros::from_millis(3_000), what: Trouble::ServerStalls }];
        let link = "latency=40ms,jitter=5ms".parse().expect("the link is spelled right");
        let options = Options { link, faults, clients: 4, ..Options::new(seed) };
        let player = |_, seed| -> Box<dyn downbeat_simnet::Player<Arena>> { Box::new(WanderPlayer::new(seed)) };
        let mut sim = Sim::<Arena>::new(options, &Rules::default(), player).expect("the configuration is fine");
        let in_the_air = |sim: &Sim<Arena>| -> u64 {
            let counters = sim.clients().map(|client| *client.counters());
            counters.map(|counters| counters.spawns - counters.spawns_matched - counters.spawns_withdrawn).sum()
        };
        sim.run(Micros::from_millis(7_990));
        before += in_the_air(&sim);
        sim.run(Micros::from_millis(310));
        after += in_the_air(&sim);
        sim.run(Micros::from_millis(6_000));
        assert!(sim.findings().is_empty(), "{}", sim.findings());
    }
    assert!(before >= 8 && after <= 1, "{before}, then {after}");
}
