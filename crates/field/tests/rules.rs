//! Rules, schema and how they travel.

mod support;

use downbeat_field::{Avatars, Config, Entity, Field, VISIBLE_MAX, WALKERS_MAX};
use downbeat_replica::{Audience, Game, Kinds, Role, Schema, Setup};
use support::config;

fn refusal(config: &Config) -> String {
    let error = Field::world(config).expect_err("the rule is impossible");
    let setup = Setup { tick_rate_hz: 60, seed: 1, players_max: 16 };
    assert_eq!(Field::new(config, setup).expect_err("both say so"), error);
    error.to_string()
}

#[test]
fn impossible_rules_are_refused_with_what_is_allowed() {
    let too_many = config(WALKERS_MAX + 1, 32, Avatars::Private);
    assert_eq!(refusal(&too_many), "walkers is 20001; at most 20000 are allowed");
    let blind = config(200, 0, Avatars::Private);
    assert_eq!(refusal(&blind), "visible is 0; 1 to 16383 are allowed");
    assert_eq!(refusal(&config(200, 16_384, Avatars::Public)), "visible is 16384; 1 to 16383 are allowed");
    for legal in [Config::default(), config(0, 1, Avatars::Public), config(WALKERS_MAX, VISIBLE_MAX, Avatars::Private)]
    {
        assert!(Field::world(&legal).is_ok(), "{legal:?}");
    }
}

#[test]
fn rules_are_read_from_a_configuration_file() {
    let read = |text| toml::from_str::<Config>(text);
    assert_eq!(read(""), Ok(config(200, 32, Avatars::Private)));
    assert_eq!(read("walkers = 10000\navatars = \"public\""), Ok(config(10_000, 32, Avatars::Public)));
    let unknown = read("walker = 1").expect_err("there is no such rule").to_string();
    assert!(unknown.contains("unknown field `walker`"), "{unknown}");
    assert!(unknown.contains("`walkers`"), "{unknown}");
    let unknown = read("avatars = \"hidden\"").expect_err("there is no such choice").to_string();
    assert!(unknown.contains("`private` or `public`"), "{unknown}");
}

#[test]
fn rules_travel_in_the_welcome() {
    let rules = config(1_234, 56, Avatars::Public);
    let standard = bincode::config::standard();
    let bytes = bincode::serde::encode_to_vec(&rules, standard).expect("plain rules can be written");
    let (back, read) = bincode::serde::decode_from_slice::<Config, _>(&bytes, standard).expect("and read");
    assert_eq!((back, read), (rules, bytes.len()));
}

#[test]
fn the_ground_grows_with_the_crowd_until_the_world_is_full() {
    let reach = |walkers| Field::world(&config(walkers, 32, Avatars::Private)).expect("the rules are legal").reach();
    assert_eq!(reach(0), 32.0);
    assert!((reach(200) - 56.57).abs() < 0.01);
    assert_eq!(reach(10_000), 400.0);
    assert_eq!(reach(WALKERS_MAX), 508.0);
}

#[test]
fn the_schema_has_the_promised_precision() {
    let schema = Schema::of::<Field>().expect("the schema is legal");
    let [walker, avatar] = schema.entities.as_slice() else { panic!("there are two kinds") };
    let bits =
        |kind: &downbeat_replica::Kind, owner| -> Vec<_> { kind.lanes.iter().map(|lane| lane.bits(owner)).collect() };
    assert_eq!(bits(walker, false), [17, 17, 17, 10, 7]);
    assert_eq!(bits(walker, true), bits(walker, false));
    assert_eq!(bits(avatar, false), [17, 17, 17, 10, 0]);
    assert_eq!(bits(avatar, true), [21, 21, 21, 10, 14]);
    assert!(schema.entities.iter().all(|kind| kind.field_with(Role::Position).is_some()));
    assert!(schema.entities.iter().all(|kind| kind.field_with(Role::Heading).is_some()));
    assert!(walker.fields.iter().all(|field| field.audience == Audience::All));
    assert_eq!(Entity::kinds().len(), 2);
}
