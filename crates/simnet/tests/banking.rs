//! A tick runs on one input. Whoever sends more of them, sooner, later or for the far future, plays no faster.

use downbeat_arena::{Arena, Config, Entity, Input as Pad};
use downbeat_host::{Net, Room, RoomOptions, SessionId};
use downbeat_replica::bits::BitWriter;
use downbeat_replica::glam::Vec3;
use downbeat_replica::{Input, InputFrame, Kinds, LaneReader, Micros, Tick, ViewTick, neutral};
use downbeat_wire::packet::UpHead;

const TICK: Micros = Micros(16_667);
const TICKS: u32 = 600;

/// What a client sends before the room runs `tick`: rows of ticks, one row a datagram.
type Habit = fn(u32) -> Vec<std::ops::RangeInclusive<u32>>;

struct Deaf;

impl Net for Deaf {
    fn space(&mut self, _: SessionId) -> Option<usize> {
        Some(1_162)
    }

    fn send(&mut self, _: SessionId, _: &[u8]) {}

    fn send_reliable(&mut self, _: SessionId, _: &[u8]) {}
}

/// Holds the trigger and runs in a circle.
fn pad(tick: u32) -> Pad {
    Pad { forward: 1.0, yaw: tick as f32 * 0.05, fire: true, ..Pad::default() }
}

fn datagram(sequence: u16, ticks: std::ops::RangeInclusive<u32>) -> Vec<u8> {
    let frame = |tick| InputFrame { tick: Tick(tick), view: ViewTick::at(f64::from(tick)), lanes: pad(tick).lanes() };
    let frames: Vec<_> = ticks.map(frame).collect();
    let mut bytes = Vec::new();
    let mut writer = BitWriter::new(&mut bytes);
    UpHead { sequence, acks: None }.encode(&mut writer);
    InputFrame::encode(&frames, &Pad::kind(), &neutral::<Pad>(), &mut writer);
    writer.finish();
    bytes
}

/// How far a lonely player of this habit ran in ten seconds, and how often it fired.
fn play(habit: Habit) -> (f32, u32) {
    let mut config = Config::default();
    (config.rules.rifle.ammo_start, config.rules.rifle.ammo_max) = (250, 250);
    let options = RoomOptions {
        tick_rate_hz: 60,
        send_rate_hz: 60,
        seed: 5,
        players_max: 2,
        spectators_max: 0,
        client_bytes_per_s: 1 << 20,
    };
    let mut room = Room::<Arena>::new(&config, options).expect("it opens");
    let me = SessionId(1);
    room.join(me, "me", false).expect("there is a place");
    let (mut sequence, mut way, mut shots, mut before): (u16, f32, u32, Option<(Vec3, u8)>) = (0, 0.0, 0, None);
    for tick in 1..=TICKS {
        let now = Micros(u64::from(tick) * TICK.0);
        for row in habit(tick) {
            room.receive(me, Micros(now.0 - 1), &datagram(sequence, row)).expect("it is well formed");
            sequence = sequence.wrapping_add(1);
        }
        room.tick(now, &mut Deaf);
        let told = room.told(me);
        let own = told.iter().find_map(|told| match Entity::read(told.kind, &mut LaneReader::new(&told.lanes)) {
            Some(Entity::Player(player)) => Some((player.position, player.rifle_ammo)),
            _ => None,
        });
        let (at, ammo) = own.expect("the avatar is told");
        if let Some((was, had)) = before {
            way += at.distance(was);
            shots += u32::from(had.saturating_sub(ammo));
        }
        before = Some((at, ammo));
    }
    (way, shots)
}

#[test]
fn nobody_runs_farther_or_shoots_more_by_the_way_inputs_are_sent() {
    let honest = play(|tick| vec![tick.saturating_sub(2).max(1)..=tick]);
    assert!(honest.0 > 30.0 && honest.1 > 20, "{honest:?}");
    let habits: [(&str, Habit); 6] = [
        ("each datagram ten times", |tick| vec![tick..=tick; 10]),
        ("as far ahead as is taken", |tick| vec![tick + 32..=tick + 63, tick..=tick + 31]),
        ("a second in one burst", |tick| if tick % 30 == 1 { vec![tick..=tick + 29] } else { vec![] }),
        ("the far future", |tick| vec![tick..=tick, tick + 1_000..=tick + 1_020]),
        ("late, all of the last half second again", |tick| vec![tick.saturating_sub(30).max(1)..=tick]),
        ("nothing for a while, then all that was missed", |tick| match tick % 120 {
            0..60 => vec![tick..=tick],
            60..119 => vec![],
            _ => vec![tick - 59..=tick - 30, tick - 29..=tick],
        }),
    ];
    for (name, habit) in habits {
        let (way, shots) = play(habit);
        println!("{name}: {way:.1} m and {shots} shots; an honest client {:.1} m and {}", honest.0, honest.1);
        assert!(way <= honest.0 * 1.001 && shots <= honest.1, "{name}: {way} m and {shots} shots; honest {honest:?}");
    }
}
