//! Fights: looks for enemies and for what it lacks, dodges, and fires when it believes to aim well.

use downbeat_arena::{Arena, Entity, Input, Item, Player, Select, Weapon, World, angles_towards};
use downbeat_client::View;
use downbeat_replica::glam::{Vec2, Vec3};
use downbeat_replica::{PlayerId, Tick};

use super::aim::Aim;
use super::route::Route;
use super::{keys, living, yaw_along};
use crate::Brain;
use crate::dice::Dice;

/// How long it takes to notice an enemy, in seconds.
const REACTION_S: (f32, f32) = (0.18, 0.4);

/// How often it looks around.
const GLANCE_S: f32 = 0.2;

/// An enemy out of sight is forgotten after this long.
const FORGET_S: f32 = 0.6;

/// How long it dodges to one side, in seconds.
const DODGE_S: (f32, f32) = (0.3, 1.0);

/// Distances at which it comes nearer or backs off, in metres.
const FAR_M: f32 = 14.0;
const NEAR_M: f32 = 6.0;

/// It fires when it believes to aim better than this, in radians.
const CONFIDENT: f32 = 0.07;

/// Rockets are for this range.
const ROCKET_M: std::ops::Range<f32> = 4.0..20.0;

/// The brain `fight` of the arena.
#[derive(Debug)]
pub(crate) struct Fight {
    dice: Dice,
    dt: f32,
    route: Route,
    aim: Aim,
    enemy: Option<Enemy>,
    glance_left_s: f32,
    dodge: f32,
    dodge_left_s: f32,
    weapon: Weapon,
    weapon_left_s: f32,
    select_left_s: f32,
    goal: Option<Vec3>,
    goal_left_s: f32,
}

/// Whom one fights.
#[derive(Clone, Copy, Debug)]
struct Enemy {
    player: PlayerId,
    reaction_left_s: f32,
    unseen_s: f32,
}

impl Fight {
    pub(crate) fn new(seed: u64, tick_rate_hz: u32) -> Self {
        Self {
            dice: Dice::new(seed),
            dt: 1.0 / tick_rate_hz as f32,
            route: Route::default(),
            aim: Aim::default(),
            enemy: None,
            glance_left_s: 0.0,
            dodge: 1.0,
            dodge_left_s: 0.0,
            weapon: Weapon::Rifle,
            weapon_left_s: 0.0,
            select_left_s: 0.0,
            goal: None,
            goal_left_s: 0.0,
        }
    }

    /// Finds an enemy in sight, or keeps the one it has.
    fn glance(&mut self, view: &View<'_, Arena>, own: &Player) {
        self.glance_left_s = GLANCE_S * self.dice.between(0.8, 1.2);
        let eyes = view.world.eyes(own.position);
        let mut seen: Vec<(f32, &Player)> = enemies(view, own)
            .map(|other| (other.position.distance(own.position), other))
            .filter(|(_, other)| view.world.line_of_sight(eyes, chest(other)))
            .collect();
        seen.sort_by(|a, b| a.0.total_cmp(&b.0));
        if let Some(enemy) = &mut self.enemy {
            if let Some((distance, _)) = seen.iter().find(|(_, other)| other.player == enemy.player) {
                enemy.unseen_s = 0.0;
                // A second one much nearer is the greater danger.
                if seen[0].0 > distance * 0.5 {
                    return;
                }
            } else {
                enemy.unseen_s += GLANCE_S;
                if enemy.unseen_s < FORGET_S && seen.is_empty() {
                    return;
                }
            }
        }
        self.enemy = seen.first().map(|(_, other)| Enemy {
            player: other.player,
            reaction_left_s: self.dice.between(REACTION_S.0, REACTION_S.1),
            unseen_s: 0.0,
        });
        self.aim.startle();
    }

    /// Where it wants to be: at what it lacks most, or where the others are.
    fn choose_goal(&mut self, view: &View<'_, Arena>, own: &Player) {
        self.goal_left_s = self.dice.between(1.0, 2.5);
        let lacks = |item: Item| match item {
            Item::Health => own.health < 60,
            Item::RifleAmmo => own.rifle_ammo < 30,
            Item::Rockets => own.rockets < 3,
        };
        let wanted = view.others.iter().filter_map(|other| match &other.entity {
            Entity::PickUp(place) if place.available && lacks(place.item) => Some(place.position),
            _ => None,
        });
        let others = enemies(view, own).map(|other| other.position);
        self.goal = nearest(wanted, own.position).or_else(|| nearest(others, own.position));
    }

    /// The direction to run in.
    fn steer(&mut self, view: &View<'_, Arena>, own: &Player, enemy: Option<&Player>) -> Vec3 {
        self.dodge_left_s -= self.dt;
        if self.dodge_left_s < 0.0 {
            self.dodge = self.dice.sign();
            self.dodge_left_s = self.dice.between(DODGE_S.0, DODGE_S.1);
        }
        let way = self.route.follow(view.world, own.position, self.goal, self.dt, &mut self.dice);
        let Some(enemy) = enemy else { return way };
        let towards = enemy.position - own.position;
        let distance = towards.length();
        let towards = towards.with_y(0.0).normalize_or_zero();
        let side = Vec3::new(-towards.z, 0.0, towards.x) * self.dodge;
        let closer = if distance > FAR_M {
            0.7
        } else if distance < NEAR_M {
            -0.6
        } else {
            0.0
        };
        let wish = (side + towards * closer).normalize_or_zero();
        if is_open(view.world, own.position, wish) {
            return wish;
        }
        self.dodge = -self.dodge;
        way
    }

    /// Chooses the weapon, and the press of the key that takes it.
    fn choose_weapon(&mut self, own: &Player, distance: Option<f32>) -> Select {
        self.weapon_left_s -= self.dt;
        self.select_left_s -= self.dt;
        if self.weapon_left_s < 0.0 {
            self.weapon_left_s = self.dice.between(1.5, 4.0);
            let fits = distance.is_some_and(|distance| ROCKET_M.contains(&distance));
            let rocket = own.rockets > 0 && (own.rifle_ammo == 0 || fits && self.dice.chance(0.25));
            self.weapon = if rocket { Weapon::Rocket } else { Weapon::Rifle };
        }
        if own.weapon == Weapon::Rocket && own.rockets == 0 || own.weapon == Weapon::Rifle && own.rifle_ammo == 0 {
            self.weapon_left_s = 0.0;
        }
        if own.weapon == self.weapon || self.select_left_s > 0.0 {
            return Select::Keep;
        }
        self.select_left_s = 0.4;
        match self.weapon {
            Weapon::Rifle => Select::Rifle,
            Weapon::Rocket => Select::Rocket,
        }
    }

    /// Turns to the enemy, and says whether to fire.
    fn take_aim(&mut self, world: &World, own: &Player, enemy: &Player) -> bool {
        let eyes = world.eyes(own.position);
        let distance = eyes.distance(enemy.position);
        let flight_s = distance / world.rules().rocket.speed_mps;
        // A rocket at the feet hurts even if it misses; it takes its time, in which the enemy runs on.
        let at = match own.weapon {
            Weapon::Rifle => chest(enemy),
            Weapon::Rocket => enemy.position + enemy.velocity.with_y(0.0) * flight_s + Vec3::Y * 0.1,
        };
        let wanted = Vec2::from(angles_towards(eyes, at));
        self.aim.track(wanted, self.dt, &mut self.dice);
        let Some(aimed) = &mut self.enemy else { return false };
        aimed.reaction_left_s -= self.dt;
        let blast = own.weapon == Weapon::Rocket && distance < ROCKET_M.start;
        aimed.reaction_left_s < 0.0 && aimed.unseen_s == 0.0 && !blast && self.aim.off(wanted) < CONFIDENT
    }

    fn forget(&mut self) {
        self.route.reset();
        self.enemy = None;
        self.goal = None;
        self.goal_left_s = 0.0;
    }
}

impl Brain<Arena> for Fight {
    fn decide(&mut self, view: &View<'_, Arena>, _: Tick) -> Input {
        let Some(own) = living(view) else {
            self.forget();
            return Input { yaw: self.aim.angles.x, ..Input::default() };
        };
        self.glance_left_s -= self.dt;
        if self.glance_left_s < 0.0 {
            self.glance(view, own);
        }
        self.goal_left_s -= self.dt;
        if self.goal_left_s < 0.0 {
            self.choose_goal(view, own);
        }
        let player = self.enemy.map(|enemy| enemy.player);
        let enemy = enemies(view, own).find(|other| Some(other.player) == player);
        if enemy.is_none() {
            self.enemy = None;
        }
        let wish = self.steer(view, own, enemy);
        let fire = match enemy {
            Some(enemy) => self.take_aim(view.world, own, enemy),
            None => {
                self.aim.turn(Vec2::new(yaw_along(wish), 0.0), self.dt);
                false
            }
        };
        let select = self.choose_weapon(own, enemy.map(|enemy| enemy.position.distance(own.position)));
        let jumpy = if enemy.is_some() { 0.5 } else { 0.1 };
        let jump = self.route.is_stuck() || self.dice.chance(jumpy * self.dt);
        let keys = keys(wish, self.aim.angles.x);
        let (yaw, pitch) = self.aim.angles.into();
        Input { forward: keys.y, right: keys.x, yaw, pitch, jump, fire, select }
    }
}

/// The living others.
fn enemies<'a>(view: &'a View<'_, Arena>, own: &'a Player) -> impl Iterator<Item = &'a Player> {
    view.others.iter().filter_map(|other| match &other.entity {
        Entity::Player(other) if other.alive && other.player != own.player => Some(other),
        _ => None,
    })
}

fn chest(player: &Player) -> Vec3 {
    player.position + Vec3::Y * 1.0
}

fn nearest(places: impl Iterator<Item = Vec3>, from: Vec3) -> Option<Vec3> {
    places.min_by(|a, b| a.distance_squared(from).total_cmp(&b.distance_squared(from)))
}

/// Whether there is room to run for a moment.
fn is_open(world: &World, feet: Vec3, way: Vec3) -> bool {
    way != Vec3::ZERO && world.ray(feet + Vec3::Y * 0.6, way, 1.3) >= 1.3
}
