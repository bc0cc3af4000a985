//! Who is told of whom: all who could be seen before latency has passed, and nobody else.

mod common;

use common::{Dice, Match, room};
use downbeat_arena::{Config, Entity, Input, Nav, Player, Select, World, angles_towards};
use downbeat_replica::glam::Vec3;
use downbeat_replica::{Camera, EntityId, Game, PlayerId, Scene, Viewer, Visible};

impl Match {
    /// What `player` is told of, ascending; a spectator for `None`.
    fn told(&self, player: Option<u16>) -> Vec<EntityId> {
        let mut scene = Scene::default();
        self.entities.iter().for_each(|captured| scene.push(captured.id, Vec3::ZERO));
        let mut visible = Visible::default();
        let viewer =
            Viewer { player: player.map(PlayerId), avatar: player.map(|player| self.id(player)), camera: None };
        self.arena.relevance(&viewer, &scene, &mut visible);
        visible.sorted().to_vec()
    }

    fn knows(&self, viewer: u16, target: u16) -> bool {
        self.told(Some(viewer)).contains(&self.id(target))
    }

    fn rocket_ids(&self) -> Vec<EntityId> {
        let rockets = self.entities.iter().filter(|captured| matches!(self.entity(captured), Entity::Rocket(_)));
        rockets.map(|captured| captured.id).collect()
    }
}

/// A wall of 3 m right across the room but for a gap at `z` of 16 to 20.
const WALL: &str = "blocks = [{ min = [-0.3, 0.0, -20.0], max = [0.3, 3.0, 16.0] }]";

fn still(_: u16) -> Input {
    Input::default()
}

/// Runs towards +x, +z and so on.
fn towards(way: Vec3) -> Input {
    Input { forward: 1.0, yaw: angles_towards(Vec3::ZERO, way).0, ..Input::default() }
}

/// Two players, the first one west of the wall and the other one east of it.
fn behind_a_wall(west: Vec3, east: Vec3) -> (Match, u16, u16) {
    let match_ = Match::new(&room(WALL, &[west, east]), 2);
    let first_is_west = match_.player(0).position.x < 0.0;
    let (west, east) = if first_is_west { (0, 1) } else { (1, 0) };
    (match_, west, east)
}

#[test]
fn one_behind_a_wall_is_told_of_when_he_comes_around_its_end_and_not_sooner() {
    let (mut room, west, east) = behind_a_wall(Vec3::new(-9.0, 0.0, -10.0), Vec3::new(9.0, 0.0, 2.0));
    room.run(60, still);
    let mut told_at = None;
    let mut seen_at = None;
    for tick in 0..600 {
        let own = room.player(east).position;
        let way = if own.z < 17.5 { Vec3::Z } else { Vec3::NEG_X };
        room.step(|player| if player == east { towards(way) } else { Input::default() });
        assert_eq!(room.knows(west, east), room.knows(east, west), "what is told is the same both ways");
        if told_at.is_none() && room.knows(west, east) {
            told_at = Some((tick, room.player(east).position));
        }
        let eyes = room.world.eyes(room.player(west).position);
        if seen_at.is_none() && is_seen(&room.world, eyes, room.player(east).position) {
            seen_at = Some(tick);
        }
    }
    let ((told_at, place), seen_at) = (told_at.expect("he was told of"), seen_at.expect("he was seen"));
    assert!((12..60).contains(&(seen_at - told_at)), "told at {told_at}, seen at {seen_at}");
    assert!(place.z > 8.0, "from the middle of the wall nobody gets around it: {place}");
}

#[test]
fn one_who_was_seen_stays_told_of_for_half_a_second() {
    let (mut room, west, east) = behind_a_wall(Vec3::new(-8.0, 0.0, 17.0), Vec3::new(8.0, 0.0, 19.0));
    room.run(4, still);
    assert!(room.knows(west, east));
    // Back behind the wall, where nobody could see him in any time that latency hides.
    let mut last_seen = 0;
    let mut told = Vec::new();
    for tick in 0..240 {
        room.step(|player| if player == east { towards(Vec3::NEG_Z) } else { Input::default() });
        told.push(room.knows(west, east));
        let eyes = room.world.eyes(room.player(west).position);
        if is_seen(&room.world, eyes, room.player(east).position) {
            last_seen = tick;
        }
    }
    let last_told = told.iter().rposition(|told| *told).expect("he was told of");
    assert!(!told[239] && told[..=last_told].iter().all(|told| *told), "there is one change");
    assert!((30..120).contains(&(last_told - last_seen)), "seen until {last_seen}, told of until {last_told}");
}

#[test]
fn walls_that_one_can_jump_to_look_over_hide_nobody_but_the_dead() {
    let low = WALL.replace("3.0, 16.0", "2.0, 16.0");
    let (west, east) = (Vec3::new(-3.0, 0.0, -10.0), Vec3::new(3.0, 0.0, -9.0));
    let mut room = Match::new(&room(&low, &[west, east]), 2);
    room.run(8, still);
    assert!(room.knows(0, 1) && room.knows(1, 0));
}

#[test]
fn those_beyond_the_rules_radius_are_not_told_of() {
    let mut config = room("", &[Vec3::new(-19.0, 0.0, 0.0), Vec3::new(19.0, 0.0, 0.0)]);
    for (radius, is_told) in [(30.0, false), (40.0, true)] {
        config.rules.sight_radius_m = radius;
        let mut room = Match::new(&config, 2);
        room.run(8, still);
        assert_eq!(room.knows(0, 1), is_told, "{radius} m");
    }
}

#[test]
fn a_spectator_is_told_of_all_and_a_player_of_all_items_and_itself() {
    let items = "pick_ups = [{ item = 'health', at = [19.0, 0.0, 19.0] }]\n";
    let solids = format!("{items}{WALL}");
    let mut room = Match::new(&room(&solids, &[Vec3::new(-5.0, 0.0, -9.0), Vec3::new(5.0, 0.0, -9.0)]), 2);
    room.run(30, still);
    assert_eq!(room.told(None).len(), 3);
    for player in 0..2 {
        assert_eq!(room.told(Some(player)), [room.entities[0].id, room.id(player)]);
    }
    // One of whom the match knows nothing yet is told of nobody.
    let mut visible = Visible::default();
    room.arena.relevance(&Viewer { player: Some(PlayerId(9)), ..Viewer::default() }, &Scene::default(), &mut visible);
    assert_eq!(visible.sorted(), [room.entities[0].id]);
}

#[test]
fn a_camera_is_told_of_who_is_within_sight_of_it_or_of_what_the_player_knows_whom_it_follows() {
    let (mut room, west, east) = behind_a_wall(Vec3::new(-9.0, 0.0, -10.0), Vec3::new(9.0, 0.0, 2.0));
    room.run(60, still);
    let mut scene = Scene::default();
    for captured in &room.entities {
        let player =
            (0..2).find(|&player| room.id(player) == captured.id).expect("there are two players and nothing else");
        scene.push(captured.id, room.player(player).position);
    }
    let told = |position: Vec3, follows: Option<EntityId>| {
        let viewer = Viewer { camera: Some(Camera { position, follows }), ..Viewer::default() };
        let mut visible = Visible::default();
        room.arena.relevance(&viewer, &scene, &mut visible);
        visible.sorted().to_vec()
    };
    assert_eq!(told(Vec3::ZERO, None).len(), 2, "it looks through walls");
    assert_eq!(told(Vec3::new(1e5, 0.0, 0.0), None), [], "not that far");
    // Whom a camera follows is shown in any case: the room sees to that.
    let others: Vec<_> = room.told(Some(west)).into_iter().filter(|id| *id != room.id(west)).collect();
    assert_eq!(told(Vec3::ZERO, Some(room.id(west))), others);
    assert!(!others.contains(&room.id(east)), "a wall is between them");
}

#[test]
fn a_rocket_is_told_of_to_its_owner_and_to_those_who_could_see_it() {
    let (mut room, west, east) = behind_a_wall(Vec3::new(-6.0, 0.0, 0.0), Vec3::new(6.0, 0.0, -9.0));
    room.arena.join(PlayerId(2), "a witness");
    room.run(60, |player| Input { select: if player == west { Select::Rocket } else { Select::Keep }, ..still(0) });
    let witness = 2;
    let fire = |way: Vec3| Input { fire: true, ..towards(way) };
    room.step(|player| if player == west { Input { forward: 0.0, ..fire(Vec3::NEG_Z) } } else { still(0) });
    let rockets = room.rocket_ids();
    assert_eq!(rockets.len(), 1);
    let is_told = |room: &Match, player| room.told(Some(player)).contains(&rockets[0]);
    assert!(is_told(&room, west), "in its first tick");
    let witness_is_west = room.player(witness).position.x < 0.0;
    assert_eq!(is_told(&room, witness), witness_is_west);
    assert!(!is_told(&room, east));
    while !room.rocket_ids().is_empty() {
        assert!(is_told(&room, west) && !is_told(&room, east));
        room.step(still);
    }
    assert!(!is_told(&room, west), "nobody is told of what is gone");
}

#[test]
fn one_who_takes_the_place_of_another_is_not_told_of_for_his_sake() {
    let spots = [Vec3::new(-9.0, 0.0, -10.0), Vec3::new(-9.0, 0.0, -12.0), Vec3::new(9.0, 0.0, -10.0)];
    let mut room = Match::new(&room(WALL, &spots), 2);
    room.run(10, still);
    for round in 0..40 {
        let newcomer = PlayerId(2 + round % 3);
        room.arena.join(newcomer, "guest");
        room.step(still);
        for player in [0, 1] {
            let same_side = room.player(player).position.x * room.player(newcomer.0).position.x > 0.0;
            assert_eq!(room.knows(player, newcomer.0), same_side, "round {round}");
        }
        room.arena.leave(newcomer);
        room.run(1 + u32::from(round % 4), still);
    }
}

#[test]
fn those_who_could_touch_know_of_each_other_where_bodies_push() {
    let thin = "blocks = [{ min = [-0.05, 0.0, -20.0], max = [0.05, 3.0, 20.0] }]";
    for contact in [false, true] {
        let mut config = room(thin, &[Vec3::new(-0.5, 0.0, 0.0), Vec3::new(0.5, 0.0, 0.0)]);
        config.rules.contact = contact;
        let mut room = Match::new(&config, 2);
        room.run(8, still);
        assert_eq!(room.knows(0, 1), contact);
    }
}

/// Points of a body: its middle and its rim, from the feet to the head.
fn is_seen(world: &World, eyes: Vec3, feet: Vec3) -> bool {
    let (radius, height) = (world.rules().body_radius_m, world.rules().body_height_m);
    let heights = [1.0, 0.0, 0.5, 0.75, 0.25].map(|share| share * (height - 0.02) + 0.01);
    heights.iter().any(|&up| {
        (0..13).any(|i| {
            let turn = i as f32 * std::f32::consts::TAU / 12.0;
            let out = if i == 12 { 0.0 } else { radius };
            world.line_of_sight(eyes, feet + Vec3::new(out * libm::cosf(turn), up, out * libm::sinf(turn)))
        })
    })
}

/// Runs from waypoint to waypoint, jumps, and shoots at whom it sees.
struct Runner {
    dice: Dice,
    route: Vec<Vec3>,
    stuck: u32,
}

impl Runner {
    fn input(&mut self, own: &Player, world: &World, nav: &Nav, others: &[Vec3]) -> Input {
        if self.route.is_empty() || self.stuck > 40 {
            self.stuck = 0;
            let places = nav.places();
            let goal = places[self.dice.roll(places.len() as u64) as usize];
            self.route = nav.route(world, own.position, goal);
            self.route.reverse();
        }
        let next = self.route.last().copied().unwrap_or(own.position);
        let way = (next - own.position).with_y(0.0);
        if way.length() < 0.5 {
            self.route.pop();
        }
        self.stuck = if own.velocity.length() < 1.0 { self.stuck + 1 } else { 0 };
        let eyes = world.eyes(own.position);
        let enemy =
            others.iter().find(|at| at.distance(own.position) > 0.5 && world.line_of_sight(eyes, **at + Vec3::Y));
        let enemy = enemy.filter(|_| self.dice.roll(3) > 0);
        let jump = self.dice.roll(60) == 0 || self.stuck > 10;
        let select = [Select::Keep, Select::Keep, Select::Rifle, Select::Rocket][self.dice.roll(4) as usize];
        let Some(enemy) = enemy else { return Input { jump, select, ..towards(way) } };
        let (yaw, pitch) = angles_towards(eyes, *enemy + Vec3::Y * 0.5);
        // Keeps running along its way while it looks at the enemy.
        let along = way.normalize_or_zero();
        let (ahead, right) = (towards_of(yaw), towards_of(yaw - std::f32::consts::FRAC_PI_2));
        let (forward, right) = (along.dot(ahead), along.dot(right));
        Input { forward, right, yaw, pitch, jump, select, fire: self.dice.roll(4) == 0 }
    }
}

fn towards_of(yaw: f32) -> Vec3 {
    downbeat_arena::look(yaw, 0.0)
}

/// What a tick of a fight was like.
struct Frame {
    bodies: Vec<(EntityId, Player)>,
    rockets: Vec<(EntityId, Vec3)>,
    /// By viewer, ascending.
    told: Vec<Vec<EntityId>>,
}

impl Frame {
    fn of(room: &Match) -> Self {
        let bodies: Vec<_> = room.players().into_values().collect();
        let rockets = room.rocket_ids().into_iter().zip(room.rockets().iter().map(|rocket| rocket.position)).collect();
        let told = (0..bodies.len()).map(|viewer| room.told(Some(viewer as u16))).collect();
        Self { bodies, rockets, told }
    }

    fn is_told(&self, viewer: usize, id: EntityId) -> bool {
        self.told[viewer].binary_search(&id).is_ok()
    }

    fn has_rocket(&self, id: EntityId) -> bool {
        self.rockets.iter().any(|(rocket, _)| *rocket == id)
    }

    fn life(&self, player: usize) -> (bool, u16) {
        (self.bodies[player].1.alive, self.bodies[player].1.deaths)
    }

    fn is_seen(&self, world: &World, viewer: usize, target: usize) -> bool {
        is_seen(world, world.eyes(self.bodies[viewer].1.position), self.bodies[target].1.position)
    }
}

/// What came of a fight, in pairs of viewer and target.
#[derive(Debug, Default)]
struct Tally {
    pairs: u64,
    told: u64,
    seen: u64,
    /// Seen in a tick, and not told of in one of those before that latency hides.
    missed: u64,
    /// Those that one who knows the future would tell of: seen within half a second before, or before latency has passed.
    needed: u64,
    rockets_seen: u64,
    rockets_missed: u64,
}

impl Tally {
    /// Judges every third tick after the first ten seconds, in which it becomes known how good a line is.
    fn of(world: &World, frames: &[Frame], behind: usize) -> Self {
        let mut tally = Self::default();
        for tick in (600..frames.len() - behind).step_by(3) {
            let (now, before) = (&frames[tick], &frames[tick - behind..=tick]);
            // Where somebody begins a life cannot be known before.
            let goes_on = |player: usize| before.iter().all(|frame| frame.life(player) == now.life(player));
            let was_told = |viewer, id| before.iter().all(|frame| frame.is_told(viewer, id));
            let living: Vec<_> = (0..now.bodies.len()).filter(|&player| goes_on(player)).collect();
            for &viewer in &living {
                for &target in living.iter().filter(|target| **target != viewer) {
                    let id = now.bodies[target].0;
                    let is_seen = now.is_seen(world, viewer, target);
                    tally.pairs += 1;
                    tally.told += u64::from(now.is_told(viewer, id));
                    tally.seen += u64::from(is_seen);
                    tally.missed += u64::from(is_seen && !was_told(viewer, id));
                    let around = frames[tick - 30..=tick + behind].iter().step_by(3);
                    tally.needed +=
                        u64::from(is_seen || around.clone().any(|frame| frame.is_seen(world, viewer, target)));
                }
                for &(id, at) in now.rockets.iter().filter(|(id, _)| before.iter().all(|frame| frame.has_rocket(*id))) {
                    let is_seen = world.line_of_sight(world.eyes(now.bodies[viewer].1.position), at);
                    tally.rockets_seen += u64::from(is_seen);
                    tally.rockets_missed += u64::from(is_seen && !was_told(viewer, id));
                }
            }
        }
        tally
    }
}

/// Lets runners fight whose sight lies `behind` ticks behind. Hardly anybody may be missed, and so many be hidden.
#[track_caller]
fn fight(config: &Config, players: u16, seed: u64, behind: u32, ticks: u32, least_hidden: f64) {
    let mut room = Match::seeded(config, players, seed);
    room.behind = behind;
    let nav = Nav::new(&room.world);
    let mut runners: Vec<_> = (0..players)
        .map(|player| Runner { dice: Dice(seed << 16 | u64::from(player)), route: Vec::new(), stuck: 0 })
        .collect();
    let mut frames = vec![Frame::of(&room)];
    for _ in 0..ticks {
        let bodies = &frames.last().expect("there is a first one").bodies;
        let living: Vec<_> = bodies.iter().filter(|(_, body)| body.alive).map(|(_, body)| body.position).collect();
        let decide = |(runner, (_, own)): (&mut Runner, &(_, Player))| runner.input(own, &room.world, &nav, &living);
        let inputs: Vec<_> = runners.iter_mut().zip(bodies).map(decide).collect();
        room.step(|player| inputs[usize::from(player)].clone());
        frames.push(Frame::of(&room));
    }
    let tally = Tally::of(&room.world, &frames, behind as usize);
    let of_pairs = |count: u64| 1.0 - count as f64 / tally.pairs as f64;
    let (hidden, unneeded, unseen) = (of_pairs(tally.told), of_pairs(tally.needed), of_pairs(tally.seen));
    println!(
        "{} behind by {behind}, seed {seed}: {hidden:.3} are hidden of {unneeded:.3}; {unseen:.3} out of sight; {tally:?}",
        config.map.name
    );
    // Through slits that open between the lines that are looked along.
    assert!(
        tally.missed * 1_000 <= tally.seen && tally.rockets_missed * 100 <= tally.rockets_seen,
        "{seed}: {tally:?}"
    );
    assert!(tally.seen > 2_000 && hidden > least_hidden, "{hidden} hidden: {tally:?}");
    let deaths: u16 = room.players().values().map(|(_, player)| player.deaths).sum();
    assert!(deaths > 0, "it was a fight");
}

/// Sixteen rooms with a door in each wall.
fn house() -> Config {
    let map = downbeat_arena::Map::parse(include_str!("maps/house.toml")).expect("the map is legal");
    Config { map, ..Config::default() }
}

#[test]
fn whoever_is_seen_in_the_yard_was_told_of_before() {
    fight(&Config::default(), 16, 5, 12, 1_200, 0.005);
    fight(&Config::default(), 16, 6, 5, 1_200, 0.03);
}

#[test]
fn whoever_is_seen_in_a_house_was_told_of_before() {
    fight(&house(), 16, 7, 12, 1_200, 0.2);
    fight(&house(), 16, 8, 5, 1_200, 0.3);
}

#[test]
#[ignore = "a quarter of an hour; run it after a change to the sight or the movement"]
fn whoever_is_seen_was_told_of_before_for_long() {
    for seed in 100..102 {
        for behind in [3, 6, 12] {
            fight(&Config::default(), 24, seed, behind, 6_000, 0.0);
            fight(&house(), 24, seed, behind, 6_000, 0.2);
        }
    }
}
