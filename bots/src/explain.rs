//! Accounting for people: where to quantise harder.

use std::fmt;

use crate::accounting::{AccountRow, Accounting, Way};

/// Prints an [`Accounting`] as two tables.
#[derive(Clone, Copy, Debug)]
pub struct Explained<'a>(&'a Accounting);

impl Accounting {
    /// The accounting as tables.
    #[must_use]
    pub const fn explained(&self) -> Explained<'_> {
        Explained(self)
    }
}

impl fmt::Display for Explained<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(accounting) = self;
        writeln!(f, "What the bytes of {} bots are spent on, per client and second", accounting.bots)?;
        for (name, way) in [("down", &accounting.down), ("up", &accounting.up)] {
            writeln!(f)?;
            table(f, name, way)?;
        }
        Ok(())
    }
}

fn table(f: &mut fmt::Formatter<'_>, name: &str, way: &Way) -> fmt::Result {
    writeln!(f, "{name:44}{:>10}{:>9}{:>10}{:>11}", "bytes/s", "share", "times/s", "bits each")?;
    for row in &way.rows {
        let number = |value: Option<f64>| value.map_or(String::new(), |value| format!("{value:.1}"));
        let (times, bits) =
            (number(row.times_per_client_s), row.bits_each.map_or(String::new(), |b| format!("{b:.2}")));
        let line = format!(
            "{:44}{:>10.1}{:>7.1} %{times:>10}{bits:>11}",
            what(row),
            row.bytes_per_client_s,
            100.0 * row.share
        );
        writeln!(f, "{}", line.trim_end())?;
    }
    let sum: f64 = way.rows.iter().map(|row| row.bytes_per_client_s).sum();
    writeln!(f, "{:44}{sum:>10.1}{:>7.1} %{:>10.1}", "all, in packets", 100.0, way.packets_per_client_s)
}

fn what(row: &AccountRow) -> String {
    let part = row.part.words();
    match (&row.kind, &row.field) {
        (Some(kind), Some(field)) => format!("  {part}: {kind}.{field}"),
        (Some(kind), None) => format!("  {part}: {kind}"),
        _ => part.to_owned(),
    }
}
