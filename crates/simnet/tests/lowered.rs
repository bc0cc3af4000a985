//! A room that sends each client fewer snapshots, as an overloaded server lets it: clients follow by themselves, and lose
//! nothing but time.

use downbeat_field::{Config, Field};
use downbeat_replica::Micros;
use downbeat_simnet::{Options, Sim, WanderPlayer};

fn sim(seed: u64, line: &str) -> Sim<Field> {
    let link = line.parse().expect("the link is spelled right");
    let options = Options { link, clients: 4, is_predictable: true, ..Options::new(seed) };
    let config = Config { walkers: 60, visible: 16, ..Config::default() };
    Sim::new(options, &config, |_, seed| Box::new(WanderPlayer::new(seed))).expect("the configuration is fine")
}

/// How far behind the newest snapshot the others are shown, at most, in milliseconds.
fn delay_ms(sim: &Sim<Field>) -> f64 {
    let delays = sim.clients().map(|client| client.interpolation_delay().expect("snapshots arrived"));
    delays.max().expect("there are clients").as_secs_f64() * 1e3
}

#[test]
fn clients_follow_a_lower_send_rate_and_back() {
    for (line, before_ms, delays_ms, seed) in [
        ("latency=25ms,jitter=2ms", 24.0, [(2, 42.0), (4, 76.0)], 1),
        ("latency=50ms,jitter=10ms,loss=2%", 55.0, [(2, 90.0), (4, 160.0)], 2),
    ] {
        for (every, delay_max_ms) in delays_ms {
            let mut sim = sim(seed, line);
            sim.run(Micros::from_millis(15_000));
            let (before, inputs) = (delay_ms(&sim), sim.room().counters().inputs);
            assert!(before < before_ms, "{before} ms over {line}");

            sim.set_send_every(every);
            sim.run(Micros::from_millis(3_000));
            let counters = *sim.room().counters();
            sim.run(Micros::from_millis(10_000));
            let (sent, left_out) = (
                sim.room().counters().snapshots - counters.snapshots,
                sim.room().counters().left_out - counters.left_out,
            );
            assert_eq!((sent * u64::from(every), sent + left_out), (2_400, 2_400), "four clients at 60 Hz");
            // From one snapshot to the next, the jitter, and over a bad line some more that may be lost.
            let delay = delay_ms(&sim);
            assert!(delay < delay_max_ms, "every {every}: {delay} ms over {line}");

            sim.set_send_every(1);
            sim.run(Micros::from_millis(4_000));
            let after = delay_ms(&sim);
            assert!(after < before_ms, "{after} ms over {line}");
            let now = sim.room().counters().inputs;
            assert!(now.starved - inputs.starved <= 10, "{now:?}");
            assert!(sim.findings().is_empty(), "{}", sim.findings());
        }
    }
}
