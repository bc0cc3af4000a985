//! temp
mod common;
use common::{Manners, TestServer};
use downbeat_arena::Arena;
use downbeat_bots::{Options, run};
use downbeat_field::Field;
use std::sync::atomic::AtomicBool;
#[test]
fn scale() {
    let n: usize = std::env::var("N").map_or(256, |n| n.parse().unwrap());
    let net = std::env::var("NET").unwrap_or("none".into());
    let game = std::env::var("GAME").unwrap_or("field".into());
    let brain = std::env::var("BRAIN").unwrap_or_default();
    let manners = Manners { players_max: 1000.min(if game == "arena" { 128 } else { 1000 }), ..Manners::default() };
    let make = |server: &TestServer| Options {
        clients: n,
        seconds: 5.0,
        cpu: Some(1),
        brain: brain.clone(),
        net: net.parse().unwrap(),
        ..Options::new(server.address, server.trust.clone())
    };
    let report = if game == "field" {
        let config = downbeat_field::Config { walkers: 50, visible: 16, ..Default::default() };
        let server = TestServer::start::<Field>(config, manners);
        run::<Field>(&make(&server), &mut |p| println!("{p}"), &AtomicBool::new(false)).unwrap()
    } else {
        let server = TestServer::start::<Arena>(Default::default(), manners);
        run::<Arena>(&make(&server), &mut |p| println!("{p}"), &AtomicBool::new(false)).unwrap()
    };
    println!("{}", report.table());
}
