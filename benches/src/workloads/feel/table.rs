//! The table of `docs/feel.md`: a line for each link, `median (worst) ≤ target` in each cell.

use std::path::Path;

use super::row::{Figure, Row};
use crate::{BenchError, markdown, page};

/// A table of the page: it stands between two marks of this name.
pub(super) struct Table {
    name: &'static str,
    columns: &'static [Column],
}

/// What a player feels.
pub(super) const FEEL: Table = Table { name: "feel", columns: &COLUMNS };

/// What it would be like if clients left something off.
pub(super) const WITHOUT: Table = Table { name: "without", columns: &WITHOUT_COLUMNS };

/// What a column is called, and a row's cell in it.
type Column = (&'static str, fn(&Row) -> String);

const COLUMNS: [Column; 11] = [
    ("link", |row| format!("`{}`", row.link)),
    ("L", |row| row.wait_ticks.to_string()),
    ("starved ticks, %", |row| cell(&row.starved_ticks_percent, 2, "≤")),
    ("input to ack p50, ms", |row| cell(&row.input_to_ack_p50_ms, 1, "≤")),
    ("interpolation delay p50, ms", |row| cell(&row.interpolation_delay_p50_ms, 1, "≤")),
    ("input to visible p50, ms", |row| cell(&row.input_to_visible_p50_ms, 1, "≤")),
    ("starved shown, %", |row| cell(&row.starved_shown_percent, 2, "≤")),
    ("mispredictions, wander", |row| cell(&row.mispredictions, 0, "=")),
    ("corrections > 5 cm per client-minute", |row| cell(&row.corrections_per_client_minute, 1, "<")),
    ("largest jump, cm", |row| cell(&row.jump_cm, 1, "≤")),
    ("shots confirmed within / beyond 250 ms, %", |row| {
        let shots = |figure: &Option<Figure>, sign| figure.map_or_else(|| "-".into(), |figure| cell(&figure, 1, sign));
        format!("{} / {}", shots(&row.confirmed_within_percent, "≥"), shots(&row.confirmed_beyond_percent, "="))
    }),
];

const WITHOUT_COLUMNS: [Column; 9] = [
    ("link", |row| format!("`{}`", row.link)),
    ("without", |row| row.without.clone().unwrap_or_else(|| "-".into())),
    ("starved ticks, %", |row| worth(&row.starved_ticks_percent, 2)),
    ("input to ack p50, ms", |row| worth(&row.input_to_ack_p50_ms, 1)),
    ("interpolation delay p50, ms", |row| worth(&row.interpolation_delay_p50_ms, 1)),
    ("starved shown, %", |row| worth(&row.starved_shown_percent, 2)),
    ("mispredictions, wander", |row| worth(&row.mispredictions, 0)),
    ("corrections > 5 cm per client-minute", |row| worth(&row.corrections_per_client_minute, 1)),
    ("largest jump, cm", |row| worth(&row.jump_cm, 1)),
];

/// `median (worst)`.
fn worth(figure: &Figure, places: usize) -> String {
    cell(&Figure { target: None, held: None, ..*figure }, places, "")
}

/// `median (worst) ≤ target`; a median that misses its target is bold.
fn cell(figure: &Figure, places: usize, sign: &str) -> String {
    let median = format!("{:.places$}", figure.median);
    let median = if figure.held == Some(false) { format!("**{median}**") } else { median };
    let target = figure.target.map_or_else(String::new, |target| format!(" {sign} {}", trimmed(target)));
    format!("{median} ({:.places$}){target}", figure.worst)
}

/// With one decimal, if it has any.
fn trimmed(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}

impl Table {
    /// The rows as a table that is also legible as text.
    pub(super) fn markdown(&self, rows: &[Row]) -> String {
        let mut lines: Vec<Vec<String>> = vec![self.columns.iter().map(|(name, _)| (*name).to_owned()).collect()];
        lines.extend(rows.iter().map(|row| self.columns.iter().map(|(_, cell)| cell(row)).collect()));
        markdown::table(&lines)
    }

    /// Puts what [`Self::markdown`] gave into the page at `page`, where the last one stood.
    ///
    /// # Errors
    /// When the page cannot be read or written, or has no place for a table.
    pub(super) fn write_into(&self, path: &Path, table: &str) -> Result<(), BenchError> {
        page::put(path, self.name, table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_that_misses_its_target_is_bold() {
        let figure = Figure { target: Some(0.5), held: Some(false), median: 0.75, worst: 1.0 };
        assert_eq!(cell(&figure, 2, "≤"), "**0.75** (1.00) ≤ 0.5");
        assert_eq!(cell(&Figure { target: None, held: None, ..figure }, 0, "≤"), "1 (1)");
    }
}
