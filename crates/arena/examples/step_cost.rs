//! What a tick costs: microseconds of step and of capture, in which the players' sight is, and of prediction. Rooms of
//! several sizes fight in an open map and in a house of many short walls.
//! `cargo run --release -p downbeat-arena --example step_cost`

use std::time::Instant;

use downbeat_arena::{Arena, Config, Entity, Input, Map};
use downbeat_replica::{
    Capture, Context, Events, Game, Input as _, Inputs, Kinds, LaneReader, LaneWriter, PlayerId, PlayerInput, Setup,
    Tick, ViewTick,
};

const TICKS: u32 = 2_000;

fn main() {
    let house = Map::parse(include_str!("../tests/maps/house.toml")).expect("the map is legal");
    for map in [Map::default(), house] {
        for players in [16, 64, 128] {
            measure(&Config { map: map.clone(), ..Config::default() }, players);
        }
    }
}

fn measure(config: &Config, players: u16) {
    let world = Arena::world(config).expect("the map is legal");
    let setup = Setup { tick_rate_hz: 60, seed: 1, players_max: players };
    let mut arena = Arena::new(config, setup).expect("the map is legal");
    (0..players).for_each(|player| arena.join(PlayerId(player), ""));
    let (mut entities, mut lanes) = (Vec::new(), Vec::new());
    let (mut stepping, mut capturing, mut predicting, mut predicted) = (0.0, 0.0, 0.0, 0_u32);
    for tick in 0..TICKS {
        let inputs: Vec<_> = (0..players).map(|player| input(tick, player)).collect();
        let start = Instant::now();
        arena.step(Tick(tick), &Inputs::new(&inputs), &(), &mut Events::default());
        let stepped = Instant::now();
        arena.capture(&mut Capture::new(&mut entities, &mut lanes, &|_, _| None));
        stepping += (stepped - start).as_secs_f64();
        capturing += stepped.elapsed().as_secs_f64();
        for captured in entities.iter().filter(|captured| captured.avatar.is_some()) {
            let read = Entity::read(captured.kind, &mut LaneReader::new(&lanes[captured.first_lane..]));
            let mut own = read.expect("the kind is known");
            let given = &inputs[usize::from(captured.avatar.expect("it is an avatar").0)].input;
            let context = Context::<Arena> { world: &world, tick: Tick(tick), dt: 1.0 / 60.0, others: &[] };
            let start = Instant::now();
            Arena::predict(&context, &mut own, given);
            predicting += start.elapsed().as_secs_f64();
            predicted += 1;
            let mut rounded = Vec::new();
            own.write(&mut LaneWriter::new(&mut rounded));
        }
    }
    let tick = 1e6 / f64::from(TICKS);
    println!(
        "{}, {players} players: step {:.1} us and capture {:.1} us a tick, predict {:.2} us a player (clock reads included)",
        config.map.name,
        stepping * tick,
        capturing * tick,
        predicting * 1e6 / f64::from(predicted),
    );
}

/// Everybody runs in curves, jumps now and then and shoots.
fn input(tick: u32, player: u16) -> PlayerInput<Input> {
    let phase = tick as f32 * 0.01 + f32::from(player) * 0.7;
    let input = Input {
        forward: 1.0,
        right: if (tick / 40) % 3 == 1 { 1.0 } else { 0.0 },
        yaw: phase,
        jump: tick % 97 < 8,
        fire: (tick / 64 + u32::from(player)).is_multiple_of(2),
        ..Input::default()
    };
    // A round trip of 50 ms and its delays.
    let view = ViewTick { tick: Tick(tick.saturating_sub(5)), sixteenths: 0 };
    PlayerInput { player: PlayerId(player), input: input.rounded(), view, substituted: false }
}
