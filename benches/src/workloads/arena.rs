//! `arena`: what a client of a fight costs on the wire, both ways.

use std::cell::RefCell;
use std::rc::Rc;

use downbeat_arena::{Arena, Config, Entity, Input};
use downbeat_bots::Brain;
use downbeat_client::View;
use downbeat_replica::Tick;
use serde::Serialize;

use super::{Effort, WARM_UP_S, fighter};
use crate::statistics::rounded;
use crate::{BenchError, Options, Report, Stage, wire};

const CLIENTS: u16 = 16;

#[derive(Serialize)]
struct Figures {
    visible_mean: f64,
    speed_mean_mps: f64,
    down_wire_bytes_per_s: f64,
    up_wire_bytes_per_s: f64,
    /// The parts of the wire figures, by datagram: the payload, and what QUIC, UDP and IPv4 add.
    down_payload_bytes: f64,
    up_payload_bytes: f64,
    down_overhead_bytes: f64,
    up_overhead_bytes: f64,
    bytes_per_update: f64,
    entities_visible_mean: f64,
    deaths: u64,
}

/// Plays a fight of 16 on links of 50 ms round trip.
///
/// # Errors
/// When a copy was wrong.
pub fn arena(effort: Effort) -> Result<Report, BenchError> {
    let options = Options::new(effort.seed, CLIENTS);
    let seen = Rc::new(RefCell::new(Seen::default()));
    let watched = |seed| Box::new(Watched { brain: fighter(seed), seen: Rc::clone(&seen) }) as Box<dyn Brain<Arena>>;
    let mut stage = Stage::<Arena>::new(&options, &Config::default(), watched)?;
    stage.run(options.ticks(WARM_UP_S));
    let before = *stage.totals();
    *seen.borrow_mut() = Seen::default();
    stage.run(options.ticks(effort.of(60, 10)));
    let totals = stage.totals().since(&before);
    stage.exact_since()?;
    stage.verify(true)?;

    let seen = seen.take();
    let down = totals.down_bytes as f64 / totals.down_datagrams as f64;
    let up = totals.up_bytes as f64 / totals.up_datagrams as f64;
    let overhead = wire::overhead(down, up, options.tick_rate_hz)?;
    let client_seconds = totals.ticks as f64 / f64::from(options.tick_rate_hz) * f64::from(CLIENTS);
    let down_wire = totals.down_bytes as f64 + totals.down_datagrams as f64 * overhead.down;
    let up_wire = totals.up_bytes as f64 + totals.up_datagrams as f64 * overhead.up;
    let figures = Figures {
        visible_mean: rounded(seen.others as f64 / seen.views as f64, 2),
        speed_mean_mps: rounded(seen.speeds / seen.views as f64, 2),
        down_wire_bytes_per_s: rounded(down_wire / client_seconds, 0),
        up_wire_bytes_per_s: rounded(up_wire / client_seconds, 0),
        down_payload_bytes: rounded(down, 2),
        up_payload_bytes: rounded(up, 2),
        down_overhead_bytes: rounded(overhead.down, 2),
        up_overhead_bytes: rounded(overhead.up, 2),
        bytes_per_update: rounded(totals.bytes_per_update(), 4),
        entities_visible_mean: rounded(totals.updates as f64 / totals.ticks as f64 / f64::from(CLIENTS), 2),
        deaths: seen.deaths,
    };
    Ok(Report::new("arena", effort.seed, effort.quick, figures)?)
}

/// What the players saw, summed over their inputs.
#[derive(Default)]
struct Seen {
    views: u64,
    /// Other players, the dead included.
    others: u64,
    /// Of their own avatars in m/s, the dead included, who do not move.
    speeds: f64,
    deaths: u64,
}

/// Plays like another, and notes what is seen.
struct Watched {
    brain: Box<dyn Brain<Arena>>,
    seen: Rc<RefCell<Seen>>,
}

impl Brain<Arena> for Watched {
    fn decide(&mut self, view: &View<'_, Arena>, tick: Tick) -> Input {
        if let Some(Entity::Player(own)) = &view.avatar {
            let mut seen = self.seen.borrow_mut();
            seen.views += 1;
            seen.speeds += f64::from(if own.alive { own.velocity.length() } else { 0.0 });
            let players = view.others.iter().filter(|other| matches!(other.entity, Entity::Player(_)));
            seen.others += players.count() as u64;
            let own_deaths = view.events.iter().filter(|event| match event {
                downbeat_arena::Event::Died(died) => Some(died.victim) == view.player,
                _ => false,
            });
            seen.deaths += own_deaths.count() as u64;
        }
        self.brain.decide(view, tick)
    }
}
