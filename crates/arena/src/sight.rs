//! Who may be told of whom. A client that is told of somebody behind a wall can be made to show him; one that is not has
//! nothing to show. But whoever comes around a corner must be told of before he is seen, by as much as latency hides.
//!
//! So zones that hold all places of a body until then are looked at (`zone.rs`), not points.
//!
//! What was seen stays told of for a while, so that nobody flickers. Pairs are looked at anew in turns, not all at once.
//! What is told is the same both ways: nobody is watched by one of whom he knows nothing.

use downbeat_replica::{EntityId, Inputs, PlayerId, Tick, Visible};
use glam::Vec3;

use crate::limits::{REVEAL_S, SIGHT_HOLD_S, SIGHT_TESTS_HZ};
use crate::rules::ticks;
use crate::zone::{Motion, Solids, Zone};
use crate::{Input, Player, Rocket, World};

/// What latency hides is rounded up to a whole number of this many equal parts of the longest.
const PATIENCES: usize = 8;

/// What latency hides falls by this many seconds in a second at most, so that a calm moment is not taken for a better line.
const PATIENCE_FALL: f32 = 0.02;

/// Who was told of what until when.
#[derive(Debug)]
pub(crate) struct Sight {
    solids: Solids,
    dt: f32,
    /// Ticks from one look at a pair to the next.
    period: u32,
    /// Ticks for which the seen stay told of.
    hold: u32,
    now: Tick,
    /// Ascending by player.
    watchers: Vec<Watcher>,
    /// Who and what is there, by index.
    there: Vec<Option<EntityId>>,
}

/// A player, as one who sees and is seen.
#[derive(Debug)]
struct Watcher {
    player: PlayerId,
    id: EntityId,
    feet: Vec3,
    motion: Motion,
    /// What latency hides from it, in seconds.
    hidden_s: f32,
    /// Where it can be before as much has passed as latency hides from the more patient of two, by patience.
    zones: [Zone; PATIENCES],
    /// Whether it is not where it was expected, so that no earlier look counts.
    is_new: bool,
    /// What it is told of, by the index of the entity.
    told: Vec<Told>,
}

/// What is known of one whom a watcher sees or not.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    of: EntityId,
    /// Told of through this tick. Nobody plays in tick zero.
    until: Tick,
    /// The wall that hid it the last time.
    wall: u16,
}

impl Sight {
    pub(crate) fn new(world: &World, dt: f32) -> Self {
        let period = (1.0 / (SIGHT_TESTS_HZ * dt)).ceil().max(1.0) as u32;
        let hold = u32::from(ticks(SIGHT_HOLD_S, dt));
        Self { solids: Solids::new(world), dt, period, hold, now: Tick(0), watchers: Vec::new(), there: Vec::new() }
    }

    /// Takes in what moment each player saw when it decided on its input of tick `now`: what lies in between, latency
    /// hides from it. Who claims much is told of others sooner, by no more than [`REVEAL_S`].
    pub(crate) fn note_views(&mut self, now: Tick, inputs: &Inputs<'_, Input>) {
        for watcher in &mut self.watchers {
            let given = inputs.of(watcher.player).filter(|given| !given.substituted);
            let hidden_s = given.map_or(0.0, |given| now.since(given.view.tick) as f32 * self.dt);
            watcher.hidden_s = hidden_s.max(watcher.hidden_s - PATIENCE_FALL * self.dt).clamp(0.0, REVEAL_S);
        }
    }

    /// Looks at what is due in tick `now`. `players` ascend.
    pub(crate) fn look<'a>(
        &mut self,
        world: &World,
        now: Tick,
        players: impl Iterator<Item = (PlayerId, EntityId, &'a Player)>,
        rockets: impl Iterator<Item = (EntityId, &'a Rocket)>,
    ) {
        self.now = now;
        self.there.clear();
        self.meet(world, players);
        self.reach(world);
        let until = now.offset(self.hold.into());
        for i in 0..self.watchers.len() {
            let (before, rest) = self.watchers.split_at_mut(i);
            let watcher = &mut rest[0];
            for other in before {
                let told = *watcher.told_of(other.id);
                let turn = u32::from(watcher.player.0) + u32::from(other.player.0);
                // Who is told of until the next turn anyway is left alone.
                let is_due = is_turn(now, turn, self.period) && told.until < now.offset(self.period.into());
                if is_due || watcher.is_new || other.is_new {
                    let patience = watcher.patience().max(other.patience());
                    let zones = [&watcher.zones, &other.zones].map(|zones| &zones[patience]);
                    let told = looked(&self.solids, world, told, zones, until);
                    *watcher.told_of(other.id) = told;
                    *other.told_of(watcher.id) = Told { of: watcher.id, ..told };
                }
            }
        }
        for (id, rocket) in rockets {
            self.note(id);
            self.watch_rocket(world, id, rocket);
        }
    }

    /// Adds whom and what `player` is told of.
    pub(crate) fn tell(&self, player: PlayerId, out: &mut Visible) {
        let Ok(at) = self.watchers.binary_search_by_key(&player, |watcher| watcher.player) else { return };
        let told = self.watchers[at].told.iter().zip(&self.there);
        let told = told.filter(|(told, there)| told.until >= self.now && **there == Some(told.of));
        out.extend(told.map(|(told, _)| told.of));
    }

    /// Takes in that `id` is there.
    fn note(&mut self, id: EntityId) {
        if self.there.len() <= id.index() {
            self.there.resize(id.index() + 1, None);
        }
        self.there[id.index()] = Some(id);
    }

    /// Takes in who is there, and how each moves.
    fn meet<'a>(&mut self, world: &World, players: impl Iterator<Item = (PlayerId, EntityId, &'a Player)>) {
        let mut count = 0;
        for (player, id, body) in players {
            self.note(id);
            // Those who left, and one whose place another took.
            let is_gone = |watcher: &&Watcher| watcher.player < player || watcher.player == player && watcher.id != id;
            let gone = self.watchers[count..].iter().take_while(is_gone).count();
            self.watchers.drain(count..count + gone);
            if self.watchers.get(count).is_none_or(|watcher| watcher.player != player) {
                self.watchers.insert(count, Watcher::new(player, id));
            }
            let watcher = &mut self.watchers[count];
            let motion = Motion::of(world.rules(), body);
            watcher.is_new = watcher.motion.foresaw_not(&motion);
            (watcher.feet, watcher.motion) = (body.position, motion);
            count += 1;
        }
        self.watchers.truncate(count);
    }

    /// Finds the zones that are needed: of everybody those for each patience that somebody has.
    fn reach(&mut self, world: &World) {
        let mut is_needed = [false; PATIENCES];
        self.watchers.iter().for_each(|watcher| is_needed[watcher.patience()] = true);
        for patience in (0..PATIENCES).filter(|patience| is_needed[*patience]) {
            let ahead_s = self.ahead_s(patience);
            for watcher in &mut self.watchers {
                watcher.zones[patience] = self.solids.reach(world, watcher.feet, &watcher.motion, ahead_s, self.dt);
            }
        }
    }

    /// How far ahead zones look: what latency hides, and until the next turn.
    fn ahead_s(&self, patience: usize) -> f32 {
        REVEAL_S * ((patience + 1) as f32 / PATIENCES as f32) + (self.period - 1) as f32 * self.dt
    }

    /// A rocket flies straight: who knows of it once knows all there is to know until it bursts.
    fn watch_rocket(&mut self, world: &World, id: EntityId, rocket: &Rocket) {
        let zones: [_; PATIENCES] =
            std::array::from_fn(|patience| Zone::of_rocket(world, rocket, self.ahead_s(patience)));
        for watcher in &mut self.watchers {
            let turn = u32::from(watcher.player.0) + id.index() as u32;
            let told = *watcher.told_of(id);
            let is_fresh = told.until == Tick(0);
            if told.until >= self.now || !(watcher.is_new || is_fresh || is_turn(self.now, turn, self.period)) {
                continue;
            }
            let zones = [&watcher.zones, &zones].map(|zones| &zones[watcher.patience()]);
            let told = looked(&self.solids, world, Told { until: Tick(1), ..told }, zones, ALWAYS);
            let until = if watcher.player == rocket.owner { ALWAYS } else { told.until };
            *watcher.told_of(id) = Told { until, ..told };
        }
    }
}

/// As long as it is there.
const ALWAYS: Tick = Tick(u32::MAX);

/// Whether it is the turn of a pair.
fn is_turn(now: Tick, turn: u32, period: u32) -> bool {
    now.0.wrapping_add(turn).is_multiple_of(period)
}

impl Watcher {
    /// Somebody of whom nothing is known; of its line the worst is assumed.
    fn new(player: PlayerId, id: EntityId) -> Self {
        Self {
            player,
            id,
            feet: Vec3::ZERO,
            motion: Motion::default(),
            hidden_s: REVEAL_S,
            zones: [Zone::default(); PATIENCES],
            is_new: true,
            told: Vec::new(),
        }
    }

    /// What latency hides from it, in whole parts of the longest, less one.
    fn patience(&self) -> usize {
        let parts = (self.hidden_s * (PATIENCES as f32 / REVEAL_S)).ceil() as usize;
        parts.clamp(1, PATIENCES) - 1
    }

    /// What is known of `id`; nothing of one whose index was another's.
    fn told_of(&mut self, id: EntityId) -> &mut Told {
        let at = id.index();
        if self.told.len() <= at {
            self.told.resize(at + 1, Told::default());
        }
        let told = &mut self.told[at];
        if told.of != id {
            *told = Told { of: id, ..Told::default() };
        }
        told
    }
}

/// What is known of a pair after a look at it; what is seen is told of through the tick `until`.
fn looked(solids: &Solids, world: &World, told: Told, [a, b]: [&Zone; 2], until: Tick) -> Told {
    let rules = world.rules();
    let apart = a.apart(b);
    if apart > rules.sight_radius_m {
        return told;
    }
    // Those who could touch have to know of each other, or a client's own steps come as a surprise to it.
    if rules.contact && apart < 2.0 * rules.body_radius_m {
        return Told { until, ..told };
    }
    match solids.hiding(a, b, told.wall) {
        Some(wall) => Told { wall, ..told },
        None => Told { until, ..told },
    }
}
