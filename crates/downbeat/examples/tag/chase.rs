//! A brain for the game: whoever is it runs after the nearest, all others run from it. `… --example tag -- demo --brain chase`

use downbeat::{Bots, Brain, View, standard};
use downbeat_replica::Tick;
use downbeat_replica::glam::Vec3;

use crate::{Pad, Runner, Tag, Thing};

struct Chase {
    /// Runs not quite straight, each in its own way: all chance comes from the seed, so that runs repeat.
    lean: f32,
}

impl Brain<Tag> for Chase {
    fn decide(&mut self, view: &View<'_, Tag>, tick: Tick) -> Pad {
        // Before the server showed it, and among those who watch, there is no avatar.
        let Some(Thing::Runner(own)) = &view.avatar else { return Pad::default() };
        let others = view.others.iter().map(|other| match &other.entity {
            Thing::Runner(runner) => runner,
        });
        let distance = |other: &&Runner| other.position.distance_squared(own.position);
        let whom = others.filter(|other| own.is_it || other.is_it).min_by(|a, b| distance(a).total_cmp(&distance(b)));
        let Some(other) = whom else { return Pad::default() };
        let ahead = other.position - own.position;
        // From who is it, and from the fence where that is near.
        let way = if own.is_it { ahead } else { -ahead - own.position * 0.2 };
        let side = Vec3::new(-way.z, 0.0, way.x) * self.lean;
        let Vec3 { x, z, .. } = (way + side).normalize_or_zero();
        Pad { x, z, dash: own.dash_cooldown == 0 && tick.0.is_multiple_of(8) }
    }
}

impl Bots for Tag {
    const BRAINS: &'static [&'static str] = &["chase", "wander", "idle", "spectate"];

    fn brain(name: &str, seed: u64, tick_rate_hz: u32) -> Option<Box<dyn Brain<Self>>> {
        match name {
            "chase" => Some(Box::new(Chase { lean: (seed % 101) as f32 / 100.0 - 0.5 })),
            _ => standard(name, seed, tick_rate_hz),
        }
    }
}
