//! A game that does everything a game may do, at random: entities come and go, ids are used again, views change,
//! lanes jump, entities name each other. Whatever the line does, copies converge and never hold what never was.

use std::collections::BTreeMap;

use downbeat_link::{Chance, LinkSpec};
use downbeat_replica::glam::Vec3;
use downbeat_replica::{
    Capture, ConfigError, Context, EntityId, EntityIds, Events, Game, Input, Inputs, Micros, NoEvents, PlayerId,
    Replicated, Rewind, Scene, Setup, Tick, Viewer, Visible,
};
use downbeat_simnet::{Fault, Options, Sim, Trouble, WanderPlayer};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use serde::{Deserialize, Serialize};

#[derive(Input, Clone, Default)]
struct Pad {
    #[field(range = -3..=3)]
    push: i8,
}

#[derive(Replicated, Clone)]
struct Own {
    #[field(position, range = -500.0..=500.0, step = 0.125, owner_bits = 3)]
    at: Vec3,
    #[field(owner, range = 0..=1000)]
    secret: u16,
}

#[derive(Replicated, Clone)]
struct Thing {
    #[field(position, range = -500.0..=500.0, step = 0.125)]
    at: Vec3,
    #[field(heading, bits = 7)]
    yaw: f32,
    target: Option<EntityId>,
    #[field(range = 0..=3)]
    state: u8,
}

#[derive(Replicated, Clone)]
struct Rock {
    weight: u32,
}

#[derive(Replicated, Clone)]
enum Entity {
    Own(Own),
    Thing(Thing),
    Rock(Rock),
}

/// How wild it is, in thousandths a tick.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Wildness {
    /// From this tick on nothing happens any more: what was lost before must be told again, or is never known.
    calm_from: u32,
    population: u16,
    spawn: u16,
    despawn: u16,
    change: u16,
    see: u16,
}

struct Chaos {
    wild: Wildness,
    rng: Pcg64,
    ids: EntityIds,
    entities: BTreeMap<EntityId, (Option<PlayerId>, Entity)>,
    tick: Tick,
}

impl Chaos {
    fn chance(&mut self, thousandths: u16) -> bool {
        self.rng.random_range(0..1_000) < thousandths
    }

    fn thing(&mut self) -> Entity {
        if self.chance(300) {
            return Entity::Rock(Rock { weight: self.rng.random_range(0..1 << 31) });
        }
        let at = Vec3::from_array(std::array::from_fn(|_| self.rng.random_range(-500.0..500.0)));
        let target = self.entities.keys().nth(self.rng.random_range(0..8)).copied();
        Entity::Thing(Thing { at, yaw: self.rng.random_range(-9.0..9.0), target, state: self.rng.random_range(0..4) })
    }
}

fn push(own: &mut Own, pad: &Pad) {
    own.at.x += f32::from(pad.push) * 0.1;
    own.secret = (own.secret + 1) % 1_000;
}

impl Game for Chaos {
    const NAME: &'static str = "chaos";
    type Config = Wildness;
    type World = ();
    type Input = Pad;
    type Entity = Entity;
    type Event = NoEvents;

    fn world(_: &Wildness) -> Result<(), ConfigError> {
        Ok(())
    }

    fn new(wild: &Wildness, setup: Setup) -> Result<Self, ConfigError> {
        let rng = Pcg64::seed_from_u64(setup.seed);
        Ok(Self { wild: wild.clone(), rng, ids: EntityIds::default(), entities: BTreeMap::new(), tick: Tick::ZERO })
    }

    fn join(&mut self, player: PlayerId, _: &str) {
        let id = self.ids.spawn().expect("there is room");
        self.entities.insert(id, (Some(player), Entity::Own(Own { at: Vec3::ZERO, secret: 0 })));
    }

    fn leave(&mut self, player: PlayerId) {
        self.entities.retain(|_, (owner, _)| *owner != Some(player));
    }

    fn step(&mut self, tick: Tick, inputs: &Inputs<'_, Pad>, _: &impl Rewind<Entity>, _: &mut Events<NoEvents>) {
        let calm = tick.0 >= self.wild.calm_from;
        self.tick = if calm { Tick(self.wild.calm_from) } else { tick };
        while !calm && self.entities.len() < self.wild.population.into() && self.chance(self.wild.spawn) {
            let (id, thing) = (self.ids.spawn().expect("there is room"), self.thing());
            self.entities.insert(id, (None, thing));
        }
        for id in self.entities.keys().copied().collect::<Vec<_>>() {
            let (gone, changes) = (self.chance(self.wild.despawn) && !calm, self.chance(self.wild.change) && !calm);
            let fresh = self.thing();
            let (owner, entity) = self.entities.get_mut(&id).expect("it is a key");
            match entity {
                Entity::Own(own) => {
                    let input = inputs.of(owner.expect("avatars have owners")).expect("players have inputs");
                    push(own, &input.input);
                }
                _ if gone => {
                    self.entities.remove(&id);
                    self.ids.free(id);
                }
                Entity::Thing(thing) if changes => match fresh {
                    Entity::Thing(fresh) if fresh.state == 0 => *thing = fresh,
                    Entity::Thing(fresh) => (thing.target, thing.yaw) = (fresh.target, thing.yaw + 0.3),
                    _ => thing.at.x += 0.25,
                },
                _ => {}
            }
        }
    }

    fn capture(&mut self, out: &mut Capture<'_, Entity>) {
        for (id, (owner, entity)) in &mut self.entities {
            match owner {
                Some(player) => out.put_avatar(*id, *player, entity),
                None => out.put(*id, entity),
            }
        }
    }

    fn relevance(&self, viewer: &Viewer, scene: &Scene, out: &mut Visible) {
        for id in scene.ids() {
            // Each pair is seen for a while, then not.
            let who = viewer.player.map_or(0, |player| u32::from(player.0));
            let mix = (id.index() as u32 * 31 + who * 17 + self.tick.0 / 20).wrapping_mul(0x9e37_79b9) >> 16;
            if mix % 1_000 < self.wild.see.into() {
                out.add(id);
            }
        }
    }

    fn predict(_: &Context<'_, Self>, own: &mut Entity, input: &Pad) {
        if let Entity::Own(own) = own {
            push(own, input);
        }
    }
}

fn lines() -> impl Strategy<Value = String> {
    (0..120_u32, 0..40_u32, 0..30_u32, 1..6_u32, 0..15_u32, 0..10_u32).prop_map(
        |(latency, jitter, loss, burst, reorder, dup)| {
            let burst = if loss == 0 { String::new() } else { format!(",burst={burst}") };
            let jitter = jitter.min(latency);
            format!("latency={latency}ms,jitter={jitter}ms,loss={loss}%,reorder={reorder}%,dup={dup}%{burst}")
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, max_shrink_iters: 60, ..ProptestConfig::default() })]
    #[test]
    fn copies_converge_and_hold_nothing_that_never_was(
        seed: u64,
        (population, spawn, despawn, change, see) in (5..80_u16, 1..900_u16, 0..200_u16, 0..1_000_u16, 100..1_000_u16),
        line in lines(),
        (budget, divisor, calm) in (0..2_usize, 1..=3_u32, any::<bool>()),
        (silence_ms, moment_ms) in (prop_oneof![Just(0), 300..1_500_u64], 300..2_000_u64),
        (broken_from_ms, broken_ms) in (prop_oneof![Just(0), 300..2_500_u64], prop_oneof![0..700_u64, 700..1_400_u64]),
    ) {
        let calm_from = if calm { 239 } else { u32::MAX };
        let wild = Wildness { calm_from, population, spawn, despawn, change, see };
        let lossy: LinkSpec = line.parse().expect("the line is spelled right");
        // A connection that is gone, and a client that resumes.
        let (from, lasts) = (Micros::from_millis(broken_from_ms), Micros::from_millis(broken_ms));
        let faults = if broken_from_ms > 0 { vec![Fault { from, lasts, what: Trouble::Breaks(0) }] } else { Vec::new() };
        let options = Options {
            link: lossy,
            clients: 3,
            send_rate_hz: 60 / divisor,
            datagram_bytes_max: [1_162, 400][budget],
            faults,
            ..Options::new(seed)
        };
        let player = |_, seed| Box::new(WanderPlayer::new(seed)) as _;
        let mut sim = Sim::<Chaos>::new(options, &wild, player).expect("it opens");
        sim.run(Micros::from_millis(moment_ms));
        // After a long silence nothing is known any more, and all begins anew.
        if silence_ms > 0 {
            sim.set_link(&"loss=100%".parse().expect("the line is spelled right"));
            sim.run(Micros::from_millis(silence_ms));
            sim.set_link(&lossy);
        }
        sim.run(Micros::from_millis(4_000 - moment_ms - silence_ms));
        let healed = LinkSpec { reorder: Chance::NEVER, dup: Chance::NEVER, ..lossy.without_loss() };
        sim.set_link(&healed);
        sim.run(Micros::from_millis(500 + 4 * 160));
        prop_assert_eq!(sim.wrong_states(), 0);
        let counters = sim.room().counters();
        prop_assert_eq!((counters.malformed, counters.forged_acks), (0, 0));
        if budget == 0 || calm {
            prop_assert!(sim.converged());
        }
        for client in sim.clients() {
            prop_assert_eq!(client.counters().mispredicted, 0, "{:?}", client.counters());
        }
    }
}

/// An entity that changed after a session was resumed, and changed back before anything was acknowledged: of a client that
/// heard all of it, "as when you resumed" would not be true.
#[test]
fn who_is_again_as_it_was_when_the_session_was_resumed_is_told() {
    let wild = Wildness { calm_from: u32::MAX, population: 46, spawn: 848, despawn: 62, change: 941, see: 991 };
    let link: LinkSpec =
        "latency=15ms,jitter=15ms,loss=23%,reorder=2%,dup=8%,burst=4".parse().expect("the line is spelled right");
    let (from, lasts) = (Micros::from_millis(1_955), Micros::from_millis(1_355));
    let faults = vec![Fault { from, lasts, what: Trouble::Breaks(0) }];
    let options = Options { link, clients: 3, send_rate_hz: 30, faults, ..Options::new(14_374_720_093_709_987_673) };
    let player = |_, seed| Box::new(WanderPlayer::new(seed)) as _;
    let mut sim = Sim::<Chaos>::new(options, &wild, player).expect("it opens");
    sim.run(Micros::from_millis(4_000));
    sim.set_link(&LinkSpec { reorder: Chance::NEVER, dup: Chance::NEVER, ..link.without_loss() });
    sim.run(Micros::from_millis(1_140));
    assert_eq!(sim.wrong_states(), 0);
}
