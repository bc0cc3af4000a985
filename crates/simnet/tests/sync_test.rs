//! A game whose `predict` or `step` does not give the same again is caught, and what differs is named.

use std::cell::Cell;

use downbeat_arena::{Arena, Config};
use downbeat_client::View;
use downbeat_client::limits::SYNC_FAULTS_MAX;
use downbeat_replica::glam::Vec3;
use downbeat_replica::{
    Capture, ConfigError, Context, EntityId, Events, Game, Hearers, Input, Inputs, Micros, PlayerId, Replicated,
    Rewind, Setup, Tick, Twin, dt,
};
use downbeat_simnet::{Options, Player, Sim, WanderPlayer};
use serde::{Deserialize, Serialize};

#[derive(Input, Clone, Default)]
struct Pad {
    #[field(range = -1.0..=1.0, step = 0.25)]
    x: f32,
}

#[derive(Replicated, Clone)]
struct Body {
    #[field(position, range = -256.0..=256.0, step = 0.001953125)]
    at: Vec3,
    #[field(range = 0..=255)]
    mood: u8,
}

#[derive(Replicated, Clone)]
struct Spark {
    #[field(range = 0..=255)]
    colour: u8,
}

#[derive(Replicated, Clone)]
enum Entity {
    Body(Body),
    Spark(Spark),
}

#[derive(Replicated, Clone)]
struct Noise {
    #[field(range = 0..=255)]
    volume: u8,
}

#[derive(Replicated, Clone)]
enum Event {
    Noise(Noise),
}

/// Where the game is impure.
#[derive(Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
enum Fault {
    #[default]
    Nowhere,
    Predict,
    Spawn,
    Step,
    Event,
    Order,
}

struct Moody {
    fault: Fault,
    bodies: Vec<(PlayerId, Body)>,
    /// How often anybody was moody, in any match of the thread.
    moods: u8,
}

thread_local! {
    static MOODS: Cell<u8> = const { Cell::new(0) };
}

/// Another number each time: what a game must not use.
fn mood() -> u8 {
    MOODS.set(MOODS.get().wrapping_add(1));
    MOODS.get()
}

fn walk(body: &mut Body, pad: &Pad, others: usize) {
    // The others count: a replay beside other others would give something else and be no fault.
    body.at.x += pad.x * dt(60) * (1 + others) as f32;
}

impl Game for Moody {
    const NAME: &'static str = "moody";
    type Config = Fault;
    type World = Fault;
    type Input = Pad;
    type Entity = Entity;
    type Event = Event;

    fn world(fault: &Fault) -> Result<Fault, ConfigError> {
        Ok(*fault)
    }

    fn new(fault: &Fault, _: Setup) -> Result<Self, ConfigError> {
        Ok(Self { fault: *fault, bodies: Vec::new(), moods: 0 })
    }

    fn join(&mut self, player: PlayerId, _: &str) {
        self.bodies.push((player, Body { at: Vec3::ZERO, mood: 0 }));
    }

    fn leave(&mut self, player: PlayerId) {
        self.bodies.retain(|(other, _)| *other != player);
    }

    fn step(&mut self, tick: Tick, inputs: &Inputs<'_, Pad>, _: &impl Rewind<Entity>, events: &mut Events<Event>) {
        self.moods = if tick.0 == 90 { mood() } else { 0 };
        let others = self.bodies.len() - 1;
        for (player, body) in &mut self.bodies {
            inputs.of(*player).into_iter().for_each(|given| walk(body, &given.input, others));
            body.mood = if self.fault == Fault::Step { self.moods } else { 0 };
        }
        let volume = if self.fault == Fault::Event { self.moods } else { 0 };
        events.emit(Hearers::All, Event::Noise(Noise { volume }));
    }

    fn capture(&mut self, out: &mut Capture<'_, Entity>) {
        for (player, body) in &mut self.bodies {
            let mut entity = Entity::Body(body.clone());
            out.put_avatar(EntityId::new(player.0.into(), 0), *player, &mut entity);
            if let Entity::Body(rounded) = entity {
                *body = rounded;
            }
        }
        if self.fault == Fault::Order && self.moods % 2 == 1 {
            out.put(EntityId::new(500, 0), &mut Entity::Spark(Spark { colour: 0 }));
        }
    }

    fn predict(context: &Context<'_, Self>, own: &mut Entity, pad: &Pad) {
        let Entity::Body(own) = own else { return };
        walk(own, pad, context.others.len());
        if *context.world == Fault::Predict && context.tick.0.is_multiple_of(64) {
            own.mood = mood();
        }
    }

    fn predict_spawn(context: &Context<'_, Self>, _: &Entity, _: &Entity, _: &Pad) -> Option<Entity> {
        let spawns = *context.world == Fault::Spawn && context.tick.0.is_multiple_of(64);
        spawns.then(|| Entity::Spark(Spark { colour: mood() }))
    }
}

fn sim<G: Game>(config: &G::Config, clients: u16) -> Sim<G> {
    let link = "latency=50ms,jitter=5ms,loss=2%".parse().expect("the line is spelled right");
    let wander = |_, seed| Box::new(WanderPlayer::new(seed)) as Box<dyn Player<G>>;
    Sim::new(Options { link, clients, ..Options::new(3) }, config, wander).expect("it opens")
}

/// Five seconds with a test every `every` ticks, then its faults and their number.
fn test<G: Game>(config: &G::Config, every: u32) -> (Vec<downbeat_client::SyncFault>, u64, Sim<G>) {
    let mut sim = sim::<G>(config, 3);
    sim.run(Micros::from_millis(500));
    assert_eq!(sim.clients_mut().map(|client| client.set_sync_test(Some(every))).count(), 3, "all have joined");
    sim.run(Micros::from_millis(4_500));
    let faults = sim.clients().flat_map(|client| client.sync_faults().to_vec()).collect();
    let count = sim.clients().map(|client| client.counters().sync_faults).sum();
    (faults, count, sim)
}

#[test]
fn an_impure_predict_is_caught_with_kind_and_field_named() {
    let (faults, count, _) = test::<Moody>(&Fault::Predict, 4);
    assert!(count >= faults.len() as u64 && faults.len() > 3, "{count}: {faults:?}");
    for fault in &faults {
        assert_eq!((fault.kind.as_ref(), fault.field.as_deref()), ("Body", Some("mood")), "{fault:?}");
        assert!(fault.tick.0.is_multiple_of(64), "{fault:?}");
        assert!(fault.before.len() == 1 && fault.before != fault.after, "{fault:?}");
    }
}

#[test]
fn an_impure_spawn_is_caught_too_and_faults_are_bounded() {
    let (faults, count, sim) = test::<Moody>(&Fault::Spawn, 1);
    assert!(faults.iter().all(|fault| fault.kind == "Spark" && fault.field.as_deref() == Some("colour")), "{faults:?}");
    assert!(count > 20, "{count}");
    assert!(sim.clients().all(|client| client.sync_faults().len() <= SYNC_FAULTS_MAX));
}

#[test]
fn a_pure_game_has_no_faults_though_contact_depends_on_the_others() {
    let (faults, count, _) = test::<Moody>(&Fault::Nowhere, 3);
    assert!(count == 0 && faults.is_empty(), "{faults:?}");
    let mut config = Config::default();
    config.rules.contact = true;
    let (faults, count, sim) = test::<Arena>(&config, 3);
    assert!(count == 0 && faults.is_empty(), "{faults:?}");
    assert!(sim.clients().all(|client| client.counters().confirmed > 100));
}

/// What a room of twins says when they differ.
fn complaint(fault: Fault) -> String {
    let mut sim = sim::<Twin<Moody>>(&fault, 2);
    let run = std::panic::AssertUnwindSafe(|| sim.run(Micros::from_millis(3_000)));
    let panic = std::panic::catch_unwind(run).expect_err("the impurity is noticed");
    panic.downcast_ref::<String>().expect("it says what").clone()
}

#[test]
fn an_impure_step_is_caught_with_entity_and_field_named() {
    let said = complaint(Fault::Step);
    assert!(said.starts_with("step is impure: Tick(90), Body 0v0: mood is ["), "{said}");
    let said = complaint(Fault::Event);
    assert!(said.starts_with("step is impure: Tick(90), event Noise: volume is ["), "{said}");
    let said = complaint(Fault::Order);
    assert!(said.starts_with("step is impure: Tick(90), ") && said.contains("entities"), "{said}");
}

#[test]
fn a_pure_game_plays_as_a_twin_as_it_does_alone() {
    let hash = |mut sim: Sim<Arena>| {
        sim.run(Micros::from_millis(10_000));
        sim.trace_hash()
    };
    let mut twins = sim::<Twin<Arena>>(&Config::default(), 6);
    twins.run(Micros::from_millis(10_000));
    assert_eq!(twins.trace_hash(), hash(sim::<Arena>(&Config::default(), 6)));
    let view = twins.clients_mut().next().expect("there are six").view(Micros::from_millis(10_000));
    let View { avatar, .. } = view;
    assert!(avatar.is_some());
}
