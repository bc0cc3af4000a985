//! The layer alone: what an honest client wants to send goes in, and what comes out is read as a server reads it.

use downbeat_arena::{Arena, Input};
use downbeat_replica::bits::{BitReader, BitWriter};
use downbeat_replica::{Input as _, InputFrame, InputFrames, Schema, Tick, ViewTick, neutral};
use downbeat_wire::Micros;
use downbeat_wire::packet::{Acks, UpHead};

use super::arm::tamper;
use super::codec::{Codec, Upstream};
use super::tamper::{Switch, Tamper};
use super::{Kind, Way};

const FIRST: u32 = 1_000;
const TICK: Micros = Micros(16_667);

/// An honest client that sends the input of each tick, and the one before it, and sees what was six ticks ago.
struct Honest {
    codec: Codec,
    switch: Switch,
    tamper: Box<Tamper>,
    tick: u32,
}

/// A datagram as a server reads it; `None` for what does not decode.
type Read = Option<(u16, Upstream)>;

fn codec() -> Codec {
    Codec::new(Schema::of::<Arena>().expect("good tables").input, neutral::<Input>())
}

fn frame(tick: u32) -> InputFrame {
    let input = Input { forward: 1.0, yaw: tick as f32 * 0.01, ..Input::default() };
    InputFrame { tick: Tick(tick), view: ViewTick { tick: Tick(tick - 6), sixteenths: 3 }, lanes: input.lanes() }
}

fn honest(tick: u32) -> Upstream {
    let acks = Some(Acks { newest: (tick - 3) as u16, before: u32::MAX });
    Upstream { acks, frames: vec![frame(tick - 1), frame(tick)] }
}

fn read(bytes: &[u8]) -> Read {
    let mut input = BitReader::new(bytes);
    let head = UpHead::decode(&mut input).ok()?;
    let mut frames = InputFrames::default();
    let kind = Schema::of::<Arena>().expect("good tables").input;
    frames.decode(Tick(FIRST), &kind, &neutral::<Input>(), &mut input).ok()?;
    input.finish().ok()?;
    let frames = frames.iter().map(|(tick, view, lanes)| InputFrame { tick, view, lanes: lanes.to_vec() });
    Some((head.sequence, Upstream { acks: head.acks, frames: frames.collect() }))
}

impl Honest {
    fn new(kind: Kind) -> Self {
        let (codec, switch) = (codec(), Switch::default());
        let tamper = tamper(kind, &switch, codec.clone(), 1).expect("it plays");
        Self { codec, switch, tamper, tick: FIRST }
    }

    /// Sends the next datagram; what leaves instead of it, and what leaves on the control stream.
    fn send(&mut self) -> (Vec<Vec<u8>>, Vec<u8>) {
        let datagram = self.codec.write((self.tick - FIRST) as u16, &honest(self.tick));
        let now = Micros(u64::from(self.tick) * TICK.0);
        let departing = self.tamper.pass(now, Tick(self.tick - 3), &datagram);
        self.tick += 1;
        (departing.datagrams.clone(), departing.control.clone())
    }

    /// As [`Self::send`], read, so many times.
    fn play(&mut self, ticks: usize) -> Vec<Vec<Read>> {
        (0..ticks).map(|_| self.send().0.iter().map(|bytes| read(bytes)).collect()).collect()
    }

    /// A client of this kind that was honest for a while and is no more.
    fn attacking(kind: Kind) -> Self {
        let mut honest = Self::new(kind);
        honest.play(10);
        honest.switch.set(true);
        honest
    }
}

/// Whatever decodes.
fn said(turns: &[Vec<Read>]) -> Vec<(u16, Upstream)> {
    turns.iter().flatten().flatten().cloned().collect()
}

fn playing() -> impl Iterator<Item = Kind> {
    Kind::ALL.into_iter().filter(|kind| kind.way() == Way::Plays)
}

#[test]
fn until_the_attack_begins_what_leaves_is_what_an_honest_client_sends() {
    for kind in playing() {
        let mut bot = Honest::new(kind);
        for (n, turn) in bot.play(30).into_iter().enumerate() {
            assert_eq!(turn, [Some((n as u16, honest(FIRST + n as u32)))], "{kind:?}");
        }
    }
    assert!(
        Kind::ALL
            .into_iter()
            .filter(|kind| kind.way() == Way::Beside)
            .all(|kind| { tamper(kind, &Switch::default(), codec(), 1).is_none() })
    );
}

#[test]
fn numbers_go_on_where_the_honest_ones_ended_and_none_is_used_twice_but_by_replays() {
    for kind in playing().filter(|kind| *kind != Kind::Replay) {
        let sequences: Vec<u16> =
            said(&Honest::attacking(kind).play(400)).iter().map(|(sequence, _)| *sequence).collect();
        // The long one has the number of the one that it was made of; nobody reads that far.
        assert!(sequences.windows(2).all(|pair| pair[1] == pair[0] + 1), "{kind:?}: {sequences:?}");
        assert_eq!(sequences.first(), Some(&10), "{kind:?}");
    }
}

#[test]
fn extra_sends_each_input_four_times_under_four_numbers() {
    for (n, turn) in Honest::attacking(Kind::Extra).play(20).iter().enumerate() {
        assert_eq!(turn.len(), 4);
        assert!(turn.iter().flatten().all(|(_, said)| *said == honest(FIRST + 10 + n as u32)));
    }
}

#[test]
fn fast_sends_two_ticks_in_each_and_leaves_none_out() {
    let turns = Honest::attacking(Kind::Fast).play(240);
    let newest = |turn: &Vec<Read>| turn[0].as_ref().map(|(_, said)| said.frames[1].tick.0).expect("it decodes");
    let ahead: Vec<i64> = turns
        .iter()
        .enumerate()
        .map(|(n, turn)| i64::from(newest(turn)) - (i64::from(FIRST) + 10 + n as i64))
        .collect();
    assert!(ahead.iter().all(|ahead| (0..=30).contains(ahead)) && ahead.contains(&30), "{ahead:?}");
    let mut ticks: Vec<u32> =
        said(&turns).iter().flat_map(|(_, said)| said.frames.iter().map(|it| it.tick.0)).collect();
    ticks.sort_unstable();
    ticks.dedup();
    assert!(ticks.windows(2).all(|pair| pair[1] == pair[0] + 1), "{ticks:?}");
}

#[test]
fn future_plays_honestly_and_sends_what_nobody_takes_beside() {
    for (n, turn) in Honest::attacking(Kind::Future).play(20).iter().enumerate() {
        let tick = FIRST + 10 + n as u32;
        let [Some((_, first)), Some((_, second))] = turn.as_slice() else { panic!("{turn:?}") };
        assert_eq!(*first, honest(tick));
        assert_eq!(second.frames.len(), 32);
        assert!(second.frames[0].tick.0 >= tick + 70);
    }
}

#[test]
fn bank_and_lag_keep_everything_and_say_it_in_its_order_at_once() {
    for (kind, bursts, silent) in [(Kind::Bank, 15, 15), (Kind::Lag, 1, 60)] {
        let turns = Honest::attacking(kind).play(239);
        let said: Vec<u32> = said(&turns).iter().map(|(_, said)| said.frames[1].tick.0).collect();
        assert!(said.windows(2).all(|pair| pair[1] == pair[0] + 1) && said[0] == FIRST + 10, "{kind:?}: {said:?}");
        let large = turns.iter().filter(|turn| turn.len() >= silent).count();
        assert!((bursts - 1..=bursts).contains(&large), "{kind:?}: {large}");
        assert_eq!(turns.iter().take_while(|turn| turn.is_empty()).count(), silent, "{kind:?}");
    }
}

#[test]
fn replay_sends_three_old_ones_again_as_they_were() {
    let turns = Honest::attacking(Kind::Replay).play(300);
    let turn = &turns[299];
    let ages: Vec<u32> = turn.iter().flatten().map(|(_, said)| FIRST + 309 - said.frames[1].tick.0).collect();
    assert_eq!(ages, [0, 18, 120, 240]);
    assert_eq!(turn[3], turns[59][0]);
}

#[test]
fn liars_change_the_view_or_the_acknowledgements_and_nothing_else() {
    for kind in [Kind::ViewBack, Kind::ViewAhead, Kind::LateAcks, Kind::ForgedAcks] {
        let turns = Honest::attacking(kind).play(40);
        for (n, (_, said)) in said(&turns).iter().enumerate().skip(20) {
            let honest = honest(FIRST + 10 + n as u32);
            let back = said.frames[1].tick.since(said.frames[1].view.tick);
            let newest = |said: &Upstream| i64::from(said.acks.expect("it acknowledges").newest);
            let ahead = newest(said) - newest(&honest);
            let expected = match kind {
                Kind::ViewBack => (14, 0),
                Kind::ViewAhead => (0, 0),
                Kind::LateAcks => (14, -8),
                _ => (6, 1_000),
            };
            assert_eq!((back, ahead), expected, "{kind:?}");
            let lanes = |said: &Upstream| said.frames.iter().map(|it| (it.tick, it.lanes.clone())).collect::<Vec<_>>();
            assert_eq!(lanes(said), lanes(&honest), "{kind:?}");
        }
    }
}

#[test]
fn noise_and_what_is_too_long_stand_beside_what_an_honest_client_sends() {
    for kind in [Kind::Malformed, Kind::Oversized] {
        let mut bot = Honest::attacking(kind);
        for n in 0..200 {
            let (datagrams, _) = bot.send();
            let [first, second] = datagrams.as_slice() else { panic!("{kind:?}: {}", datagrams.len()) };
            assert_eq!(read(first).map(|(_, said)| said), Some(honest(FIRST + 10 + n)));
            assert_eq!(read(second), None, "{kind:?}");
            assert_eq!(second.len() > 1_200, kind == Kind::Oversized);
        }
    }
}

#[test]
fn a_flood_is_of_messages_that_decode() {
    use downbeat_wire::control::{ControlReader, Hello};
    let (datagrams, control) = Honest::attacking(Kind::ControlFlood).send();
    assert_eq!(datagrams.len(), 1);
    let hello = Hello {
        game: String::new(),
        schema_hash: 0,
        model_hash: 0,
        name: String::new(),
        room: None,
        spectator: false,
        ticket: None,
        resume: None,
    };
    let mut reader = ControlReader::default();
    reader.push(&hello.to_bytes());
    reader.push(&control);
    let messages = std::iter::from_fn(|| reader.next_from_client().expect("they decode")).count();
    assert_eq!(messages, 11);
}

#[test]
fn what_is_no_datagram_is_read_as_nothing() {
    let mut bytes = Vec::new();
    BitWriter::new(&mut bytes).finish();
    assert_eq!(codec().read(Tick(5), &bytes), Upstream::default());
    assert_eq!(codec().read(Tick(5), &[0xff; 40]), Upstream::default());
}
