//! `bots` as an operator runs it: what is wrong with a scenario is told with its line before anything is sent, and the exit
//! codes are those of the page.

mod common;

use std::path::Path;

use common::{Folder, Running, downbeat, run};

const GOOD: &str = "game = 'field'\n[[groups]]\nname = 'all'\nclients = 2\n";

#[test]
fn every_scenario_that_comes_along_is_fine() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/bots");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("it is ours").map(|file| file.expect("a file").path()).collect();
    files.sort();
    let names: Vec<_> = files.iter().filter_map(|file| file.file_stem()?.to_str()).collect();
    assert_eq!(names, ["churn", "hostile", "networks", "ramp-600", "smoke", "soak", "storm"]);
    for file in files {
        let (code, out, err) = run(&["bots", "check", file.to_str().expect("ASCII")]);
        assert_eq!((code, err.as_str()), (Some(0), ""), "{}", file.display());
        assert!(out.contains(": fine: "), "{out}");
    }
}

#[test]
fn what_is_wrong_with_a_scenario_is_told_with_its_line_and_2() {
    let folder = Folder::new("scenario");
    let path = folder.write("s.toml", GOOD);
    assert_eq!(
        run(&["bots", "check", &path]),
        (Some(0), "s: fine: 2 clients, 1 group, 0 phases, 0 gates, 10 s of field\n".to_owned(), String::new())
    );
    let refused = |text: &str, line: &str, why: &str| {
        let path = folder.write("s.toml", text);
        for command in [&["bots", "check", &path][..], &["bots", "--danger-accept-any-cert", "--scenario", &path]] {
            let (code, out, err) = run(command);
            assert_eq!((code, out.as_str()), (Some(2), ""), "{text}: {err}");
            assert!(err.starts_with(&format!("error: {path}{line}: ")) && err.contains(why), "{text}: {err}");
        }
    };
    let with = |more: &str| format!("{GOOD}{more}");
    refused(&with("client = 3\n"), ":5", "unknown field `client`");
    refused(&with("brain = 'chess'\n"), ":5", "`field` has no brain called `chess`; there are: wander, idle, spectate");
    refused(&with("net = 'moble'\n"), ":5", "`net`: `moble` is neither a preset");
    refused(&with("light = 3\n"), ":5", "`light` of group `all` is 3");
    refused(&with("break_every = 0.1\n"), ":5", "0.5 to 86400 seconds are allowed");
    refused(
        "game = 'chess'\n[[groups]]\nname = 'all'\nclients = 2\n",
        ":1",
        "`game` is `chess`; `arena`, `field` are allowed",
    );
    refused("[[groups]]\nname = 'all'\n", ":1", "a group needs a `clients`");
    refused("seed = -1\n", ":1", "`seed` is -1; 0 to");
    refused("seed = 1\n", "", "0 groups: 1 to 32 are allowed");
    refused(&with("[[groups]]\nname = 'a b'\nclients = 1\n"), ":6", "`a b` is no name");
    refused(&with("[stop]\nlost_share = 2.0\n"), ":6", "`lost_share` is 2; 0 to 1 are allowed");
    refused(&with("[stop]\nseconds = 0\n"), ":6", "0.1 to 86400 are allowed");
    refused(
        &with("[[phases]]\nkind = 'jump'\nseconds = 1\n"),
        ":6",
        "`kind` is `jump`; `ramp`, `plateau`, `spike`, `storm`, `churn` are allowed",
    );
    refused(&with("[[phases]]\nkind = 'plateau'\nto = 3\nseconds = 1\n"), ":7", "`to` says nothing in a plateau");
    refused(&with("[[phases]]\nkind = 'ramp'\nto = 3\nseconds = 1\n"), ":7", "there are 2 clients in all");
    refused(&with("[[phases]]\nkind = 'ramp'\nto = 2\n"), ":5", "a ramp needs a `seconds`");
    refused(
        &with("[stop]\nseconds = 5\n[[phases]]\nkind = 'ramp'\nto = 2\nseconds = 5\n"),
        ":6",
        "says nothing beside phases",
    );
    refused(
        &with("[gates]\n'rtt_ms.p98' = '< 1'\n"),
        ":6",
        "there is no `p98`; `max`, `p50`, `p90`, `p99`, `p999` are there",
    );
    refused(&with("[gates]\n'groups.al.rtt_ms.p99' = '< 1'\n"), ":6", "there is no `al`; `all` are there");
    refused(&with("[gates]\n'phases.up.rtt_ms.p99' = '< 1'\n"), ":6", "there is no `up`; nothing is there");
    refused(&with("[gates]\n'rtt_ms' = '< 1'\n"), ":6", "not one figure but several");
    refused(&with("[gates]\n'profile' = '< 1'\n"), ":6", "`profile` is no number");
    refused(&with("[gates]\nrtt_ms.p99 = '< 1'\n"), ":6", "a path with dots stands in quotes");
    refused(
        &with("[gates]\n'rtt_ms.p99' = '100'\n"),
        ":6",
        "`100` is no limit; <, <=, >, >= or = and a number are allowed",
    );
    refused("[[groups\n", ":1", "");
    refused(&with("[gates]\n'rtt.p99' = '< 1'\n"), ":6", "there is no `rtt`; did you mean `rtt_ms.p99`?");
    refused(&with("[gates]\n'series.rows.rtt_ms.p50' = '< 1'\n"), ":6", "is a list, and lists cannot be gated");
    refused(&with("[gates]\n'outliers' = '< 1'\n"), ":6", "`outliers` is a list");
    refused(&with("[gates]\n'rtt_ms.p99' = '< -5'\n"), ":6", "can never be < -5: it is never less than 0");
    refused(&with("[gates]\n'interpolation.starved_ratio' = '>= 2'\n"), ":6", "it is a ratio, from 0 to 1");
    refused(&with("[gates]\n'tick_us.p99' = '< 9'\n"), ":6", "would not be measured: no server tells that to others");
    refused(&with("[gates]\n'rtt_ms.p99' = '< 9'\n'rtt_ms.p99' = '> 1'\n"), ":7", "a figure has one limit");
    refused("groups = 'x'\n", ":1", "each group begins with `[[groups]]`");
    refused("[[groups]]\nname = 'all'\nclients = 99999999999\n", ":3", "1 to 4096 are allowed");
    refused(&format!("tick_rate = 60\nsend_rate = 25\n{GOOD}"), ":2", "25 snapshots a second do not divide 60 ticks");
    let asks = folder.write("s.toml", &with("[gates]\n'server.overruns' = '= 0'\n"));
    let (code, out, _) = run(&["bots", "check", &asks]);
    assert!(code == Some(0) && out.ends_with("; its gates need --admin\n"), "{out}");
    let (code, _, err) = run(&["bots", "--danger-accept-any-cert", "--scenario", &asks]);
    assert!(code == Some(2) && err.contains("give --admin URL and a token"), "{err}");
    let hostile = |brain: &str| with(&format!("[[groups]]\nname = 'bad'\nclients = 2\nbrain = '{brain}'\n"));
    refused(&hostile("hostile:aimbot"), ":8", "`brain`: there is no kind `aimbot`; there are:");
    refused(&hostile("hostile:lag:idle"), ":8", "nobody would play as group `bad` does");
    let gated = |gate: &str| hostile("hostile:half-open") + &format!("[gates]\n'{gate}' = '< 2'\n");
    refused(&gated("hostile.gains.metres_per_s.gain_percent"), ":10", "who is `half-open` attacks beside the match");
    refused(&gated("hostile.others.input_to_ack_ms.during"), ":10", "not one figure but several");
    refused(&with("[gates]\n'hostile.answer.attempts' = '> 2'\n"), ":6", "no group is hostile");
    let nowhere = format!("report = 'none/r.json'\n{GOOD}");
    refused(&nowhere, ":1", "there is no folder");
    refused("connect = 'localhost'\n[[groups]]\nname = 'all'\nclients = 2\n", ":1", "expected an address with a port");
    let (code, _, err) = run(&["bots", "check", "/nowhere/s.toml"]);
    assert!(code == Some(2) && err.contains("/nowhere/s.toml: cannot be read"), "{err}");
}

#[test]
fn flags_that_a_scenario_leaves_nothing_to_say_are_refused() {
    let folder = Folder::new("scenario-flags");
    let path = folder.write("s.toml", GOOD);
    for flag in ["--clients", "--light", "--brain", "--net", "--break-every"] {
        let (code, _, err) = run(&["bots", "--scenario", &path, flag, "1"]);
        assert!(code == Some(2) && err.contains("cannot be used with"), "{flag}: {err}");
    }
    let phases = "[[phases]]\nkind = 'ramp'\nto = 2\nseconds = 5\n[[phases]]\nkind = 'plateau'\nseconds = 5\n";
    let path = folder.write("p.toml", &format!("{GOOD}{phases}"));
    let (code, _, err) = run(&["bots", "--danger-accept-any-cert", "--scenario", &path, "--seconds", "5"]);
    assert!(code == Some(2) && err.contains("--seconds says nothing beside a scenario with phases"), "{err}");
    let (code, _, err) = run(&["bots", "--share", "5/4"]);
    assert!(code == Some(2) && err.contains("expected a share such as 1/4"), "{err}");
    let (code, _, err) = run(&["bots", "--danger-accept-any-cert", "--share", "3/4", "--clients", "2"]);
    assert!(code == Some(2) && err.contains("take fewer shares"), "{err}");
    let (code, _, err) = run(&["bots", "--danger-accept-any-cert", "--light", "16"]);
    assert!(code == Some(2) && err.contains("16 of 16 clients are light"), "{err}");
    let report = folder.path().join("none/r.json").display().to_string();
    let (code, _, err) = run(&["bots", "--danger-accept-any-cert", "--report", &report]);
    assert!(code == Some(2) && err.contains("there is no folder"), "{err}");
}

#[test]
fn files_that_cannot_be_written_or_would_be_one_are_refused_before_the_run() {
    let folder = Folder::new("outputs");
    let file = folder.path().join("r.json").display().to_string();
    let around = folder.path().join("../").join(folder.path().file_name().expect("it has a name")).join("r.json");
    let refused = |flags: &[&str], why: &str| {
        let (code, out, err) = run(&[&["bots", "--danger-accept-any-cert"], flags].concat());
        assert!((code, out.as_str()) == (Some(2), "") && err.contains(why), "{flags:?}: {code:?} {err}");
    };
    refused(&["--report", &file, "--html", &file], "is named twice");
    refused(&["--report", &file, "--record-lanes", &around.display().to_string()], "is named twice");
    refused(&["--report", "-"], "the standard output has the table");
    refused(&["--html", "/nonexist/x"], "there is no folder `/nonexist`");
    refused(&["--cpu", "99999"], "cannot stay on CPU 99999");
    assert!(!folder.path().join("r.json").exists());
}

/// A server of `game`, its address, and the flag that has bots believe it.
fn serve(game: &str) -> (Running, String, String) {
    let server = Running::start(&mut downbeat(&["serve", "--game", game, "--listen", "127.0.0.1:0"]));
    let line = server.line("bots --connect");
    let word =
        |flag: &str| line.split_whitespace().skip_while(|word| *word != flag).nth(1).expect("it is there").to_owned();
    let (address, pin) = (word("--connect"), word("--cert-sha256"));
    (server, address, pin)
}

#[test]
fn a_scenario_plays_and_flags_go_before_it() {
    let (server, address, pin) = serve("field");
    let folder = Folder::new("scenario-run");
    let gates = "[stop]\nseconds = 60\n[gates]\n'clients.connected' = '= 2'\n'clients.lost' = '> 0'\n";
    let path =
        folder.write("s.toml", &format!("connect = '127.0.0.1:9'\nseed = 7\nreport = 'own.json'\n{GOOD}{gates}"));
    let report = folder.path().join("flag.json");
    let flags =
        ["--connect", &address, "--cert-sha256", &pin, "--seconds", "2", "--report", report.to_str().expect("ASCII")];
    let (code, out, err) = run(&[&["bots", "--scenario", &path][..], &flags].concat());
    // A gate failed, unless the machine was too busy to tell.
    assert!(code == Some(3) || out.contains("INVALID") || out.contains("NOT SERVED"), "{code:?} {out} {err}");
    let text = std::fs::read_to_string(&report).expect("it was written");
    let report: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((report["seed"].as_u64(), report["scenario"].as_str()), (Some(7), Some("s")));
    assert_eq!((report["gates"][0]["held"].as_bool(), report["gates"][1]["held"].as_bool()), (Some(true), Some(false)));
    assert_eq!(report["gates"][1]["measured"].as_f64(), Some(0.0));
    assert!(!folder.path().join("own.json").exists(), "the flag said where");
    assert!(err.contains(&format!("report: {}", folder.path().join("flag.json").display())), "{err}");
    let flags = ["--connect", &address, "--cert-sha256", &pin, "--seconds", "1", "--share", "2/2"];
    let (_, out, err) = run(&[&["bots", "--scenario", &path][..], &flags].concat());
    assert!(folder.path().join("own.2-of-2.json").exists() && err.contains("report: "), "{out} {err}");
    assert!(out.contains("FAILED") && out.contains("held"), "{out}");
    server.signal("INT");
    assert!(server.wait().success());
}

#[test]
fn a_server_of_another_game_or_another_rate_is_told_with_1() {
    let (server, address, pin) = serve("field");
    let there = ["bots", "--connect", &address, "--cert-sha256", &pin];
    let (code, _, err) = run(&[&there[..], &["--game", "arena"]].concat());
    assert!(code == Some(1) && err.contains("another game") && err.contains("--game NAME"), "{err}");
    let (code, _, err) = run(&[&there[..], &["--game", "field", "--tick-rate", "30"]].concat());
    assert!(code == Some(1) && err.contains("60 ticks per second, not 30"), "{err}");
    server.signal("INT");
    assert!(server.wait().success());
}

#[test]
fn a_server_that_is_asked_tells_of_itself_and_one_that_does_not_is_told_before_the_run() {
    let folder = Folder::new("asked");
    let tokens = folder.write("tokens", "viewer ada viewer-0123456789abcdef\n");
    let admin = format!("[admin]\nlisten = '127.0.0.1:0'\ntokens = '{tokens}'\n");
    let config = folder.write("server.toml", &admin);
    let flags = ["serve", "--config", &config, "--listen", "127.0.0.1:0", "--game", "field", "--walkers", "5"];
    let server = Running::start(&mut downbeat(&flags));
    let said = server.line("game=field");
    let admin = server.line("admin interface");
    let url = admin.split_whitespace().find(|word| word.starts_with("http://")).expect("it says where").to_owned();
    let word = |before: &str| said.split_once(before).expect("it says so").1.split_whitespace().next().expect("a word");
    let report = folder.path().join("report.json").display().to_string();
    let play = ["bots", "--connect", word("--connect "), "--cert-sha256", word("--cert-sha256 "), "--game", "field"];
    let bots = ["--clients", "4", "--brain", "hostile:lag", "--seconds", "6"];
    let play = [&play[..], &bots, &["--report", &report, "--admin", &url]].concat();
    let refused = |more: &[&str], with: i32, why: &str| {
        let (code, _, err) = run(&[&play[..], more].concat());
        assert!(code == Some(with) && err.contains(why), "{code:?} {err}");
    };
    refused(&[], 2, "DOWNBEAT_ADMIN_TOKEN");
    refused(&["--admin-token", "nobody-0123456789abcdef"], 1, "does not know the token");
    let token = folder.write("token", "viewer-0123456789abcdef\n");
    let (code, _, err) = run(&[&play[..], &["--admin-token", &format!("@{token}"), "--progress", "none"]].concat());
    // A machine that does other things makes bots late, and that is all.
    assert!(matches!(code, Some(0 | 4)), "{err}");
    assert!(err.starts_with("report: ") && err.lines().count() == 1, "nothing is told while it goes on: {err}");
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&report).expect("it was written")).expect("JSON");
    assert!(report["server"]["overruns"].is_u64() && report["server"]["kernel_drops"] == 0, "{}", report["server"]);
    let rows = report["series"]["rows"].as_array().expect("rows");
    assert!(rows.iter().any(|row| row["server_tick_us"]["p50"].as_f64().is_some_and(|us| us > 0.0)), "{rows:?}");
    assert!(report["bots"]["rss_bytes_per_bot"].is_u64());
    let is_work =
        |work: &serde_json::Value| ["mean", "p99"].iter().all(|of| work[of].as_f64().is_some_and(|us| us > 0.0));
    let felt = &report["hostile"]["server"]["tick_us"];
    for work in
        [&report["server"]["tick_us"], &report["server"]["tick_start_jitter_us"], &felt["before"], &felt["during"]]
    {
        assert!(is_work(work), "{work}");
    }
    let parts = &report["budget"]["input_to_ack"];
    let told =
        ["tick_us", "tick_start_jitter_us"].map(|name| report["server"][name]["mean"].as_f64().expect("a number"));
    let (tick, told) = (parts["tick_ms"].as_f64().expect("the server tells it"), told.iter().sum::<f64>() / 1e3);
    // A loop that was late for longer than the links take is no part of them.
    assert!((tick - told).abs() < 0.002 || parts["uplink_ms"] == 0.0, "{parts} {told}");
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
}
