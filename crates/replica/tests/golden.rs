//! Bodies, records, inputs and events as they stand in `assets/wire/v2.txt`; see the test of the same name in `wire`.

use downbeat_replica::bits::BitWriter;
use downbeat_replica::glam::Vec3;
use downbeat_replica::{
    Input, InputFrame, Kind, LaneWriter, Leave, RecordHead, Replicated, Schema, Tick, ViewTick, encode_body, neutral,
};

const VECTORS: &str = include_str!("../../../assets/wire/v2.txt");

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
    assert_eq!(known.map_or("", |(_, hex)| hex), hex, "the vector `{name}` of assets/wire/v2.txt");
}

fn lanes(thing: &Thing) -> Vec<i32> {
    let mut lanes = Vec::new();
    thing.write(&mut LaneWriter::new(&mut lanes));
    lanes
}

#[test]
fn bodies() {
    let kind = Kind::of::<Thing>("Thing");
    let before = lanes(&Thing { position: Vec3::new(1.0, 2.0, 3.0), yaw: 3.1, health: 100, ammo: 30, alive: true });
    let after = lanes(&Thing { position: Vec3::new(1.5, 2.0, 2.9), yaw: -3.1, health: 80, ammo: 29, alive: false });
    check("body-full-owner", |out| encode_body(&kind, true, None, &after, out));
    check("body-full-others", |out| encode_body(&kind, false, None, &after, out));
    check("body-delta-owner", |out| encode_body(&kind, true, Some(&before), &after, out));
    check("body-delta-others", |out| encode_body(&kind, false, Some(&before), &after, out));
}

#[test]
fn the_schema() {
    let hit = Kind::of::<Pad>("Hit");
    let schema = Schema::new("toy".into(), vec![Kind::of::<Thing>("Thing")], vec![hit], Pad::kind()).expect("small");
    check_bytes("schema-bytes", &schema.to_bytes());
}

#[test]
fn record_heads() {
    let tick = Tick(1_000);
    check("records", |out| {
        RecordHead::Update { base: Tick(994), rested: false }.encode(0, -1, tick, 3, out);
        RecordHead::Enter { kind: 2, avatar: true }.encode(5, 0, tick, 3, out);
        RecordHead::Leave(Leave::View).encode(6, 5, tick, 3, out);
        RecordHead::Leave(Leave::Despawn).encode(40, 6, tick, 3, out);
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
