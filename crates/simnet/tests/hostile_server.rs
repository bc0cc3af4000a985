//! What a malicious server can do to a client: nothing but waste its own datagrams.

use downbeat_client::{Client, Start};
use downbeat_field::{Config, Field};
use downbeat_replica::{Micros, PlayerId, Tick};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

fn client(tick: u32, rates: (u32, u32)) -> Client<Field> {
    let (world, schema) = Client::<Field>::shared(&Config::default()).expect("the configuration is fine");
    let start = Start {
        player: Some(PlayerId(0)),
        tick_rate_hz: rates.0,
        send_rate_hz: rates.1,
        tick: Tick(tick),
        rtt: Micros::from_millis(20),
    };
    Client::new(world, schema, start)
}

#[test]
fn a_welcome_at_the_end_of_time_does_not_hang_a_client() {
    for tick in [u32::MAX, u32::MAX - 6, u32::MAX / 2, u32::MAX / 2 - 1] {
        let mut client = client(tick, (60, 60));
        let _ = client.receive(Micros(1_000), &[0, 0, 0xff, 0xff, 0x06]);
        for now in (0..2_000_000).step_by(10_000) {
            let due = (0..1_000).take_while(|_| client.poll_input(Micros(now)).is_some()).count();
            assert!(due < 100, "{due} inputs at once");
        }
    }
}

#[test]
fn rates_that_cannot_be_do_no_harm() {
    for rates in [(0, 0), (60, 0), (0, 60), (u32::MAX, 1), (20, 60)] {
        let mut client = client(0, rates);
        let _ = client.receive(Micros(1_000), &[0, 0, 1, 0, 0]);
        let _ = client.view(Micros(2_000));
        let _ = client.poll_input(Micros(3_000));
    }
}

#[test]
fn any_datagrams_are_refused_or_taken_without_panic() {
    let mut rng = Pcg64::seed_from_u64(4);
    let mut client = client(100, (60, 20));
    let mut out = Vec::new();
    for i in 0..50_000_u64 {
        let mut bytes: Vec<u8> = (0..rng.random_range(0..60)).map(|_| rng.random()).collect();
        if bytes.len() > 8 {
            // A head that is likely to be taken, so that what follows is looked at, too.
            bytes[..4].copy_from_slice(&[i as u8, (i >> 8) as u8, (100 + i / 8) as u8, (i / 2_048) as u8]);
        }
        let now = Micros(i * 1_000);
        let _ = client.receive(now, &bytes);
        if let Some(tick) = client.poll_input(now) {
            client.input(now, tick, &downbeat_field::Input::default());
            client.transmit(&mut out);
            let _ = client.view(now);
        }
    }
    assert!(client.counters().undecodable > 1_000, "{:?}", client.counters());
}
