//! Accounting for people: where to quantise harder.

use std::fmt;

use crate::accounting::{AccountRow, Accounting, Part, Way};

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

/// Rows of less than this share of a direction are told as one.
const SMALL: f64 = 0.000_5;

fn table(f: &mut fmt::Formatter<'_>, name: &str, way: &Way) -> fmt::Result {
    writeln!(f, "{name:44}{:>10}{:>9}{:>10}{:>11}", "bytes/s", "share", "times/s", "bits each")?;
    let (told, small): (Vec<_>, Vec<_>) = way.rows.iter().partition(|row| row.share.abs() >= SMALL);
    let mut kinds: Vec<&str> = Vec::new();
    for row in told {
        match row.kind.as_deref() {
            Some(kind) if kinds.contains(&kind) => {}
            Some(kind) => kinds.push(kind),
            None => line(f, row.part.words(), row)?,
        }
    }
    // Then each kind with all that is about it.
    for kind in kinds {
        let about = |row: &&AccountRow| row.kind.as_deref() == Some(kind) && row.share.abs() >= SMALL;
        line(f, kind, &sum(way.rows.iter().filter(about)))?;
        for row in way.rows.iter().filter(about) {
            let words = row.part.words();
            let name = match &row.field {
                Some(field) if row.part == Part::Field => format!("  {field}"),
                Some(field) => format!("  {words}: {field}"),
                None => format!("  {words}"),
            };
            line(f, &name, row)?;
        }
    }
    if !small.is_empty() {
        line(f, &format!("the rest, {} more", small.len()), &sum(small.into_iter()))?;
    }
    let all = sum(way.rows.iter());
    writeln!(
        f,
        "{:44}{:>10.1}{:>7.1} %{:>10.1}",
        "all, in packets", all.bytes_per_client_s, 100.0, way.packets_per_client_s
    )
}

/// What these cost together.
fn sum<'a>(rows: impl Iterator<Item = &'a AccountRow>) -> AccountRow {
    rows.fold(AccountRow::default(), |sum, row| AccountRow {
        bytes_per_client_s: sum.bytes_per_client_s + row.bytes_per_client_s,
        share: sum.share + row.share,
        ..sum
    })
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, row: &AccountRow) -> fmt::Result {
    let times = row.times_per_client_s.map_or(String::new(), |times| format!("{times:.1}"));
    let bits = row.bits_each.map_or(String::new(), |bits| format!("{bits:.2}"));
    let (bytes, share) = (row.bytes_per_client_s, 100.0 * row.share);
    let line = format!("{name:44}{bytes:>10.1}{share:>7.1} %{times:>10}{bits:>11}");
    writeln!(f, "{}", line.trim_end())
}
