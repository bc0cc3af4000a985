//! The plan against a sidecar that is nothing but its answers, in virtual time.

use std::time::Duration;

use super::*;

const STEP: Micros = Micros::from_millis(50);

/// Plays the plan: each call is answered at once by `answer`.
struct Play {
    plan: Plan,
    now: Micros,
    seen: Seen,
    game_server: GameServer,
    calls: Vec<(Micros, Call)>,
}

impl Play {
    fn new(options: Agones) -> Self {
        let seen = Seen { is_alive: true, rooms: 1, rooms_max: 4, players_max: 8, ..Seen::default() };
        Self { plan: Plan::new(options), now: Micros(0), seen, game_server: GameServer::default(), calls: Vec::new() }
    }

    fn run(&mut self, ms: u64, mut answer: impl FnMut(&Call) -> Result<Reply, Failure>) {
        let end = self.now + Micros::from_millis(ms);
        while self.now < end {
            self.plan.see(self.now, self.seen.clone(), self.game_server.clone());
            match self.plan.next(self.now) {
                Some(call) => {
                    let answer = answer(&call);
                    if let (Ok(_), Some(state)) = (&answer, call.leads_to()) {
                        state.clone_into(&mut self.game_server.state);
                    }
                    self.plan.done(self.now, &call, answer);
                    self.calls.push((self.now, call));
                }
                None => self.now = self.now + STEP,
            }
        }
    }

    fn fine(&mut self, ms: u64) {
        self.run(ms, |_| Ok(Reply::default()));
    }

    /// The calls since the last look, but those of health and reading.
    fn told(&mut self) -> Vec<Call> {
        let calls = std::mem::take(&mut self.calls).into_iter().map(|(_, call)| call);
        calls.filter(|call| !matches!(call, Call::Health | Call::ReadPlayers)).collect()
    }

    fn come(&mut self, players: &[&str]) {
        self.seen.players = players.iter().map(|&player| player.to_owned()).collect();
        self.seen.clients = players.len();
    }
}

fn failure() -> Failure {
    Failure::Other("500".to_owned())
}

fn options(when_empty: WhenEmpty) -> Agones {
    Agones { when_empty, empty_after: Duration::from_secs(10), ..Agones::default() }
}

#[test]
fn ready_is_said_once_and_health_every_two_seconds_while_the_shards_beat() {
    let mut play = Play::new(Agones::default());
    play.fine(10_000);
    let health: Vec<_> =
        play.calls.iter().filter(|(_, call)| *call == Call::Health).map(|(at, _)| at.0 / 1_000).collect();
    assert_eq!(health, [0, 2_000, 4_000, 6_000, 8_000]);
    assert_eq!(play.told(), [Call::Ready, Call::SetRooms { count: 1, capacity: 4 }, Call::SetPlayersMax(8)]);
    play.seen.is_alive = false;
    play.fine(10_000);
    assert!(play.calls.iter().all(|(_, call)| *call != Call::Health), "it hangs, and must be restarted");
}

#[test]
fn players_and_rooms_are_followed() {
    let mut play = Play::new(options(WhenEmpty::Ready));
    play.fine(1_000);
    play.told();
    play.come(&["ada", "ben"]);
    play.seen.rooms = 2;
    play.fine(2_000);
    let mut told = play.told();
    assert_eq!(told.remove(0), Call::Allocate, "it is in use");
    told.sort_by_key(|call| format!("{call:?}"));
    let expected = [
        Call::AddPlayer("ada".to_owned()),
        Call::AddPlayer("ben".to_owned()),
        Call::SetRooms { count: 2, capacity: 4 },
    ];
    assert_eq!(told, expected);
    play.come(&["ben"]);
    play.fine(1_000);
    assert_eq!(play.told(), [Call::RemovePlayer("ada".to_owned())]);
}

#[test]
fn a_server_that_stays_empty_becomes_what_was_chosen() {
    for (when_empty, call) in [
        (WhenEmpty::Ready, Some(Call::Ready)),
        (WhenEmpty::Reserve, Some(Call::Reserve { seconds: 60 })),
        (WhenEmpty::Shutdown, Some(Call::End)),
        (WhenEmpty::Stay, None),
    ] {
        let mut play = Play::new(options(when_empty));
        play.fine(1_000);
        play.come(&["ada"]);
        play.fine(60_000);
        play.come(&[]);
        play.fine(9_000);
        play.told();
        play.fine(2_000);
        assert_eq!(play.told(), Vec::from_iter(call.clone()), "{when_empty:?}");
        play.fine(60_000);
        assert_eq!(play.told(), [], "once is enough");
    }
}

#[test]
fn who_was_allocated_is_given_time_for_its_players_to_come() {
    let mut play = Play::new(options(WhenEmpty::Ready));
    play.fine(60_000);
    play.told();
    play.game_server = GameServer { state: ALLOCATED.to_owned(), last_allocated: "1".to_owned() };
    play.fine(9_000);
    assert_eq!(play.told(), []);
    // And once more, since it was allocated for others.
    play.game_server.last_allocated = "2".to_owned();
    play.fine(9_500);
    assert_eq!(play.told(), []);
    play.fine(1_000);
    assert_eq!(play.told(), [Call::Ready]);
}

#[test]
fn errors_are_waited_out_longer_each_time_and_health_goes_on_meanwhile() {
    let mut play = Play::new(Agones::default());
    play.run(30_000, |call| if *call == Call::Health { Ok(Reply::default()) } else { Err(failure()) });
    let at = |wanted: &Call| {
        let of = play.calls.iter().filter(|(_, call)| call == wanted);
        of.map(|(at, _)| at.0 / 1_000).collect::<Vec<u64>>()
    };
    assert_eq!(at(&Call::Health).len(), 15);
    assert_eq!(at(&Call::Ready), [0, 250, 750, 1_750, 3_750, 7_750, 12_750, 17_750, 22_750, 27_750]);
    play.told();
    play.fine(5_000);
    assert_eq!(play.told(), [Call::Ready, Call::SetRooms { count: 1, capacity: 4 }, Call::SetPlayersMax(8)]);
}

#[test]
fn counters_that_the_fleet_does_not_name_are_asked_for_rarely() {
    let mut play = Play::new(Agones::default());
    play.come(&["ada"]);
    play.run(50_000, |call| match call {
        Call::SetRooms { .. } | Call::SetPlayersMax(_) => Err(Failure::Unconfigured("no".to_owned())),
        _ => Ok(Reply::default()),
    });
    let told = play.told();
    assert_eq!(told, [Call::Ready, Call::Allocate, Call::SetRooms { count: 1, capacity: 4 }, Call::SetPlayersMax(8)]);
}

#[test]
fn a_list_that_the_sidecar_remembers_otherwise_is_put_right() {
    let mut play = Play::new(Agones::default());
    play.come(&["ada"]);
    let mut remembered = BTreeSet::from(["old".to_owned()]);
    let mut sidecar = |call: &Call| {
        match call {
            Call::ReadPlayers => return Ok(Reply { values: remembered.clone() }),
            Call::AddPlayer(player) if !remembered.insert(player.clone()) => return Err(Failure::AlreadySo),
            Call::RemovePlayer(player) if !remembered.remove(player) => return Err(Failure::AlreadySo),
            _ => {}
        }
        Ok(Reply::default())
    };
    play.run(1_000, &mut sidecar);
    // It restarts and knows nothing.
    play.run(1_000, |call| {
        let is_health = *call == Call::Health;
        if is_health { Err(failure()) } else { Ok(Reply::default()) }
    });
    play.run(20_000, &mut sidecar);
    assert_eq!(remembered, BTreeSet::from(["ada".to_owned()]));
}

#[test]
fn the_last_word_is_shutdown_however_often_it_takes() {
    let mut play = Play::new(Agones::default());
    play.fine(1_000);
    play.seen.is_draining = true;
    play.come(&["ada"]);
    play.told();
    play.fine(5_000);
    assert!(!play.told().contains(&Call::Allocate), "it takes nobody any more");
    play.seen.is_over = true;
    play.run(2_000, |_| Err(failure()));
    assert!(play.told().iter().all(|call| *call == Call::Shutdown) && !play.plan.is_done());
    play.fine(3_000);
    assert_eq!(play.told(), [Call::Shutdown]);
    assert!(play.plan.is_done());
}
