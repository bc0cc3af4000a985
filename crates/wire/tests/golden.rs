//! The bytes of the protocol as they stand in `assets/wire/v5.txt`. A change here is a change of the protocol:
//! raise `PROTOCOL_VERSION`, describe it in `WIRE.md`, and start a new file.

use downbeat_wire::bits::{BitReader, BitWriter};
use downbeat_wire::control::{
    ClientMessage, ControlReader, FromClient, Hello, PROTOCOL_VERSION, ServerMessage, Welcome, frame,
};
use downbeat_wire::description::Part;
use downbeat_wire::packet::{Acks, Arrivals, DownHead, InputReport, Known, UpHead};
use downbeat_wire::range::{Decoder, Encoder};
use downbeat_wire::{Base, CloseCode, Held, Look, Resumable, Resume, ResumeToken, Resumed, Tick};

const VECTORS: &str = include_str!("../../../assets/wire/v5.txt");

fn check(name: &str, bytes: &[u8]) {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let known = VECTORS.lines().filter_map(|line| line.split_once(' ')).find(|(known, _)| *known == name);
    let known = known.map_or("", |(_, hex)| hex);
    assert_eq!(known, hex, "the vector `{name}` of assets/wire/v5.txt");
}

fn hello() -> Hello {
    Hello {
        game: "arena".into(),
        schema_hash: 0x0123_4567_89ab_cdef,
        model_hash: 0xfedc_ba98_7654_3210,
        name: "Ada".into(),
        room: Some(7),
        spectator: false,
        ticket: None,
        resume: None,
    }
}

#[test]
fn control_messages() {
    assert_eq!(PROTOCOL_VERSION, 5);
    check("hello", &hello().to_bytes());
    let say = ClientMessage::Say { text: "hi".into() };
    check("say", &frame(&say));
    let welcome = ServerMessage::Welcome(Welcome {
        resume: Some(Resumable { token: ResumeToken([0xaa; 24]), window_s: 30 }),
        resumed: None,
        room: 1,
        player: Some(3),
        tick_rate_hz: 60,
        send_rate_hz: 30,
        tick: 1_000,
        config: vec![1, 2, 3],
    });
    check("welcome", &frame(&welcome));
    let again = ServerMessage::Welcome(Welcome {
        resume: Some(Resumable { token: ResumeToken([0xbb; 24]), window_s: 300 }),
        resumed: Some(Resumed {
            base: Some(Base { at: 1_400, newest: 1_000, before: 0x8000_0001 }),
            events_from: 70_000,
        }),
        room: 1,
        player: Some(3),
        tick_rate_hz: 60,
        send_rate_hz: 30,
        tick: 1_401,
        config: vec![1, 2, 3],
    });
    check("welcome-resumed", &frame(&again));
    for (name, look) in [
        ("look-overview", Look::Overview),
        ("look-at", Look::at([1.5, -2.0, 0.25]).expect("a place")),
        ("look-player", Look::Player(3)),
        ("look-entity", Look::Entity(300)),
    ] {
        check(name, &frame(&ClientMessage::Look { look }));
    }
    check("said", &frame(&ServerMessage::Said { player: 3, text: "hi".into() }));
    check("draining", &frame(&ServerMessage::Draining { deadline_s: 300 }));
    check("pace", &frame(&ServerMessage::Pace { send_rate_hz: 30, ticks_left_out: 7 }));
    check("schema", &frame(&ServerMessage::Schema(Part { rest: 600, bytes: vec![1, 2, 3] })));
    check("model", &frame(&ServerMessage::Model(Part { rest: 0, bytes: vec![4, 5] })));
    let asks = Hello { game: String::new(), schema_hash: 0, model_hash: 0, ..hello() };
    check("hello-asks", &asks.to_bytes());
    for (name, held) in [("hello-resumes", Some(Held { tick: 1_000, events_read: 70_000 })), ("hello-comes-back", None)]
    {
        let resume = Resume { token: ResumeToken([0xcc; 24]), held };
        check(name, &Hello { resume: Some(resume), ..hello() }.to_bytes());
    }

    let mut reader = ControlReader::default();
    reader.push(&[hello().to_bytes(), frame(&say)].concat());
    assert_eq!(reader.next_from_client(), Ok(Some(FromClient::Hello(hello()))));
    assert_eq!(reader.next_from_client(), Ok(Some(FromClient::Message(say))));
    reader.push(&frame(&welcome));
    assert_eq!(reader.next_from_server(), Ok(Some(welcome)));
}

fn written(write: impl FnOnce(&mut BitWriter<'_>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = BitWriter::new(&mut bytes);
    write(&mut writer);
    writer.finish();
    bytes
}

#[test]
fn numbers() {
    let bytes = written(|out| {
        (0..6).for_each(|value| out.golomb(value, 0));
        (0..6).for_each(|value| out.golomb(value * 9, 2));
        [-3, 0, 1, 100].into_iter().for_each(|value| out.signed_golomb(value, 1));
    });
    check("numbers", &bytes);
}

#[test]
fn heads() {
    let up = UpHead { sequence: 513, acks: Some(Acks { newest: 1_027, before: 0x8000_0001 }) };
    let bytes = written(|out| up.encode(out));
    check("up-head", &bytes);
    assert_eq!(UpHead::decode(&mut BitReader::new(&bytes)), Ok(up));

    let inputs =
        InputReport { consumed: Tick(69_998), substituted: 0b10, arrivals: Some(Arrivals { margin: -17, missing: 3 }) };
    for (name, known, inputs) in [
        ("down-head", Known::of(0b0110_1000), Some(inputs)),
        (
            "down-head-calm",
            Known::of(u32::MAX << 3),
            Some(InputReport {
                consumed: Tick(70_000),
                substituted: 0,
                arrivals: Some(Arrivals { margin: -17, missing: 0 }),
            }),
        ),
        ("down-head-first", Known::default(), None),
    ] {
        let head = DownHead { tick: Tick(70_000), known, inputs };
        let mut bytes = Vec::new();
        let mut out = Encoder::new(&mut bytes);
        head.encode(&mut out);
        out.finish();
        check(name, &bytes);
        assert_eq!(DownHead::decode(Tick(69_000), &mut Decoder::new(&bytes)), Ok(head));
    }
}

#[test]
fn range_codes() {
    let mut bytes = Vec::new();
    let mut out = Encoder::new(&mut bytes);
    for value in 0..6 {
        out.symbol(value * 100, 5_000);
        out.raw(value.into(), 3);
        out.flag(value == 3, 1 << 10);
        out.number(u32::from(value) * 9, 2);
    }
    out.finish();
    check("range-codes", &bytes);
}

#[test]
fn close_codes_are_those_of_the_standard() {
    let standard = include_str!("../WIRE.md");
    for code in CloseCode::ALL {
        let row = format!("| {} | `{}` | {} |", *code as u32, code.label(), code.reason());
        assert!(standard.contains(&row), "WIRE.md lacks: {row}");
    }
}
