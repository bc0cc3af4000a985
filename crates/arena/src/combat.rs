//! What the server alone decides: who is hit, what bursts, who dies, takes an item or comes back.

use downbeat_replica::{EntityId, Events, Hearers, PlayerId, Rewind};
use glam::Vec3;

use crate::advance::{aimed_pitch, bounded};
use crate::aim::look;
use crate::brush::SKIN;
use crate::flight::{End, launched, spent, wall};
use crate::game::{Firing, Flight, Strike};
use crate::limits::{HEALTH_MAX, RESPAWN_TICKS_MAX, ROCKETS_MAX};
use crate::order::{draw, mix};
use crate::rules::ticks;
use crate::{Arena, Died, Entity, Event, Explosion, Hit, Item, Player, Rocket, Shot, Weapon};

/// Enemies farther away than this from a spawn point do not make it any better.
const SAFE_M: f32 = 25.0;

/// A harm that one player does to another, or to itself.
struct Harm {
    victim: PlayerId,
    from: PlayerId,
    weapon: Weapon,
    amount: u8,
}

impl Arena {
    pub(crate) fn fire(&mut self, firings: &[Firing<'_>], past: &impl Rewind<Entity>, events: &mut Events<Event>) {
        self.strikes.clear();
        for firing in firings {
            let Some(shooter) = self.fighters.get(&firing.player) else { continue };
            let eyes = self.world.eyes(shooter.body.position);
            let way = look(firing.input.input.yaw, aimed_pitch(&firing.input.input));
            match firing.weapon {
                Weapon::Rifle => self.fire_rifle(firing, eyes, way, past, events),
                Weapon::Rocket => {
                    let rocket = launched(&self.world, &shooter.body, &firing.input.input, self.tick);
                    self.launch(rocket);
                }
            }
        }
    }

    fn fire_rifle(
        &mut self,
        firing: &Firing<'_>,
        eyes: Vec3,
        way: Vec3,
        past: &impl Rewind<Entity>,
        events: &mut Events<Event>,
    ) {
        let rules = &self.world.rules().rifle;
        let (damage, mut reach) = (rules.damage, self.world.ray(eyes, way, rules.range_m));
        let mut struck = None;
        for (&player, other) in &self.fighters {
            if player == firing.player || !other.body.alive {
                continue;
            }
            let seen = if rules.lag_compensation { past.at(other.id, firing.input.view) } else { None };
            let Some(feet) = target(&other.body, seen) else { continue };
            if let Some(at) = self.world.ray_to_player(eyes, way, feet).filter(|&at| at < reach) {
                reach = at;
                struck = Some(player);
            }
        }
        let shooter = self.fighters.get(&firing.player).map(|fighter| fighter.id);
        let hearers = shooter.map_or(Hearers::All, Hearers::Viewers);
        events.emit(hearers, Event::Shot(Shot { shooter, from: eyes, to: eyes + way * reach }));
        self.strikes.push(Strike { shooter: firing.player, victim: struck });
        if let Some(victim) = struck {
            let harm = Harm { victim, from: firing.player, weapon: Weapon::Rifle, amount: damage };
            self.harm(&harm, events);
        }
    }

    fn launch(&mut self, rocket: Rocket) {
        if self.rockets.len() >= ROCKETS_MAX {
            return;
        }
        let Some(id) = self.ids.spawn() else { return };
        self.rockets.push(Flight { id, rocket, burst: false });
    }

    pub(crate) fn clear_burst_rockets(&mut self) {
        self.rockets.retain(|flight| {
            if flight.burst {
                self.ids.free(flight.id);
            }
            !flight.burst
        });
    }

    pub(crate) fn fly_rockets(&mut self, events: &mut Events<Event>) {
        let ends: Vec<_> = self.rockets.iter().map(|flight| self.end(&flight.rocket)).collect();
        let mut bursts = Vec::new();
        for (i, (flight, end)) in self.rockets.iter_mut().zip(ends).enumerate() {
            let Some(end) = end else {
                flight.rocket.fly(self.dt);
                continue;
            };
            flight.rocket.burst(end);
            flight.burst = true;
            bursts.push((draw(self.seed, self.tick, flight.rocket.owner), i));
        }
        bursts.sort_unstable();
        for (_, i) in bursts {
            let Flight { id, rocket, .. } = &self.rockets[i];
            let (id, owner, at) = (*id, rocket.owner, rocket.position);
            events.emit(Hearers::Viewers(id), Event::Explosion(Explosion { at }));
            self.burst(at, owner, events);
        }
    }

    /// How a rocket's flight ends in this tick, if it does: at a wall, at a player, or of age.
    fn end(&self, rocket: &Rocket) -> Option<End> {
        let (way, length) = (rocket.velocity.normalize_or_zero(), (rocket.velocity * self.dt).length());
        let mut end = wall(&self.world, rocket, self.dt);
        for other in self.crowd().filter(|other| other.player != rocket.owner) {
            let reach = end.map_or(length, |end| end.reach);
            let met = self.world.ray_to_player(rocket.position, way, other.feet);
            if let Some(reach) = met.filter(|&at| at <= reach) {
                end = Some(End { reach, off: Vec3::ZERO });
            }
        }
        end.or_else(|| spent(&self.world, rocket, self.tick, self.dt))
    }

    /// Harms and throws everybody near `at` who is not behind a wall.
    fn burst(&mut self, at: Vec3, owner: PlayerId, events: &mut Events<Event>) {
        let rules = self.world.rules().rocket.clone();
        for victim in self.shuffled() {
            let body = self.world.body;
            let Some(fighter) = self.fighters.get_mut(&victim).filter(|fighter| fighter.body.alive) else { continue };
            let feet = fighter.body.position;
            let height = at.y.clamp(feet.y + body.radius, feet.y + body.height - body.radius);
            let core = feet.with_y(height);
            let distance = (core.distance(at) - body.radius).max(0.0);
            let share = 1.0 - distance / rules.splash_radius_m;
            if share <= 0.0 || !self.world.line_of_sight(at, core) {
                continue;
            }
            let centre = feet + Vec3::Y * (body.height * 0.5);
            let away = (centre - at).try_normalize().unwrap_or(Vec3::Y);
            fighter.body.velocity = bounded(fighter.body.velocity + away * (rules.knock_back_mps * share));
            fighter.body.grounded = false;
            let own = if victim == owner { rules.own_damage_share } else { 1.0 };
            let amount = (f32::from(rules.damage) * share * own).ceil() as u8;
            self.harm(&Harm { victim, from: owner, weapon: Weapon::Rocket, amount }, events);
        }
    }

    fn harm(&mut self, harm: &Harm, events: &mut Events<Event>) {
        let Some(victim) = self.fighters.get_mut(&harm.victim).filter(|victim| victim.body.alive) else { return };
        let damage = victim.body.hurt(harm.amount);
        let killed = victim.body.health == 0;
        let id: Option<EntityId> = Some(victim.id);
        if killed {
            victim.body.die(ticks(self.world.rules().respawn_delay_s, self.dt));
            let died = Died { victim: harm.victim, killer: harm.from, weapon: harm.weapon };
            // The score of everybody follows from these: none may be missed.
            events.emit_reliable(Hearers::All, Event::Died(died));
        }
        if harm.from != harm.victim {
            events.emit(Hearers::Player(harm.from), Event::Hit(Hit { victim: id, damage, killed }));
        }
        if let (true, Some(killer)) = (killed, self.fighters.get_mut(&harm.from)) {
            let credit = if harm.from == harm.victim { -1 } else { 1 };
            killer.body.score = (killer.body.score + credit).clamp(-999, 9_999);
        }
    }

    /// Hands items to those who stand on them and need them.
    pub(crate) fn serve_pick_ups(&mut self) {
        let rules = self.world.rules();
        let pause = (rules.pick_up.respawn_s / self.dt).ceil() as u32;
        let reach = rules.pick_up.radius_m;
        for place in &mut self.places {
            place.empty = place.empty.saturating_sub(1);
            place.pick_up.available = place.empty == 0;
        }
        for player in self.shuffled() {
            let Some(fighter) = self.fighters.get_mut(&player).filter(|fighter| fighter.body.alive) else { continue };
            let body = &mut fighter.body;
            for place in self.places.iter_mut().filter(|place| place.pick_up.available) {
                let apart = place.pick_up.position - body.position;
                let beside = apart.with_y(0.0).length_squared() <= reach * reach;
                if beside
                    && (-reach..=self.world.body.height).contains(&apart.y)
                    && body.take(place.pick_up.item, rules)
                {
                    place.empty = pause;
                    place.pick_up.available = false;
                }
            }
        }
    }

    pub(crate) fn respawn_the_dead(&mut self) {
        for player in self.shuffled() {
            let due = |body: &Player| !body.alive && body.respawn == 0;
            if self.fighters.get(&player).is_some_and(|fighter| due(&fighter.body)) {
                let fresh = self.newcomer(player);
                if let Some(fighter) = self.fighters.get_mut(&player) {
                    let (score, deaths) = (fighter.body.score, fighter.body.deaths);
                    fighter.body = Player { score, deaths, ..fresh };
                }
            }
        }
    }

    /// A player at the start of a life.
    pub(crate) fn newcomer(&self, player: PlayerId) -> Player {
        let rules = self.world.rules();
        Player {
            position: self.spawn_point(player) + Vec3::Y * SKIN,
            velocity: Vec3::ZERO,
            yaw: 0.0,
            pitch: 0.0,
            player,
            health: rules.health_max.min(HEALTH_MAX),
            alive: true,
            grounded: false,
            weapon: Weapon::Rifle,
            score: 0,
            deaths: 0,
            rifle_ammo: rules.rifle.ammo_start,
            rockets: rules.rocket.ammo_start,
            cooldown: 0,
            respawn: 0,
        }
    }

    /// One of the spawn points that are safe from the living, or else the one that is farthest from them.
    fn spawn_point(&self, player: PlayerId) -> Vec3 {
        let chance = draw(self.seed, self.tick, player);
        let rated = self.world.spawns().enumerate().map(|(i, spawn)| {
            let enemies = self.crowd().filter(|other| other.player != player);
            let nearest = enemies.map(|other| other.feet.distance_squared(spawn)).fold(SAFE_M * SAFE_M, f32::min);
            (nearest, mix(chance ^ i as u64), spawn)
        });
        let best = rated.max_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        best.expect("a map has at least one spawn point").2
    }
}

/// Where `body` can be hit by one who saw it as `seen`: there, unless that was an earlier life.
fn target(body: &Player, seen: Option<Entity>) -> Option<Vec3> {
    match seen {
        Some(Entity::Player(seen)) => (seen.alive && seen.deaths == body.deaths).then_some(seen.position),
        // Nothing is remembered of that moment, so the present counts.
        _ => Some(body.position),
    }
}

impl Player {
    fn die(&mut self, respawn: u16) {
        self.alive = false;
        self.velocity = Vec3::ZERO;
        self.deaths = (self.deaths + 1).min(9_999);
        self.respawn = respawn.clamp(1, RESPAWN_TICKS_MAX);
    }

    /// Takes an item, if there is any need of it.
    fn take(&mut self, item: Item, rules: &crate::Rules) -> bool {
        let (held, most, given) = match item {
            Item::Health => (&mut self.health, rules.health_max, rules.pick_up.health),
            Item::RifleAmmo => (&mut self.rifle_ammo, rules.rifle.ammo_max, rules.pick_up.rifle_ammo),
            Item::Rockets => (&mut self.rockets, rules.rocket.ammo_max, rules.pick_up.rockets),
        };
        let needed = *held < most;
        if needed {
            *held = held.saturating_add(given).min(most);
        }
        needed
    }
}
