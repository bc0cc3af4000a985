//! What is wrong is told in words that say what to do, and with the exit code that README promises.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::net::UdpSocket;
use std::path::Path;

use downbeat_replica::glam::Vec3;
use downbeat_replica::{
    Capture, ConfigError, Context, EntityId, EntityIds, Events, Game, Input, Inputs, Kinds, NoEvents, PlayerId,
    Replicated, Rewind, Setup, Tick,
};
use downbeat_server::Loader;

use super::*;

#[derive(Input, Clone, Default)]
struct Pad {
    jump: bool,
}

#[derive(Replicated, Clone)]
struct Coin {
    #[field(position, range = -8.0..=8.0, step = 0.125)]
    at: Vec3,
}

#[derive(Replicated, Clone)]
struct Purse {
    #[field(range = 5..=1)]
    worth: u8,
}

trait Thing: Kinds + Clone + Send + 'static {
    const NEW: Self;
}

#[derive(Replicated, Clone)]
enum Lost {
    Coin(Coin),
}

impl Thing for Lost {
    const NEW: Self = Self::Coin(Coin { at: Vec3::NAN });
}

#[derive(Replicated, Clone)]
enum Impossible {
    Purse(Purse),
}

impl Thing for Impossible {
    const NEW: Self = Self::Purse(Purse { worth: 3 });
}

/// A game of things that lie about, without rules and without events.
struct Coins<T> {
    ids: EntityIds,
    players: BTreeMap<PlayerId, EntityId>,
    things: PhantomData<fn() -> T>,
}

impl<T: Thing> Game for Coins<T> {
    const NAME: &'static str = "coins";
    type Config = ();
    type World = ();
    type Input = Pad;
    type Entity = T;
    type Event = NoEvents;

    fn world((): &()) -> Result<(), ConfigError> {
        Ok(())
    }

    fn new((): &(), _: Setup) -> Result<Self, ConfigError> {
        Ok(Self { ids: EntityIds::default(), players: BTreeMap::new(), things: PhantomData })
    }

    fn join(&mut self, player: PlayerId, _: &str) {
        self.players.insert(player, self.ids.spawn().expect("there are few players"));
    }

    fn leave(&mut self, player: PlayerId) {
        self.ids.free(self.players.remove(&player).expect("who leaves has joined"));
    }

    fn step(&mut self, _: Tick, _: &Inputs<'_, Pad>, _: &impl Rewind<T>, _: &mut Events<NoEvents>) {}

    fn capture(&mut self, out: &mut Capture<'_, T>) {
        self.players.iter().for_each(|(&player, &id)| out.put_avatar(id, player, &mut T::NEW.clone()));
    }

    fn predict(_: &Context<'_, Self>, _: &mut T, _: &Pad) {}
}

impl<T: Thing> Bots for Coins<T> {}

/// How a command of a game of `T` ends, and what is said then.
fn coins<T: Thing>(arguments: &[&str]) -> (u8, String) {
    let command = Cli::of_one_game(Coins::<T>::BRAINS);
    end(one_game::<Coins<T>>(&command.get_matches_from([&["coins"], arguments].concat())))
}

fn own(arguments: &[&str]) -> (u8, String) {
    end(own_games(&Cli::command().get_matches_from([&["downbeat"], arguments].concat())))
}

fn end(result: Result<u8, CliError>) -> (u8, String) {
    result.map_or_else(|error| (error.exit_code(), error.to_string()), |code| (code, String::new()))
}

#[test]
fn a_schema_that_cannot_be_ends_every_command_with_1_and_the_field() {
    let said = "game coins: field worth of Purse cannot be: its range holds no value";
    for command in ["demo", "schema", "serve --listen 127.0.0.1:0", "train --from none --out none"] {
        let (code, text) = coins::<Impossible>(&command.split(' ').collect::<Vec<_>>());
        assert!(code == 1 && text.contains(said), "{command}: {code}, {text}");
    }
}

#[test]
fn states_that_are_not_numbers_are_in_the_report() {
    let path = std::env::temp_dir().join(format!("downbeat-refused-{}.json", std::process::id()));
    let (_, text) =
        coins::<Lost>(&["demo", "--clients", "2", "--seconds", "3", "--report", path.to_str().expect("it is ASCII")]);
    assert_eq!(text, "");
    let report = std::fs::read_to_string(&path).expect("it was written");
    std::fs::remove_file(&path).expect("it is ours");
    let report: serde_json::Value = serde_json::from_str(&report).expect("a report");
    assert!(report["server"]["refused"].as_u64() > Some(50), "{report}");
}

#[test]
fn a_rule_of_the_field_is_none_of_another_game() {
    let said = |(code, text): (u8, String)| {
        assert_eq!(code, 2, "{text}");
        text
    };
    assert_eq!(said(own(&["demo", "--walkers", "5"])), "--walkers is a rule of the game `field`: add --game field");
    let text = said(own(&["demo", "--rule", "walkers=5"]));
    assert_eq!(text, "--rule walkers=5 is a rule of the game `field`: add --game field");
    let text = said(coins::<Lost>(&["demo", "--walkers", "5"]));
    assert_eq!(text, "--walkers is a rule of the game `field`: rules of this game are set with --rule");
    let text = said(coins::<Lost>(&["demo", "--rule", "shine=5"]));
    assert_eq!(text, "--rule shine: `shine` is no rule: coins has none");
}

#[test]
fn the_help_of_a_game_lists_what_it_has() {
    let help = |mut command: clap::Command| {
        let demo = command.find_subcommand_mut("demo").expect("there is a demo");
        demo.render_help().to_string()
    };
    let (of_coins, own) = (help(Cli::of_one_game(Coins::<Lost>::BRAINS)), help(Cli::command()));
    for flag in ["--game", "--walkers", "--visible", "--avatars", "fight"] {
        assert!(own.contains(flag) && !of_coins.contains(flag), "{flag}: {of_coins}");
    }
    assert!(of_coins.contains("wander, idle") && of_coins.contains("--rule"), "{of_coins}");
}

#[test]
fn a_port_in_use_is_told_with_others_to_choose() {
    let taken = UdpSocket::bind("127.0.0.1:0").expect("loopback is there");
    let address = taken.local_addr().expect("it is bound").to_string();
    let (code, text) = own(&["serve", "--listen", &address]);
    assert!(code == 1 && text.contains("--listen 127.0.0.1:0"), "{code}, {text}");
}

#[test]
fn the_text_that_the_hash_is_taken_of_is_not_mixed_with_the_hash() {
    let parse = |flags: &[&str]| Cli::command().try_get_matches_from([&["downbeat", "schema"], flags].concat());
    assert!(parse(&["--text"]).is_ok() && parse(&["--hash"]).is_ok() && parse(&["--text", "--hash"]).is_err());
}

#[test]
fn what_is_no_number_or_no_flag_is_told_in_words() {
    let refused = |arguments: [&str; 4]| {
        let refused = Cli::command().try_get_matches_from(arguments).expect_err("it is wrong");
        assert_eq!(refused.exit_code(), 2);
        refused.to_string()
    };
    let text = refused(["downbeat", "demo", "--clients", "abc"]);
    assert!(text.contains("expected a whole number"), "{text}");
    let text = refused(["downbeat", "demo", "--clinets", "3"]);
    assert!(text.contains("similar argument exists: '--clients'"), "{text}");
}

#[test]
fn every_rule_of_the_arena_is_documented_with_its_default() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/config/server.toml");
    let mut loader = Loader::new(&[ARENA, FIELD]);
    loader.file(&path).expect("it is our own");
    let (_, rules) = loader.finish().expect("it is our own");
    assert_eq!(rules.rules::<Arena>(), Ok(<Arena as Game>::Config::default()));
    let text = std::fs::read_to_string(&path).expect("it is there");
    let arena = text.split("[game.").filter(|part| part.starts_with("arena.rules")).collect::<String>();
    let rules = serde_json::to_value(downbeat_arena::Rules::default()).expect("plain data");
    let tables = rules.as_object().expect("a table").iter();
    let inner = tables.clone().filter_map(|(_, value)| value.as_object()).flat_map(|table| table.keys());
    for key in tables.filter(|(_, value)| !value.is_object()).map(|(key, _)| key).chain(inner) {
        assert!(arena.contains(&format!("\n{key} = ")), "{key} is not in server.toml");
    }
}

#[test]
fn a_map_and_a_rule_can_be_set_and_what_is_no_map_is_told() {
    let yard = include_str!("../../../assets/maps/yard.toml").replace("\"yard\"", "\"back yard\"");
    let mut loader = Loader::new(&[ARENA, FIELD]);
    loader.text(Path::new("server.toml"), &format!("[game.arena.map]\n{yard}")).expect("a table of a map");
    loader.flag("--rule rules.rifle.damage", "game.arena.rules.rifle.damage", "50").expect("a rule");
    let rules = loader.finish().expect("it is fine").1.rules::<Arena>().expect("as documented");
    assert_eq!((rules.map.name.as_str(), rules.rules.rifle.damage), ("back yard", 50));
    let (code, text) = own(&["demo", "--rule", "map=yard"]);
    assert!(code == 2 && text.contains("expected the table Map"), "{code}, {text}");
}
