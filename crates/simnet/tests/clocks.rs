//! Both clocks follow the line: up at once, down again when it calms, and not at all for an outage.

use downbeat_arena::{Arena, Config};
use downbeat_link::LinkSpec;
use downbeat_replica::Micros;
use downbeat_simnet::{Fault, Options, Sim, Trouble, WanderPlayer};

const CALM: &str = "latency=30ms,jitter=2ms";

fn link(spec: &str) -> LinkSpec {
    spec.parse().expect("the link is spelled right")
}

fn calm(seed: u64) -> Sim<Arena> {
    let options = Options { link: link(CALM), clients: 3, ..Options::new(seed) };
    let mut sim = Sim::new(options, &Config::default(), |_, seed| Box::new(WanderPlayer::new(seed))).expect("it opens");
    run(&mut sim, 10);
    sim
}

/// What a player of the first client feels after `seconds` more: the delay of its inputs in the last of them, and the
/// delay of the view. Milliseconds.
fn run(sim: &mut Sim<Arena>, seconds: u64) -> (f64, f64) {
    sim.run(Micros::from_millis(seconds * 1_000 - 1_000));
    sim.clients_mut().for_each(|client| drop(client.take_input_latencies()));
    sim.run(Micros::from_millis(1_000));
    let client = sim.clients_mut().next().expect("there is one");
    let mut latencies: Vec<f64> = client.take_input_latencies().map(|latency| latency.0 as f64 / 1e3).collect();
    latencies.sort_by(f64::total_cmp);
    let delay = client.interpolation_delay().expect("it has begun").0 as f64 / 1e3;
    (latencies[latencies.len() / 2], delay)
}

#[test]
fn margin_and_delay_come_back_down_when_a_bad_line_calms() {
    for seed in 1..4 {
        let mut sim = calm(seed);
        let before = run(&mut sim, 1);
        sim.set_link(&link("latency=30ms,jitter=25ms,loss=8%,burst=3"));
        let bad = run(&mut sim, 10);
        assert!(bad.0 > before.0 + 50.0 && bad.1 > before.1 + 50.0, "{before:?} grew to {bad:?}");
        sim.set_link(&link(CALM));
        // Losses are remembered for 17 s, the clocks take 4 s, and lateness is remembered for 8.5 s.
        let after = run(&mut sim, 31);
        let is_back = |after: f64, before: f64| (after - before).abs() < 3.0;
        assert!(is_back(after.0, before.0) && is_back(after.1, before.1), "{before:?}, then {bad:?}, then {after:?}");
    }
}

#[test]
fn an_outage_of_two_seconds_leaves_no_trace() {
    let mut sim = calm(7);
    let before = run(&mut sim, 1);
    sim.set_link(&link("latency=30ms,loss=100%"));
    sim.run(Micros::from_millis(2_000));
    sim.set_link(&link(CALM));
    sim.run(Micros::from_millis(1_000));
    let (counters, inputs): (_, u64) =
        (sim.room().counters().inputs, sim.clients().map(|client| client.counters().inputs).sum());
    let after = run(&mut sim, 2);
    let later = sim.room().counters().inputs;
    assert_eq!((later.starved, later.late), (counters.starved, counters.late), "a second later all is as it was");
    let more: u64 = sim.clients().map(|client| client.counters().inputs).sum::<u64>() - inputs;
    assert!((3 * 119..=3 * 121).contains(&more), "one input for each tick: {more}");
    assert!((after.0 - before.0).abs() < 5.0 && (after.1 - before.1).abs() < 5.0, "{before:?}, then {after:?}");
    assert!(sim.converged());
}

#[test]
fn inputs_are_just_in_time_again_soon_after_the_server_stood_still() {
    for stall_ms in [300, 600, 1_000] {
        let (from, lasts) = (Micros::from_millis(12_000), Micros::from_millis(stall_ms));
        let faults = vec![Fault { from, lasts, what: Trouble::ServerStalls }];
        let options = Options { link: link(CALM), clients: 3, faults, ..Options::new(5) };
        let mut sim = Sim::<Arena>::new(options, &Config::default(), |_, seed| Box::new(WanderPlayer::new(seed)))
            .expect("it opens");
        let before = run(&mut sim, 11);
        sim.run(Micros::from_millis(1_000 + stall_ms));
        let after = run(&mut sim, 6);
        assert!((after.0 - before.0).abs() < 10.0, "{stall_ms} ms: {before:?}, then {after:?}");
    }
}
