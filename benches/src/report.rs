//! The figures of a run: one JSON object for programs, a line each for people.

use serde::Serialize;
use serde_json::Error;

/// What a workload measured, and on what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    json: String,
    /// Where a line for each figure would not be legible.
    text: Option<String>,
    /// Why the figures say nothing.
    fault: Option<String>,
}

/// What every report begins with.
#[derive(Serialize)]
struct Whole<F> {
    workload: &'static str,
    seed: u64,
    profile: &'static str,
    /// The median time of sealing 1,200 bytes with AES-128-GCM in this run: how fast the machine is today.
    reference_ns: f64,
    /// Whether the run was shortened, so that its figures are rough.
    quick: bool,
    #[serde(flatten)]
    figures: F,
}

impl Report {
    /// A report of `figures`, a struct of numbers and texts.
    ///
    /// # Errors
    /// When `figures` are something else.
    pub fn new(workload: &'static str, seed: u64, quick: bool, figures: impl Serialize) -> Result<Self, Error> {
        let reference_ns = downbeat_bots::reference_ns().round();
        let whole = Whole { workload, seed, profile: env!("DOWNBEAT_PROFILE"), reference_ns, quick, figures };
        Ok(Self { json: serde_json::to_string_pretty(&whole)?, text: None, fault: None })
    }

    /// The same report with `text` for people.
    #[must_use]
    pub fn with_text(self, text: String) -> Self {
        Self { text: Some(text), ..self }
    }

    /// The same report, of a run that says nothing if there is a `fault`.
    #[must_use]
    pub fn with_fault(self, fault: Option<String>) -> Self {
        Self { fault, ..self }
    }

    /// Why the run says nothing about the product; `None` if it does.
    #[must_use]
    pub fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// One JSON object.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.json
    }

    /// For people: a line for each figure, if nothing else was said.
    #[must_use]
    pub fn text(&self) -> String {
        if let Some(text) = &self.text {
            return text.clone();
        }
        let mut text = String::new();
        for line in self.json.lines() {
            let line = line.replace('"', "");
            match line.trim_end_matches(',').split_once(": ") {
                Some((name, "[")) => text += &format!("{}:\n", name.trim()),
                Some((name, value)) => text += &format!("{name:38} {value}\n"),
                // Between two rows.
                None if line.trim() == "}," => text.push('\n'),
                None => {}
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Figures {
        bytes: f64,
        rows: Vec<Row>,
    }

    #[derive(Serialize)]
    struct Row {
        name: &'static str,
    }

    #[test]
    fn programs_get_one_object_and_people_a_line_for_each_figure() {
        let rows = vec![Row { name: "first" }, Row { name: "second" }];
        let report = Report::new("test", 3, false, Figures { bytes: 1.5, rows }).expect("numbers and texts");
        let value: serde_json::Value = serde_json::from_str(report.json()).expect("JSON");
        assert_eq!((&value["workload"], &value["seed"], &value["bytes"]), (&"test".into(), &3.into(), &1.5.into()));
        assert!(value["reference_ns"].as_f64().is_some_and(|ns| ns > 0.0) && value["profile"].is_string());
        let text = report.text();
        let words: Vec<_> = text.split_whitespace().collect();
        assert_eq!(words[words.len() - 7..], ["bytes", "1.5", "rows:", "name", "first", "name", "second"], "{text}");
    }
}
