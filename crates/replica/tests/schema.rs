//! A schema crosses the network: what is written comes back, and no bytes make one that code could stumble over.

use downbeat_replica::codec::{History, Known, Model, Op, Walk, guess};
use downbeat_replica::glam::{Quat, Vec2, Vec3};
use downbeat_replica::range::Decoder;
use downbeat_replica::{
    Between, EntityId, Kind, Lane, PlayerId, Replicated, Repr, Schema, SchemaError, Spec, Value, take_event, take_refs,
};
use proptest::prelude::*;

#[derive(Replicated)]
enum Mode {
    Walk,
    Swim,
    Fly,
}

#[derive(Replicated)]
struct Thing {
    #[field(position, range = -64.0..=64.0, step = 0.125, owner_bits = 4)]
    position: Vec3,
    #[field(velocity, range = -8.0..=8.0, step = 0.5)]
    way: Vec2,
    #[field(heading, bits = 10)]
    yaw: f32,
    #[field(bits = 9)]
    turned: Quat,
    #[field(player, range = 0..=4095)]
    player: PlayerId,
    #[field(owner, range = -3..=30)]
    ammo: i8,
    alive: bool,
    #[field(bits = 10)]
    normal: Vec3,
    mode: Mode,
    target: Option<EntityId>,
    #[field(bits = 8)]
    maybe: Option<f32>,
    #[field(range = 0.0..=10.0, step = 0.5, owner_bits = 2)]
    perhaps: Option<Vec2>,
    #[field(bits = 7)]
    spin: Option<Quat>,
    whole: u32,
    #[field(discrete, range = 0.0..=1.0, step = 0.1)]
    leap: f32,
}

#[derive(Replicated)]
struct Hit {
    by: Option<EntityId>,
    #[field(range = 0..=100)]
    damage: u8,
}

#[derive(Replicated)]
struct Pad {
    #[field(range = -1.0..=1.0, step = 0.125)]
    forward: f32,
    #[field(action)]
    fire: bool,
}

fn schema() -> Schema {
    let entities = vec![Kind::of::<Thing>("Thing"), Kind::of::<Pad>("Pad")];
    Schema::new("a-game".into(), entities, vec![Kind::of::<Hit>("Hit")], Kind::of::<Pad>("Input")).expect("good tables")
}

/// Does with a schema what a client does that knows nothing else of the game.
fn use_up(schema: &Schema, noise: &[u8]) {
    let model = Model::untrained(schema);
    assert!(Model::from_bytes(schema, &model.to_bytes()).is_ok());
    let (mut back, mut fractions, mut guessed) = (Vec::new(), Vec::new(), Vec::new());
    let mut walk = Walk::default();
    for (index, kind) in schema.entities.iter().enumerate() {
        for owner in [false, true] {
            let model = model.kind(index, owner);
            guess(kind, owner, None, &mut guessed);
            let mut state = guessed.clone();
            let history = History::guess(&guessed);
            let mut input = Decoder::new(noise);
            walk.begin(model, &history);
            let _ = walk.body(model, &history, &mut input, &mut state);
            let known = [Known { age: 1, lanes: &state }, Known { age: 3, lanes: &guessed }];
            let (mut next, history) = (state.clone(), History::of(&known).expect("two are known"));
            walk.begin(model, &history);
            let _ = walk.body(model, &history, &mut input, &mut next);
            let _ = take_refs(kind, &mut input, &mut next);
            kind.untold(owner, &next, &mut back);
            for (lane, &value) in kind.lanes.iter().zip(&back) {
                assert!(lane.entity || (0..=lane.max).contains(&value), "{lane:?}: {value}");
            }
            let greatest: Vec<i32> = kind.lanes.iter().map(|lane| lane.max).collect();
            let (mut between, base) = (Vec::new(), back.clone());
            let states = Between { kind, from: &base, to: &greatest, seconds: 0.05 };
            states.at(0.3, &mut between, &mut fractions);
            states.at(1.3, &mut between, &mut fractions);
            let _ = (kind.position(&greatest), kind.player(&greatest));
            let mut told = Vec::new();
            kind.told(owner, &greatest, &mut told);
            let (mut ops, mut told_back) = (Vec::<Op>::new(), told.clone());
            walk.begin(model, &history);
            let Ok(()) = walk.body(model, &history, &mut ops, &mut told_back);
            assert_eq!(told, told_back);
        }
    }
    let _ = take_event(schema, &mut Decoder::new(noise));
}

#[test]
fn a_schema_comes_back() {
    let schema = schema();
    let bytes = schema.to_bytes();
    let back = Schema::from_bytes(&bytes).expect("it was just written");
    assert_eq!(back, schema);
    assert_eq!((back.hash(), back.text(), back.to_bytes()), (schema.hash(), schema.text(), bytes.clone()));
    use_up(&back, &[0x5a; 200]);
    for end in 0..bytes.len() {
        assert!(Schema::from_bytes(&bytes[..end]).is_err(), "cut at {end}");
    }
    assert_eq!(Schema::from_bytes(&[&bytes[..], &[0]].concat()), Err(SchemaError::Length));
    let mut other = bytes;
    other[4] ^= 1;
    let told = schema.hash() ^ 1;
    assert_eq!(Schema::from_bytes(&other), Err(SchemaError::OtherHash { told, found: schema.hash() }));
}

/// The bytes of [`schema`] with the hash that their tables have, if those are possible.
fn rehashed(mut bytes: Vec<u8>) -> Option<Schema> {
    match Schema::from_bytes(&bytes) {
        Err(SchemaError::OtherHash { found, .. }) => {
            bytes[4..12].copy_from_slice(&found.to_le_bytes());
            Some(Schema::from_bytes(&bytes).expect("it has the hash that it was said to have"))
        }
        result => result.ok(),
    }
}

proptest! {
    #[test]
    fn any_bytes_are_no_schema_or_a_usable_one(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Schema::from_bytes(&bytes).is_err());
        let _ = Schema::from_bytes(&[&b"dbs1"[..], &bytes].concat());
    }

    #[test]
    fn changed_bytes_are_no_schema_or_a_usable_one(
        changes in prop::collection::vec((12_usize.., any::<u8>()), 1..4),
        noise in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let mut bytes = schema().to_bytes();
        let length = bytes.len() - 12;
        changes.iter().for_each(|&(at, value)| bytes[12 + at % length] = value);
        if let Some(schema) = rehashed(bytes) {
            use_up(&schema, &noise);
            prop_assert_eq!(Schema::from_bytes(&schema.to_bytes()), Ok(schema));
        }
    }
}

#[track_caller]
fn refused(change: impl FnOnce(&mut Kind), why: &str) {
    let mut kind = Kind::of::<Thing>("Thing");
    change(&mut kind);
    let error = Schema::new("game".into(), vec![kind], Vec::new(), Kind::default()).expect_err("it is impossible");
    assert!(error.to_string().contains(why), "{error}");
}

#[test]
fn tables_that_code_could_stumble_over_are_refused_by_name() {
    refused(|kind| kind.lanes[0].max = -1, "field position of Thing");
    refused(|kind| kind.lanes[0].owner_bits = 31, "field position of Thing");
    refused(|kind| kind.lanes[5].wraps = false, "field yaw of Thing");
    refused(|kind| kind.lanes[6].max = 4, "field turned of Thing");
    refused(|kind| kind.lanes[3].field = 9, "not those of its representation");
    refused(|kind| kind.fields[1].lanes = 4..6, "field way of Thing");
    refused(|kind| kind.fields[1].lanes = 90..92, "lanes that there are not");
    refused(|kind| kind.fields[0].repr = Repr::Linear { min: f64::NAN, step: 1.0 }, "no number");
    refused(|kind| kind.fields[0].repr = Repr::Linear { min: 0.0, step: 1e300 }, "no number");
    refused(|kind| kind.fields[6].discrete = false, "not discrete");
    refused(|kind| kind.lanes.push(Lane::plain(1)), "belong to no field");
    refused(|kind| kind.name = "Thing\n  a Flag".into(), "a name like `ThingaFlag`");
    refused(|kind| kind.fields[0].name = "x".repeat(65).into(), "at most 64 bytes");
}

#[test]
fn whether_an_optional_value_is_an_angle_is_part_of_the_hash() {
    let with = |wraps: bool| {
        let mut kind = Kind::of::<Thing>("Thing");
        let first = kind.fields.iter().find(|field| field.name == "maybe").expect("it has one").lanes.start;
        kind.lanes[first + 1].wraps = wraps;
        Schema::new("game".into(), vec![kind], Vec::new(), Kind::default()).expect("possible").hash()
    };
    assert_ne!(with(true), with(false));
}

/// A field of `T`, with attributes that cannot be, in a table of a game: what is said of it.
#[track_caller]
fn impossible<T: Value>(spec: Spec, why: &str) {
    let mut kind = Kind { name: "Walker".into(), ..Kind::default() };
    kind.field::<bool>("is_here", &Spec::PLAIN).done();
    kind.field::<T>("speed", &spec).done();
    let error = Schema::new("coins".into(), vec![kind], Vec::new(), Kind::default()).expect_err("it cannot be");
    let error = error.to_string();
    assert!(error.starts_with("game coins: field speed of Walker cannot be: ") && error.contains(why), "{error}");
}

#[test]
fn attributes_that_cannot_be_are_refused_with_game_kind_and_field_instead_of_a_panic() {
    let range = |min: f64, max: f64| Spec { min, max, ..Spec::PLAIN };
    let real = |min: f64, max: f64, step: f64| Spec { step, ..range(min, max) };
    let bits = |bits: u8| Spec { bits, ..Spec::PLAIN };
    impossible::<u8>(range(5.0, 1.0), "MIN is below MAX");
    impossible::<u8>(range(-9.0, -1.0), "within the field's type");
    impossible::<f32>(real(1.0, -1.0, 0.5), "MIN is below MAX");
    impossible::<f32>(real(-20.0, 20.0, 0.000_000_01), "take a larger step");
    impossible::<Vec3>(Spec { owner_bits: 24, ..real(-20.0, 20.0, 0.01) }, "take a larger step");
    impossible::<Vec3>(Spec { owner_bits: 200, ..real(-20.0, 20.0, 0.01) }, "24 owner_bits are the most");
    impossible::<f32>(Spec { step: 0.1, ..Spec::PLAIN }, "`range = MIN..=MAX` and `step = S`");
    impossible::<Vec2>(bits(8), "`range = MIN..=MAX` and `step = S`");
    impossible::<f32>(bits(21), "1 to 20 bits");
    impossible::<f32>(bits(255), "1 to 20 bits");
    impossible::<Vec3>(bits(17), "2 to 16 bits");
    impossible::<Quat>(Spec::PLAIN, "2 to 20 bits");
    impossible::<Option<u8>>(range(5.0, 1.0), "MIN is below MAX");
    impossible::<Option<f32>>(real(-20.0, 20.0, 0.000_000_01), "take a larger step");
    impossible::<Option<f32>>(bits(64), "too many steps");
    impossible::<Option<Quat>>(bits(21), "too many steps");
}

#[test]
fn a_kind_of_hundreds_of_fields_is_refused_by_its_name() {
    let mut kind = Kind { name: "Walker".into(), ..Kind::default() };
    (0..300).for_each(|_| kind.field::<bool>("flag", &Spec::PLAIN).done());
    let error = Schema::new("coins".into(), vec![kind], Vec::new(), Kind::default()).expect_err("it cannot be");
    assert!(error.to_string().contains("Walker of game coins has 300 lanes; 64 is the most"), "{error}");
}
