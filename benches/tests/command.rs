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
fn a_live_server_is_loaded_and_its_word_is_checked() {
    let output = run(&["capacity", "--clients", "60", "--hz", "30", "--quick", "--json"]);
    // A busy machine makes the run invalid; its figures are printed all the same.
    assert!(matches!(output.status.code(), Some(0 | 4)), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!(report["valid"].as_bool(), Some(output.status.success()));
    let whole = ["clients", "hz", "full_bots", "lost", "overruns", "truncated", "kernel_drops", "clients_extrapolated"];
    assert!(whole.iter().all(|field| report[field].is_u64()), "{report}");
    assert_eq!([&report["clients"], &report["hz"], &report["full_bots"]], [60, 30, 50]);
    assert!(report["server_cpu_us_per_client_tick"].as_f64().is_some_and(|us| us > 1.0));
    assert!(report["snapshots_per_client_s"].as_f64().is_some_and(|rate| (20.0..31.0).contains(&rate)), "{report}");
    assert!(report["exact_ratio"].as_f64().is_some_and(|ratio| ratio > 0.9), "{report}");
    for percentile in ["p50", "p99", "p999"] {
        assert!(
            report["tick_work_us"][percentile].is_number() && report["phases_us"]["encode"][percentile].is_number()
        );
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
