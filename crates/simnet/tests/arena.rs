//! The whole chain on the arena, in virtual time.

use std::cell::Cell;
use std::rc::Rc;

use downbeat_arena::{Arena, Config, Event, Input};
use downbeat_client::View;
use downbeat_link::LinkSpec;
use downbeat_replica::{Micros, Tick};
use downbeat_simnet::{Options, Player, Sim, WanderPlayer};

fn link(spec: &str) -> LinkSpec {
    spec.parse().expect("the link is spelled right")
}

/// Wanders and never fires.
struct Peaceful(WanderPlayer);

impl Player<Arena> for Peaceful {
    fn decide(&mut self, tick: Tick, view: &View<'_, Arena>) -> Input {
        let input: Input = self.0.decide(tick, view);
        Input { fire: false, ..input }
    }
}

fn sim(options: Options) -> Sim<Arena> {
    Sim::new(options, &Config::default(), |_, seed| Box::new(Peaceful(WanderPlayer::new(seed)))).expect("it opens")
}

#[test]
fn wandering_without_contact_is_never_mispredicted() {
    let links = [
        "lan",
        "latency=25ms,jitter=2ms",
        "latency=50ms,jitter=10ms,loss=2%",
        "latency=75ms,jitter=20ms,loss=5%,burst=3",
        "latency=50ms,jitter=10ms,loss=20%",
        "latency=50ms,jitter=5ms,reorder=5%",
        "mobile",
        "awful",
        "awful",
    ];
    for (seed, spec) in (5..).zip(links) {
        let mut sim = sim(Options { link: link(spec), clients: 6, ..Options::new(seed) });
        sim.run(Micros::from_millis(14_000));
        for client in sim.clients() {
            let counters = client.counters();
            assert_eq!(counters.mispredicted, 0, "{spec}: {counters:?}");
            assert!(counters.confirmed > 400, "{spec}: {counters:?}");
        }
        assert_eq!(sim.wrong_states(), 0, "{spec}");
        let counters = sim.room().counters();
        assert_eq!((counters.malformed, counters.forged_acks, counters.refused), (0, 0, 0), "{spec}: {counters:?}");
    }
}

/// Wanders, fires at random, and counts the deaths it is told of.
struct Fighter(WanderPlayer, Rc<Cell<u32>>);

impl Player<Arena> for Fighter {
    fn decide(&mut self, tick: Tick, view: &View<'_, Arena>) -> Input {
        let died = view.events.iter().filter(|event| matches!(event, Event::Died(_))).count();
        self.1.set(self.1.get() + died as u32);
        self.0.decide(tick, view)
    }
}

#[test]
fn a_fight_converges_after_loss_ends() {
    let lossy = link("mobile");
    let options = Options { link: lossy, clients: 8, ..Options::new(9) };
    let died = Rc::new(Cell::new(0));
    let player = |_, seed| Box::new(Fighter(WanderPlayer::new(seed), Rc::clone(&died))) as Box<dyn Player<Arena>>;
    let mut sim = Sim::<Arena>::new(options, &Config::default(), player).expect("it opens");
    for _ in 0..20 {
        sim.run(Micros::from_millis(1_000));
        sim.set_link(&lossy.without_loss());
        sim.run(Micros::from_millis(700));
        assert!(sim.converged());
        sim.set_link(&lossy);
    }
    assert_eq!(sim.wrong_states(), 0);
    assert!(died.get() > 0, "in a fight somebody dies, and is told of in an event");
}

/// Who enters is told beside a guess from the avatar's state that both ends know. A datagram that was overtaken on a long
/// line may guess from one that the client has let go of.
#[test]
fn a_newcomer_in_a_datagram_that_was_overtaken_is_never_guessed_wrong() {
    for seed in 0..6 {
        let lossy = link("latency=110ms,jitter=35ms,loss=10%,burst=3,reorder=6%");
        let options = Options { link: lossy, clients: 5, tick_rate_hz: 128, send_rate_hz: 128, ..Options::new(seed) };
        let mut sim = sim(options);
        sim.run(Micros::from_millis(15_000));
        assert!(sim.findings().is_empty(), "{}", sim.findings());
    }
}
