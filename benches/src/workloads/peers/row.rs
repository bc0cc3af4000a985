//! From runs to the rows of the table.

use serde::Serialize;

use super::Contest;
use super::run::{Contestant, Played, Run, Served};
use crate::statistics::{median, rounded};

/// A library with the clients of the comparison: medians of its runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Row {
    peer: String,
    version: String,
    visible: String,
    clients: usize,
    server_cpu_us_per_client_tick: f64,
    down_wire_bytes_per_client_tick: f64,
    up_wire_bytes_per_client_tick: f64,
    states_per_s: f64,
    /// The most clients tried that were served; `None` if none were.
    saturation: Option<usize>,
    /// What was full when more were tried: `server`, `clients`, or `nothing` if no more were tried.
    saturated: &'static str,
    encryption: String,
    delta: String,
    precision: &'static str,
    ticks_per_s: f64,
    delivered_ratio: f64,
    server_cpu_share: f64,
    clients_cpu_share: f64,
    runs: usize,
}

/// Downbeat against the best of the others, by processor time, at the same sight.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Ratio {
    visible: String,
    best_peer: String,
    cpu_ratio: f64,
    bytes_ratio: f64,
}

/// What a client costs when there are so many.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Step {
    peer: String,
    precision: &'static str,
    visible: String,
    clients: usize,
    server_cpu_us_per_client_tick: f64,
    server_cpu_share: f64,
    clients_cpu_share: f64,
    served: bool,
}

/// A process that uses this share of its processor has no time left.
const FULL: f64 = 0.9;

/// A row for each contestant and sight that has runs with the clients of the comparison.
pub(super) fn rows(contest: &Contest, runs: &[Run]) -> Vec<Row> {
    let sights = contest.visible.iter();
    let pairs = sights.flat_map(|visible| contest.contestants.iter().map(move |contestant| (contestant, visible)));
    pairs.filter_map(|(contestant, visible)| row(contestant, visible, contest.clients, runs)).collect()
}

fn row(contestant: &Contestant, visible: &str, clients: usize, runs: &[Run]) -> Option<Row> {
    let own = runs.iter().filter(|run| run.contestant == *contestant && run.visible == visible);
    let own: Vec<&Run> = own.collect();
    let at = own.iter().filter(|run| run.clients == clients);
    let complete: Vec<(&Served, &Played)> = at.filter_map(|run| run.served.as_ref().zip(run.played.as_ref())).collect();
    let (first, _) = complete.first()?;
    let served =
        |figure: fn(&Served) -> f64, places| rounded(median(complete.iter().map(|(served, _)| figure(served))), places);
    let played =
        |figure: fn(&Played) -> f64, places| rounded(median(complete.iter().map(|(_, played)| figure(played))), places);
    let (saturation, saturated) = saturation(&own);
    Some(Row {
        peer: contestant.name.clone(),
        version: first.version.clone(),
        visible: visible.to_owned(),
        clients,
        server_cpu_us_per_client_tick: served(|served| served.server_cpu_us_per_client_tick, 2),
        down_wire_bytes_per_client_tick: served(|served| served.down_wire_bytes_per_client_tick, 1),
        up_wire_bytes_per_client_tick: served(|served| served.up_wire_bytes_per_client_tick, 1),
        states_per_s: played(|played| played.states_per_s, 0),
        saturation,
        saturated,
        encryption: first.encryption.clone(),
        delta: first.delta.clone(),
        precision: precision(contestant),
        ticks_per_s: served(|served| served.ticks_per_s, 2),
        delivered_ratio: played(|played| played.delivered_ratio, 4),
        server_cpu_share: served(|served| served.cpu_share, 3),
        clients_cpu_share: played(|played| played.cpu_share, 3),
        runs: complete.len(),
    })
}

fn precision(contestant: &Contestant) -> &'static str {
    match contestant.precision.as_str() {
        "f32" => "f32",
        _ => "1 cm, 1/1024 turn",
    }
}

/// Whether at least half of the runs with so many clients were served.
fn is_served(runs: &[&Run], clients: usize) -> bool {
    let tried = || runs.iter().filter(|run| run.clients == clients);
    2 * tried().filter(|run| run.is_served()).count() >= tried().count()
}

/// All numbers of clients that were tried, ascending.
fn tried(runs: &[&Run]) -> Vec<usize> {
    let mut numbers: Vec<usize> = runs.iter().map(|run| run.clients).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// A step for each contestant, sight and number of clients that has runs.
pub(super) fn steps(contest: &Contest, runs: &[Run]) -> Vec<Step> {
    let mut steps = Vec::new();
    for visible in &contest.visible {
        for contestant in &contest.contestants {
            let own = runs.iter().filter(|run| run.contestant == *contestant && run.visible == *visible);
            let own: Vec<&Run> = own.collect();
            steps.extend(tried(&own).into_iter().map(|clients| step(contestant, visible, clients, &own)));
        }
    }
    steps
}

fn step(contestant: &Contestant, visible: &str, clients: usize, runs: &[&Run]) -> Step {
    let at = || runs.iter().filter(|run| run.clients == clients);
    let served = |figure: fn(&Served) -> f64| median(at().filter_map(|run| run.served.as_ref()).map(figure));
    let played = |figure: fn(&Played) -> f64| median(at().filter_map(|run| run.played.as_ref()).map(figure));
    Step {
        peer: contestant.name.clone(),
        precision: precision(contestant),
        visible: visible.to_owned(),
        clients,
        server_cpu_us_per_client_tick: rounded(served(|served| served.server_cpu_us_per_client_tick), 2),
        server_cpu_share: rounded(served(|served| served.cpu_share), 3),
        clients_cpu_share: rounded(played(|played| played.cpu_share), 3),
        served: is_served(runs, clients),
    }
}

/// The most clients of which at least half of the runs were served, and what was full in the runs beyond.
fn saturation(runs: &[&Run]) -> (Option<usize>, &'static str) {
    let numbers = tried(runs);
    let most = numbers.iter().copied().rev().find(|&clients| is_served(runs, clients));
    let Some(next) = numbers.iter().copied().find(|&clients| most.is_none_or(|most| clients > most)) else {
        return (most, "nothing");
    };
    let beyond = runs.iter().filter(|run| run.clients == next);
    let has_full_server = beyond.clone().filter_map(|run| run.served.as_ref()).any(|served| served.cpu_share >= FULL);
    let has_full_clients = beyond.filter_map(|run| run.played.as_ref()).any(|played| played.cpu_share >= FULL);
    let full = match (has_full_server, has_full_clients) {
        (true, false) => "server",
        (false, true) => "clients",
        (true, true) => "both",
        (false, false) => "unknown",
    };
    (most, full)
}

/// Downbeat against the best of the others, for each sight.
pub(super) fn ratios(rows: &[Row]) -> Vec<Ratio> {
    let downbeat = rows.iter().filter(|row| row.peer == "downbeat");
    downbeat
        .filter_map(|own| {
            let others = rows.iter().filter(|row| row.peer != "downbeat" && row.visible == own.visible);
            let cpu = |row: &Row| row.server_cpu_us_per_client_tick;
            let best = others.min_by(|a, b| cpu(a).total_cmp(&cpu(b)))?;
            let bytes = |row: &Row| row.down_wire_bytes_per_client_tick;
            Some(Ratio {
                visible: own.visible.clone(),
                best_peer: format!("{} ({})", best.peer, best.precision),
                cpu_ratio: rounded(cpu(own) / cpu(best), 3),
                bytes_ratio: rounded(bytes(own) / bytes(best), 3),
            })
        })
        .collect()
}

/// The rows in words, the head first.
pub(super) fn table(rows: &[Row]) -> Vec<Vec<String>> {
    const HEAD: [&str; 11] = [
        "peer",
        "visible",
        "clients",
        "server, µs",
        "down, B",
        "up, B",
        "states/s",
        "saturates at",
        "precision",
        "delta",
        "encryption",
    ];
    let mut lines = vec![HEAD.map(str::to_owned).to_vec()];
    for row in rows {
        let most = row.saturation.map_or("-".to_owned(), |most| most.to_string());
        lines.push(vec![
            format!("{} {}", row.peer, row.version),
            row.visible.clone(),
            row.clients.to_string(),
            format!("{:.1}", row.server_cpu_us_per_client_tick),
            format!("{:.0}", row.down_wire_bytes_per_client_tick),
            format!("{:.0}", row.up_wire_bytes_per_client_tick),
            format!("{:.0}", row.states_per_s),
            match row.saturated {
                "nothing" => format!("≥ {most}"),
                full => format!("{most} ({full})"),
            },
            row.precision.to_owned(),
            row.delta.clone(),
            row.encryption.clone(),
        ]);
    }
    lines
}

/// The steps in words: a line for each contestant and sight, a column for each number of clients. What was not served is in
/// brackets.
pub(super) fn steps_table(steps: &[Step]) -> Vec<Vec<String>> {
    let mut numbers: Vec<usize> = steps.iter().map(|step| step.clients).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let mut lines = vec![vec!["server, µs, with clients:".to_owned(), "visible".to_owned()]];
    lines[0].extend(numbers.iter().map(ToString::to_string));
    let same = |a: &Step, b: &Step| (&a.peer, a.precision, &a.visible) == (&b.peer, b.precision, &b.visible);
    for own in steps.chunk_by(same) {
        let mut line = vec![format!("{}, {}", own[0].peer, own[0].precision), own[0].visible.clone()];
        line.extend(numbers.iter().map(|number| match own.iter().find(|step| step.clients == *number) {
            Some(step) if step.served => format!("{:.1}", step.server_cpu_us_per_client_tick),
            Some(step) => format!("({:.1})", step.server_cpu_us_per_client_tick),
            None => String::new(),
        }));
        lines.push(line);
    }
    lines
}

/// The ratios in words, a line each.
pub(super) fn verdict(ratios: &[Ratio]) -> String {
    let line = |ratio: &Ratio| {
        let Ratio { visible, best_peer, cpu_ratio, bytes_ratio } = ratio;
        format!("{visible} visible: {cpu_ratio} of the processor time of {best_peer}, {bytes_ratio} of its bytes\n")
    };
    ratios.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::run::run;
    use super::*;

    fn contest(names: &[&str]) -> Contest {
        Contest {
            programs: PathBuf::new(),
            contestants: names.iter().map(|name| name.parse().expect("it takes part")).collect(),
            visible: vec!["all".to_owned(), "32".to_owned()],
            clients: 100,
            ladder: Vec::new(),
            rounds: None,
            runs: None,
        }
    }

    #[test]
    fn rows_are_medians_and_are_compared_with_the_cheapest_other() {
        let runs = [
            run("renet", "all", 100, 20.0, 2_000.0),
            run("renet", "all", 100, 90.0, 2_000.0),
            run("renet", "all", 100, 10.0, 2_000.0),
            run("renet", "all", 200, 1.0, 2_000.0),
            run("renet:f32", "all", 100, 40.0, 4_000.0),
            run("naia", "all", 100, 80.0, 1_000.0),
            run("downbeat", "all", 100, 8.0, 250.0),
        ];
        let rows = rows(&contest(&["downbeat", "renet", "renet:f32", "naia"]), &runs);
        let costs: Vec<_> = rows.iter().map(|row| (row.peer.as_str(), row.server_cpu_us_per_client_tick)).collect();
        assert_eq!(costs, [("downbeat", 8.0), ("renet", 20.0), ("renet", 40.0), ("naia", 80.0)]);
        let best_peer = "renet (1 cm, 1/1024 turn)".to_owned();
        let ratio = Ratio { visible: "all".to_owned(), best_peer, cpu_ratio: 0.4, bytes_ratio: 0.125 };
        assert_eq!(ratios(&rows), [ratio]);
    }

    #[test]
    fn who_is_full_when_a_library_saturates_is_told_apart() {
        let mut runs = vec![run("renet", "all", 100, 20.0, 2_000.0), run("renet", "all", 200, 20.0, 2_000.0)];
        let saturation = |runs: &[Run]| saturation(&runs.iter().collect::<Vec<_>>());
        assert_eq!(saturation(&runs), (Some(200), "nothing"));
        let mut late = run("renet", "all", 300, 20.0, 2_000.0);
        late.served.as_mut().expect("set").ticks_per_s = 40.0;
        late.served.as_mut().expect("set").cpu_share = 1.0;
        runs.push(late.clone());
        assert_eq!(saturation(&runs), (Some(200), "server"));
        late.served.as_mut().expect("set").cpu_share = 0.7;
        late.played.as_mut().expect("set").cpu_share = 1.0;
        runs[2] = late;
        assert_eq!(saturation(&runs), (Some(200), "clients"));
        let steps = super::steps(&contest(&["renet"]), &runs);
        assert_eq!(steps_table(&steps)[0][2..], ["100", "200", "300"]);
        assert_eq!(steps_table(&steps)[1][1..], ["all", "20.0", "20.0", "(20.0)"]);
        runs[2].clients = 50;
        runs.retain(|run| run.clients == 50);
        assert_eq!(saturation(&runs), (None, "clients"));
    }
}
