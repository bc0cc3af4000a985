//! Where settings come from, which of them wins, and what an operator reads when one is wrong.

use std::path::Path;
use std::time::Duration;

use downbeat_field::{Config as Rules, Field};
use downbeat_server::config::{GameDefaults, GameTable};
use downbeat_server::{Config, Listen, Loader};

const GAMES: [GameDefaults; 2] =
    [GameDefaults { name: "arena", players_max: 32 }, GameDefaults { name: "field", players_max: 1_024 }];

fn file(text: &str) -> Result<Loader, String> {
    let mut loader = Loader::new(&GAMES);
    loader.text(Path::new("server.toml"), text).map_err(|error| error.to_string())?;
    Ok(loader)
}

fn finish(text: &str) -> Result<(Config, GameTable), String> {
    file(text)?.finish().map_err(|error| error.to_string())
}

fn rules(loader: Loader) -> Result<Rules, String> {
    let (_, table) = loader.finish().map_err(|error| error.to_string())?;
    table.rules::<Field>().map_err(|error| error.to_string())
}

#[track_caller]
fn check(text: &str, expect: &str) {
    assert_eq!(finish(text).expect_err("it is wrong"), expect);
}

/// The file, with the options that are commented out commented in if `all`.
fn documented(all: bool) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/config/server.toml");
    let text = std::fs::read_to_string(path).expect("it is there");
    let is_option = |line: &str| {
        ["[tls]", "[tickets]", "[admin]"].contains(&line)
            || line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '))
    };
    let lines = text.lines().map(|line| match line.strip_prefix("# ") {
        Some(option) if all && is_option(option) => option,
        _ => line,
    });
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn the_documented_defaults_are_the_defaults() {
    let (config, _) = finish(&documented(false)).expect("it is our own");
    assert_eq!(config, Config { players_max: 32, ..Config::new("arena") });
    let mut loader = file(&documented(false)).expect("it is our own");
    loader.flag("--game", "game.name", "field").expect("good");
    assert_eq!(rules(loader), Ok(Rules::default()));
}

#[test]
fn every_option_is_documented() {
    let error = file("nonsense = 1").expect_err("no such key");
    let keys: Vec<&str> = error.split('`').skip(3).step_by(2).collect();
    assert!(keys.len() > 15, "{error}");
    let text = documented(true);
    let table: toml::Table = toml::from_str(&text).expect("it is our own");
    for key in keys {
        assert!(table.contains_key(key), "{key} is not in server.toml");
    }
    let (config, _) = finish(&text).expect("what is commented out is right as well");
    assert_eq!((config.seed, config.cpu), (Some(1), Some(0)));
    assert!(config.tls.is_some() && config.tickets.is_some());
    let rules = toml::Table::try_from(Rules::default()).expect("plain data");
    for key in rules.keys() {
        assert!(table["game"]["field"].as_table().expect("a table").contains_key(key), "{key} is not in server.toml");
    }
}

#[test]
fn nothing_said_is_the_default() {
    let (config, table) = Loader::new(&GAMES[1..]).finish().expect("the defaults are right");
    assert_eq!(config, Config { players_max: 1_024, ..Config::new("field") });
    assert_eq!(table.rules::<Field>(), Ok(Rules::default()));
}

#[test]
fn flags_go_before_the_environment_and_that_before_the_file() {
    let mut loader =
        file("tick_rate = 30\nrooms_max = 3\nplayers_max = 7\n[game.field]\nwalkers = 5\nvisible = 6").expect("good");
    loader.flag("--tick-rate", "tick_rate", "64").expect("good");
    loader.flag("--visible", "game.field.visible", "9").expect("good");
    loader.flag("--listen", "listen", "127.0.0.1:5000, localhost:6000").expect("good");
    let variables = [
        ("DOWNBEAT_TICK_RATE", "50"),
        ("DOWNBEAT_ROOMS_MAX", "4"),
        ("DOWNBEAT_GAME", "field"),
        ("DOWNBEAT_GAME_FIELD_AVATARS", "public"),
        ("DOWNBEAT_CONFIG", "left to the caller"),
        ("PATH", "/bin"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    loader.environment(variables).expect("good");
    let (config, table) = loader.finish().expect("good");
    assert_eq!((config.tick_rate_hz, config.rooms_max, config.players_max), (64, 4, 7));
    assert_eq!(config.send_rate_hz, 64, "it follows the tick rate");
    let address = Listen::Address("127.0.0.1:5000".parse().expect("an address"));
    assert_eq!(config.listen, [address, Listen::Localhost(6000)]);
    assert_eq!(config.game, "field");
    let rules = table.rules::<Field>().expect("good");
    assert_eq!(rules, Rules { walkers: 5, visible: 9, avatars: downbeat_field::Avatars::Public });
}

#[test]
fn shards_are_a_number_or_as_many_as_there_are_processors() {
    let shards = |value: &str| {
        let mut loader = Loader::new(&GAMES);
        loader.flag("--shards", "shards", value).expect("it parses");
        loader.finish().expect("good").0.shards
    };
    assert_eq!((shards("1"), shards("64")), (1, 64));
    let processors = std::thread::available_parallelism().expect("it is known").get().min(64) as u8;
    assert_eq!(shards("auto"), if cfg!(target_os = "linux") { processors } else { 1 });
}

#[test]
fn units_and_paths_are_those_of_the_documentation() {
    let text = "drain_deadline = 2.5\nhello_timeout = 1\n[tls]\ncert = 'c.pem'\nkey = '/k.pem'";
    let mut loader = Loader::new(&GAMES);
    loader.text(Path::new("/etc/downbeat/server.toml"), text).expect("good");
    let (config, _) = loader.finish().expect("good");
    assert_eq!(config.drain_deadline, Duration::from_millis(2_500));
    assert_eq!(config.hello_timeout, Duration::from_secs(1));
    let tls = config.tls.expect("it is set");
    assert_eq!((tls.cert.as_path(), tls.key.as_path()), (Path::new("/etc/downbeat/c.pem"), Path::new("/k.pem")));
}

#[test]
fn what_is_wrong_is_told_with_file_line_and_what_is_allowed() {
    check("\n\ntick_rate = 10", "server.toml:3: `tick_rate` is 10; 20 to 128 are allowed");
    check(
        "send_rate = 25",
        "server.toml:1: `send_rate` is 25, which does not divide the tick rate 60; 1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60 do",
    );
    check("rooms_max = -1", "server.toml:1: `rooms_max` is -1; 1 to 1024 are allowed");
    check("shards = 65", "server.toml:1: `shards` is 65; 1 to 64 or `auto` are allowed");
    check("shards = 'all'", "server.toml:1: `shards` is `all`; 1 to 64 or `auto` are allowed");
    check("hello_timeout = 0", "server.toml:1: `hello_timeout` is 0; 0.1 to 60 seconds are allowed");
    check("drain_deadline = nan", "server.toml:1: `drain_deadline` is NaN; 0 to 86400 seconds are allowed");
    check(
        "# hello\nlisten = 'here'",
        "server.toml:2: `listen` names `here`; addresses with a port, such as 127.0.0.1:4433, [::1]:4433 or localhost:4433 are allowed",
    );
    check(
        "listen = []",
        "server.toml:1: `listen` names nothing; addresses with a port, such as 127.0.0.1:4433, [::1]:4433 or localhost:4433 are allowed",
    );
    check(
        "address_exempt = ['10.0.0.0/33']",
        "server.toml:1: `address_exempt` names `10.0.0.0/33`; addresses or blocks such as 10.0.0.0/8 are allowed",
    );
    check("\n[game]\nname = 'chess'", "server.toml:3: `game.name` is `chess`; `arena`, `field` are allowed");
    check("[tls]\ncert = 'c.pem'", "server.toml:2: `tls.cert` and `tls.key` are set together or not at all");
    check("[game.feild]\nwalkers = 1", "server.toml:1: `game.feild` is unknown; `name`, `arena`, `field` are allowed");
    let error = finish("tick_rate = 60\ntick_rat = 60").expect_err("no such key");
    assert!(
        error.starts_with("server.toml:2: unknown field `tick_rat`, expected one of `listen`, `tick_rate`"),
        "{error}"
    );
    let error = finish("tick_rate = 60\nrooms_max = 'many'").expect_err("no number");
    assert_eq!(error, "server.toml:2: invalid type: string \"many\", expected a whole number");
    let error = finish("tick_rate = 60\n[").expect_err("no TOML");
    assert!(error.starts_with("server.toml:2: "), "{error}");
}

#[test]
fn wrong_rules_of_a_game_are_told_with_their_line() {
    let field = |text: &str| rules(file(&format!("[game]\nname = 'field'\n[game.field]\n{text}")).expect("it parses"));
    assert_eq!(
        field("visible = 3\nwalkers = 30000"),
        Err("server.toml:5: walkers is 30000; at most 20000 are allowed".to_owned())
    );
    let error = field("\n\nwalker = 3").expect_err("no such rule");
    assert!(error.starts_with("server.toml:6: unknown field `walker`, expected one of `walkers`"), "{error}");
    let mut loader = file("[game.field]\nwalkers = 7").expect("it parses");
    loader.flag("--game", "game.name", "field").expect("good");
    loader.flag("--walkers", "game.field.walkers", "30000").expect("it parses");
    assert_eq!(rules(loader), Err("--walkers: walkers is 30000; at most 20000 are allowed".to_owned()));
}

#[test]
fn what_is_wrong_elsewhere_is_told_with_the_name_of_the_flag_or_variable() {
    let mut loader = Loader::new(&GAMES);
    loader.flag("--tick-rate", "tick_rate", "1000").expect("it parses");
    let error = loader.finish().expect_err("it is too much").to_string();
    assert_eq!(error, "--tick-rate: `tick_rate` is 1000; 20 to 128 are allowed");

    let mut loader = Loader::new(&GAMES);
    let error = loader.flag("--tick-rate", "tick_rate", "fast").expect_err("no number").to_string();
    assert!(error.starts_with("--tick-rate: invalid type: string \"fast\""), "{error}");
    let error = loader.flag("--listen", "listen", "a\"b\\\n").and_then(|()| loader.finish().map(drop));
    assert!(error.expect_err("no address").to_string().starts_with("--listen: `listen` names `a\"b\\"));

    let mut loader = Loader::new(&GAMES);
    let typo = [("DOWNBEAT_TICKRATE".to_owned(), "60".to_owned())];
    let error = loader.environment(typo).expect_err("no such variable").to_string();
    assert!(error.starts_with("DOWNBEAT_TICKRATE: no such setting; there are DOWNBEAT_LISTEN,"), "{error}");
    let error = loader.file(Path::new("/nowhere/server.toml")).expect_err("no such file").to_string();
    assert!(error.starts_with("/nowhere/server.toml: cannot be read: "), "{error}");
}
