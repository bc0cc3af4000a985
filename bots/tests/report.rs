//! What a report says, and when it counts.

use downbeat_bots::report::{
    BotsFigures, Clients, GateResult, GroupReport, Inputs, Light, PhaseReport, Prediction, Reason, Server, ServerSide,
    Snapshots,
};
use downbeat_bots::series::{ROWS_MAX, SeriesRow, Spread};
use downbeat_bots::{AccountRow, Accounting, Percentiles, Report, Verdict, Way};

fn percentiles(p99: f64) -> Percentiles {
    Percentiles { p50: 1.0, p90: 2.0, p99, p999: p99 + 1.0, max: p99 + 2.0 }
}

fn good() -> Report {
    Report {
        profile: "test".to_owned(),
        clients: Clients { asked: 16, connected: 16, ..Clients::default() },
        snapshots: Snapshots { received: Some(990), expected: Some(1_000), lost: Some(10), ..Snapshots::default() },
        prediction: Prediction { mispredicted: Some(3), per_client_minute: Some(0.5), ..Prediction::default() },
        bots: BotsFigures {
            late_us: Some(percentiles(500.0)),
            valid: true,
            kernel_drops: Some(0),
            ..Default::default()
        },
        ..Report::default()
    }
}

#[test]
fn a_run_counts_when_all_got_in_stayed_and_were_served() {
    assert_eq!(good().verdict(), Verdict::Served);
    assert_eq!(good().verdict().exit_code(), 0);

    let mut report = good();
    report.clients.connected = 15;
    assert_eq!(report.verdict(), Verdict::NotServed(vec!["1 of 16 clients did not get in".into()]));
    report = good();
    report.clients.lost = 2;
    assert_eq!(report.verdict().exit_code(), 1);
    report = good();
    report.snapshots.received = Some(979);
    assert_eq!(report.verdict().exit_code(), 1, "97.9 % are not enough");
    report.snapshots = Snapshots::default();
    assert_eq!(report.verdict().exit_code(), 1, "what was not measured was not served");
}

#[test]
fn light_clients_must_get_in_stay_and_be_served_like_the_others() {
    let light = Light { asked: 9, connected: 9, received: Some(985), expected: Some(1_000), ..Light::default() };
    let verdict = |light| Report { light: Some(light), ..good() }.verdict();
    assert_eq!(verdict(light), Verdict::Served);
    let why = |light| match verdict(light) {
        Verdict::NotServed(why) => why.join("; "),
        other => panic!("{other:?}"),
    };
    assert_eq!(why(Light { connected: 8, ..light }), "1 of 9 light clients did not get in");
    assert_eq!(why(Light { lost: 1, ..light }), "1 of 9 light clients were lost");
    assert!(why(Light { received: Some(979), ..light }).contains("97.9 % of the expected snapshots of light clients"));
    assert!(why(Light { received: None, ..light }).contains("0.0 %"), "what was not measured was not served");
}

#[test]
fn a_run_in_which_the_tool_fell_behind_is_invalid_and_not_averaged_in() {
    let mut report = good();
    report.bots.late_us = Some(percentiles(2_001.0));
    assert_eq!(report.verdict().exit_code(), 4);
    report.snapshots.received = Some(500);
    assert_eq!(report.verdict().exit_code(), 4, "late bots lose snapshots by themselves");
    report.clients.lost = 1;
    assert_eq!(report.verdict().exit_code(), 1, "but a lost client is a lost client");

    report = good();
    report.bots.kernel_drops = Some(1);
    assert_eq!(report.verdict().exit_code(), 4);
    report = good();
    let server = Server { kernel_drops: Some(3), ..Server::default() };
    report.add_server(&ServerSide { server, ..ServerSide::default() });
    assert!(!report.bots.valid);
    assert_eq!(report.verdict().exit_code(), 4, "on either side");
}

#[test]
fn what_the_server_knows_is_added_to_what_the_bots_sent() {
    let mut report = good();
    report.inputs = Inputs { sent: Some(100), consumed: Some(90), ..Inputs::default() };
    let inputs = Inputs { sent: None, consumed: Some(120), starved: Some(3), late: Some(2), rejected: Some(0) };
    let side = ServerSide { inputs, tick_us: Some(percentiles(300.0)), ..ServerSide::default() };
    report.add_server(&side);
    assert_eq!(report.inputs, Inputs { sent: Some(100), ..inputs });
    assert_eq!(report.tick_us, Some(percentiles(300.0)));
    assert!(report.bots.valid);
}

#[test]
fn what_was_not_measured_is_null_and_reads_back() {
    let json: serde_json::Value = serde_json::from_str(&good().to_json()).expect("JSON");
    for name in ["rtt_ms", "input_to_visible_ms", "tick_us", "visible_entities_mean", "tick_rate_hz", "reference_ns"] {
        assert!(json.as_object().expect("an object").contains_key(name), "{name} is there");
        assert!(json[name].is_null(), "{name} is null");
    }
    assert!(json["server"]["rss_bytes"].is_null() && json["prediction"]["reconciled"].is_null());
    assert_eq!(json["bots"]["late_us"]["p99"], 500.0);
    assert_eq!(serde_json::from_str::<Report>(&good().to_json()).expect("its own JSON"), good());
}

#[test]
fn the_table_says_what_happened_in_words() {
    let mut report = good();
    report.rtt_ms = Some(percentiles(31.25));
    let table = report.table().to_string();
    assert!(table.contains("SERVED: all 16 clients"), "{table}");
    assert!(table.contains("31.25"), "{table}");
    assert!(table.lines().all(|line| line.len() < 140 && !line.ends_with(' ')), "{table}");
    report.clients.connected = 15;
    let why = "SERVER_FULL (16): the server is full; try again later or elsewhere".to_owned();
    report.clients.reasons = vec![Reason { joined: false, code: Some(16), why, clients: 1, ..Reason::default() }];
    let table = report.table().to_string();
    assert!(table.contains("NOT SERVED") && table.contains("1 did not get in: SERVER_FULL"), "{table}");
}

#[test]
fn the_table_has_a_row_for_each_phase_and_each_group_and_says_whose_screens_are_meant() {
    let mut report =
        Report { share: Some("1/2".into()), scenario: Some("storm".into()), total_seconds: 22.0, ..good() };
    let (kind, rtt_ms) = ("storm".to_owned(), Some(percentiles(7.25)));
    report.phases = vec![PhaseReport { name: "rush".into(), kind, end_s: 22.0, rtt_ms, ..PhaseReport::default() }];
    report.groups = vec![GroupReport {
        name: "phone".into(),
        net: "wifi".into(),
        input_to_ack_ms: rtt_ms,
        ..GroupReport::default()
    }];
    report.gates =
        vec![GateResult { path: "snapshots.lost".into(), limit: "= 0".into(), measured: Some(171.0), held: false }];
    let table = report.table().to_string();
    let has = |text: &str, words: &[&str]| text.lines().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(
        has(&table, &["16 clients (share 1/2) play", "for 22.0 s in all"]) && has(&table, &["scenario storm"]),
        "{table}"
    );
    assert!(has(&table, &["rush", "storm", "22.0", "1.0"]) && has(&table, &["phone", "7.2", "-"]), "{table}");
    assert!(has(&table, &["visible: not measured"]) && has(&table, &["visible p99"]), "{table}");
    assert!(has(&table, &["snapshots.lost is 171, not = 0"]) && !table.contains("171.000"), "{table}");
    report.groups[0].input_to_visible_ms = Some(percentiles(9.0));
    let table = report.table().to_string();
    assert!(has(&table, &["from a group's own inputs to the screens of others"]), "{table}");
    assert!(table.lines().all(|line| line.len() < 140 && !line.ends_with(' ')), "{table}");
}

#[test]
fn the_table_says_nothing_of_what_was_not_measured() {
    let mut report = good();
    let table = report.table().to_string();
    let empty = |line: &str| line.contains(" - ") || line.ends_with(" -");
    assert!(!table.contains("server ") && !table.lines().skip(3).any(empty), "{table}");
    report.server.overruns = Some(7);
    let table = report.table().to_string();
    assert!(table.lines().any(|line| line.trim_end() == format!("{:28}7 ticks overran", "server")), "{table}");
}

#[test]
fn no_more_arrived_than_was_due_in_the_table() {
    let mut report = good();
    report.snapshots.received = Some(1_016);
    let table = report.table().to_string();
    assert!(table.contains("1000 of 1000 expected") && table.contains("100.0 % of what was due"), "{table}");
}

#[test]
fn a_game_that_is_served_although_its_state_is_none_is_told_so() {
    let mind = |report: &Report| {
        let table = report.table().to_string();
        table.lines().filter(|line| line.starts_with("MIND")).map(str::to_owned).collect::<Vec<_>>().join("|")
    };
    assert_eq!(mind(&good()), "");
    let mut report = good();
    report.server = Server { clamped: Some(0), refused: Some(960), ..Server::default() };
    assert!(mind(&report).contains("960 states held a NaN and were refused"), "{}", mind(&report));
    report.server = Server { clamped: Some(3), refused: Some(0), ..Server::default() };
    assert!(mind(&report).contains("3 values of the game's state were out of"), "{}", mind(&report));
    report = good();
    report.prediction = Prediction { substituted: Some(0), ..Prediction::default() };
    assert!(mind(&report).contains("`out.put_avatar` was never called"), "{}", mind(&report));
}

#[test]
fn the_page_holds_the_report_and_nothing_of_it_becomes_part_of_the_page() {
    let mut report = good();
    let nasty = "</script><img src=x onerror=alert(1)><!-- {{data}}";
    report.net = nasty.to_owned();
    report.clients.reasons = vec![Reason { joined: true, why: nasty.to_owned(), clients: 1, ..Reason::default() }];
    report.clients.lost = 1;
    let page = report.to_html();
    assert!(!page.contains("<img") && !page.contains("{{style}}") && !page.contains("{{script}}"));
    let (_, data) = page.split_once(r#"id="data">"#).expect("the data has its place");
    let (data, rest) = data.split_once("</script>").expect("it ends");
    assert!(rest.contains("document.getElementById"), "and the program follows");
    let data: serde_json::Value = serde_json::from_str(data).expect("JSON");
    assert_eq!(data["report"]["net"], nasty);
    assert_eq!(data["verdict"]["state"], "not_served");
    assert_eq!(serde_json::from_value::<Report>(data["report"].clone()).expect("a report"), report);
    let links = page.matches("http://").count() + page.matches("https://").count();
    assert_eq!(links, 1, "it loads nothing: the one address names SVG");
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn the_page_of_a_large_run_stays_small() {
    let mut report = good();
    let spread = Some(Spread { p50: 123.456, p99: 234.567 });
    let row = SeriesRow {
        t_s: 1_234.567,
        rtt_ms: spread,
        input_to_ack_ms: spread,
        input_to_visible_ms: spread,
        starved_ratio: Some(0.012_345_678_9),
        server_tick_us: spread,
        ..SeriesRow::default()
    };
    report.series.rows = vec![row; ROWS_MAX];
    let row = AccountRow { kind: Some("Player".into()), field: Some("position".into()), ..AccountRow::default() };
    let way = Way { rows: vec![row; 500], ..Way::default() };
    report.accounting = Some(Accounting { down: way.clone(), up: way, ..Accounting::default() });
    assert!(report.to_html().len() < 2_000_000, "{} bytes", report.to_html().len());
}
