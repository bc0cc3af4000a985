//! One id after another, and one life after another: scripted matches in which a certain datagram is lost or late.
//! Each of these once left a client with a wrong state for good.

use downbeat_client::{Client, Start};
use downbeat_host::{Net, Room, RoomOptions, SessionId};
use downbeat_replica::{
    Capture, ConfigError, Context, EntityId, Events, Game, Input, Inputs, Micros, NoEvents, PlayerId, Replicated,
    Rewind, Scene, Setup, Tick, Viewer, Visible,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Input, Clone, Default)]
struct Pad {
    #[field(range = -3..=3)]
    push: i8,
}
#[derive(Replicated, Clone, Debug)]
struct Own {
    #[field(range = 0..=100000)]
    at: u32,
    #[field(owner, range = 0..=100)]
    secret: u8,
}
#[derive(Replicated, Clone, Debug)]
struct Thing {
    target: Option<EntityId>,
    #[field(range = 0..=100)]
    x: u8,
}
#[derive(Replicated, Clone, Debug)]
struct Rock {
    #[field(range = 0..=1000)]
    weight: u16,
}
#[derive(Replicated, Clone, Debug)]
enum Entity {
    Own(Own),
    Thing(Thing),
    Rock(Rock),
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Script {
    which: u8,
}
struct G {
    which: u8,
    tick: u32,
    player: Option<PlayerId>,
}
/// More than a datagram can tell to leave.
const CROWD: u32 = 900;
fn id(i: u32) -> EntityId {
    EntityId::new(i, 0)
}
impl G {
    fn all(&self) -> Vec<(EntityId, bool, Entity)> {
        let t = self.tick;
        let mut v = Vec::new();
        match self.which {
            0 => {
                v.push((id(0), false, Entity::Thing(Thing { target: Some(id(1)), x: 1 })));
                v.push((id(1), false, Entity::Rock(Rock { weight: 1 })));
            }
            1 | 7 => {
                v.push((id(0), false, Entity::Rock(Rock { weight: 1 })));
                v.push((id(1), false, Entity::Rock(Rock { weight: 2 })));
            }
            2 => {
                v.push((
                    id(0),
                    false,
                    if t < 40 {
                        Entity::Rock(Rock { weight: if t < 5 { 1 } else { 2 } })
                    } else {
                        Entity::Thing(Thing { target: None, x: if t < 41 { 10 } else { 20 } })
                    },
                ));
            }
            3 => {
                // the avatar gets another id at 40
                let own = Entity::Own(Own { at: t, secret: 1 });
                v.push((if t < 40 { id(0) } else { id(1) }, true, own));
            }
            5 => {
                v.push((id(0), false, Entity::Rock(Rock { weight: 1 })));
                if t < 40 {
                    v.push((id(1), false, Entity::Rock(Rock { weight: 2 })));
                }
            }
            6 => {
                let own = |at| Entity::Own(Own { at, secret: 1 });
                v.push((id(1), true, own(t)));
                match t {
                    40..60 => v.push((id(2), true, own(t / 2))),
                    60..80 => v.insert(0, (id(0), true, own(t))),
                    _ => {}
                }
            }
            8 => v.extend((0..CROWD).map(|i| (id(i), false, Entity::Rock(Rock { weight: (i % 1000) as u16 })))),
            10..13 => v.extend((0..3).map(|i| (id(i), false, Entity::Rock(Rock { weight: i as u16 })))),
            9 => v.push((id(0), false, Entity::Rock(Rock { weight: (t % 1000) as u16 }))),
            _ => {
                // gone for one tick between two snapshots, then back under the same id
                if t != 41 {
                    v.push((
                        id(0),
                        false,
                        Entity::Rock(Rock {
                            weight: if t < 5 {
                                1
                            } else if t < 41 {
                                2
                            } else if t < 43 {
                                3
                            } else {
                                4
                            },
                        }),
                    ));
                }
            }
        }
        v
    }
}
impl Game for G {
    const NAME: &'static str = "g";
    type Config = Script;
    type World = ();
    type Input = Pad;
    type Entity = Entity;
    type Event = NoEvents;
    fn world(_: &Script) -> Result<(), ConfigError> {
        Ok(())
    }
    fn new(s: &Script, _: Setup) -> Result<Self, ConfigError> {
        Ok(Self { which: s.which, tick: 0, player: None })
    }
    fn join(&mut self, p: PlayerId, _: &str) {
        self.player = Some(p);
    }
    fn leave(&mut self, _: PlayerId) {}
    fn step(&mut self, tick: Tick, _: &Inputs<'_, Pad>, _: &impl Rewind<Entity>, _: &mut Events<NoEvents>) {
        self.tick = tick.0;
    }
    fn capture(&mut self, out: &mut Capture<'_, Entity>) {
        for (id, own, mut e) in self.all() {
            if own { out.put_avatar(id, self.player.unwrap(), &mut e) } else { out.put(id, &mut e) }
        }
    }
    fn relevance(&self, _: &Viewer, scene: &Scene, out: &mut Visible) {
        let t = self.tick;
        if self.which == 5 {
            // It goes on naming one that is gone.
            out.add(id(1));
        }
        for i in scene.ids() {
            let hide = match self.which {
                0 => i == id(1) && t >= 20,
                1 => {
                    if i == id(0) {
                        t >= 20
                    } else {
                        !(31..34).contains(&t)
                    }
                }
                7 => i == id(1) && !(35..53).contains(&t),
                8 => (60..90).contains(&t) && i.index() >= 10,
                9 => (20..30).contains(&t),
                10 => (i == id(1) && t >= 30) || (i == id(2) && t < 53),
                11 => (i == id(1) && t >= 53) || (i == id(2) && t < 53),
                12 => i == id(1) && t % 6 < 3,
                _ => false,
            };
            if !hide {
                out.add(i);
            }
        }
    }
    fn predict(_: &Context<'_, Self>, own: &mut Entity, _: &Pad) {
        if let Entity::Own(o) = own {
            o.at += 1;
        }
    }
}
struct Out(Vec<u8>, bool);
impl Net for Out {
    fn space(&mut self, _: SessionId) -> Option<usize> {
        Some(1100)
    }
    fn send(&mut self, _: SessionId, d: &[u8]) {
        assert!(d.len() <= 1100);
        self.0 = d.to_vec();
        self.1 = true;
    }
    fn send_reliable(&mut self, _: SessionId, _: &[u8]) {}
}

/// `fate(seq)`: delay in ticks, None = lost.
fn run(
    which: u8,
    ticks: u32,
    send_rate: u32,
    fate: impl Fn(u32) -> Option<u32>,
    mut each: impl FnMut(u32, &Room<G>, &mut Client<G>, Micros),
) -> (Room<G>, Client<G>) {
    let o = RoomOptions {
        tick_rate_hz: 60,
        send_rate_hz: send_rate,
        seed: 1,
        players_max: 1,
        spectators_max: 0,
        client_bytes_per_s: 100_000,
    };
    let mut room = Room::<G>::new(&Script { which }, o).unwrap();
    let p = room.join(SessionId(0), "x", false).unwrap();
    let (w, s) = Client::<G>::shared(&Script { which }).unwrap();
    let mut c = Client::<G>::new(
        w,
        Arc::clone(&s),
        Start { player: p, tick_rate_hz: 60, send_rate_hz: send_rate, tick: Tick(0), rtt: Micros(20_000) },
    );
    let mut flying: Vec<(u32, u32, Vec<u8>)> = Vec::new();
    let mut up = Vec::new();
    for t in 1..=ticks {
        let now = Micros(u64::from(t) * 16_667);
        let mut out = Out(Vec::new(), false);
        room.tick(now, &mut out);
        if let Some(delay) = fate(t).filter(|_| out.1) {
            flying.push((t + delay, t, out.0));
        }
        let mut got = false;
        flying.sort_by_key(|f| (f.0, f.1));
        while flying.first().is_some_and(|f| f.0 <= t) {
            let f = flying.remove(0);
            // One that does not decode is as good as lost.
            let _ = c.receive(now, &f.2);
            got = true;
        }
        while let Some(tick) = c.poll_input(now) {
            c.input(now, tick, &Pad::default());
        }
        if got {
            c.transmit(&mut up);
            room.receive(SessionId(0), now, &up).expect("the client is honest");
        }
        each(t, &room, &mut c, now);
    }
    (room, c)
}
fn same(room: &Room<G>, c: &Client<G>) {
    let mut a: Vec<_> = room.told(SessionId(0)).into_iter().map(|t| (t.slot, t.kind, t.lanes)).collect();
    a.sort();
    let mut b: Vec<_> = c.known().map(|k| (k.slot, k.kind, k.lanes)).collect();
    b.sort();
    assert_eq!(a, b, "server = client");
}
#[test]
fn a_reference_that_was_cleared_is_told_again_when_that_was_lost() {
    run(
        0,
        200,
        60,
        |t| (t != 20).then_some(0),
        |t, _, c, now| {
            let v = c.view(now);
            if t == 200 {
                let Entity::Thing(x) = &v.others[0].entity else { panic!() };
                assert_eq!(x.target, None);
            }
        },
    );
}
#[test]
fn an_old_leave_does_not_end_a_new_one() {
    let (room, c) = run(
        1,
        300,
        60,
        |t| match t {
            20 => Some(10),
            34 => None,
            _ => Some(6),
        },
        |_, _, _, _| {},
    );
    same(&room, &c);
}
#[test]
fn an_id_that_changes_its_kind_is_another_entity() {
    let (r, c) = run(2, 300, 60, |t| (t != 40).then_some(6), |_, _, _, _| {});
    same(&r, &c);
}
#[test]
fn an_id_that_was_gone_between_two_snapshots_is_another_entity() {
    let (r, c) = run(4, 300, 20, |t| (t != 42).then_some(0), |_, _, _, _| {});
    same(&r, &c);
}
#[test]
fn naming_one_that_is_gone_shows_nothing() {
    let (r, c) = run(5, 300, 60, |t| (t != 45).then_some(6), |_, _, _, _| {});
    same(&r, &c);
    assert_eq!(c.known().count(), 1);
}
#[test]
fn a_new_avatar_counts_at_once() {
    run(3, 300, 60, |t| (t != 40).then_some(6), |_, _, c, _| assert_eq!(c.counters().mispredicted, 0));
}
#[test]
fn a_player_has_the_avatar_that_is_reported_first_and_others_are_nobodys() {
    for loss in [101, 7] {
        let (_, c) = run(
            6,
            300,
            60,
            |t| (t % loss > 0).then_some(0),
            |t, room, c, _| {
                if t % loss > 0 {
                    same(room, c);
                }
                let own: Vec<_> = c.known().filter(|known| known.avatar).collect();
                assert_eq!(own.len(), 1, "tick {t}: {own:?}");
                assert_eq!(c.counters().mispredicted, 0, "tick {t}");
                assert_eq!(room.counters().refused, u64::from(t.clamp(39, 79) - 39), "tick {t}");
            },
        );
        assert_eq!(c.known().count(), 1);
    }
}
#[test]
fn what_is_late_from_before_all_was_begun_anew_tells_nothing() {
    // Nothing arrives for so long that all is begun anew in tick 53: not even what was told of one who came and went.
    let fate = |t: u32| match t {
        35 => Some(20),
        21..53 => None,
        _ => Some(0),
    };
    let (r, c) = run(7, 300, 60, fate, |_, _, _, _| {});
    same(&r, &c);
    assert_eq!(c.known().count(), 1);
}
#[test]
fn when_more_leave_than_fit_those_who_stay_are_told_anew_at_once() {
    let settled = |t| !(1..20).contains(&t) && !(90..110).contains(&t);
    let each = |t, room: &Room<G>, c: &mut Client<G>, _| {
        if settled(t) {
            same(room, c);
        }
    };
    let (_, c) = run(8, 200, 60, |_| Some(0), each);
    assert_eq!(c.known().count(), CROWD as usize);
    let (r, c) = run(8, 200, 60, |t| (t != 60).then_some(6), |_, _, _, _| {});
    same(&r, &c);
}
#[test]
fn who_leaves_while_all_is_begun_anew_is_not_taken_for_who_enters() {
    // The leave of one, and that another enters in tick 53, are told to one who knows nothing any more.
    for which in [10, 11] {
        let (r, c) = run(which, 300, 60, |t| (!(21..53).contains(&t)).then_some(0), |_, _, _, _| {});
        same(&r, &c);
        let entered: Vec<_> = c.known().map(|known| known.entered).collect();
        assert_eq!(entered, [Tick(1), Tick(53)], "{which}");
    }
}
#[test]
fn slots_are_used_again() {
    for silence in [0..0, 61..130] {
        let fate = |t| (!silence.contains(&t)).then_some(2);
        run(12, 400, 60, fate, |t, room, _, _| {
            assert!(t < 200 || room.told(SessionId(0)).iter().all(|told| told.slot < 6), "tick {t}");
        });
    }
}
#[test]
fn a_late_acknowledgement_of_an_earlier_stay_does_no_harm() {
    use downbeat_replica::bits::BitWriter;
    use downbeat_replica::{InputFrame, Schema, neutral};
    use downbeat_wire::packet::{Acks, UpHead};
    let o = RoomOptions {
        tick_rate_hz: 60,
        send_rate_hz: 60,
        seed: 1,
        players_max: 1,
        spectators_max: 0,
        client_bytes_per_s: 100_000,
    };
    let mut room = Room::<G>::new(&Script { which: 9 }, o).unwrap();
    room.join(SessionId(0), "x", false).unwrap();
    let schema = Schema::of::<G>().unwrap();
    let mut sequence = 0;
    for t in 1..=60_u32 {
        let mut out = Out(Vec::new(), false);
        room.tick(Micros(u64::from(t) * 16_667), &mut out);
        let newest = t as u16;
        // Everything but the datagram of tick 10 is acknowledged until the second stay begins, then that one.
        let acks = match t {
            1..=9 => Some(Acks { newest, before: 0 }),
            11..=29 => Some(Acks { newest, before: 0 }),
            32 => Some(Acks { newest: 10, before: 0 }),
            _ => None,
        };
        if let Some(acks) = acks {
            let mut bytes = Vec::new();
            let mut w = BitWriter::new(&mut bytes);
            UpHead { sequence, acks: Some(acks) }.encode(&mut w);
            sequence += 1;
            InputFrame::encode(&[], &schema.input, &neutral::<Pad>(), &mut w);
            w.finish();
            room.receive(SessionId(0), Micros(u64::from(t) * 16_667), &bytes).expect("it was sent, if long ago");
        }
    }
}
