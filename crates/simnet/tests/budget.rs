//! What a client is told of a world whose updates alone exceed its budget.

use downbeat_client::{Client, Start};
use downbeat_field::{Config, Field};
use downbeat_host::{Net, Room, RoomOptions, SessionId};
use downbeat_replica::{Micros, Tick};

const SESSION: SessionId = SessionId(0);
const HZ: u32 = 60;
const BUDGET: usize = 400;
const WALKERS: u32 = 2_000;

/// The one client's connection.
#[derive(Default)]
struct Line {
    sent: Option<Vec<u8>>,
}

impl Net for Line {
    fn space(&mut self, _: SessionId) -> Option<usize> {
        Some(2 * BUDGET)
    }

    fn send(&mut self, _: SessionId, datagram: &[u8]) {
        self.sent = Some(datagram.to_vec());
    }

    fn send_reliable(&mut self, _: SessionId, _: &[u8]) {}
}

/// For each slot, the snapshots in which the client's copy was as the room has it, of `snapshots` over a perfect line. All
/// walkers move, so that this is when they were told; the avatar, which is known in all of them, apart.
fn told(snapshots: u32) -> Vec<Vec<u32>> {
    let rules = Config { walkers: WALKERS, visible: WALKERS, ..Config::default() };
    let options = RoomOptions {
        tick_rate_hz: HZ,
        send_rate_hz: HZ,
        seed: 1,
        players_max: 1,
        spectators_max: 0,
        client_bytes_per_s: BUDGET * HZ as usize,
    };
    let mut room = Room::<Field>::new(&rules, options).expect("the rules are legal");
    let (world, coding) = Client::<Field>::shared(&rules).expect("the rules are legal");
    let player = room.join(SESSION, "Ada", false).expect("there is a place");
    let start = Start { player, tick_rate_hz: HZ, send_rate_hz: HZ, tick: Tick::ZERO, rtt: Micros(0) };
    let mut client = Client::<Field>::new(world, coding, start);
    let mut told = vec![Vec::new(); WALKERS as usize + 1];
    let mut up = Vec::new();
    for snapshot in 0..snapshots {
        let now = Micros(u64::from(snapshot) * 1_000_000 / u64::from(HZ));
        let mut line = Line::default();
        room.tick(now, &mut line);
        client.receive(now, &line.sent.expect("a snapshot")).expect("our own");
        client.transmit(&mut up);
        room.receive(SESSION, now, &up).expect("honest");
        let mut truth = room.told(SESSION);
        truth.sort_unstable_by_key(|told| told.slot);
        for known in client.known() {
            let at = truth.binary_search_by_key(&known.slot, |told| told.slot).expect("nobody leaves");
            if truth[at].lanes == known.lanes {
                told[usize::from(known.slot)].push(snapshot);
            }
        }
    }
    told
}

#[test]
fn a_world_that_moves_is_told_once_and_then_each_in_turn() {
    let told = told(600);
    let (own, others) = told.iter().partition::<Vec<_>, _>(|told| told.len() == 600);
    let complete = others.iter().map(|told| told.first().copied()).max().flatten();
    let longest = others.iter().map(|told| told.iter().chain([&600]).collect::<Vec<_>>());
    let longest = longest.map(|told| told.windows(2).map(|pair| pair[1] - pair[0]).max()).max().flatten();
    assert_eq!(own.len(), 1, "the own avatar is told in each");
    assert!(others.iter().all(|told| !told.is_empty()), "somebody was never told");
    assert!(complete < Some(100), "the last enters in snapshot {complete:?}");
    assert!(longest < Some(100), "somebody waits for {longest:?} snapshots");
}
