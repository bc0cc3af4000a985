//! What is measured. Each workload plays its world, fails if any copy was wrong, and gives its figures.

mod arena;
mod capacity;
mod crowd;
mod door;
mod feel;
mod loss;
mod match128;
mod peers;
mod played;
mod scaling;
mod transport;
mod wander;
mod worlds;

pub use arena::arena;
pub use capacity::capacity;
pub use crowd::crowd;
pub use door::door;
pub use feel::{feel, without};
pub use loss::loss;
pub use match128::match128;
pub use peers::{CONTESTANTS, Contest, Contestant, LADDER, peers};
pub use played::played;
pub use scaling::scaling;
pub use transport::{idlers, transport};
pub use wander::wander;
pub use worlds::{asteroids, halo};

use downbeat_arena::Arena;
use downbeat_bots::{Bots, Brain};
use downbeat_field::{Config, Field};
use downbeat_link::LinkSpec;
use downbeat_replica::{Game, Micros};

use crate::{BenchError, Stage};

/// What may be said about any workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Decides everything random.
    pub seed: u64,
    /// Rough figures in a few seconds.
    pub quick: bool,
}

impl Effort {
    /// `full` seconds or ticks, or a tenth of it, but `least` at least.
    const fn of(self, full: u32, least: u32) -> u32 {
        if !self.quick {
            full
        } else if full / 10 > least {
            full / 10
        } else {
            least
        }
    }
}

/// The first seconds after everybody joined do not count.
pub(crate) const WARM_UP_S: u32 = 2;

/// Times are medians of this many runs.
const RUNS: u32 = 5;

/// A round trip of the links in these workloads.
const ROUND_TRIP: Micros = Micros::from_millis(50);

/// Copies must be exact this long after loss ends: two round trips and half a second.
const CONVERGE_WITHIN: Micros = Micros(2 * ROUND_TRIP.0 + 500_000);

/// The crowd of the byte figures: 200 walkers, the 32 nearest shown.
fn field() -> Config {
    Config::default()
}

/// A player of the field who runs about.
pub(crate) fn walker(seed: u64) -> Box<dyn Brain<Field>> {
    Field::brain("wander", seed, 60).expect("the field has wanderers")
}

/// A player of the arena who fights.
pub(crate) fn fighter(seed: u64) -> Box<dyn Brain<Arena>> {
    Arena::brain("fight", seed, 60).expect("the arena has fighters")
}

/// A player of any game who does nothing.
pub(crate) fn idler<G: Game>() -> Box<dyn Brain<G>> {
    downbeat_bots::standard("idle", 0, 60).expect("anybody can be idle")
}

/// Ends the loss and returns how long it took until every copy was exact and stayed so.
fn converge<G: Game>(stage: &mut Stage<G>, lossy: &LinkSpec) -> Result<Micros, BenchError> {
    let ended = stage.now();
    stage.set_link(&lossy.without_loss());
    while stage.now() < ended + CONVERGE_WITHIN {
        stage.tick();
    }
    Ok(stage.exact_since()?.max(ended).since(ended))
}
