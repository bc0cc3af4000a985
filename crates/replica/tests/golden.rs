//! States, records and inputs as they stand in `assets/wire/v5.txt`; see the test of the same name in `wire`.

use downbeat_replica::bits::BitWriter;
use downbeat_replica::codec::{History, KindModel, Known, Op, Plan, Walk, guess};
use downbeat_replica::glam::Vec3;
use downbeat_replica::range::Encoder;
use downbeat_replica::{
    Cut, Enter, EntityId, Input, InputFrame, Kind, LaneWriter, Leave, Replicated, Schema, Tick, ViewTick, neutral,
    put_count, put_event, put_reliable,
};

const VECTORS: &str = include_str!("../../../assets/wire/v5.txt");

#[derive(Replicated)]
struct Thing {
    #[field(position, range = -64.0..=64.0, step = 0.125, owner_bits = 2)]
    position: Vec3,
    #[field(heading, bits = 10)]
    yaw: f32,
    #[field(range = 0..=100)]
    health: u8,
    #[field(owner, range = 0..=30)]
    ammo: u8,
    alive: bool,
}

#[derive(Input, Clone, Default)]
struct Pad {
    #[field(range = -1.0..=1.0, step = 0.125)]
    forward: f32,
    #[field(action)]
    fire: bool,
}

fn check(name: &str, write: impl FnOnce(&mut BitWriter<'_>)) {
    let mut bytes = Vec::new();
    let mut writer = BitWriter::new(&mut bytes);
    write(&mut writer);
    writer.finish();
    check_bytes(name, &bytes);
}

fn check_bytes(name: &str, bytes: &[u8]) {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let known = VECTORS.lines().filter_map(|line| line.split_once(' ')).find(|(known, _)| *known == name);
    assert_eq!(known.map_or("", |(_, hex)| hex), hex, "the vector `{name}` of assets/wire/v5.txt");
}

fn lanes(thing: &Thing) -> Vec<i32> {
    let mut lanes = Vec::new();
    thing.write(&mut LaneWriter::new(&mut lanes));
    lanes
}

fn check_coded(name: &str, write: impl FnOnce(&mut Encoder<'_>)) {
    let mut bytes = Vec::new();
    let mut out = Encoder::new(&mut bytes);
    write(&mut out);
    out.finish();
    check_bytes(name, &bytes);
}

#[test]
fn states() {
    let kind = Kind::of::<Thing>("Thing");
    let at = |x: f32, yaw: f32, health: u8, ammo: u8| {
        lanes(&Thing { position: Vec3::new(x, 2.0, 3.0), yaw, health, ammo, alive: health > 0 })
    };
    let after = at(1.6, -3.1, 80, 29);
    for (owner, name) in [(true, "owner"), (false, "others")] {
        let told = |state: &[i32]| {
            let mut told = Vec::new();
            kind.told(owner, state, &mut told);
            told
        };
        let model = KindModel::untrained(Plan::new(&kind, owner));
        let known = [at(1.5, 3.1, 100, 30), at(1.375, 3.0, 100, 30), at(1.0, 2.5, 100, 30)].map(|state| told(&state));
        let known: Vec<_> = [4, 5, 8].into_iter().zip(&known).map(|(age, lanes)| Known { age, lanes }).collect();
        let mut guessed = Vec::new();
        guess(&kind, owner, Some((&kind, true, &at(0.0, 0.0, 50, 3))), &mut guessed);
        let histories = [History::of(&known).expect("three are known"), History::guess(&guessed)];
        for (history, form) in histories.iter().zip(["known", "enters"]) {
            let (mut walk, mut ops) = (Walk::default(), Vec::new());
            walk.begin(&model, history);
            let Ok(_) = walk.presence(&model, &mut ops, true);
            let Ok(()) = walk.body(&model, history, &mut ops, &mut told(&after));
            check_coded(&format!("state-{form}-{name}"), |out| Op::write(&ops, out));
        }
    }
}

#[test]
fn the_schema() {
    let hit = Kind::of::<Pad>("Hit");
    let schema = Schema::new("toy".into(), vec![Kind::of::<Thing>("Thing")], vec![hit], Pad::kind()).expect("small");
    check_bytes("schema-bytes", &schema.to_bytes());
}

#[derive(Replicated)]
struct Goal {
    scorer: Option<EntityId>,
    #[field(range = 0..=99)]
    minute: u8,
    #[field(range = -64.0..=64.0, step = 0.125, owner_bits = 2)]
    height: f32,
}

#[test]
fn events() {
    let kinds = ["Hit", "Goal"].map(Kind::of::<Goal>).to_vec();
    let schema = Schema::new("toy".into(), vec![Kind::of::<Thing>("Thing")], kinds, Pad::kind()).expect("small");
    let mut lanes = Vec::new();
    let scorer = Some(EntityId::new(70_000, 3));
    Goal { scorer, minute: 89, height: 1.5 }.write(&mut LaneWriter::new(&mut lanes));
    check_coded("event", |out| put_event(&schema, 1, 2, &lanes, |_| 41, out));
    let mut bytes = Vec::new();
    put_reliable(&schema, 1, Tick(100_000), &lanes, |_| 41, &mut bytes);
    put_reliable(&schema, 0, Tick(100_001), &lanes, |_| 0, &mut bytes);
    check_bytes("reliable-events", &bytes);
}

#[test]
fn records() {
    check_coded("records", |out| {
        put_count(2, out);
        Leave::View.encode(6, out);
        Leave::Despawn.encode(400, out);
        put_count(1, out);
        Enter { slot: 5, kind: 2, avatar: true }.encode(3, out);
        let cut = Cut::of(1, 3);
        cut.encode(out);
        [true, false, true].into_iter().for_each(|told| cut.put(told, out));
    });
}

#[test]
fn input_frames() {
    let frame = |tick: u32, forward: f32, fire: bool| InputFrame {
        tick: Tick(tick),
        view: ViewTick { tick: Tick(tick - 6), sixteenths: 4 },
        lanes: Pad { forward, fire }.lanes(),
    };
    let frames = [frame(70_000, 0.0, false), frame(70_001, 1.0, true), frame(70_002, 1.0, false)];
    check("input-frames", |out| InputFrame::encode(&frames, &Pad::kind(), &neutral::<Pad>(), out));
}
