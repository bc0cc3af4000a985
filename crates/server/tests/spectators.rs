//! A live server with spectators: they are shown what is around their cameras, are so many and no more, and steer nothing.

mod common;

use common::{Player, Probe, Running, config, hello, start};
use downbeat_field::{Avatar, Config as Rules, Entity, Field};
use downbeat_replica::glam::Vec3;
use downbeat_server::Config;
use downbeat_wire::control::{ClientMessage, Hello, encode, frame};
use downbeat_wire::{CloseCode, Look};

fn spectator() -> Hello {
    Hello { spectator: true, ..hello::<Field>() }
}

fn server() -> Running {
    let rules = Rules { walkers: 300, visible: 12, ..Rules::default() };
    start::<Field>(&Config { spectators_max: 2, ..config::<Field>() }, &rules)
}

fn look(player: &mut Player, look: Look) {
    player.probe.write(&frame(&ClientMessage::Look { look }));
}

/// Where everybody is whom a client is shown.
fn seen(player: &mut Player) -> Vec<Vec3> {
    let now = player.probe.clock.now();
    let place = |entity: &Entity| match entity {
        Entity::Walker(walker) => walker.position,
        Entity::Avatar(Avatar { position, .. }) => *position,
    };
    player.client.view(now).others.iter().map(|other| place(&other.entity)).collect()
}

/// Plays on until all who are shown are within `radius` of `place`.
fn until_near(player: &mut Player, place: impl Fn() -> Vec3, radius: f32) -> bool {
    let deadline = player.probe.clock.now() + common::PATIENCE;
    while player.probe.clock.now() < deadline {
        player.turn();
        let seen = seen(player);
        if seen.len() >= 12 && seen.iter().all(|at| at.distance(place()) < radius) {
            return true;
        }
    }
    false
}

#[test]
fn a_camera_is_shown_what_is_around_it_wherever_it_goes() {
    let server = server();
    let mut watcher = Player::join(server.probe(), &spectator());
    assert!(watcher.until(|watcher| watcher.client.visible() >= 12), "it overlooks the match first");
    let [here, there] = [[-60.0, 0.0, -60.0], [60.0, 0.0, 60.0]].map(|corner| {
        look(&mut watcher, Look::at(corner).expect("a place"));
        assert!(until_near(&mut watcher, || Vec3::from(corner), 60.0), "{corner:?}: {:?}", seen(&mut watcher));
        seen(&mut watcher)
    });
    let far = |from: &[Vec3], to: &[Vec3]| from.iter().all(|a| to.iter().all(|b| a.distance(*b) > 1.0));
    assert!(far(&here, &there), "other corners, other walkers");
    assert_eq!(watcher.client.counters().undecodable, 0);
    watcher.probe.leave();
    server.stop();
}

#[test]
fn a_camera_follows_a_player_and_stays_where_that_was_last() {
    let server = server();
    let mut player = Player::join(server.probe(), &hello::<Field>());
    let mut watcher = Player::join(server.probe(), &spectator());
    let who = player.probe.welcome().and_then(|welcome| welcome.player).expect("it plays");
    look(&mut watcher, Look::Player(who));
    // Private avatars are told to nobody else but to who follows them.
    let shows_avatar = |watcher: &Player| {
        let kinds = &watcher.client.known().map(|known| known.kind).collect::<Vec<_>>();
        kinds.contains(&1)
    };
    let deadline = player.probe.clock.now() + common::PATIENCE;
    while !shows_avatar(&watcher) {
        assert!(player.probe.clock.now() < deadline, "{:?}", watcher.probe.closed);
        player.turn();
        watcher.turn();
    }
    // By its slot as well.
    let slot = watcher.client.known().find(|known| known.kind == 1).expect("it is shown").slot;
    look(&mut watcher, Look::Entity(slot));
    for _ in 0..40 {
        player.turn();
        watcher.turn();
    }
    assert!(shows_avatar(&watcher));
    player.probe.leave();
    assert!(watcher.until(|watcher| !shows_avatar(watcher)), "it left");
    assert!(watcher.until(|watcher| watcher.client.visible() >= 12), "the camera stays");
    assert_eq!(watcher.probe.closed, None);
    server.stop();
}

#[test]
fn spectators_are_so_many_and_no_more_and_steer_nothing() {
    let server = server();
    let (mut first, mut second) = (server.probe(), server.probe());
    first.join(&spectator());
    second.join(&spectator());
    let mut third = server.probe();
    third.knock(&spectator());
    assert_eq!(third.end().0, CloseCode::ServerFull);
    // No acknowledgements, and one input that is the neutral one.
    let act = |probe: &mut Probe| {
        let mut bytes = Vec::new();
        let mut out = downbeat_replica::bits::BitWriter::new(&mut bytes);
        out.bits(0, 16);
        out.flag(false);
        out.golomb(1, 2);
        out.bits(1_000, 16);
        out.bits(0, 20);
        out.flag(false);
        out.finish();
        probe.send(&bytes);
    };
    act(&mut first);
    assert_eq!(first.end().0, CloseCode::NotAllowed);
    let mut player = server.probe();
    player.join(&hello::<Field>());
    player.write(&frame(&ClientMessage::Look { look: Look::Overview }));
    assert_eq!(player.end().0, CloseCode::NotAllowed, "a player looks from where its avatar is");
    let report = server.stop();
    assert_eq!(report.totals.spectator_inputs, 1);
}

#[test]
fn what_is_no_place_ends_the_connection_and_so_does_looking_around_too_often() {
    let server = server();
    for wrong in [f32::NAN, f32::INFINITY, -1e30] {
        let mut probe = server.probe();
        probe.join(&spectator());
        let body = encode(&(1_u8, 1_u8, [0.0, wrong, 0.0]));
        probe.write(&[&(body.len() as u32).to_le_bytes()[..], &body].concat());
        assert_eq!(probe.end().0, CloseCode::MalformedControl, "{wrong}");
    }
    let mut probe = server.probe();
    probe.join(&spectator());
    let at = |x: u32| frame(&ClientMessage::Look { look: Look::at([x as f32, 0.0, 0.0]).expect("a place") });
    (0..61).for_each(|x| probe.write(&at(x)));
    assert_eq!(probe.end().0, CloseCode::Flooding);
    // A slot that means nobody, and a player who is not there, are no mistakes.
    let mut watcher = Player::join(server.probe(), &spectator());
    look(&mut watcher, Look::Entity(9_999));
    look(&mut watcher, Look::Player(4_000));
    assert!(watcher.until(|watcher| watcher.client.counters().snapshots > 30), "{:?}", watcher.probe.closed);
    server.stop();
}
