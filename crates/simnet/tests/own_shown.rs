//! In a fight much happens to a player that its client cannot foresee. What it is shown of itself does not jump for it.

use downbeat_arena::{Arena, Config, Entity, Input, Player as Body, Select};
use downbeat_client::View;
use downbeat_link::LinkSpec;
use downbeat_replica::glam::Vec3;
use downbeat_replica::{Micros, Tick, dt};
use downbeat_simnet::{Options, Player, Sim, WanderPlayer};

/// Wanders, and fires rockets and rounds at random, most of them at the feet of somebody: much is thrown about.
struct Fighter(WanderPlayer);

impl Player<Arena> for Fighter {
    fn decide(&mut self, tick: Tick, view: &View<'_, Arena>) -> Input {
        let input: Input = self.0.decide(tick, view);
        let Some(Entity::Player(own)) = &view.avatar else { return input };
        let living = view.others.iter().filter_map(|other| match &other.entity {
            Entity::Player(other) if other.alive => Some(other.position - own.position),
            _ => None,
        });
        let Some(way) = living.min_by(|a, b| a.length().total_cmp(&b.length())) else { return input };
        let (yaw, pitch) = downbeat_arena::angles_towards(Vec3::Y * 1.6, way);
        Input { yaw, pitch, select: Select::Rocket, fire: true, ..input }
    }
}

/// Where somebody is drawn, and what it is.
struct Drawn {
    at: Vec3,
    body: Body,
    inputs: u64,
}

#[test]
fn in_a_fight_the_shown_position_jumps_only_with_a_death_or_a_teleport() {
    let link: LinkSpec = "latency=50ms,jitter=10ms,loss=2%".parse().expect("the line is spelled right");
    let (mut corrections, mut farthest, mut deaths) = (0, 0.0_f32, 0);
    for seed in 1..3 {
        let player = |_, seed| Box::new(Fighter(WanderPlayer::new(seed))) as Box<dyn Player<Arena>>;
        let options = Options { link, clients: 8, ..Options::new(seed) };
        let mut sim = Sim::<Arena>::new(options, &Config::default(), player).expect("it opens");
        sim.run(Micros(2_000_000));
        let mut before: Vec<Option<Drawn>> = (0..8).map(|_| None).collect();
        for frame in 1..=600_u64 {
            sim.run(Micros(16_667));
            let now = Micros(2_000_000 + frame * 16_667);
            for (client, before) in sim.clients_mut().zip(&mut before) {
                let inputs = client.counters().inputs;
                let view = client.view(now);
                let Some(Entity::Player(body)) = view.avatar else { panic!("an avatar is predicted") };
                let drawn = Drawn { at: body.position + view.avatar_offset, body, inputs };
                if let Some(was) = before.replace(drawn) {
                    let is = before.as_ref().expect("it was just put there");
                    if (was.body.alive, was.body.deaths) != (is.body.alive, is.body.deaths) {
                        deaths += u32::from(!is.body.alive);
                        continue;
                    }
                    // What it is seen to go beside what it runs or is thrown.
                    let own = (was.body.velocity + is.body.velocity) * 0.5 * (dt(60) * (is.inputs - was.inputs) as f32);
                    let way = is.at - was.at - own;
                    // Who takes a stair goes up at once, by the arena's own rules.
                    let way = if was.body.grounded && is.body.grounded { way.with_y(0.0) } else { way };
                    farthest = farthest.max(way.length());
                }
            }
        }
        corrections += sim.clients().map(|client| client.counters().reconciled).sum::<u64>();
        assert!(sim.clients().all(|client| client.counters().confirmed > 400));
    }
    println!("{corrections} corrections, {deaths} deaths, at most {farthest} m in a frame");
    assert!(corrections > 40 && deaths > 5, "the fight was a dull one: {corrections} corrections, {deaths} deaths");
    assert!(farthest < 0.25, "{farthest} m in a frame");
}
