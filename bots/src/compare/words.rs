//! A comparison for people.

use std::fmt;

use super::{Change, Comparison, Run};

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.obstacles.is_empty() {
            writeln!(f, "NOT COMPARABLE, since the runs differ in more than what is asked, or one says nothing:")?;
            self.obstacles.iter().try_for_each(|why| writeln!(f, "  {why}"))?;
            writeln!(f)?;
        }
        for (age, run) in ["old", "new"].iter().zip(&self.runs) {
            writeln!(f, "{age}: {run}")?;
        }
        if self.is_swapped() {
            writeln!(f, "MIND: the run that is called old began after the other: are the files the wrong way round?")?;
        }
        if self.rows.is_empty() {
            return write!(f, "There is no figure that both have.");
        }
        writeln!(f, "\n{:40}{:>20}{:>20}{:>12}", "", "old", "new", "difference")?;
        for row in &self.rows {
            let [old, new] = row.values;
            let told = |i: usize| {
                let spread = row.spreads.map_or(String::new(), |spreads| format!(" ± {}", number(spreads[i])));
                format!("{}{spread}", number(row.values[i]))
            };
            let ratio = if old == 0.0 { String::new() } else { format!("{:+.1} %", 100.0 * (new / old - 1.0)) };
            let [told_old, told_new, by] = [told(0), told(1), signed(new - old)];
            // What is no comparison has no winner.
            let change = if self.obstacles.is_empty() { row.change.words() } else { "" };
            let line = format!("{:40}{told_old:>20}{told_new:>20}{by:>12}{ratio:>11}  {change}", row.name);
            writeln!(f, "{}", line.trim_end())?;
        }
        writeln!(f)?;
        write!(
            f,
            "± is twice the standard error of a run's seconds; `same` is a difference within both, or of less than half a \
             per cent."
        )
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let when = self.started_at.as_ref().map(|at| format!("began {at}"));
        let version = self.version.as_ref().map(|version| format!("downbeat {version}"));
        let words = [self.file.clone(), when, version, Some(self.verdict.to_owned()), self.ended.map(str::to_owned)];
        f.write_str(&words.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

impl Change {
    const fn words(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Better => "better",
            Self::Worse => "WORSE",
            Self::Unjudged => "",
        }
    }
}

fn number(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 1_000.0 || value.fract() == 0.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

fn signed(value: f64) -> String {
    let number = number(value);
    if value > 0.0 { format!("+{number}") } else { number }
}
