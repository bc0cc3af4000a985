//! Events that must arrive do, in order, each at its moment, whatever the line does; and only to those who may hear them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use downbeat_client::View;
use downbeat_link::LinkSpec;
use downbeat_replica::glam::Vec3;
use downbeat_replica::{
    Capture, ConfigError, Context, EntityId, Events, Game, Hearers, Input, Inputs, Micros, PlayerId, Replicated,
    Rewind, Scene, Setup, Tick, Viewer, Visible,
};
use downbeat_simnet::{Options, Player, Sim};
use serde::{Deserialize, Serialize};

#[derive(Input, Clone, Default)]
struct Pad {
    held: bool,
}

/// Stands where its name says.
#[derive(Replicated, Clone)]
struct Bell {
    #[field(position, range = -128.0..=128.0, step = 0.5)]
    at: Vec3,
}

#[derive(Replicated, Clone)]
enum Entity {
    Bell(Bell),
}

/// The tick in which it rang, for whom, and which bell.
#[derive(Replicated, Clone)]
struct Ring {
    tick: u32,
    #[field(range = 0..=4)]
    hearers: u8,
    bell: Option<EntityId>,
}

#[derive(Replicated, Clone)]
enum Event {
    Ring(Ring),
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Rules {}

const ALL: u8 = 0;
const EVEN: u8 = 1;
const HIDDEN: u8 = 2;
const OWN: u8 = 3;
/// To all, but it may be lost.
const ONCE: u8 = 4;

const EVEN_BELL: EntityId = EntityId::new(100, 0);
const HIDDEN_BELL: EntityId = EntityId::new(101, 0);

/// The bell that is there in `tick`: another one each second, which stands elsewhere, so that its slot is used again.
fn passing(tick: u32) -> (EntityId, Vec3) {
    let number = tick / 60 % 50;
    (EntityId::new(200 + number, 0), Vec3::new(10.0 + number as f32, 0.0, 0.0))
}

/// Bells ring in each tick; players with even numbers are shown one that others are not.
struct Tower {
    players: Vec<PlayerId>,
    tick: u32,
}

impl Game for Tower {
    const NAME: &'static str = "tower";
    type Config = Rules;
    type World = ();
    type Input = Pad;
    type Entity = Entity;
    type Event = Event;

    fn world(_: &Rules) -> Result<(), ConfigError> {
        Ok(())
    }

    fn new(_: &Rules, _: Setup) -> Result<Self, ConfigError> {
        Ok(Self { players: Vec::new(), tick: 0 })
    }

    fn join(&mut self, player: PlayerId, _: &str) {
        self.players.push(player);
    }

    fn leave(&mut self, player: PlayerId) {
        self.players.retain(|other| *other != player);
    }

    fn step(&mut self, tick: Tick, _: &Inputs<'_, Pad>, _: &impl Rewind<Entity>, out: &mut Events<Event>) {
        self.tick = tick.0;
        let ring = |hearers, bell| Event::Ring(Ring { tick: tick.0, hearers, bell });
        out.emit_reliable(Hearers::All, ring(ALL, Some(passing(tick.0).0)));
        out.emit(Hearers::All, ring(ONCE, None));
        out.emit_reliable(Hearers::Viewers(EVEN_BELL), ring(EVEN, None));
        out.emit_reliable(Hearers::Viewers(HIDDEN_BELL), ring(HIDDEN, None));
        out.emit_reliable(Hearers::Player(PlayerId(1)), ring(OWN, None));
    }

    fn capture(&mut self, out: &mut Capture<'_, Entity>) {
        for &player in &self.players {
            out.put_avatar(EntityId::new(player.0.into(), 0), player, &mut Entity::Bell(Bell { at: Vec3::ZERO }));
        }
        for (id, at) in [(EVEN_BELL, Vec3::X), (HIDDEN_BELL, Vec3::Y), passing(self.tick)] {
            out.put(id, &mut Entity::Bell(Bell { at }));
        }
    }

    fn relevance(&self, viewer: &Viewer, scene: &Scene, out: &mut Visible) {
        let even = viewer.player.is_some_and(|player| player.0.is_multiple_of(2));
        let shown = |id: &EntityId| *id != HIDDEN_BELL && (even || *id != EVEN_BELL);
        scene.ids().filter(shown).for_each(|id| out.add(id));
    }

    fn predict(_: &Context<'_, Self>, _: &mut Entity, _: &Pad) {}
}

/// What each player heard, by hearers: the ticks, and how far behind its moment the last was shown, in ticks.
#[derive(Default)]
struct Log {
    heard: BTreeMap<(u16, u8), Vec<u32>>,
    late_max: f64,
    early: u32,
    named: u32,
    named_wrong: u32,
}

struct Listener(Rc<RefCell<Log>>);

impl Player<Tower> for Listener {
    fn decide(&mut self, _: Tick, view: &View<'_, Tower>) -> Pad {
        let mut log = self.0.borrow_mut();
        let me = view.player.map_or(u16::MAX, |player| player.0);
        for Event::Ring(ring) in &view.events {
            log.heard.entry((me, ring.hearers)).or_default().push(ring.tick);
            log.late_max = log.late_max.max(view.shown - f64::from(ring.tick));
            log.early += u32::from(f64::from(ring.tick) > view.shown);
            if let Some(bell) = ring.bell {
                let (_, at) = passing(ring.tick);
                let seen = view.others.iter().find(|other| other.id == bell);
                log.named += 1;
                log.named_wrong += u32::from(seen.is_some_and(|seen| {
                    let Entity::Bell(seen) = &seen.entity;
                    seen.at.distance(at) > 0.1
                }));
            }
        }
        Pad::default()
    }
}

fn play(line: &str, seed: u64, send_rate_hz: u32) -> Log {
    play_at(line, seed, send_rate_hz, &[1])
}

/// Twenty seconds, in each equal part of which clients are sent every so manyth snapshot.
fn play_at(line: &str, seed: u64, send_rate_hz: u32, every: &[u32]) -> Log {
    let (log, parts) = (Rc::new(RefCell::new(Log::default())), every.len() as u64);
    let link: LinkSpec = line.parse().expect("the line is spelled right");
    let options = Options { link, clients: 3, send_rate_hz, ..Options::new(seed) };
    let player = |_, _| Box::new(Listener(Rc::clone(&log))) as Box<dyn Player<Tower>>;
    let mut sim = Sim::<Tower>::new(options, &Rules::default(), player).expect("it opens");
    for &every in every {
        sim.set_send_every(every);
        sim.run(Micros(20_000_000 / parts));
    }
    drop(sim);
    Rc::into_inner(log).expect("the players are gone").into_inner()
}

#[test]
fn what_must_arrive_does_in_order_each_at_its_moment_and_to_its_hearers_alone() {
    for (seed, (line, late_ticks_max)) in
        [("latency=20ms", 1.1), ("latency=40ms,jitter=15ms,loss=10%,burst=3", 60.0), ("awful", 60.0)]
            .into_iter()
            .enumerate()
    {
        for send_rate_hz in [60, 20] {
            let log = play(line, seed as u64, send_rate_hz);
            for me in 0..3 {
                // From the first tick to nearly the last one.
                let all = &log.heard[&(me, ALL)];
                assert!(all.len() > 1_050, "{line}: {} were heard", all.len());
                assert_eq!(*all, (1..=all.len() as u32).collect::<Vec<_>>(), "{line}: player {me} missed one");
                assert_eq!(log.heard.contains_key(&(me, EVEN)), me % 2 == 0, "{line}: player {me}");
                assert_eq!(log.heard.contains_key(&(me, OWN)), me == 1, "{line}: player {me}");
                assert!(!log.heard.contains_key(&(me, HIDDEN)), "{line}: player {me} heard a bell that is hidden");
            }
            let once = &log.heard[&(1, ONCE)];
            assert!(once.len() > 700, "{line}: {} of those that may be lost were heard", once.len());
            assert_eq!(log.heard[&(1, OWN)].len(), log.heard[&(1, ALL)].len(), "{line}");
            assert_eq!(log.early, 0, "{line}: none is shown before its moment");
            assert!(log.late_max <= late_ticks_max, "{line}: {} ticks late", log.late_max);
            assert!(log.named > 1_000, "{line}: {} named a bell", log.named);
            assert_eq!(log.named_wrong, 0, "{line}: a name is never another bell's");
        }
    }
}

#[test]
fn a_room_that_sends_less_tells_all_the_same_once() {
    for send_rate_hz in [60, 20] {
        let every = [1, 2, 4, 1, 4, 2];
        let log = play_at("latency=20ms", 1, send_rate_hz, &every);
        for me in 0..3 {
            let all = &log.heard[&(me, ALL)];
            assert_eq!(*all, (1..=all.len() as u32).collect::<Vec<_>>(), "what must arrive does: player {me}");
            let mut once = log.heard[&(me, ONCE)].clone();
            let count = once.len();
            once.sort_unstable();
            once.dedup();
            assert_eq!(once.len(), count, "player {me} heard some twice");
            // When the turns are shared out anew, a client's next may come after what it has not heard is over.
            let owed = all.len().saturating_sub(2 * 4 * 60 / send_rate_hz as usize);
            assert!(count >= owed, "player {me} heard {count} of {}", all.len());
        }
    }
}
