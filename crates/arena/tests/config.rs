//! Rules and maps: what is refused, and with which words.

mod common;

use common::room;
use downbeat_arena::{Arena, Config, Map, World};
use downbeat_replica::glam::Vec3;
use downbeat_replica::{Game, Schema, Setup};

fn refusal(change: impl FnOnce(&mut Config)) -> String {
    let mut config = Config::default();
    change(&mut config);
    World::new(&config).expect_err("it is refused").to_string()
}

#[test]
fn the_embedded_map_is_legal_and_large_enough() {
    let world = World::new(&Config::default()).expect("the default is legal");
    let (min, max) = world.bounds();
    assert!((max - min).x >= 60.0 && (max - min).z >= 60.0);
    assert!(world.spawns().len() >= 32);
    assert!(world.pick_ups().len() >= 12);
    assert!(world.waypoints().len() >= 40);
}

#[test]
fn impossible_rules_are_named_with_what_is_allowed() {
    let cases = [
        (refusal(|c| c.rules.gravity_mps2 = 0.0), "rules.gravity_mps2 is 0; 1 to 100 is allowed"),
        (refusal(|c| c.rules.gravity_mps2 = f32::NAN), "rules.gravity_mps2 is NaN; 1 to 100 is allowed"),
        (refusal(|c| c.rules.eye_height_m = 2.0), "rules.eye_height_m is 2; 0.1 to 1.8 is allowed"),
        (refusal(|c| c.rules.health_max = 0), "rules.health_max is 0; 1 to 200 is allowed"),
        (refusal(|c| c.rules.rifle.ammo_start = 121), "rules.rifle.ammo_start is 121; 0 to 120 is allowed"),
        (refusal(|c| c.rules.rocket.life_s = -1.0), "rules.rocket.life_s is -1; 0.1 to 30 is allowed"),
    ];
    for (said, wanted) in cases {
        assert_eq!(said, wanted);
    }
}

#[test]
fn impossible_maps_are_named_with_what_is_allowed() {
    let cases = [
        (refusal(|c| c.map.spawns.clear()), "map \"yard\": 0 spawns; 1 to 512 are allowed"),
        (refusal(|c| c.map.max[1] = 63.0), "every side is at least 3 m long and lies within ±62 m"),
        (refusal(|c| c.map.max[1] = f32::NAN), "every side is at least 3 m long"),
        (refusal(|c| c.map.ramps[0].max[1] = 9.0), "is steeper than 45 degrees"),
        (refusal(|c| c.map.spawns[0] = [0.0, 0.0, 90.0]), "one of the spawns, at [0, 0, 90], is not within the bounds"),
        (refusal(|c| c.map.spawns[0] = [0.0, 1.0, 0.0]), "the spawn at [0.0, 1.0, 0.0] is inside a solid"),
        (refusal(|c| c.map.blocks[0].max = c.map.blocks[0].min), "every side is at least 0.05 m long"),
        (refusal(|c| c.map.blocks[0].turn_deg = 1e9), "turn_deg of a block is 1000000000; -360 to 360 is allowed"),
        (refusal(|c| c.map.blocks = vec![c.map.blocks[0].clone(); 2_000]), "0 to 1024 are allowed"),
    ];
    for (said, wanted) in cases {
        assert!(said.contains(wanted), "{said}");
    }
}

#[test]
fn a_map_with_an_unknown_field_or_bad_syntax_says_where() {
    let said = Map::parse("name = 'x'\nmin = [0, 0, 0]\nfloor = 3").expect_err("it is refused").to_string();
    assert!(said.contains("line 3") && said.contains("floor"), "{said}");
    let said = Map::parse("name = ").expect_err("it is refused").to_string();
    assert!(said.starts_with("map: TOML parse error at line 1"), "{said}");
}

#[test]
fn too_many_players_are_refused() {
    let setup = Setup { tick_rate_hz: 60, seed: 0, players_max: 129 };
    let said = Arena::new(&Config::default(), setup).expect_err("it is refused").to_string();
    assert_eq!(said, "an arena of 129 players at most; 1 to 128 is allowed");
}

#[test]
fn the_configuration_travels_to_clients_and_stays_the_same() {
    let config = Config::default();
    let bytes = bincode::serde::encode_to_vec(&config, bincode::config::standard()).expect("it is plain data");
    assert!(bytes.len() < 8_192, "{} bytes", bytes.len());
    let (back, read): (Config, usize) =
        bincode::serde::decode_from_slice(&bytes, bincode::config::standard()).expect("it was written so");
    assert_eq!((back, read), (config, bytes.len()));
}

#[test]
fn rules_that_are_left_out_keep_their_defaults() {
    let config: Config = toml::from_str("[rules]\ncontact = true\n[rules.rifle]\ndamage = 50").expect("it is legal");
    assert!(config.rules.contact && config.rules.rifle.damage == 50 && config.rules.rifle.ammo_max == 120);
    assert_eq!(config.map.name, "yard");
    assert!(toml::from_str::<Config>("[rules]\ngravity = 3").is_err());
}

#[test]
fn the_schema_builds_and_the_owner_alone_knows_the_ammunition() {
    let schema = Schema::of::<Arena>().expect("it is within the limits");
    assert_eq!(schema.entities.len(), 3);
    let owner_only: Vec<_> =
        schema.entities[0].fields.iter().filter(|f| schema.entities[0].lanes[f.lanes.start].owner_only).collect();
    let names: Vec<_> = owner_only.iter().map(|field| &*field.name).collect();
    assert_eq!(names, ["rifle_ammo", "rockets", "cooldown", "respawn"]);
}

#[test]
fn sight_and_rays_end_at_walls() {
    let config = room("blocks = [{ min = [1.0, 0.0, -1.0], max = [2.0, 2.0, 1.0], turn_deg = 90.0 }]", &[Vec3::ZERO]);
    let world = World::new(&config).expect("it is legal");
    let eyes = Vec3::new(-3.0, 1.0, 0.0);
    // Turned by 90 degrees about its middle (1.5, 0), it reaches from 0.5 to 2.5 in x.
    assert!((world.ray(eyes, Vec3::X, 50.0) - 3.5).abs() < 1e-3);
    assert!((world.ray(eyes, Vec3::NEG_X, 50.0) - 17.0).abs() < 1e-3, "the bounds are walls");
    assert!((world.ray(eyes, Vec3::NEG_X, 5.0) - 5.0).abs() < 1e-6);
    assert!((world.ray(eyes, Vec3::NEG_Y, 5.0) - 1.0).abs() < 1e-4);
    assert_eq!(world.ray(Vec3::new(1.5, 1.0, 0.0), Vec3::X, 50.0), 0.0, "inside of a solid");
    assert!(!world.line_of_sight(eyes, Vec3::new(5.0, 1.0, 0.0)));
    assert!(world.line_of_sight(eyes, Vec3::new(5.0, 1.0, 9.0)));
    assert!(world.line_of_sight(eyes + Vec3::Y * 1.5, Vec3::new(5.0, 2.5, 0.0)), "over it");
}
