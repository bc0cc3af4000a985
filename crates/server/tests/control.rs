//! What an operator can ask of a running server, as other threads ask it.

mod common;

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use common::{Player, Probe, Running, config, hello, start};
use downbeat_field::Field;
use downbeat_server::control::{Answer, Command, PlayerKey, PlayerView, Refused, RoomView, Who};
use downbeat_wire::CloseCode;
use downbeat_wire::control::{ClientMessage, OPERATOR, ServerMessage, frame};

const PATIENCE: Duration = Duration::from_secs(20);

/// Asks the shard of a room and waits for the answer.
fn ask<T: Send + 'static>(server: &Running, shard: u8, command: impl FnOnce(Answer<T>) -> Command) -> T {
    let (give, answer) = channel();
    let answer_to = Answer::new(move |answer| give.send(answer).expect("somebody waits"));
    server.control.send(shard, command(answer_to)).expect("there is room");
    answer.recv_timeout(PATIENCE).expect("the shard answers")
}

/// Goes on with `probe` until the view of the first shard shows what is looked for.
fn look<T>(server: &Running, probe: &mut Probe, find: impl Fn(&[RoomView], &[PlayerView]) -> Option<T>) -> T {
    server.control.watch();
    let mut found = None;
    probe.until(|_| {
        let view = &server.control.views()[0];
        found = find(&view.rooms, &view.players);
        found.is_some()
    });
    found.unwrap_or_else(|| panic!("{:#?}", server.control.views()))
}

fn named(server: &Running, probe: &mut Probe, name: &str) -> PlayerKey {
    look(server, probe, |_, players| players.iter().find(|player| &*player.name == name).map(|player| player.id))
}

fn called(name: &str) -> downbeat_wire::control::Hello {
    downbeat_wire::control::Hello { name: name.to_owned(), ..hello::<Field>() }
}

fn said(messages: &[ServerMessage]) -> Vec<(u16, String)> {
    let said = messages.iter().filter_map(|message| match message {
        ServerMessage::Said { player, text } => Some((*player, text.clone())),
        _ => None,
    });
    said.collect()
}

#[test]
fn a_view_shows_rooms_and_players_with_figures_that_move() {
    let server = start::<Field>(&config::<Field>(), &Default::default());
    let mut player = Player::join(server.probe(), &called("Ada"));
    let mut watcher = server.probe();
    watcher.join(&downbeat_wire::control::Hello { spectator: true, ..called("Eve") });
    server.control.watch();
    let mut first = None;
    let found = player.until(|_| {
        let view = &server.control.views()[0];
        let Some(ada) = view.players.iter().find(|player| &*player.name == "Ada") else { return false };
        let (Some(line), Some(inputs)) = (ada.line, ada.inputs) else { return false };
        let first = *first.get_or_insert(line.bytes_out);
        line.bytes_out > first && line.rtt_ms > 0.0 && inputs.consumed > 0 && inputs.margin_ticks.is_some()
    });
    assert!(found, "{:#?}", server.control.views());
    let view = &server.control.views()[0];
    let room = &view.rooms[0];
    assert_eq!((view.clients, room.id, room.players, room.spectators, room.is_kept), (2, 1, 1, 1, false));
    assert!(room.ticks_per_s > 0 && room.game_us > 0.0 && room.tick > 0, "{room:?}");
    let eve = view.players.iter().find(|player| &*player.name == "Eve").expect("she watches");
    assert_eq!((eve.player, eve.inputs, eve.room), (None, None, 1));
    server.stop();
}

#[test]
fn who_is_kicked_hears_why_and_the_others_play_on() {
    let server = start::<Field>(&config::<Field>(), &Default::default());
    let honest = server.honest();
    let mut other = server.probe();
    other.join(&called("Mallory"));
    let key = named(&server, &mut other, "Mallory");
    let kick = |answer| Command::Kick { session: key.session, reason: "be nice".to_owned(), answer };
    let who: Who = ask(&server, key.shard, kick).expect("she is there");
    assert_eq!((&*who.name, who.account, who.room), ("Mallory", None, 1));
    assert!(who.address.expect("she is connected").is_loopback());
    assert_eq!(other.end(), (CloseCode::Kicked, "be nice".to_owned()));
    let gone = ask(&server, key.shard, |answer| Command::Kick { session: key.session, reason: String::new(), answer });
    assert_eq!(gone, None, "once is enough");
    honest.assert_undisturbed();
    let report = server.stop();
    assert_eq!(report.totals.closes.by_server.get("KICKED"), Some(&1));
}

#[test]
fn who_is_muted_is_not_heard_until_unmuted_and_operators_are_heard_by_all() {
    let server = start::<Field>(&config::<Field>(), &Default::default());
    let (mut talker, mut hearer) = (server.probe(), server.probe());
    let welcome = talker.join(&called("Ada"));
    hearer.join(&called("Ben"));
    let key = named(&server, &mut talker, "Ada");
    let mute = |seconds| {
        let time = Duration::from_secs(seconds);
        ask(&server, 0, |answer| Command::Mute { session: key.session, time, answer }).expect("she is there")
    };
    let broadcast =
        |text: &str| ask(&server, 0, |answer| Command::Broadcast { room: None, text: text.to_owned(), answer });
    assert_eq!(&*mute(3_600).name, "Ada");
    talker.write(&frame(&ClientMessage::Say { text: "unheard".to_owned() }));
    // A view that shows her muted is made after that, and takes longer than a line.
    (0..50).for_each(|_| talker.turn());
    look(&server, &mut talker, |_, players| players.iter().find(|ada| ada.id == key && ada.is_muted).map(|_| ()));
    mute(0);
    talker.write(&frame(&ClientMessage::Say { text: "heard".to_owned() }));
    assert!(hearer.until(|probe| {
        talker.turn();
        !said(&probe.messages).is_empty()
    }));
    assert_eq!(broadcast("restart\nat noon"), Some(2));
    assert!(hearer.until(|probe| said(&probe.messages).len() == 2));
    let player = welcome.player.expect("she plays");
    let expected = [(player, "heard".to_owned()), (OPERATOR, "restartat noon".to_owned())];
    assert_eq!(said(&hearer.messages), expected);
    server.stop();
}

#[test]
fn rooms_are_opened_stay_open_while_empty_and_are_closed_with_a_reason() {
    let mut config = config::<Field>();
    config.rooms_max = 2;
    let server = start::<Field>(&config, &Default::default());
    let open = || ask(&server, 0, |answer| Command::OpenRoom { answer });
    let room = open().expect("there may be two");
    assert_eq!(open(), Err(Refused::Full));
    // The first one is spared, since it is empty and there is another; the one that was asked for stays.
    let mut probe = server.probe();
    look(&server, &mut probe, |rooms, _| (rooms.len() == 1 && rooms[0].id == room && rooms[0].is_kept).then_some(()));
    assert_eq!(probe.join(&hello::<Field>()).room, room);
    let close =
        |room| ask(&server, 0, |answer| Command::CloseRoom { room, reason: "the match is over".to_owned(), answer });
    assert_eq!((close(99), close(room)), (None, Some(1)));
    assert_eq!(probe.end(), (CloseCode::RoomClosed, "the match is over".to_owned()));
    let mut probe = server.probe();
    assert!(probe.join(&hello::<Field>()).room > room, "newcomers find another one");
    server.stop();
}

#[test]
fn what_may_change_changes_while_the_server_runs() {
    let mut config = config::<Field>();
    config.address_exempt.clear();
    let server = start::<Field>(&config, &Default::default());
    let mut first = server.probe();
    first.join(&hello::<Field>());
    config.address_connections_max = 1;
    ask(&server, 0, |answer| Command::Configure { config: Arc::new(config), answer });
    assert_eq!(server.probe().end().0, CloseCode::TooManyConnections);
    server.stop();
}

#[test]
fn commands_that_nobody_takes_any_more_are_not_answered() {
    let server = start::<Field>(&config::<Field>(), &Default::default());
    let control = Arc::clone(&server.control);
    server.stop();
    assert_eq!(control.send(0, Command::OpenRoom { answer: Answer::none() }), Err(Refused::Gone));
}
