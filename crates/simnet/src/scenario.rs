//! A simulation that is drawn from its seed, whole: the game, who takes part, on what machines and lines, and what goes
//! wrong when. Storms, in which things go wrong, alternate with calms, in which everybody must recover.

use std::fmt;

use downbeat_arena::Arena;
use downbeat_field::{Avatars, Field};
use downbeat_link::{Chance, LinkSpec, Queue};
use downbeat_replica::{Game, Micros};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use crate::checks::{Findings, Invariant};
use crate::clock::LocalClock;
use crate::faults::{Fault, Trouble};
use crate::options::{Frames, Layer, Machine, Options};
use crate::player::WanderPlayer;
use crate::sim::Sim;

/// What a seed stands for.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What the simulation is set up with.
    pub options: Options,
    game: Match,
    storms: Vec<Storm>,
}

#[derive(Clone, Debug)]
enum Match {
    Arena,
    Field(downbeat_field::Config),
}

/// Things go wrong until the calm, which lasts until the end.
#[derive(Clone, Copy, Debug)]
struct Storm {
    from: Micros,
    calm: Micros,
    end: Micros,
}

/// What became of a scenario.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// What was found broken.
    pub findings: Findings,
    /// Hash of everything that happened.
    pub trace_hash: u64,
    /// Ticks that the room ran, snapshots that it sent, and inputs that it ran on.
    pub played: (u32, u64, u64),
}

impl Verdict {
    /// Invariants that held, and those that did not.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        let failed = Invariant::ALL.iter().filter(|invariant| self.findings.count(**invariant) > 0).count();
        (Invariant::ALL.len() - failed, failed)
    }
}

impl Scenario {
    /// What `seed` stands for when it is played for `seconds`, over QUIC or model links alone.
    #[must_use]
    pub fn draw(seed: u64, seconds: u32, is_quic: bool) -> Self {
        let mut dice = Dice(Pcg64::seed_from_u64(seed));
        let storms = storms(seconds, is_quic);
        let game = if dice.percent(50) {
            Match::Arena
        } else {
            let avatars = if dice.percent(50) { Avatars::Private } else { Avatars::Public };
            let (walkers, visible) = (dice.0.random_range(10..=200), dice.0.random_range(4..=32));
            Match::Field(downbeat_field::Config { walkers, visible, avatars })
        };
        let clients = dice.0.random_range(1..=8);
        let tick_rate_hz = dice.one_of(&[30, 60, 60, 64, 128]);
        let divisor = dice.one_of(&[1, 1, 1, 2, 4]);
        let divisor = if u32::is_multiple_of(tick_rate_hz, divisor) { divisor } else { 1 };
        let layer = if is_quic { Layer::Quic { must_prove: dice.percent(50) } } else { Layer::Links };
        let machines = (0..clients).map(|_| dice.machine()).collect();
        let faults = storms.iter().flat_map(|storm| dice.faults(storm, clients)).collect();
        let options = Options {
            clients,
            tick_rate_hz,
            send_rate_hz: tick_rate_hz / divisor,
            client_bytes_per_s: 64 * 1_024,
            machines,
            faults,
            layer,
            ..Options::new(seed)
        };
        Self { options, game, storms }
    }

    /// Plays it.
    #[must_use]
    pub fn play(&self) -> Verdict {
        match &self.game {
            Match::Arena => self.play_game::<Arena>(&downbeat_arena::Config::default(), false),
            Match::Field(config) => {
                // Avatars pass through each other and through walkers.
                self.play_game::<Field>(config, true)
            }
        }
    }

    fn play_game<G: Game>(&self, config: &G::Config, is_predictable: bool) -> Verdict {
        let player = |_, seed| Box::new(WanderPlayer::new(seed)) as _;
        let options = Options { is_predictable, ..self.options.clone() };
        let mut sim = Sim::<G>::new(options, config, player).expect("what is drawn can be");
        for storm in &self.storms {
            sim.set_calm(false);
            sim.run(storm.calm.since(storm.from));
            sim.set_calm(true);
            sim.run(storm.end.since(storm.calm));
        }
        let counters = sim.room().counters();
        let played = (sim.room().present().0, counters.snapshots, counters.inputs.consumed);
        Verdict { findings: sim.findings().clone(), trace_hash: sim.trace_hash(), played }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = &self.options;
        match &self.game {
            Match::Arena => write!(f, "arena")?,
            Match::Field(config) => {
                let (walkers, visible) = (config.walkers, config.visible);
                write!(f, "field of {walkers} walkers, {visible} of them visible, avatars {:?}", config.avatars)?;
            }
        }
        let (ticks, sends) = (options.tick_rate_hz, options.send_rate_hz);
        match options.layer {
            Layer::Links => {}
            Layer::Quic { must_prove: true } => write!(f, " over QUIC with Retry")?,
            Layer::Quic { must_prove: false } => write!(f, " over QUIC")?,
        }
        writeln!(f, ", {} clients, {ticks} ticks/s, {sends} snapshots/s", options.clients)?;
        for index in 0..options.clients.into() {
            let (machine, (up, down)) = (options.machine(index), options.links(index));
            write!(f, "client {index}: up {up}; down {down}; clock {}; mtu {}; ", machine.clock, machine.mtu)?;
            match machine.frames {
                Frames::WhenDue => writeln!(f, "acts when due")?,
                Frames::Every { length: Micros(length), phase: Micros(phase) } => {
                    writeln!(f, "a frame every {length} us, first at {phase} us")?;
                }
            }
        }
        for storm in &self.storms {
            let [from, calm, end] = [storm.from, storm.calm, storm.end].map(Micros::as_secs_f64);
            writeln!(f, "storm from {from:.1} s, calm from {calm:.1} s to {end:.1} s")?;
        }
        options.faults.iter().try_for_each(|fault| writeln!(f, "{fault}"))
    }
}

/// Ten seconds each, or what there is: three fifths of it stormy. QUIC needs more time to recover: twenty seconds, half of
/// them stormy.
fn storms(seconds: u32, is_quic: bool) -> Vec<Storm> {
    let (round_s, stormy_percent) = if is_quic { (20, 50) } else { (10, 60) };
    let count = u64::from(seconds / round_s).max(1);
    let length = Micros(u64::from(seconds) * 1_000_000 / count);
    let storm = |n: u64| {
        let from = Micros(n * length.0);
        Storm { from, calm: from + Micros(length.0 * stormy_percent / 100), end: from + length }
    };
    (0..count).map(storm).collect()
}

/// Draws things.
struct Dice(Pcg64);

impl Dice {
    fn percent(&mut self, percent: u32) -> bool {
        self.0.random_range(0..100) < percent
    }

    fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.0.random_range(0..of.len())]
    }

    fn millis(&mut self, from: u64, to: u64) -> Micros {
        Micros(self.0.random_range(from * 1_000..=to * 1_000))
    }

    fn machine(&mut self) -> Machine {
        let up = self.link();
        let down = if self.percent(50) { up } else { self.link() };
        let offset = if self.percent(30) { Micros::default() } else { self.millis(0, 3_600_000) };
        let clock = LocalClock { offset, drift_ppm: self.0.random_range(-200..=200) };
        let frames = match self.0.random_range(0..4) {
            0 => Frames::WhenDue,
            rate => {
                let length = Micros(1_000_000 / [60, 144, 30][rate - 1]);
                Frames::Every { length, phase: Micros(self.0.random_range(0..length.0)) }
            }
        };
        let mtu = self.one_of(&[1_200, 1_280, 1_372, 1_452, 1_472]);
        Machine { up: Some(up), down: Some(down), clock, frames, mtu }
    }

    fn link(&mut self) -> LinkSpec {
        let latency = self.millis(0, 120);
        let jitter = Micros(self.0.random_range(0..=latency.0.min(40_000)));
        let mut link = LinkSpec { latency, jitter, ..LinkSpec::PERFECT };
        if self.percent(60) {
            link.loss = self.chance(20);
            // Long enough for any loss up to a fifth.
            link.burst_thousandths = self.percent(50).then(|| self.0.random_range(1_000..=6_000));
        }
        if self.percent(30) {
            link.reorder = self.chance(5);
        }
        if self.percent(30) {
            link.dup = self.chance(3);
        }
        if self.percent(25) {
            link.rate_bits = Some(self.0.random_range(300_000..=4_000_000));
            link.queue = Some(Queue::Time(self.millis(20, 150)));
        }
        link.checked().expect("what is drawn agrees with itself")
    }

    fn chance(&mut self, percent_max: u32) -> Chance {
        Chance::from_millionths(self.0.random_range(0..=percent_max * 10_000))
    }

    fn faults(&mut self, storm: &Storm, clients: u16) -> Vec<Fault> {
        let mut faults = Vec::new();
        // Who joins late.
        for client in 0..clients {
            if storm.from == Micros::default() && self.percent(15) {
                let lasts = self.0.random_range(1..=storm.calm.0);
                faults.push(Fault { from: storm.from, lasts: Micros(lasts), what: Trouble::Away(client) });
            }
        }
        for _ in 0..self.0.random_range(0..=5) {
            let client = self.0.random_range(0..clients);
            let (what, lasts) = match self.0.random_range(0..6) {
                0 => (Trouble::Outage(client), self.millis(50, 3_000)),
                1 => (Trouble::ClientStalls(client), self.millis(50, 600)),
                2 => (Trouble::ServerStalls, self.millis(20, 300)),
                3 => (Trouble::Moves(client), Micros(0)),
                4 => (Trouble::Breaks(client), self.millis(0, 3_000)),
                _ => (Trouble::Away(client), self.millis(200, 3_000)),
            };
            let lasts = lasts.min(storm.calm.since(storm.from));
            let latest = storm.calm.since(storm.from).since(lasts);
            let from = storm.from + Micros(self.0.random_range(0..=latest.0));
            faults.push(Fault { from, lasts, what });
        }
        faults
    }
}
