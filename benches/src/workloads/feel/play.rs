//! One match, from its warm-up to its figures.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use downbeat_arena::{Arena, Config};
use downbeat_bots::Bots;
use downbeat_client::Mechanism;
use downbeat_host::limits::REWIND_MAX;
use downbeat_link::LinkSpec;
use downbeat_replica::Micros;
use downbeat_simnet::{Options, Player, Sim};

use super::watch::{Seen, Shot, Watched};
use super::{CLIENTS, target::TICK_MS};
use crate::BenchError;
use crate::statistics::percentile;
use crate::workloads::WARM_UP_S;

pub(super) const TICK_RATE_HZ: u32 = 60;
const TICK: Micros = Micros(1_000_000 / TICK_RATE_HZ as u64);

/// What is played.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Match {
    pub(super) link: LinkSpec,
    pub(super) seed: u64,
    pub(super) seconds: u32,
    pub(super) brain: &'static str,
    /// What clients leave off.
    pub(super) without: Option<Mechanism>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    pub(super) of: Match,
    /// Shares: of ticks, and of shown entities over all frames.
    pub(super) starved_ticks: f64,
    pub(super) starved_shown: f64,
    pub(super) input_to_ack_ms: f64,
    pub(super) delay_ms: f64,
    /// From an input until its tick is shown to another: how much sooner who comes round a corner sees than is seen.
    pub(super) input_to_visible_ms: f64,
    /// Mispredictions that no substituted input explains.
    pub(super) mispredictions: u64,
    /// Corrections of more than 5 cm per client and minute, deaths and respawns apart, and all of them.
    pub(super) corrections: f64,
    pub(super) corrections_all: f64,
    pub(super) jump_m: f64,
    /// Shots on target on the shooter's screen, as old as the server rewinds or older.
    pub(super) within: Shots,
    pub(super) beyond: Shots,
}

/// What became of shots that hit on the shooter's screen.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shots {
    /// The server found the same victim.
    pub(super) confirmed: u64,
    /// It did not.
    pub(super) missed: u64,
    /// Shooter or victim had died by then, as the other could not know.
    pub(super) void: u64,
}

impl Shots {
    /// Share of confirmed ones; `None` when there was no shot.
    pub(super) fn confirmed_share(&self) -> Option<f64> {
        let judged = self.confirmed + self.missed;
        (judged > 0).then(|| self.confirmed as f64 / judged as f64)
    }
}

/// A match under way.
struct Stage {
    sim: Sim<Arena>,
    seen: Vec<Rc<RefCell<Seen>>>,
    clients: Vec<Watch>,
    acks_ms: Vec<f64>,
    delays_ms: Vec<f64>,
    visible_ms: Vec<f64>,
    shots: [Shots; 2],
}

/// What is followed of one client from tick to tick.
#[derive(Default)]
struct Watch {
    corrected: u64,
    turns: u64,
    /// Corrections in each of the last ticks, and whether a life ended or began in it.
    recent: VecDeque<(u64, bool)>,
    corrections: u64,
    corrections_all: u64,
}

/// Plays `played`.
///
/// # Errors
/// When the arena could not be set up.
pub(super) fn play(played: &Match) -> Result<Measured, BenchError> {
    let mut stage = Stage::new(played)?;
    stage.run(WARM_UP_S);
    stage.forget();
    let inputs = stage.sim.room().counters().inputs;
    let clients = stage.counters();
    stage.run(played.seconds);
    let now = stage.sim.room().counters().inputs;
    let (starved, consumed) = (now.starved - inputs.starved, now.consumed - inputs.consumed);
    let after = stage.counters();
    let grown = |count: fn(&downbeat_client::Counters) -> u64| {
        after.iter().map(count).sum::<u64>() - clients.iter().map(count).sum::<u64>()
    };
    let minutes = f64::from(CLIENTS) * f64::from(played.seconds) / 60.0;
    let sum = |count: fn(&Watch) -> u64| stage.clients.iter().map(count).sum::<u64>() as f64;
    Ok(Measured {
        of: *played,
        starved_ticks: starved as f64 / (starved + consumed) as f64,
        starved_shown: grown(|client| client.starved) as f64 / grown(|client| client.shown).max(1) as f64,
        input_to_ack_ms: percentile(&stage.acks_ms, 50),
        delay_ms: percentile(&stage.delays_ms, 50),
        input_to_visible_ms: percentile(&stage.visible_ms, 50),
        mispredictions: grown(|client| client.mispredicted),
        corrections: sum(|watch| watch.corrections) / minutes,
        corrections_all: sum(|watch| watch.corrections_all) / minutes,
        jump_m: stage.seen.iter().map(|seen| f64::from(seen.borrow().jump_m)).fold(0.0, f64::max),
        within: stage.shots[0],
        beyond: stage.shots[1],
    })
}

impl Stage {
    fn new(played: &Match) -> Result<Self, BenchError> {
        let options =
            Options { link: played.link, clients: CLIENTS, without: played.without, ..Options::new(played.seed) };
        let seen: Vec<Rc<RefCell<Seen>>> = (0..CLIENTS).map(|_| Rc::default()).collect();
        let player = |index: usize, seed| {
            let brain = Arena::brain(played.brain, seed, TICK_RATE_HZ).expect("the arena has both brains");
            Box::new(Watched { brain, seen: Rc::clone(&seen[index]) }) as Box<dyn Player<Arena>>
        };
        let mut config = Config::default();
        config.rules.contact = played.brain != "wander";
        let sim = Sim::new(options, &config, player)?;
        let clients = (0..CLIENTS).map(|_| Watch::default()).collect();
        Ok(Self {
            sim,
            seen,
            clients,
            acks_ms: Vec::new(),
            delays_ms: Vec::new(),
            visible_ms: Vec::new(),
            shots: [Shots::default(); 2],
        })
    }

    fn run(&mut self, seconds: u32) {
        for _ in 0..seconds * TICK_RATE_HZ {
            self.sim.run(TICK);
            self.judge_shots();
            for client in self.sim.clients_mut() {
                self.acks_ms.extend(client.take_input_latencies().map(|latency| latency.0 as f64 / 1e3));
                self.delays_ms.extend(client.interpolation_delay().map(|delay| delay.0 as f64 / 1e3));
            }
            self.measure_visible();
            for ((watch, client), seen) in self.clients.iter_mut().zip(self.sim.clients()).zip(&self.seen) {
                watch.note(client.counters().corrected, seen.borrow().turns);
            }
        }
    }

    /// When the others show the tick that just ran, as their clocks have it now.
    fn measure_visible(&mut self) {
        let present = self.sim.room().present();
        let clients: Vec<_> = self.sim.clients().collect();
        let others = clients.iter().cycle().skip(1);
        let times = clients.iter().zip(others).filter_map(|(from, to)| {
            let (sampled, shown) = (from.sampled_at(present)?, to.shown_at(present)?);
            Some(shown.since(sampled).0 as f64 / 1e3)
        });
        self.visible_ms.extend(times);
    }

    /// Looks what became of the shots whose tick has run.
    fn judge_shots(&mut self) {
        let present = self.sim.room().present();
        let game = self.sim.room().game();
        for seen in &self.seen {
            let mut seen = seen.borrow_mut();
            for shot in seen.shots.extract_if(.., |shot| shot.tick <= present) {
                let limit_ticks = (REWIND_MAX.0 / TICK.0) as i64;
                let shots = &mut self.shots[usize::from(shot.age_ticks > limit_ticks)];
                let hit = |strike: &downbeat_arena::Strike| {
                    (strike.shooter, strike.victim) == (shot.shooter, Some(shot.victim))
                };
                // An input that comes after its tick never fires.
                if shot.tick == present && game.strikes().iter().any(hit) {
                    shots.confirmed += 1;
                } else if both_live(game, &shot) {
                    shots.missed += 1;
                } else {
                    shots.void += 1;
                }
            }
        }
    }

    /// Begins to count.
    fn forget(&mut self) {
        self.acks_ms.clear();
        self.delays_ms.clear();
        self.visible_ms.clear();
        self.shots = [Shots::default(); 2];
        self.seen.iter().for_each(|seen| seen.borrow_mut().jump_m = 0.0);
        for watch in &mut self.clients {
            (watch.corrections, watch.corrections_all) = (0, 0);
        }
    }

    fn counters(&self) -> Vec<downbeat_client::Counters> {
        self.sim.clients().map(|client| *client.counters()).collect()
    }
}

fn both_live(game: &Arena, shot: &Shot) -> bool {
    [shot.shooter, shot.victim]
        .iter()
        .zip(shot.lives)
        .all(|(&player, life)| game.avatar(player).is_some_and(|avatar| avatar.alive && avatar.deaths == life))
}

impl Watch {
    /// A tick later. A death is on the screen in the frame after the correction that tells it: in the same tick or in the
    /// next.
    fn note(&mut self, corrected: u64, turns: u64) {
        self.recent.push_back((corrected - self.corrected, turns > self.turns));
        (self.corrected, self.turns) = (corrected, turns);
        if self.recent.len() > 1
            && let Some((count, turned)) = self.recent.pop_front()
        {
            self.corrections_all += count;
            let explained = turned || self.recent.iter().any(|(_, turned)| *turned);
            self.corrections += if explained { 0 } else { count };
        }
    }
}

const _: () = assert!(TICK.0 as f64 / 1e3 <= TICK_MS);
