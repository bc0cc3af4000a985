//! The table of `docs/feel.md`: a line for each link, `median (worst) ≤ target` in each cell.

use std::fs;
use std::path::Path;

use super::row::{Figure, Row};
use crate::BenchError;

/// The table stands between these in the page.
const BEGIN: &str = "<!-- feel: begin -->";
const END: &str = "<!-- feel: end -->";

/// What a column is called, and a row's cell in it.
type Column = (&'static str, fn(&Row) -> String);

const COLUMNS: [Column; 10] = [
    ("link", |row| format!("`{}`", row.link)),
    ("L", |row| row.wait_ticks.to_string()),
    ("starved ticks, %", |row| cell(&row.starved_ticks_percent, 2, "≤")),
    ("input to ack p50, ms", |row| cell(&row.input_to_ack_p50_ms, 1, "≤")),
    ("interpolation delay p50, ms", |row| cell(&row.interpolation_delay_p50_ms, 1, "≤")),
    ("starved shown, %", |row| cell(&row.starved_shown_percent, 2, "≤")),
    ("mispredictions, wander", |row| cell(&row.mispredictions, 0, "=")),
    ("corrections > 5 cm per client-minute", |row| cell(&row.corrections_per_client_minute, 1, "<")),
    ("largest jump, cm", |row| cell(&row.jump_cm, 1, "≤")),
    ("shots confirmed within / beyond 250 ms, %", |row| {
        let shots = |figure: &Option<Figure>, sign| figure.map_or_else(|| "-".into(), |figure| cell(&figure, 1, sign));
        format!("{} / {}", shots(&row.confirmed_within_percent, "≥"), shots(&row.confirmed_beyond_percent, "="))
    }),
];

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

/// The rows as a table that is also legible as text.
pub(super) fn markdown(rows: &[Row]) -> String {
    let mut lines = vec![COLUMNS.map(|(name, _)| name.to_owned())];
    lines.extend(rows.iter().map(|row| COLUMNS.map(|(_, cell)| cell(row))));
    let widths: [usize; COLUMNS.len()] =
        std::array::from_fn(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default());
    let mut text = String::new();
    for (i, line) in lines.iter().enumerate() {
        for (cell, width) in line.iter().zip(widths) {
            text += &format!("| {cell:width$} ");
        }
        text += "|\n";
        if i == 0 {
            widths.iter().for_each(|width| text += &format!("|{}", "-".repeat(width + 2)));
            text += "|\n";
        }
    }
    text
}

/// Puts the table into the page at `page`, where the last one stood.
///
/// # Errors
/// When the page cannot be read or written, or has no place for a table.
pub(super) fn write_into(page: &Path, table: &str) -> Result<(), BenchError> {
    let fail = |why: &str| BenchError::Page(format!("{}: {why}", page.display()));
    let text = fs::read_to_string(page).map_err(|error| fail(&error.to_string()))?;
    let replaced = replaced(&text, table).ok_or_else(|| fail(&format!("no `{BEGIN}` and `{END}`")))?;
    fs::write(page, replaced).map_err(|error| fail(&error.to_string()))
}

fn replaced(page: &str, table: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{table}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_takes_the_place_of_the_last_one() {
        let page = format!("# Page\n{BEGIN}\nold\n{END}\nrest\n");
        let once = replaced(&page, "| new |\n").expect("there is a place");
        assert_eq!(once, format!("# Page\n{BEGIN}\n| new |\n{END}\nrest\n"));
        assert_eq!(replaced(&once, "| new |\n"), Some(once.clone()));
        assert_eq!(replaced("# Page", "| new |\n"), None);
    }

    #[test]
    fn a_figure_that_misses_its_target_is_bold() {
        let figure = Figure { target: Some(0.5), held: Some(false), median: 0.75, worst: 1.0 };
        assert_eq!(cell(&figure, 2, "≤"), "**0.75** (1.00) ≤ 0.5");
        assert_eq!(cell(&Figure { target: None, held: None, ..figure }, 0, "≤"), "1 (1)");
    }
}
