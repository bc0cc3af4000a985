//! What a monitoring system is told of a live server: as the report has it, and well-formed.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{Player, config, hello, start};
use downbeat_field::{Config, Field};
use downbeat_server::Metrics;
use downbeat_wire::CloseCode;

/// The numbers of a page by name and labels, and the kinds of its families.
struct Scrape {
    numbers: BTreeMap<String, f64>,
    kinds: BTreeMap<String, String>,
}

impl Scrape {
    fn of(metrics: &Metrics) -> Self {
        let (mut numbers, mut kinds) = (BTreeMap::new(), BTreeMap::new());
        for line in metrics.render().lines() {
            if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').expect("a name and a kind");
                assert!(kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} is there twice");
            } else if !line.starts_with('#') {
                let (name, value) = line.rsplit_once(' ').expect("a name and a number");
                let value: f64 = value.parse().expect("a number");
                assert!(numbers.insert(name.to_owned(), value).is_none(), "{name} is there twice");
            }
        }
        Self { numbers, kinds }
    }

    #[track_caller]
    fn get(&self, name: &str) -> f64 {
        *self.numbers.get(name).unwrap_or_else(|| panic!("there is no {name}"))
    }
}

#[test]
fn metrics_say_what_the_report_says() {
    let server = start::<Field>(&config::<Field>(), &Config { walkers: 20, ..Config::default() });
    let metrics = server.metrics.clone();
    let mut player = Player::join(server.probe(), &hello::<Field>());
    // Counts are left once a second.
    assert!(player.until(|player| player.ticks() > 30 && Scrape::of(&metrics).get("downbeat_rtt_seconds_count") > 1.0));
    let playing = Scrape::of(&metrics);
    assert_eq!(playing.get("downbeat_players{role=\"player\"}"), 1.0);
    assert_eq!(playing.get("downbeat_draining"), 0.0);
    assert_eq!(playing.get("downbeat_rooms"), 1.0);
    player.probe.leave();
    let report = server.stop();

    let told = Scrape::of(&metrics);
    let totals = &report.totals;
    let same = [
        ("downbeat_ticks_total", totals.ticks),
        ("downbeat_tick_overruns_total", totals.overruns),
        ("downbeat_inputs_total{outcome=\"consumed\"}", totals.inputs.consumed),
        ("downbeat_inputs_total{outcome=\"starved\"}", totals.inputs.starved),
        ("downbeat_snapshots_total{outcome=\"sent\"}", totals.snapshots.sent),
        ("downbeat_snapshot_bytes_count", totals.snapshots.sent),
        ("downbeat_room_tick_seconds_count", totals.ticks),
        ("downbeat_tick_start_jitter_seconds_count", totals.ticks),
        ("downbeat_udp_datagrams_total{direction=\"in\"}", totals.traffic.datagrams_in),
        ("downbeat_connections_total{outcome=\"admitted\",reason=\"HELLO\"}", totals.admitted),
        ("downbeat_connections_total{outcome=\"closed_by_client\",reason=\"BYE\"}", 1),
    ];
    for (name, expected) in same {
        assert_eq!(told.get(name), expected as f64, "{name}");
    }
    assert!(told.get("downbeat_snapshot_bytes_sum") > 0.0 && told.get("downbeat_input_margin_ticks_count") > 20.0);
    for phase in ["receive", "step", "capture", "interest", "encode", "flush"] {
        let name = format!("downbeat_tick_duration_seconds_count{{phase=\"{phase}\"}}");
        assert!(told.get(&name) > 20.0, "{phase}");
    }
    assert_eq!(told.get("downbeat_draining"), 1.0);
    assert!(told.get("downbeat_drain_ends_timestamp_seconds") > told.get("process_start_time_seconds") - 1.0);
    assert!(told.get("downbeat_shard_beats_total{shard=\"0\"}") > 100.0);
}

#[test]
fn there_is_a_number_for_every_reason_before_anything_happened() {
    let server = start::<Field>(&config::<Field>(), &Config { walkers: 1, ..Config::default() });
    let told = Scrape::of(&server.metrics);
    for code in CloseCode::ALL {
        let name = format!("downbeat_connections_total{{outcome=\"closed_by_server\",reason=\"{}\"}}", code.label());
        assert_eq!(told.get(&name), 0.0);
    }
    assert_eq!(told.get("downbeat_tickets_refused_total{reason=\"expired\"}"), 0.0);
    // What belongs to no family would be refused as a whole, and more numbers than these somebody has to pay for.
    let family = |name: &str| {
        let base = name.split('{').next().expect("a name");
        let part = ["_bucket", "_sum", "_count"].iter().find_map(|end| base.strip_suffix(end));
        part.filter(|part| told.kinds.get(*part).is_some_and(|kind| kind == "histogram")).unwrap_or(base).to_owned()
    };
    let families: BTreeSet<String> = told.numbers.keys().map(|name| family(name)).collect();
    assert_eq!(families, told.kinds.keys().cloned().collect());
    assert!(told.numbers.len() < 500, "{} numbers", told.numbers.len());
    for (name, kind) in &told.kinds {
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
    }
    server.stop();
}
