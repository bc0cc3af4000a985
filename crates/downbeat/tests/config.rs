//! What `check-config` says, and what a running server does with a configuration that changed.

mod common;

use common::{Folder, Running, downbeat, run};

#[test]
fn a_file_that_is_fine_ends_with_0_and_one_that_is_not_with_1_and_its_line() {
    let folder = Folder::new("check");
    let path = folder.write("server.toml", "tick_rate = 64\n");
    assert_eq!(run(&["check-config", &path]), (Some(0), format!("{path}: fine\n"), String::new()));
    let refused = |text: &str, why: &str| {
        folder.write("server.toml", text);
        let (code, out, err) = run(&["check-config", &path]);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{err}");
        assert_eq!(err, format!("error: {}\n", why.replace("FILE", &path)));
    };
    refused("\ntick_rate = 200\n", "FILE:2: `tick_rate` is 200; 20 to 128 are allowed");
    refused("\n\nplayer_max = 2\n[game]\nname = 'arena'\n", &unknown("FILE:3", "player_max"));
    refused("[game.arena.rules]\nhealth_max = 0\n", "FILE:2: rules.health_max is 0; 1 to 200 is allowed");
    let names = |text: &str, why: &str| {
        folder.write("server.toml", text);
        let (code, _, err) = run(&["check-config", &path]);
        assert!(code == Some(1) && err.contains(why), "{err}");
    };
    names("tickets.keys = 'none.json'\n", &folder.path().join("none.json").display().to_string());
    folder.write("tokens", "king ada 0123456789abcdef0123\n");
    names("[admin]\nlisten = '127.0.0.1:0'\ntokens = 'tokens'\n", "viewer, moderator and admin are allowed");
    folder.write("secret", "short");
    names("[results]\nwebhook = 'http://127.0.0.1:1/'\nsecret = 'secret'\n", "holds 5 bytes");
    assert_eq!(run(&["check-config"]).0, Some(2), "no file is a mistake of the command line");
    assert_eq!(run(&["check-config", "/nowhere/server.toml"]).0, Some(1));
}

/// The parser's words for a key that there is none of, without the list of those there are.
fn unknown(place: &str, key: &str) -> String {
    let toml = "nonsense = 1";
    let error = {
        let mut loader = downbeat_server::Loader::new(&[]);
        loader.text(std::path::Path::new("x"), toml).expect_err("no such key").to_string()
    };
    error.replace("x:1", place).replace("nonsense", key)
}

#[test]
fn a_hangup_reads_the_configuration_again_and_flags_keep_their_precedence() {
    let folder = Folder::new("hangup");
    let path = folder.write("server.toml", "players_max = 5\nrooms_max = 4\n");
    let flags = ["serve", "--config", &path, "--listen", "127.0.0.1:0", "--rooms-max", "3", "--game", "field"];
    let server = Running::start(&mut downbeat(&flags));
    server.line("game=field");
    folder.write("server.toml", "players_max = 6\nrooms_max = 8\ntick_rate = 30\n[game.field]\nwalkers = 9\n");
    server.signal("HUP");
    let line = server.line("was read again");
    assert!(line.ends_with(": players_max changed; tick_rate, send_rate, game.field need a restart"), "{line}");
    folder.write("server.toml", "players_max = 1\n");
    server.signal("HUP");
    let line = server.line("is as it was");
    assert!(line.ends_with("server.toml:1: `players_max` is 1; 2 to 4096 are allowed"), "{line}");
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
}

/// What containers are told by their environment must be what the server takes.
#[test]
fn the_variables_of_dockerfile_and_manifests_are_settings() {
    let assets = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets");
    let read = |path: &str| std::fs::read_to_string(assets.join(path)).expect("it is there");
    let mut variables = Vec::new();
    for line in read("docker/Dockerfile").lines() {
        variables.extend(
            line.strip_prefix("ENV ")
                .and_then(|line| line.split_once('='))
                .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
    }
    let fleet = read("agones/fleet.yaml");
    let mut lines = fleet.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let Some(name) = line.strip_prefix("- name: DOWNBEAT_") else { continue };
        let value = lines.next().and_then(|line| line.strip_prefix("value: ")).expect("a value follows");
        variables.push((format!("DOWNBEAT_{name}"), value.trim_matches('"').to_owned()));
    }
    assert!(variables.len() > 5, "{variables:?}");
    let games = [downbeat_server::config::GameDefaults { name: "arena", players_max: 32 }];
    let mut loader = downbeat_server::Loader::new(&games);
    loader.environment(variables).expect("they are settings");
    let (config, _) = loader.finish().expect("with values that can be");
    assert_eq!(config.orchestrator, downbeat_server::config::Orchestrator::Agones);
    assert_eq!(config.drain_deadline.as_secs(), 300);
}
