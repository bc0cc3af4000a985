//! Our controller on shared, lossy, marking and failing lines, in virtual time; each test prints its rows of the tables
//! in `docs/congestion.md`, the same in every run:
//! `cargo test -p downbeat-transport --test congestion -- --nocapture --test-threads 1`

#[path = "../common/mod.rs"]
mod common;
mod line;
mod stock;
mod world;

use downbeat_wire::Micros;

use line::Line;
use world::{Load, World};

/// Acknowledgements of a peer that answers once in a tick.
const TICKED_US: u64 = 17_000;

/// No cap: far above every line here.
const UNCAPPED: u64 = 100_000_000;

/// What one connection may send unless told otherwise.
const CAP: u64 = 500_000;

const AT_ONCE: Micros = Micros(0);
const LATER: Micros = Micros::from_millis(3_000);

fn bottleneck(rtt_ms: u64, mbit: u64, queue_ms: u64) -> String {
    format!("latency={}ms,rate={mbit}mbit,queue={queue_ms}ms", rtt_ms / 2)
}

/// Our share in percent beside Cubic over 90 seconds after 30, when we came first and when it did; and how much of the
/// line both used.
fn share_beside_cubic(net: &str) -> ([f64; 2], f64) {
    let mut used = 0.0;
    let share = [[AT_ONCE, LATER], [LATER, AT_ONCE]].map(|[ours, theirs]| {
        let mut world = World::new(&Line::new(net, 1));
        let us = world.ours(Load::Greedy, ours, UNCAPPED);
        let they = world.cubic(Load::Greedy, theirs);
        world.run(30.0);
        let got = world.run(90.0);
        used = got[us] + got[they];
        got[us] * 100.0 / used
    });
    (share, used)
}

fn print_share(rtt_ms: u64, mbit: u64, queue_ms: u64) -> [f64; 2] {
    let (share, used) = share_beside_cubic(&bottleneck(rtt_ms, mbit, queue_ms));
    let used = used * 8.0 / (mbit as f64 * 1e4);
    println!("| {rtt_ms} ms | {mbit} Mbit/s | {queue_ms} ms | {:.0} % | {:.0} % | {used:.0} % |", share[0], share[1]);
    share
}

#[test]
fn shares_a_bottleneck_with_cubic() {
    println!(
        "| round trip | line | queue | our share, first | our share, later | line used |\n|---|---|---|---|---|---|"
    );
    for (rtt, mbit, queue) in [
        (20, 2, 100),
        (20, 5, 50),
        (20, 20, 200),
        (50, 1, 100),
        (50, 1, 200),
        (50, 5, 50),
        (50, 10, 100),
        (150, 2, 200),
        (150, 5, 100),
        (150, 20, 50),
        (300, 5, 100),
        (300, 20, 200),
    ] {
        for share in print_share(rtt, mbit, queue) {
            assert!((40.0..=60.0).contains(&share), "{}: {share}", bottleneck(rtt, mbit, queue));
        }
    }
}

#[test]
#[ignore = "minutes; for the page"]
fn shares_a_bottleneck_with_cubic_on_the_whole_grid() {
    for rtt in [20, 50, 150, 300] {
        for mbit in [1, 2, 5, 10, 20] {
            for queue in [20, 50, 100, 200] {
                print_share(rtt, mbit, queue);
            }
        }
    }
}

#[test]
fn two_of_ours_share_a_bottleneck() {
    println!("| round trip | line | queue | Jain's index | dropped | line used |\n|---|---|---|---|---|---|");
    for (rtt, mbit, queue) in
        [(50, 1, 50), (50, 1, 200), (20, 5, 100), (50, 2, 100), (50, 10, 50), (150, 5, 200), (150, 20, 100)]
    {
        let line = Line::new(&bottleneck(rtt, mbit, queue), 1);
        let mut world = World::new(&line);
        world.ours(Load::Greedy, AT_ONCE, UNCAPPED);
        world.ours(Load::Greedy, LATER, UNCAPPED);
        world.run(30.0);
        let before = line.counters();
        let got = world.run(90.0);
        let after = line.counters();
        let sum: f64 = got.iter().sum();
        let jain = sum * sum / (2.0 * got.iter().map(|x| x * x).sum::<f64>());
        let dropped = (after.refused - before.refused) as f64 * 100.0 / (after.sent - before.sent) as f64;
        let used = sum * 8.0 / (mbit as f64 * 1e4);
        println!("| {rtt} ms | {mbit} Mbit/s | {queue} ms | {jain:.3} | {dropped:.1} % | {used:.0} % |");
        assert!(jain > 0.95, "{jain}");
        assert!(dropped < 3.0 || (mbit, queue) == (1, 50), "{dropped} %: only below the thin rate is loss borne");
    }
}

#[test]
fn random_loss_leaves_a_game_its_rate_where_cubic_starves() {
    println!("| line | game sends | ours arrives | Cubic arrives | ours withheld |\n|---|---|---|---|---|");
    for latency in [75, 150] {
        for loss in ["loss=5%", "loss=5%,burst=3"] {
            for bytes in [500, 1_000] {
                let net = format!("latency={latency}ms,{loss}");
                let load = Load::Game { bytes, rate: 60 };
                let mut arrived = [0.0; 2];
                let mut withheld = 0.0;
                for (is_ours, arrived) in [true, false].into_iter().zip(&mut arrived) {
                    let mut world = World::new(&Line::new(&net, 1));
                    world.sink_flush_us = TICKED_US;
                    let of = if is_ours { world.ours(load, AT_ONCE, CAP) } else { world.cubic(load, AT_ONCE) };
                    world.run(10.0);
                    let before = world.ticks(of);
                    *arrived = world.run(60.0)[of];
                    let after = world.ticks(of);
                    if is_ours {
                        withheld = 1.0 - (after.1 - before.1) as f64 / (after.0 - before.0) as f64;
                    }
                }
                let kb = [bytes as f64 * 60.0, arrived[0], arrived[1]].map(|bytes| bytes / 1_000.0);
                let [sent, ours, cubic] = kb;
                println!("| {net} | {sent:.0} kB/s | {ours:.1} kB/s | {cubic:.1} kB/s | {:.2} % |", withheld * 100.0);
                assert!(ours > 0.93 * sent && withheld < 0.005, "{net}: {ours} of {sent}");
                assert!(cubic < 0.95 * ours, "{net}: Cubic got {cubic}");
            }
        }
    }
}

#[test]
fn backs_off_before_the_queue_is_full() {
    println!("| line | marks | longest queue | dropped | line used |\n|---|---|---|---|---|");
    for (rtt, mbit, queue, mark_ms) in
        [(20, 5, 200, None), (50, 5, 200, None), (50, 20, 200, None), (150, 5, 200, None), (50, 5, 200, Some(8))]
    {
        let net = bottleneck(rtt, mbit, queue);
        let line = Line::new(&net, 1);
        if let Some(ms) = mark_ms {
            line.mark_above(Micros::from_millis(ms));
        }
        let mut world = World::new(&line);
        let us = world.ours(Load::Greedy, AT_ONCE, UNCAPPED);
        world.run(10.0);
        line.take_queue_max();
        let refused = line.counters().refused;
        let got = world.run(60.0)[us] * 8.0 / (mbit as f64 * 1e4);
        let refused = line.counters().refused - refused;
        let longest = line.take_queue_max().0 as f64 / 1e3;
        println!("| {net} | {} | {longest:.0} ms | {refused} | {got:.0} % |", line.marked());
        assert_eq!(refused, 0, "{net}");
        let most = if mark_ms.is_some() { 25.0 } else { 100.0 };
        assert!(longest < most && got > 80.0, "{net}: {longest} ms, {got} %");
        assert!(mark_ms.is_none() || line.marked() > 0);
    }
}

#[test]
fn heavy_loss_takes_the_rate_to_its_floor_and_it_comes_back() {
    println!("| round trip | loss | sent after 10 s | whole rate again after |\n|---|---|---|---|");
    for latency in [10, 25, 75, 150] {
        for loss in [35, 50] {
            let line = Line::new(&format!("latency={latency}ms"), 1);
            let mut world = World::new(&line);
            world.sink_flush_us = TICKED_US;
            let us = world.ours(Load::Game { bytes: 900, rate: 60 }, AT_ONCE, CAP);
            world.run(5.0);
            line.set_spec(&format!("latency={latency}ms,loss={loss}%"));
            world.run(10.0);
            let before = world.stats(us).bytes_out;
            world.run(10.0);
            let sent = (world.stats(us).bytes_out - before) as f64 / 10.0;
            line.set_spec(&format!("latency={latency}ms"));
            let mut after = 0.0;
            loop {
                let before = world.ticks(us);
                world.run(0.25);
                after += 0.25;
                let ticks = world.ticks(us);
                if ticks.1 - before.1 >= ticks.0 - before.0 {
                    break;
                }
                assert!(after < 10.0, "it does not come back");
            }
            println!("| {} ms | {loss} % | {:.1} kB/s | {after:.2} s |", 2 * latency, sent / 1e3);
            assert!(sent < 20_000.0, "{sent}");
            assert!(after <= 6.0, "{after}");
        }
    }
}
