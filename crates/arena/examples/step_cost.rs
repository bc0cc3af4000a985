//! What a tick costs: microseconds per player of prediction, and of a room of 16 and of 128 that fight.
//! `cargo run --release -p downbeat-arena --example step_cost`

use std::time::Instant;

use downbeat_arena::{Arena, Config, Entity, Input};
use downbeat_replica::{
    Capture, Context, Events, Game, Input as _, Inputs, Kinds, LaneReader, LaneWriter, PlayerId, PlayerInput, Setup,
    Tick, ViewTick,
};

const TICKS: u32 = 2_000;

fn main() {
    for players in [16, 128] {
        measure(players);
    }
}

fn measure(players: u16) {
    let config = Config::default();
    let world = Arena::world(&config).expect("the default is legal");
    let setup = Setup { tick_rate_hz: 60, seed: 1, players_max: players };
    let mut arena = Arena::new(&config, setup).expect("the default is legal");
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
    let each = 1e6 / f64::from(TICKS) / f64::from(players);
    println!(
        "{players} players: step {:.2} us, capture {:.2} us, predict {:.2} us (clock reads included), a player and tick",
        stepping * each,
        capturing * each,
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
    let view = ViewTick { tick: Tick(tick.saturating_sub(6)), sixteenths: 0 };
    PlayerInput { player: PlayerId(player), input: input.rounded(), view, substituted: false }
}
