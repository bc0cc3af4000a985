//! The tables of `docs/performance.md`, one for each thing that grows.

use super::{Axis, Phases, Row};
use crate::markdown;

/// A table for each axis, each behind its plot's name.
pub(super) fn markdown(rows: &[Row]) -> String {
    let tables = [Axis::Clients, Axis::Entities, Axis::Rooms].map(|axis| {
        let rows: Vec<&Row> = rows.iter().filter(|row| row.axis == axis).collect();
        let mut lines = vec![head(axis)];
        lines.extend(rows.iter().map(|row| line(row)));
        format!("![CPU per client and tick by {0}](performance/{0}.svg)\n\n{1}", axis.name(), markdown::table(&lines))
    });
    tables.join("\n")
}

impl Axis {
    /// As in names of files and in prose.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Clients => "clients",
            Self::Entities => "entities",
            Self::Rooms => "rooms",
        }
    }
}

fn head(axis: Axis) -> Vec<String> {
    let mut head = vec![axis.name(), "CPU, µs per client and tick", "of rounds", "against the first"];
    match axis {
        Axis::Rooms => head.extend(["clients", "walkers"]),
        _ => head.extend(["receive", "step, capture", "interest", "encode", "flush", "tick work p99, ms"]),
    }
    head.into_iter().map(str::to_owned).collect()
}

fn line(row: &Row) -> Vec<String> {
    let mut line = vec![
        row.size().to_string(),
        format!("{:.2}", row.cpu_us_per_client_tick),
        format!("{:.2} - {:.2}", row.cpu_us_least, row.cpu_us_most),
        format!("{:.2}", row.ratio_to_first),
    ];
    if row.axis == Axis::Rooms {
        line.extend([row.clients.to_string(), row.entities.to_string()]);
    } else if let Some(Phases { receive, world, interest, encode, flush }) = row.phases_us {
        line.extend([receive, world, interest, encode, flush].map(|us| format!("{us:.2}")));
        line.push(format!("{:.2}", row.tick_work_us_p99.unwrap_or(f64::NAN) / 1e3));
    }
    line
}
