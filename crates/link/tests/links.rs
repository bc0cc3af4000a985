//! What a link does, over enough datagrams that chance evens out.

use downbeat_link::{Fate, Link, LinkSpec, Pipe};
use downbeat_wire::Micros;

const TICK: Micros = Micros(16_667);
const COUNT: u64 = 200_000;

fn spec(text: &str) -> LinkSpec {
    text.parse().expect("a link")
}

fn fates(text: &str, seed: u64) -> (Link, Vec<(Micros, Fate)>) {
    let mut link = Link::new(&spec(text), seed);
    let fates = (0..COUNT)
        .map(|i| {
            let now = Micros(i * TICK.0);
            (now, link.send(now, 200))
        })
        .collect();
    (link, fates)
}

fn loss_share(fates: &[(Micros, Fate)]) -> f64 {
    fates.iter().filter(|(_, fate)| *fate == Fate::Lost).count() as f64 / fates.len() as f64
}

fn mean_run(fates: &[(Micros, Fate)]) -> f64 {
    let lost: Vec<bool> = fates.iter().map(|(_, fate)| *fate == Fate::Lost).collect();
    let runs = lost.windows(2).filter(|w| !w[0] && w[1]).count() + usize::from(lost[0]);
    lost.iter().filter(|&&l| l).count() as f64 / runs as f64
}

#[test]
fn independent_loss_is_as_large_as_asked_for() {
    let (link, fates) = fates("latency=20ms,loss=5%", 1);
    assert!((loss_share(&fates) - 0.05).abs() < 0.003, "{}", loss_share(&fates));
    assert!((mean_run(&fates) - 1.0 / 0.95).abs() < 0.03);
    assert_eq!(link.counters().dropped(), fates.iter().filter(|f| f.1 == Fate::Lost).count() as u64);
}

#[test]
fn bursts_have_their_mean_length_and_the_loss_stays() {
    for (text, loss, burst) in
        [("loss=10%,burst=4", 0.10, 4.0), ("loss=2%,burst=3", 0.02, 3.0), ("loss=1%,burst=2", 0.01, 2.0)]
    {
        let (_, fates) = fates(text, 2);
        assert!((loss_share(&fates) - loss).abs() < loss * 0.1, "{text}: {}", loss_share(&fates));
        assert!((mean_run(&fates) - burst).abs() < burst * 0.05, "{text}: {}", mean_run(&fates));
    }
}

#[test]
fn delays_lie_within_the_jitter_around_the_mean() {
    // Gaps wider than the jitter: keeping order never bends a delay.
    let mut link = Link::new(&spec("latency=50ms,jitter=10ms"), 3);
    let mut sum = 0;
    let (mut least, mut most) = (u64::MAX, 0);
    for i in 0..50_000u64 {
        let now = Micros(i * 25_000);
        let Fate::Once(at) = link.send(now, 200) else { panic!("a link without loss lost a datagram") };
        let delay = at.since(now).0;
        (least, most, sum) = (least.min(delay), most.max(delay), sum + delay);
    }
    assert!(least >= 40_000 && most <= 60_000, "{least} {most}");
    assert!(least < 40_100 && most > 59_900, "{least} {most}");
    assert!((sum as f64 / 50_000.0 - 50_000.0).abs() < 100.0);
}

#[test]
fn order_is_kept_unless_reorder_is_asked_for() {
    let (_, fates) = fates("latency=100ms,jitter=90ms,loss=5%", 4);
    let arrivals: Vec<Micros> = fates.iter().flat_map(|(_, fate)| fate.arrivals()).collect();
    assert!(arrivals.is_sorted());
}

#[test]
fn reordered_datagrams_are_overtaken_as_often_as_asked_for() {
    let (link, fates) = fates("latency=50ms,jitter=5ms,reorder=5%", 5);
    let arrivals: Vec<Micros> = fates.iter().flat_map(|(_, fate)| fate.arrivals()).collect();
    // Overtaken: some later one arrives before it.
    let mut overtaken = 0;
    let mut earliest_after = Micros(u64::MAX);
    for &at in arrivals.iter().rev() {
        overtaken += u64::from(earliest_after < at);
        earliest_after = earliest_after.min(at);
    }
    let share = overtaken as f64 / COUNT as f64;
    assert!((share - 0.05).abs() < 0.006, "{share}");
    assert!((link.counters().reordered as f64 / COUNT as f64 - 0.05).abs() < 0.003);
}

#[test]
fn duplicates_arrive_twice_and_are_counted() {
    let (link, fates) = fates("latency=100ms,jitter=50ms,dup=1%", 6);
    let twice = fates.iter().filter(|(_, fate)| fate.arrivals().count() == 2).count() as u64;
    assert_eq!(twice, link.counters().duplicated);
    assert!((twice as f64 / COUNT as f64 - 0.01).abs() < 0.002);
}

#[test]
fn a_bottleneck_passes_its_rate_and_drops_what_its_queue_cannot_hold() {
    for queue in ["queue=100ms", "queue=125000b"] {
        let mut link = Link::new(&spec(&format!("latency=10ms,rate=10mbit,{queue}")), 7);
        let mut bytes = 0u64;
        let mut last = Micros(0);
        // 40 Mbit/s for ten seconds into a link of 10 Mbit/s.
        for i in 0..40_000u64 {
            let now = Micros(i * 250);
            for at in link.send(now, 1_250).arrivals() {
                bytes += 1_250;
                assert!(at.since(now) <= Micros(10_000 + 100_000 + 2_000), "{queue}: {at:?}");
                last = at;
            }
        }
        let rate = bytes as f64 * 8.0 / last.as_secs_f64();
        assert!((rate - 10e6).abs() < 0.2e6, "{queue}: {rate}");
        assert!(link.counters().refused > 25_000);
    }
}

#[test]
fn equal_seeds_have_equal_fates_and_others_do_not() {
    assert_eq!(fates("awful", 8).1, fates("awful", 8).1);
    assert_ne!(fates("awful", 8).1, fates("awful", 9).1);
}

#[test]
fn what_is_lost_does_not_depend_on_jitter_or_duplicates() {
    let lost = |text| fates(text, 10).1.iter().map(|(_, fate)| *fate == Fate::Lost).collect::<Vec<_>>();
    assert_eq!(lost("latency=9ms,loss=5%,burst=3"), lost("latency=80ms,jitter=30ms,loss=5%,burst=3,dup=4%,reorder=1%"));
}

#[test]
fn a_pipe_delivers_what_its_link_lets_through_in_order_of_arrival() {
    let mut pipe = Pipe::new(&spec("awful"), 11);
    let mut delivered = 0u64;
    let mut last = Micros(0);
    for i in 0..10_000u64 {
        let now = Micros(i * TICK.0);
        while let Some((at, _)) = pipe.poll(now) {
            assert!(at >= last && at <= now);
            (last, delivered) = (at, delivered + 1);
        }
        pipe.send(now, i, 200);
        assert!(pipe.next_at().is_none_or(|at| at > Micros(0)));
    }
    while pipe.poll(Micros(u64::MAX)).is_some() {
        delivered += 1;
    }
    let counters = pipe.counters();
    assert_eq!(delivered, counters.sent - counters.dropped() + counters.duplicated);
    assert_eq!(pipe.overflowed(), 0);
}
