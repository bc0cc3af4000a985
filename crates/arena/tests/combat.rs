//! Shots, rockets, damage, death and coming back.

mod common;

use common::{Match, room};
use downbeat_arena::{Config, Entity, Event, Input, Player, Select, Weapon, angles_towards};
use downbeat_replica::glam::Vec3;
use downbeat_replica::{EntityId, Hearers, PlayerId, Rewind, ViewTick};

/// Two players, 0 and 1, that face each other over ten metres, with `solids` in between.
fn duel(solids: &str) -> Match {
    duel_with(|_| {}, solids)
}

fn duel_with(rules: impl FnOnce(&mut Config), solids: &str) -> Match {
    let mut config = room(solids, &[Vec3::new(-5.0, 0.0, 0.0), Vec3::new(5.0, 0.0, 0.0)]);
    (config.rules.rifle.ammo_start, config.rules.rocket.ammo_start) = (60, 6);
    rules(&mut config);
    let mut room = Match::new(&config, 2);
    // On the ground, and at rest.
    room.run(5, |_| Input::default());
    assert!(room.player(0).position.distance(room.player(1).position) > 9.9);
    room
}

/// Player `from` aims at the middle of `to`.
fn aim(room: &Match, from: u16, to: Vec3) -> Input {
    let (yaw, pitch) = angles_towards(room.world.eyes(room.player(from).position), to + Vec3::Y * 0.9);
    Input { yaw, pitch, ..Input::default() }
}

fn fire_at(room: &Match, from: u16, to: Vec3) -> Input {
    Input { fire: true, ..aim(room, from, to) }
}

/// Steps once while player 0 does `input` and everybody else nothing.
fn step_one(room: &mut Match, input: &Input) {
    room.step(|player| if player == 0 { input.clone() } else { Input::default() });
}

fn died(event: &Event) -> bool {
    matches!(event, Event::Died(_))
}

#[test]
fn a_rifle_hits_what_it_points_at_and_the_shooter_is_told() {
    let mut room = duel("");
    let input = fire_at(&room, 0, room.player(1).position);
    step_one(&mut room, &input);
    assert_eq!(room.player(1).health, 80);
    let victim = Some(room.id(1));
    let told = room.events.iter().find(|(_, event)| matches!(event, Event::Hit(_))).expect("a hit is told");
    assert_eq!(told.0, Hearers::Player(PlayerId(0)));
    assert!(matches!(&told.1, Event::Hit(hit) if hit.victim == victim && hit.damage == 20 && !hit.killed));
    let (hearers, shot) = room.events.iter().find(|(_, event)| matches!(event, Event::Shot(_))).expect("a tracer");
    assert_eq!(*hearers, Hearers::Viewers(room.id(0)));
    let Event::Shot(shot) = shot else { unreachable!("it was found by that") };
    assert!((shot.from.distance(shot.to) - 9.65).abs() < 0.1, "it ends on the body: {shot:?}");
}

#[test]
fn a_rifle_misses_beside_and_does_not_reach_through_a_wall() {
    let mut room = duel("");
    let input = fire_at(&room, 0, room.player(1).position + Vec3::Z * 0.5);
    step_one(&mut room, &input);
    assert_eq!(room.player(1).health, 100);

    let mut room = duel("blocks = [{ min = [0.0, 0.0, -3.0], max = [0.05, 3.0, 3.0] }]");
    let input = fire_at(&room, 0, room.player(1).position);
    step_one(&mut room, &input);
    assert_eq!(room.player(1).health, 100);
    assert!(room.has_event(|event| matches!(event, Event::Shot(shot) if shot.to.x.abs() < 0.07)));
}

#[test]
fn ammunition_and_cooldown_are_enforced_however_the_trigger_is_held() {
    let mut room = duel_with(|config| config.rules.rifle.ammo_start = 5, "");
    let away = Input { fire: true, ..aim(&room, 0, Vec3::new(-19.0, 5.0, 0.0)) };
    let mut shots = Vec::new();
    for tick in 0..120 {
        step_one(&mut room, &away);
        if room.has_event(|event| matches!(event, Event::Shot(_))) {
            shots.push(tick);
        }
    }
    assert_eq!(shots, [0, 9, 18, 27, 36], "every 0.15 s, until the magazine is empty");
    assert_eq!(room.player(0).rifle_ammo, 0);
}

#[test]
fn changing_the_weapon_takes_its_time() {
    let mut room = duel("");
    let up = aim(&room, 0, Vec3::new(-5.0, 9.0, 0.0));
    step_one(&mut room, &Input { select: Select::Rocket, fire: true, ..up.clone() });
    let mut waited = 0;
    while room.rockets().is_empty() {
        step_one(&mut room, &Input { fire: true, ..up.clone() });
        waited += 1;
        assert!(waited < 60);
    }
    assert_eq!(waited, 18, "0.3 s");
    assert_eq!((room.player(0).weapon, room.player(0).rockets), (Weapon::Rocket, 5));
}

/// Remembers one avatar somewhere else.
struct Memory(EntityId, Player);

impl Rewind<Entity> for Memory {
    fn at(&self, id: EntityId, _: ViewTick) -> Option<Entity> {
        (id == self.0).then(|| Entity::Player(self.1.clone()))
    }
}

#[test]
fn a_shot_hits_where_the_target_was_seen_and_not_where_it_is() {
    let mut room = duel("");
    let (seen, now) = (Vec3::new(5.0, 0.0, 3.0), room.player(1).position);
    let past = Memory(room.id(1), Player { position: seen, ..room.player(1) });
    let at = |room: &Match, target| fire_at(room, 0, target);
    let shoot = |room: &mut Match, input: &Input| {
        room.step_past(|player| if player == 0 { input.clone() } else { Input::default() }, &past);
    };
    let input = at(&room, now);
    shoot(&mut room, &input);
    assert_eq!(room.player(1).health, 100, "it was not there in the shooter's eyes");
    room.run(20, |_| Input::default());
    let input = at(&room, seen);
    shoot(&mut room, &input);
    assert_eq!(room.player(1).health, 80);
}

#[test]
fn without_lag_compensation_the_present_counts() {
    let mut room = duel_with(|config| config.rules.rifle.lag_compensation = false, "");
    let past = Memory(room.id(1), Player { position: Vec3::new(5.0, 0.0, 3.0), ..room.player(1) });
    let input = fire_at(&room, 0, room.player(1).position);
    room.step_past(|player| if player == 0 { input.clone() } else { Input::default() }, &past);
    assert_eq!(room.player(1).health, 80);
}

#[test]
fn the_memory_of_an_earlier_life_or_of_the_dead_is_not_hit() {
    for change in [|seen: &mut Player| seen.alive = false, |seen: &mut Player| seen.deaths += 1] {
        let mut room = duel("");
        let mut seen = room.player(1);
        change(&mut seen);
        let past = Memory(room.id(1), seen);
        let input = fire_at(&room, 0, room.player(1).position);
        room.step_past(|player| if player == 0 { input.clone() } else { Input::default() }, &past);
        assert_eq!(room.player(1).health, 100);
    }
}

#[test]
fn death_is_scored_and_told_and_ends_with_a_respawn_at_full_strength() {
    let mut room = duel_with(|config| config.rules.rifle.damage = 60, "");
    let input = fire_at(&room, 0, room.player(1).position);
    step_one(&mut room, &input);
    room.run(20, |_| Input::default());
    step_one(&mut room, &input);
    let dead = room.player(1);
    assert!(!dead.alive && dead.health == 0 && dead.deaths == 1);
    assert_eq!(room.player(0).score, 1);
    assert!(room.has_event(
        |event| matches!(event, Event::Died(died) if died.victim == PlayerId(1) && died.killer == PlayerId(0))
    ));
    // The dead do not move, shoot or stop shots.
    let mut ticks = 0;
    while !room.player(1).alive {
        room.step(|player| Input { forward: 1.0, fire: player == 1, ..Input::default() });
        assert!(!room.has_event(|event| matches!(event, Event::Shot(_))));
        ticks += 1;
        if !room.player(1).alive {
            assert_eq!(room.player(1).position, dead.position);
        }
        assert!(ticks < 300);
    }
    assert_eq!(ticks, 150, "2.5 s");
    let back = room.player(1);
    assert_eq!((back.health, back.rifle_ammo, back.deaths), (100, 60, 1));
}

#[test]
fn of_two_who_shoot_each_other_at_once_both_die() {
    let mut room = duel_with(|config| config.rules.rifle.damage = 100, "");
    let inputs = [fire_at(&room, 0, room.player(1).position), fire_at(&room, 1, room.player(0).position)];
    room.step(|player| inputs[usize::from(player)].clone());
    assert!(!room.player(0).alive && !room.player(1).alive);
    assert_eq!((room.player(0).score, room.player(1).score), (1, 1));
}

#[test]
fn who_of_two_gets_a_kill_does_not_depend_on_its_number() {
    let spawns = [Vec3::new(-5.0, 0.0, -8.0), Vec3::new(-5.0, 0.0, 8.0), Vec3::new(12.0, 0.0, 0.0)];
    let mut config = room("", &spawns);
    config.rules.rifle.damage = 100;
    let mut kills = [0; 3];
    for seed in 0..200 {
        let mut room = Match::seeded(&config, 3, seed);
        let target = room.player(2).position;
        let inputs: [_; 2] = std::array::from_fn(|player| fire_at(&room, player as u16, target));
        room.step(|player| inputs.get(usize::from(player)).cloned().unwrap_or_default());
        (0..3).for_each(|player| kills[usize::from(player)] += room.player(player).score);
        assert!(!room.player(2).alive);
    }
    assert_eq!(kills.iter().sum::<i16>(), 200);
    assert!((75..125).contains(&kills[0]), "{kills:?}");
}

/// Player 0 has the launcher in its hands, and player 1 stands still.
fn launcher(solids: &str) -> Match {
    let mut room = duel(solids);
    step_one(&mut room, &Input { select: Select::Rocket, ..Input::default() });
    room.run(30, |_| Input::default());
    room
}

/// Launches once, then waits for the explosion. Gives where it was.
fn launch(room: &mut Match, input: &Input) -> Vec3 {
    step_one(room, &Input { fire: true, ..input.clone() });
    for _ in 0..400 {
        let burst = room.events.iter().find_map(|(hearers, event)| match event {
            Event::Explosion(explosion) => Some((*hearers, explosion.at)),
            _ => None,
        });
        if let Some((hearers, at)) = burst {
            let Hearers::Viewers(id) = hearers else { panic!("told to those who see the rocket") };
            assert!(room.entities.iter().any(|entity| entity.id == id), "the rocket is still there to be seen");
            return at;
        }
        step_one(room, &Input { fire: false, ..input.clone() });
    }
    panic!("it never burst");
}

#[test]
fn a_rocket_that_hits_hurts_most_and_throws_its_victim() {
    let mut room = launcher("");
    let before = room.player(1).position;
    let input = aim(&room, 0, before);
    launch(&mut room, &input);
    let (victim, away) = (room.player(1), (before - room.player(0).position).normalize());
    assert!(victim.health <= 15, "{}", victim.health);
    assert!(victim.velocity.dot(away) > 8.0, "{}", victim.velocity);
    room.run(2, |_| Input::default());
    assert!(room.rockets().is_empty());
    assert!((room.player(1).position - before).dot(away) > 0.1);
}

#[test]
fn splash_falls_off_with_distance_and_stops_at_walls() {
    let mut room = launcher("");
    let beside = room.player(1).position + Vec3::new(1.5, -0.9, 1.5);
    let input = aim(&room, 0, beside);
    let at = launch(&mut room, &input);
    assert!(at.y < 0.1, "on the floor: {at}");
    let health = room.player(1).health;
    assert!((30..90).contains(&health), "{health}");

    let mut room = launcher("blocks = [{ min = [3.5, 0.0, -3.0], max = [3.8, 3.0, 3.0] }]");
    let input = aim(&room, 0, room.player(1).position);
    launch(&mut room, &input);
    assert_eq!(room.player(1).health, 100);
}

#[test]
fn a_rocket_jump_costs_half_and_lifts() {
    let mut room = launcher("");
    let down = Input { pitch: -1.5, ..Input::default() };
    let mut top = 0.0_f32;
    launch(&mut room, &down);
    for _ in 0..60 {
        step_one(&mut room, &Input::default());
        top = top.max(room.player(0).position.y);
    }
    assert!((50..80).contains(&room.player(0).health), "{}", room.player(0).health);
    assert!(top > 1.0, "{top}");
    assert_eq!(room.player(0).score, 0);
}

#[test]
fn who_kills_itself_loses_a_point() {
    let mut room = duel_with(|config| config.rules.rocket.own_damage_share = 1.0, "");
    let down = Input { pitch: -1.5, select: Select::Rocket, fire: true, ..Input::default() };
    while room.player(0).alive {
        step_one(&mut room, &down);
        assert!(room.tick.0 < 500);
    }
    assert!(room.has_event(died));
    assert_eq!((room.player(0).score, room.player(0).deaths), (-1, 1));
}

#[test]
fn a_rocket_that_meets_nothing_bursts_at_the_end_of_its_life() {
    let mut room = duel_with(|config| (config.rules.rocket.speed_mps, config.rules.rocket.life_s) = (2.0, 0.5), "");
    step_one(&mut room, &Input { select: Select::Rocket, ..Input::default() });
    room.run(30, |_| Input::default());
    let from = room.tick.0;
    let at = launch(&mut room, &Input { pitch: 1.0, ..Input::default() });
    assert_eq!(room.tick.0 - from, 31);
    assert!(at.distance(room.world.eyes(room.player(0).position)) < 1.1);
}

#[test]
fn an_item_is_given_to_who_needs_it_and_comes_back() {
    let solids = "pick_ups = [{ item = 'rifle_ammo', at = [-5.0, 0.0, 0.0] }]";
    let mut room = duel(solids);
    let available = |room: &Match| {
        room.entities.iter().any(|entity| matches!(room.entity(entity), Entity::PickUp(place) if place.available))
    };
    let owner = (0..2).find(|&player| room.player(player).position.x < 0.0).expect("one stands there");
    assert!(available(&room) == (room.player(owner).rifle_ammo == 60));
    // It needs some: 60 of 120.
    room.run(2, |_| Input::default());
    assert_eq!(room.player(owner).rifle_ammo, 100);
    assert!(!available(&room));
    let mut ticks = 2 + 5;
    while room.player(owner).rifle_ammo == 100 {
        room.run(1, |_| Input::default());
        ticks += 1;
        assert!(ticks < 2_000);
    }
    assert_eq!(room.player(owner).rifle_ammo, 120, "no more than one can carry");
    assert!((895..=907).contains(&ticks), "15 s: {ticks}");
    room.run(1_000, |_| Input::default());
    assert!(available(&room), "whoever has enough leaves it");
}

#[test]
fn one_comes_back_far_from_the_enemies() {
    let config = Config::default();
    for seed in 0..40 {
        let room = Match::seeded(&config, 2, seed);
        let apart = room.player(0).position.distance(room.player(1).position);
        assert!(apart > 20.0, "seed {seed}: {apart} m");
    }
}

#[test]
fn bodies_that_overlap_part_when_contact_is_on() {
    let spawns = [Vec3::new(0.0, 0.0, 0.0)];
    for contact in [false, true] {
        let mut config = room("", &spawns);
        config.rules.contact = contact;
        let mut room = Match::new(&config, 4);
        room.run(120, |_| Input::default());
        let places: Vec<_> = (0..4).map(|player| room.player(player).position).collect();
        let nearest = (0..4).flat_map(|a| (0..a).map(move |b| (a, b))).map(|(a, b)| places[a].distance(places[b]));
        let nearest = nearest.fold(f32::MAX, f32::min);
        assert_eq!(nearest > 0.6, contact, "{nearest} m");
    }
}
