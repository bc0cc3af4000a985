//! The command line, as programs use it.

use std::process::{Command, Output};

use serde_json::Value;

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_downbeat-benches")).args(arguments).output().expect("it starts")
}

/// The figures of a short run, which must be all that is printed.
fn figures(workload: &str, seed: &str) -> Value {
    let output = run(&[workload, "--quick", "--json", "--seed", seed]);
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

#[test]
fn every_report_has_the_fields_of_the_contract() {
    let fields: [(&str, &[&str]); 3] = [
        ("halo", &["bytes_per_tick"]),
        ("asteroids", &["wire_bytes_per_s"]),
        ("arena", &["visible_mean", "speed_mean_mps", "down_wire_bytes_per_s", "up_wire_bytes_per_s"]),
    ];
    for (workload, fields) in fields {
        let report = figures(workload, "5");
        assert_eq!((&report["workload"], &report["seed"]), (&workload.into(), &5.into()));
        assert!(report["profile"].is_string() && report["reference_ns"].is_number(), "{report}");
        for field in fields {
            assert!(report[field].as_f64().is_some_and(|figure| figure > 0.0), "{field}: {report}");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let bytes = |seed| figures("halo", seed)["bytes_per_tick"].clone();
    assert_eq!(bytes("6"), bytes("6"));
    assert_ne!(bytes("6"), bytes("7"));
}

#[test]
fn what_is_not_a_workload_or_not_a_share_is_a_usage_error() {
    for arguments in [&["nothing"][..], &[], &["wander", "--loss", "half"], &["halo", "--loss", "5%"]] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn missing_peers_are_named_with_the_command_that_builds_them() {
    let output = run(&["peers", "--quick", "--programs", "nowhere", "--peers", "renet,downbeat,renet:f32"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(why.contains("nowhere") && why.contains("benches/peers/build.sh renet downbeat`"), "{why}");
    assert!(output.stdout.is_empty(), "{output:?}");
}
