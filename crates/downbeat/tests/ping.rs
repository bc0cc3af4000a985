//! `ping` against live servers, and against none.

mod common;

use common::{Folder, Running, downbeat, run};
use serde_json::Value;

/// A server, and where it listens.
fn start(flags: &[&str]) -> (Running, String) {
    let server =
        Running::start(&mut downbeat(&[&["serve", "--game", "field", "--listen", "127.0.0.1:0"], flags].concat()));
    let line = server.line("game=field");
    let address = line.split(" on ").nth(1).and_then(|rest| rest.split(' ').next()).expect("it says where").to_owned();
    (server, address)
}

#[test]
fn a_ping_measures_and_takes_nobodys_place() {
    let folder = Folder::new("ping");
    let report = folder.path().join("report.json").display().to_string();
    let (server, address) = start(&["--rooms-max", "1", "--players-max", "2", "--report", &report]);
    let (code, out, err) = run(&["ping", &address, "--count", "3", "--json"]);
    assert_eq!(code, Some(0), "{err}");
    let found: Value = serde_json::from_str(&out).expect("one JSON object");
    assert_eq!((&found["answered"], &found["count"]), (&3.into(), &3.into()), "{found}");
    assert_eq!(found["address"], address.as_str());
    for figure in ["/handshake_ms/min", "/handshake_ms/p50", "/handshake_ms/max", "/rtt_ms/p50", "/rtt_min_ms"] {
        let ms = found.pointer(figure).and_then(Value::as_f64).unwrap_or_default();
        assert!(ms > 0.0 && ms < 3_000.0, "{figure}: {found}");
    }
    let (code, out, _) = run(&["ping", &address]);
    assert!(code == Some(0) && out.contains("handshake") && out.lines().count() == 1, "{out}");
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    let report: Value = serde_json::from_slice(&std::fs::read(&report).expect("it was written")).expect("a report");
    assert_eq!((&report["totals"]["admitted"], &report["clients_peak"]), (&0.into(), &0.into()), "{report}");
    assert_eq!(report["totals"]["closes"]["by_client"]["BYE"], 4, "{report}");
}

#[test]
fn a_server_that_is_not_there_or_not_the_one_is_an_error() {
    let (code, out, err) = run(&["ping", "127.0.0.1:9", "--json"]);
    assert_eq!(code, Some(1), "{err}");
    let found: Value = serde_json::from_str(&out).expect("one JSON object");
    assert!(found["answered"] == 0 && found["rtt_ms"].is_null() && found["errors"][0].is_string(), "{found}");
    let (_server, address) = start(&[]);
    let other = "0".repeat(64);
    let (code, _, err) = run(&["ping", &address, "--cert-sha256", &other]);
    assert!(code == Some(1) && err.contains("certificate"), "{err}");
    let (code, _, err) = run(&["ping", &address, "--count", "0"]);
    assert!(code == Some(2) && err.contains("1 to 1000"), "{err}");
    let (code, _, err) = run(&["ping", "127.0.0.1"]);
    assert!(code == Some(2) && err.contains("ping 127.0.0.1: ") && err.contains("with a port"), "{err}");
}

#[test]
fn a_server_limits_what_pings_cost() {
    let folder = Folder::new("ping-limits");
    let limits = "address_exempt = []\nhandshakes_per_s = 1\nhandshakes_burst = 1\n";
    let path = folder.write("server.toml", limits);
    let (_server, address) = start(&["--config", &path]);
    // A few without a proof of the address, one with, and one more with each second.
    let (code, out, err) = run(&["ping", &address, "--count", "12", "--json"]);
    assert_eq!(code, Some(1), "{err}");
    let found: Value = serde_json::from_str(&out).expect("one JSON object");
    assert!(found["answered"].as_u64().is_some_and(|answered| (3..12).contains(&answered)), "{found}");
    assert!(err.contains("refuses connections at the moment"), "{err}");
}
