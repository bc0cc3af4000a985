//! Service levels: what figures of a report must be, for whoever must decide without looking at it.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use crate::hostile::{Plan, Way};
use crate::report::{GateResult, GroupReport, PhaseReport, Report};
use crate::scenario::{Group, Part, Phase, Scenario, ScenarioError};
use crate::specimen::specimen;

/// A limit on a figure of the report.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    /// Which figure: its names in the JSON, with dots between them. In lists, the `name` of an element stands for it, such
    /// as in `groups.wifi.rtt_ms.p99`.
    pub path: String,
    /// What it must be.
    pub limit: Limit,
}

/// What a figure must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    comparison: Comparison,
    value: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Below,
    AtMost,
    Above,
    AtLeast,
    Equal,
}

/// Longer ones first: `<` is how `<=` begins.
const COMPARISONS: [(&str, Comparison); 5] = [
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("<", Comparison::Below),
    (">", Comparison::Above),
    ("=", Comparison::Equal),
];

impl Limit {
    /// Whether `measured` is within it.
    #[must_use]
    pub fn holds(&self, measured: f64) -> bool {
        match self.comparison {
            Comparison::Below => measured < self.value,
            Comparison::AtMost => measured <= self.value,
            Comparison::Above => measured > self.value,
            Comparison::AtLeast => measured >= self.value,
            Comparison::Equal => measured == self.value,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = COMPARISONS.iter().find(|(_, comparison)| *comparison == self.comparison);
        let (sign, _) = known.expect("all comparisons are listed");
        write!(f, "{sign} {}", self.value)
    }
}

/// What is no limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no limit; <, <=, >, >= or = and a number are allowed, such as `< 100`")]
pub struct NoLimit(String);

impl FromStr for Limit {
    type Err = NoLimit;

    fn from_str(text: &str) -> Result<Self, NoLimit> {
        let trimmed = text.trim();
        let found = COMPARISONS.iter().find_map(|(sign, comparison)| Some((trimmed.strip_prefix(sign)?, *comparison)));
        let (number, comparison) = found.ok_or_else(|| NoLimit(text.to_owned()))?;
        let value = number.trim().parse().ok().filter(|value: &f64| value.is_finite());
        Ok(Self { comparison, value: value.ok_or_else(|| NoLimit(text.to_owned()))? })
    }
}

impl Gate {
    /// Why no figure of this name is within the limit.
    fn never_holds(&self) -> Option<&'static str> {
        let Limit { comparison, value } = self.limit;
        // A gain can be a loss, and parts of a budget are differences.
        let is_signed = ["hostile.gains.", "budget."].iter().any(|start| self.path.starts_with(start));
        let is_below = match comparison {
            Comparison::Below => value <= 0.0,
            Comparison::AtMost | Comparison::Equal => value < 0.0,
            Comparison::Above | Comparison::AtLeast => false,
        };
        let is_above = match comparison {
            Comparison::Above => value >= 1.0,
            Comparison::AtLeast | Comparison::Equal => value > 1.0,
            Comparison::Below | Comparison::AtMost => false,
        };
        match self.path.ends_with("_ratio") {
            _ if is_below && !is_signed => Some("it is never less than 0"),
            true if is_above => Some("it is a ratio, from 0 to 1"),
            _ => None,
        }
    }
}

impl Scenario {
    /// Refuses gates on what is no figure of a report of this scenario.
    pub(crate) fn check_gates(&self) -> Result<(), ScenarioError> {
        let report = self.specimen();
        for (index, gate) in self.gates.iter().enumerate() {
            let message = match (self.never_measured(&gate.path), find(&report, &gate.path)) {
                (Some(why), _) => format!("`{}` would never be measured: {why}", gate.path),
                (None, Ok(Value::Number(_))) => match gate.never_holds() {
                    Some(why) => format!("`{}` can never be {}: {why}", gate.path, gate.limit),
                    None => continue,
                },
                (None, Ok(Value::Array(_))) => format!("`{}` is {NO_LIST}", gate.path),
                (None, Ok(Value::Object(inside))) => {
                    format!("`{}` is not one figure but several: add one of {}", gate.path, list(inside.keys()))
                }
                (None, Ok(_)) => format!("`{}` is no number", gate.path),
                (None, Err(message)) => message,
            };
            return Err(ScenarioError { part: Part::Gate(index), key: None, message });
        }
        Ok(())
    }

    /// Why this scenario says nothing of a figure that others have.
    fn never_measured(&self, path: &str) -> Option<String> {
        let mut names = path.split('.');
        if names.next() != Some("hostile") {
            return None;
        }
        let Some((_, Plan { kind, .. })) = self.hostile() else {
            return Some("no group is hostile; `brain = \"hostile:KIND\"` makes one so".to_owned());
        };
        let gains = names.next() == Some("gains") && kind.way() == Way::Beside;
        gains.then(|| format!("who is `{}` attacks beside the match and gains nothing in it", kind.name()))
    }

    /// A report in which everything was measured, and every group and phase of the scenario has its place.
    fn specimen(&self) -> Value {
        let mut report: Report = specimen().expect("a report is made of what specimens are made of");
        let group = report.groups.pop().expect("a specimen has one of each");
        let named = |of: &Group| GroupReport { name: of.name.clone(), ..group.clone() };
        report.groups = self.groups.iter().map(named).collect();
        let phase = report.phases.pop().expect("a specimen has one of each");
        let named = |of: &Phase| PhaseReport { name: of.name.clone(), ..phase.clone() };
        report.phases = self.phases.iter().map(named).collect();
        serde_json::to_value(report).expect("a report is plain data, which always encodes")
    }
}

impl Report {
    /// Looks at all gates again.
    pub(crate) fn judge_gates(&mut self) {
        if self.gates.is_empty() {
            return;
        }
        let mut gates = std::mem::take(&mut self.gates);
        let report = serde_json::to_value(&*self).expect("a report is plain data, which always encodes");
        for gate in &mut gates {
            gate.measured = find(&report, &gate.path).ok().and_then(Value::as_f64);
            let limit: Result<Limit, _> = gate.limit.parse();
            gate.held = gate.measured.zip(limit.ok()).is_some_and(|(measured, limit)| limit.holds(measured));
        }
        self.gates = gates;
    }
}

impl GateResult {
    /// A gate that nobody looked at yet.
    pub(crate) fn of(gate: &Gate) -> Self {
        Self { path: gate.path.clone(), limit: gate.limit.to_string(), measured: None, held: false }
    }
}

/// What stands at `path`; if nothing does, what could.
fn find<'a>(report: &'a Value, path: &str) -> Result<&'a Value, String> {
    let mut at = report;
    for name in path.split('.') {
        let missing = |known: String| format!("`{path}` is no figure of the report: there is no `{name}`; {known}");
        let known = || match at {
            // Of a whole report the names would hide the one that was meant.
            Value::Object(_) if std::ptr::eq(at, report) => nearest(report, path),
            Value::Object(inside) => {
                there_are(list(inside.iter().filter(|(_, value)| is_gated(value)).map(|(name, _)| name)))
            }
            _ => "what is before it is a number or a text".to_owned(),
        };
        at = match at {
            Value::Object(inside) => inside.get(name).ok_or_else(|| missing(known()))?,
            Value::Array(elements) => {
                let named = |element: &&Value| element.get("name").and_then(Value::as_str) == Some(name);
                let names: Vec<_> = elements.iter().filter_map(|element| element.get("name")?.as_str()).collect();
                if names.is_empty() && !elements.is_empty() {
                    return Err(format!("`{path}` is no figure of the report: what is before `{name}` is {NO_LIST}"));
                }
                elements.iter().find(named).ok_or_else(|| missing(there_are(list(names.iter()))))?
            }
            _ => return Err(missing(known())),
        };
    }
    Ok(at)
}

/// What cannot be asked for.
const NO_LIST: &str = "a list, and lists cannot be gated: gate the figure of the whole run";

/// Whether there are figures in it.
fn is_gated(value: &Value) -> bool {
    match value {
        Value::Number(_) => true,
        Value::Object(inside) => inside.values().any(is_gated),
        Value::Array(elements) => elements.iter().any(|element| element.get("name").is_some() && is_gated(element)),
        _ => false,
    }
}

/// The figure whose name is most like `path`.
fn nearest(report: &Value, path: &str) -> String {
    let mut all = Vec::new();
    figures(report, "", &mut all);
    let alike = |name: &String| strsim::jaro_winkler(name, path);
    let best = all.into_iter().max_by(|a, b| alike(a).total_cmp(&alike(b)));
    best.map_or_else(String::new, |name| format!("did you mean `{name}`? docs/report.md has them all"))
}

/// The names of all figures in `value`, which is called `at`.
fn figures(value: &Value, at: &str, all: &mut Vec<String>) {
    let called = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
    match value {
        Value::Number(_) => all.push(at.to_owned()),
        Value::Object(inside) => inside.iter().for_each(|(name, value)| figures(value, &called(name), all)),
        Value::Array(elements) => {
            for element in elements {
                if let Some(name) = element.get("name").and_then(Value::as_str) {
                    figures(element, &called(name), all);
                }
            }
        }
        _ => {}
    }
}

fn there_are(known: String) -> String {
    if known.is_empty() { "nothing is there".to_owned() } else { known + " are there" }
}

fn list(names: impl Iterator<Item = impl fmt::Display>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_hold_on_the_right_side_and_read_back() {
        let holds = |limit: &str, measured: f64| limit.parse::<Limit>().expect("a limit").holds(measured);
        assert!(holds("< 100", 99.9) && !holds("< 100", 100.0) && holds("<=100", 100.0) && !holds("<= 100", 100.1));
        assert!(
            holds("> 0.5", 0.6)
                && !holds(">0.5", 0.5)
                && holds(">= 0.5", 0.5)
                && holds("= 0", 0.0)
                && !holds("=0", 1.0)
        );
        for text in ["< 100", "<= -2.5", "> 0", ">= 1000", "= 3"] {
            assert_eq!(text.parse::<Limit>().expect("a limit").to_string(), text);
        }
        for text in ["", "100", "<", "< x", "< nan", "< inf", "! 3", "< 1 2"] {
            assert!(text.parse::<Limit>().is_err(), "{text}");
        }
    }
}
