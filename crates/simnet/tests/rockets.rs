//! The arena's rockets on a bad line: seen with the shot, once, and where they fly.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;

use downbeat_arena::{Arena, Config, Entity, Input, Rocket, Select};
use downbeat_client::View;
use downbeat_link::LinkSpec;
use downbeat_replica::{Micros, Sighting, Tick, dt};
use downbeat_simnet::{Options, Player, Sim, WanderPlayer};

/// Wanders with the launcher in hand and fires without end, most of it upwards.
struct Bombardier(WanderPlayer, Rc<Cell<u32>>);

impl Player<Arena> for Bombardier {
    fn decide(&mut self, tick: Tick, view: &View<'_, Arena>) -> Input {
        self.1.set(tick.0);
        let input: Input = self.0.decide(tick, view);
        Input { fire: true, select: Select::Rocket, pitch: input.pitch.abs().min(0.8), ..input }
    }
}

fn rockets(sightings: &[Sighting<Entity>]) -> Vec<Rocket> {
    let rocket =
        |it: &Sighting<Entity>| if let Entity::Rocket(rocket) = &it.entity { Some(rocket.clone()) } else { None };
    sightings.iter().filter_map(rocket).collect()
}

/// Farthest from its straight way that a rocket is drawn in a frame, in metres.
const JUMP_MAX_M: f32 = 0.25;

#[test]
fn own_rockets_are_seen_with_the_shot_once_and_without_a_jump() {
    let link: LinkSpec = "latency=75ms,jitter=20ms,loss=5%,burst=3".parse().expect("the line is spelled right");
    let mut config = Config::default();
    config.rules.rocket.ammo_start = 200;
    config.rules.rocket.ammo_max = 200;
    let (mut shots, mut seen_at_once, mut spawned, mut matched, mut withdrawn) = (0, 0, 0, 0, 0);
    let mut farthest = 0.0_f32;
    for seed in 1..4 {
        let played = Rc::new(Cell::new(0));
        let player = |i, seed| {
            let tick = if i == 0 { Rc::clone(&played) } else { Rc::default() };
            Box::new(Bombardier(WanderPlayer::new(seed), tick)) as Box<dyn Player<Arena>>
        };
        let options = Options { link, clients: 4, ..Options::new(seed) };
        let mut sim = Sim::<Arena>::new(options, &config, player).expect("it opens");
        sim.run(Micros(2_000_000));
        let mut before: (Vec<Rocket>, u32, u8) = (Vec::new(), 0, 0);
        let mut over: BTreeSet<u32> = BTreeSet::new();
        for frame in 1..=1_200_u64 {
            sim.run(Micros(16_667));
            let view = sim.clients_mut().next().expect("there are four").view(Micros(2_000_000 + frame * 16_667));
            let Some(Entity::Player(own)) = &view.avatar else { panic!("an avatar is predicted") };
            let mine = rockets(view.spawned);
            let told: Vec<_> = rockets(view.others).into_iter().filter(|other| other.owner == own.player).collect();
            let fired: BTreeSet<_> = mine.iter().map(|rocket| rocket.fired).collect();
            assert_eq!(fired.len(), mine.len(), "seed {seed} frame {frame}: one is seen twice");
            for rocket in &told {
                assert!(!fired.contains(&rocket.fired), "seed {seed} frame {frame}: {} is seen twice", rocket.fired);
                assert!(!over.contains(&rocket.fired), "seed {seed} frame {frame}: {} is back", rocket.fired);
            }
            assert!(fired.is_disjoint(&over), "seed {seed} frame {frame}: one is back");
            let (old, tick, ammo) = &before;
            if played.get() == tick + 1 && own.rockets + 1 == *ammo {
                shots += 1;
                seen_at_once += u32::from(fired.contains(&played.get()));
            }
            for (rocket, was) in mine.iter().flat_map(|rocket| old.iter().map(move |was| (rocket, was))) {
                if rocket.fired == was.fired {
                    let way = was.velocity * (dt(60) * (played.get() - tick) as f32);
                    farthest = farthest.max((rocket.position - was.position - way).length());
                }
            }
            over.extend(old.iter().map(|rocket| rocket.fired).filter(|tick| !fired.contains(tick)));
            before = (mine, played.get(), own.rockets);
        }
        let counters = sim.clients().next().expect("there are four").counters();
        (spawned, matched) = (spawned + counters.spawns, matched + counters.spawns_matched);
        withdrawn += counters.spawns_withdrawn;
    }
    println!(
        "{shots} shots, {seen_at_once} seen at once; {spawned} spawned, {matched} matched, {withdrawn} withdrawn; {farthest} m"
    );
    assert!(shots > 40, "{shots}");
    // One that bursts in its first tick is not shown.
    assert!(seen_at_once * 100 >= shots * 95, "{seen_at_once} of {shots}");
    assert!(matched * 100 >= spawned * 90, "{matched} of {spawned}");
    assert!(farthest < JUMP_MAX_M, "{farthest} m off its way in a frame");
}
