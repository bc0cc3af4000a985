//! temp
use downbeat_arena::Arena;
use downbeat_bots::{Bots, Options, run};
use downbeat_field::Field;
use downbeat_server::{Config, Listen, Server, Stop};
use downbeat_transport::Trust;
use std::sync::atomic::AtomicBool;
fn go<G: Bots>(game: &G::Config, n: usize) {
    let config = Config { listen: vec![Listen::Address(([127, 0, 0, 1], 0).into())], rooms_max: 16, players_max: if G::NAME == "field" {1000} else {64}, cpu: Some(0), ..Config::new(G::NAME) };
    let server: Server<G> = Server::start(&config, game, Box::new(|n| println!("{n:?}"))).unwrap();
    let (address, trust) = (server.local_addrs()[0], Trust::pinned(server.fingerprint()));
    let stop = Stop::new();
    let asked = stop.clone();
    let thread = std::thread::spawn(move || server.run(&asked).unwrap());
    let net = std::env::var("NET").unwrap_or("none".into());
    let brain = std::env::var("BRAIN").unwrap_or_default();
    let options = Options { clients: n, seconds: 6.0, cpu: Some(1), brain, net: net.parse().unwrap(), ..Options::new(address, trust) };
    let report = run::<G>(&options, &mut |p| println!("{p}"), &AtomicBool::new(false)).unwrap();
    stop.request();
    let s = thread.join().unwrap();
    println!("{}", report.table());
    println!("server {:?} {:?} tick {:?} jitter {:?}", s.server, s.inputs, s.tick_us, s.tick_start_jitter_us);
}
#[test]
fn scale() {
    let n: usize = std::env::var("N").map_or(256, |n| n.parse().unwrap());
    if std::env::var("GAME").is_ok_and(|g| g == "arena") { go::<Arena>(&Default::default(), n) } else {
        go::<Field>(&downbeat_field::Config { walkers: 50, visible: 16, ..Default::default() }, n);
    }
}
