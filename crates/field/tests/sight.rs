//! Who is shown to whom.

mod support;

use downbeat_field::{Avatars, Input};
use downbeat_replica::{EntityId, Game, PlayerId, Scene, Viewer, Visible};
use rand::SeedableRng;
use rand_pcg::Pcg32;
use support::{Match, any_input, config};

const PLAYERS: u16 = 40;

fn crowded(avatars: Avatars) -> Match {
    let mut game = Match::new(&config(200, 32, avatars), 31);
    (0..PLAYERS).for_each(|player| game.field.join(PlayerId(player), ""));
    game.capture();
    game
}

fn run(game: &mut Match, ticks: u32, rng: &mut Pcg32) {
    let inputs: Vec<_> = (0..PLAYERS).map(|player| (player, any_input(rng))).collect();
    (0..ticks).for_each(|_| game.tick(&inputs));
}

/// What `player` must be shown, by sorting everything.
fn expected(game: &Match, player: u16, count: usize, public: bool) -> Vec<EntityId> {
    let own = game.captured_avatar(player).id;
    let scene = game.scene();
    let center = scene.position(own).expect("the avatar is there");
    let mut others: Vec<_> = game
        .entities
        .iter()
        .filter(|captured| captured.id != own && (public || captured.avatar.is_none()))
        .map(|captured| {
            let at = scene.position(captured.id).expect("it was captured");
            (at.distance_squared(center), captured.id)
        })
        .collect();
    others.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.index().cmp(&b.1.index())));
    let mut shown: Vec<_> = others.into_iter().take(count).map(|(_, id)| id).chain([own]).collect();
    shown.sort_unstable();
    shown
}

#[test]
fn everybody_is_shown_exactly_the_nearest_and_itself() {
    let mut rng = Pcg32::seed_from_u64(4);
    for avatars in [Avatars::Private, Avatars::Public] {
        let mut game = crowded(avatars);
        for _ in 0..20 {
            run(&mut game, 15, &mut rng);
            for player in 0..PLAYERS {
                let shown = game.visible(Some(player));
                assert_eq!(shown.len(), 33);
                assert_eq!(shown, expected(&game, player, 32, avatars == Avatars::Public), "player {player}");
            }
        }
    }
}

#[test]
fn the_nearest_are_found_whatever_the_crowd_even_from_a_corner() {
    let corner = |yaw: f32| Input { forward: 1.0, right: 0.0, yaw, jump: false };
    for (walkers, visible) in [(0, 32), (1, 1), (5, 7), (300, 1), (3_000, 16), (3_000, 700), (3_000, 4_095)] {
        for avatars in [Avatars::Private, Avatars::Public] {
            let mut game = Match::new(&config(walkers, visible, avatars), 34);
            (0..4).for_each(|player| game.field.join(PlayerId(player), ""));
            let inputs: Vec<_> = (0..).zip([0.785, 2.356, -2.356, 0.0].map(corner)).collect();
            for ticks in [1, 400, 2_400] {
                (0..if walkers == 300 { ticks } else { ticks.min(100) }).for_each(|_| game.tick(&inputs));
                for player in 0..4 {
                    let wanted = expected(&game, player, visible as usize, avatars == Avatars::Public);
                    assert_eq!(game.visible(Some(player)), wanted, "{visible} of {walkers}, player {player}");
                }
            }
        }
    }
}

#[test]
fn a_viewer_before_the_first_tick_is_shown_itself_alone() {
    let game = Match::new(&config(200, 32, Avatars::Private), 35);
    let mut visible = Visible::default();
    let own = EntityId::new(7, 0);
    game.field.relevance(&Viewer { avatar: Some(own), ..Viewer::default() }, &Scene::default(), &mut visible);
    assert_eq!(visible.sorted(), [own]);
}

#[test]
fn private_avatars_are_shown_to_nobody_else_and_public_ones_are() {
    let mut rng = Pcg32::seed_from_u64(5);
    for (avatars, is_public) in [(Avatars::Private, false), (Avatars::Public, true)] {
        let mut game = crowded(avatars);
        run(&mut game, 30, &mut rng);
        let others_seen = (0..PLAYERS).map(Some).chain([None]).any(|viewer| {
            let own = viewer.map(|player| game.captured_avatar(player).id);
            let shown = game.visible(viewer);
            let is_other = |id: &EntityId| id.index() >= 200 && Some(*id) != own;
            shown.iter().any(is_other)
        });
        assert_eq!(others_seen, is_public);
    }
}

#[test]
fn an_avatar_that_takes_a_left_players_index_is_as_private() {
    let mut game = crowded(Avatars::Private);
    for round in 0..2_000_u32 {
        let player = PlayerId((round % u32::from(PLAYERS)) as u16);
        game.field.leave(player);
        game.field.join(player, "");
    }
    game.tick(&[]);
    assert!(game.entities.iter().any(|captured| captured.id.generation() > 0), "an index was used again");
    for player in 0..PLAYERS {
        assert_eq!(game.visible(Some(player)), expected(&game, player, 32, false));
    }
}

#[test]
fn all_are_shown_when_there_are_no_more_than_asked_for() {
    let mut game = Match::new(&config(32, 32, Avatars::Private), 32);
    game.field.join(PlayerId(9), "");
    game.tick(&[]);
    assert_eq!(game.visible(Some(9)).len(), 33);
    game.field.leave(PlayerId(9));
    game.tick(&[]);
    assert_eq!(game.visible(None).len(), 32, "a spectator is shown those in the middle");
    assert_eq!(game.entities.len(), 32);
}

#[test]
fn who_is_nearest_changes_as_people_walk_even_for_one_who_stands() {
    for walkers in [200, 10_000] {
        let mut game = Match::new(&config(walkers, 32, Avatars::Private), 33);
        (0..10).for_each(|player| game.field.join(PlayerId(player), ""));
        game.tick(&[]);
        let mut before: Vec<_> = (0..10).map(|player| game.visible(Some(player))).collect();
        let mut arrivals = 0;
        for _ in 0..300 {
            game.tick(&[(0, Input::default())]);
            for (player, before) in (0..10).zip(&mut before) {
                let now = game.visible(Some(player));
                arrivals += now.iter().filter(|id| !before.contains(id)).count();
                *before = now;
            }
        }
        let per_second = arrivals as f32 / 10.0 / 5.0;
        assert!((2.0..9.0).contains(&per_second), "{per_second} arrivals a second among {walkers}");
    }
}
