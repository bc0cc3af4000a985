//! What outlives a server: a line for each who came, what he achieved, and that he went.
#![cfg(unix)]

mod common;

use std::collections::BTreeMap;
use std::fs;

use common::{Folder, Running, downbeat, run};
use serde_json::Value;

#[test]
fn a_match_leaves_joins_scores_and_leaves_in_a_file() {
    let folder = Folder::new("records");
    let path = folder.path().join("records.jsonl");
    let flags = ["serve", "--game", "arena", "--listen", "127.0.0.1:0"];
    let server = Running::start(downbeat(&flags).env("DOWNBEAT_RESULTS_FILE", &path));
    let said = server.line("game=arena");
    let word = |before: &str| said.split_once(before).expect("it says so").1.split_whitespace().next().expect("a word");
    let (address, fingerprint) = (word("--connect "), word("--cert-sha256 "));
    let play = ["bots", "--connect", address, "--cert-sha256", fingerprint, "--clients", "4", "--seconds", "1"];
    let (_, said, _) = run(&play);
    assert!(said.contains("4 clients play arena"), "{said}");
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));

    let text = fs::read_to_string(&path).expect("it was written");
    let records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("a record a line")).collect();
    let mut counts = BTreeMap::new();
    for record in &records {
        *counts.entry(record["event"].as_str().expect("a name")).or_insert(0) += 1;
    }
    assert_eq!(counts, BTreeMap::from([("room_opened", 1), ("joined", 4), ("result", 4), ("left", 4)]), "{text}");
    for player in 0..4 {
        let of = |event: &str| {
            let found = records.iter().position(|record| record["event"] == event && record["player"] == player);
            found.unwrap_or_else(|| panic!("no {event} of {player} in\n{text}"))
        };
        let (joined, result, left) = (of("joined"), of("result"), of("left"));
        assert!(joined < result && result < left, "{text}");
        let (joined, result, left) = (&records[joined], &records[result], &records[left]);
        assert_eq!((&joined["role"], &joined["room"]), (&"player".into(), &1.into()));
        assert!(result["result"] == "score" && result["data"]["score"].is_i64() && result["data"]["deaths"].is_u64());
        assert!(left["reason"] == "BYE" && left["seconds"].as_f64() > Some(0.5), "{left}");
    }
}
