//! Reads scenarios. What a file says is checked by those who run it; here each mistake gets its line.

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};

use downbeat_bots::scenario::{Group, Part, Phase, PhaseKind, ScenarioError};
use downbeat_bots::{BotsError, CLIENTS_MAX, Gate, Scenario};
use downbeat_link::LinkSpec;
use downbeat_server::config::{ConfigError, Source};
use serde::Deserialize;
use toml::{Spanned, Value};

use crate::reach::Reach;

/// A scenario, and what else its file says.
pub(crate) struct ScenarioFile {
    pub(crate) scenario: Scenario,
    pub(crate) game: Option<String>,
    pub(crate) connect: Option<String>,
    pub(crate) seed: Option<u64>,
    /// Where there are no phases.
    pub(crate) seconds: Option<f64>,
    pub(crate) tick_rate_hz: Option<u32>,
    pub(crate) send_rate_hz: Option<u32>,
    pub(crate) report: Option<PathBuf>,
    raw: Raw,
    /// Where each gate stands.
    gates: Vec<Range<usize>>,
    source: Source,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Raw {
    game: Option<Spanned<String>>,
    connect: Option<Spanned<String>>,
    seed: Option<Spanned<i64>>,
    tick_rate: Option<Spanned<i64>>,
    send_rate: Option<Spanned<i64>>,
    report: Option<Spanned<String>>,
    measure_from: Option<Spanned<String>>,
    stop: RawStop,
    groups: Vec<Spanned<RawGroup>>,
    phases: Vec<Spanned<RawPhase>>,
    gates: BTreeMap<Spanned<String>, Spanned<Value>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawStop {
    seconds: Option<Spanned<f64>>,
    lost_share: Option<Spanned<f64>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawGroup {
    name: Option<Spanned<String>>,
    clients: Option<Spanned<i64>>,
    light: Option<Spanned<i64>>,
    brain: Option<Spanned<String>>,
    net: Option<Spanned<String>>,
    seed: Option<Spanned<i64>>,
    break_every: Option<Spanned<f64>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawPhase {
    name: Option<Spanned<String>>,
    kind: Option<Spanned<String>>,
    to: Option<Spanned<i64>>,
    seconds: Option<Spanned<f64>>,
    group: Option<Spanned<String>>,
    per_second: Option<Spanned<f64>>,
    away: Option<Spanned<f64>>,
}

/// How long bots are away in a churn that does not say it, in seconds.
const AWAY_S: f64 = 1.0;

impl ScenarioFile {
    /// Reads and checks the scenario in `path`; its brains are for the game to look at.
    pub(crate) fn read(path: &Path) -> Result<Self, ConfigError> {
        let source = Source::read(path)?;
        let mut raw: Raw = toml::from_str(source.text()).map_err(|error| syntax(&source, &error))?;
        let reader = Reader { source: &source };
        let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut gates: Vec<_> = std::mem::take(&mut raw.gates).into_iter().collect();
        gates.sort_by_key(|(path, _)| path.span().start);
        let scenario = Scenario {
            name,
            groups: raw.groups.iter().map(|group| reader.group(group)).collect::<Result<_, _>>()?,
            phases: raw.phases.iter().map(|phase| reader.phase(phase)).collect::<Result<_, _>>()?,
            measure_from: raw.measure_from.as_ref().map(|name| name.get_ref().clone()),
            lost_share_max: raw.stop.lost_share.as_ref().map_or(1.0, |share| *share.get_ref()),
            gates: gates.iter().map(|(path, limit)| reader.gate(path, limit)).collect::<Result<_, _>>()?,
        };
        if let Some(seconds) = raw.stop.seconds.as_ref().filter(|_| !raw.phases.is_empty()) {
            let message = "`stop.seconds` says nothing beside phases, which say how long they last";
            return Err(source.error(Some(seconds.span()), message));
        }
        let rates = 1..=128;
        let file = Self {
            game: raw.game.as_ref().map(|game| game.get_ref().clone()),
            connect: raw.connect.as_ref().map(|address| address.get_ref().clone()),
            seed: reader.whole("seed", raw.seed.as_ref(), 0..=i64::MAX)?,
            seconds: raw.stop.seconds.as_ref().map(|seconds| *seconds.get_ref()),
            tick_rate_hz: reader.whole("tick_rate", raw.tick_rate.as_ref(), rates.clone())?,
            send_rate_hz: reader.whole("send_rate", raw.send_rate.as_ref(), rates)?,
            report: raw.report.as_ref().map(|report| source.folder().join(report.get_ref())),
            scenario,
            raw,
            gates: gates.iter().map(|(path, _)| path.span()).collect(),
            source,
        };
        file.scenario.check().map_err(|error| file.locate(error))?;
        Ok(file)
    }

    /// An error of the value of `key`, one that stands at the top of the file.
    pub(crate) fn error(&self, key: &str, message: impl Into<String>) -> ConfigError {
        let raw = &self.raw;
        let span = match key {
            "game" => raw.game.as_ref().map(Spanned::span),
            "connect" => raw.connect.as_ref().map(Spanned::span),
            "report" => raw.report.as_ref().map(Spanned::span),
            "send_rate" => raw.send_rate.as_ref().map(Spanned::span),
            _ => None,
        };
        self.source.error(span, message)
    }

    /// What `error` says of the scenario, with its line. `says_report`: it is the file that says where the report goes.
    pub(crate) fn explain(&self, error: BotsError, says_report: bool) -> Result<ConfigError, BotsError> {
        match error {
            BotsError::Brain { group: Some(group), .. } => {
                let group = &self.raw.groups[group];
                let span = group.get_ref().brain.as_ref().map_or_else(|| group.span(), Spanned::span);
                Ok(self.source.error(Some(span), error.to_string()))
            }
            BotsError::Scenario(error) => Ok(self.locate(error)),
            BotsError::Seconds(_) if self.raw.stop.seconds.is_some() => {
                let span = self.raw.stop.seconds.as_ref().map(Spanned::span);
                Ok(self.source.error(span, format!("`stop.seconds`: {error}")))
            }
            BotsError::Rates { .. } if self.send_rate_hz.is_some() => {
                Ok(self.error("send_rate", format!("`send_rate`: {error}")))
            }
            BotsError::Output(_) if says_report => Ok(self.error("report", format!("`report`: {error}"))),
            other => Err(other),
        }
    }

    /// Refuses gates on figures that are not known to bots; `asks`: the server is asked for its own.
    pub(crate) fn check_reach(&self, asks: bool) -> Result<(), ConfigError> {
        for (gate, span) in self.scenario.gates.iter().zip(&self.gates) {
            let why = match Reach::of(gate) {
                Reach::Nobody => {
                    "no server tells that to others; `server.tick_us.p99` and `server.overruns` are told with --admin"
                }
                Reach::Admin if !asks => "only the server knows that: give --admin URL and a token",
                _ => continue,
            };
            return Err(self.source.error(Some(span.clone()), format!("`{}` would not be measured: {why}", gate.path)));
        }
        Ok(())
    }

    /// Whether there are gates on what the server says of itself.
    pub(crate) fn needs_admin(&self) -> bool {
        self.scenario.gates.iter().any(|gate| Reach::of(gate) == Reach::Admin)
    }

    fn locate(&self, error: ScenarioError) -> ConfigError {
        let raw = &self.raw;
        let span = match (error.part, error.key) {
            (Part::Group(index), key) => {
                let group = &raw.groups[index];
                group.get_ref().span(key.unwrap_or_default()).or_else(|| Some(group.span()))
            }
            (Part::Phase(index), key) => {
                let phase = &raw.phases[index];
                phase.get_ref().span(key.unwrap_or_default()).or_else(|| Some(phase.span()))
            }
            (Part::Gate(index), _) => self.gates.get(index).cloned(),
            (Part::Whole, Some("measure_from")) => raw.measure_from.as_ref().map(Spanned::span),
            (Part::Whole, Some("lost_share")) => raw.stop.lost_share.as_ref().map(Spanned::span),
            (Part::Whole, Some("phases")) => raw.phases.first().map(Spanned::span),
            (Part::Whole, _) => raw.groups.first().map(Spanned::span),
        };
        self.source.error(span, error.message)
    }
}

/// An error of the parser, in the words of scenarios where it knows none.
fn syntax(source: &Source, error: &toml::de::Error) -> ConfigError {
    let told = source.syntax(error);
    let before = error.span().map_or("", |span| &source.text()[..span.start]);
    let table = before.lines().rev().find(|line| line.trim_start().starts_with('[')).unwrap_or_default();
    let hint = match error.message() {
        message if message.contains("duplicate key") && table.trim().starts_with("[gates]") => "a figure has one limit",
        message if message.contains("expected a sequence") => {
            "each group begins with `[[groups]]`, each phase with `[[phases]]`"
        }
        _ => return told,
    };
    source.error(error.span(), format!("{}: {hint}", error.message()))
}

impl RawGroup {
    fn span(&self, key: &str) -> Option<Range<usize>> {
        match key {
            "name" => self.name.as_ref().map(Spanned::span),
            "clients" => self.clients.as_ref().map(Spanned::span),
            "light" => self.light.as_ref().map(Spanned::span),
            "brain" => self.brain.as_ref().map(Spanned::span),
            "break_every" => self.break_every.as_ref().map(Spanned::span),
            _ => None,
        }
    }
}

impl RawPhase {
    fn span(&self, key: &str) -> Option<Range<usize>> {
        match key {
            "name" => self.name.as_ref().map(Spanned::span),
            "kind" => self.kind.as_ref().map(Spanned::span),
            "to" => self.to.as_ref().map(Spanned::span),
            "seconds" => self.seconds.as_ref().map(Spanned::span),
            "group" => self.group.as_ref().map(Spanned::span),
            "per_second" => self.per_second.as_ref().map(Spanned::span),
            "away" => self.away.as_ref().map(Spanned::span),
            _ => None,
        }
    }
}

/// Makes values of what is written.
struct Reader<'a> {
    source: &'a Source,
}

impl Reader<'_> {
    fn group(&self, written: &Spanned<RawGroup>) -> Result<Group, ConfigError> {
        let raw = written.get_ref();
        let name = self.needed("name", raw.name.as_ref(), "a group", written.span())?;
        let net = raw.net.as_ref().map_or("none", |net| net.get_ref());
        let spec: Result<LinkSpec, _> = net.parse();
        let net_error = |error| self.source.error(raw.net.as_ref().map(Spanned::span), format!("`net`: {error}"));
        // How large it may be in a group is also for the scenario to say.
        let (counts, offsets) = (0..=CLIENTS_MAX as i64, 0..=i64::MAX);
        self.needed("clients", raw.clients.as_ref(), "a group", written.span())?;
        let mut group = Group {
            name: name.clone(),
            clients: self.whole("clients", raw.clients.as_ref(), 1..=*counts.end())?.unwrap_or_default(),
            light: self.whole("light", raw.light.as_ref(), counts)?.unwrap_or_default(),
            brain: raw.brain.as_ref().map(|brain| brain.get_ref().clone()).unwrap_or_default(),
            hostile: None,
            net: spec.map_err(net_error)?,
            net_name: Some(net.to_owned()),
            seed: self.whole("seed", raw.seed.as_ref(), offsets)?.unwrap_or_default(),
            break_every: raw.break_every.as_ref().map(|every| *every.get_ref()),
        };
        let brain_error =
            |error: String| self.source.error(raw.span("brain"), format!("`brain`: {}", error.trim_end()));
        group.find_hostile().map_err(brain_error)?;
        Ok(group)
    }

    fn phase(&self, written: &Spanned<RawPhase>) -> Result<Phase, ConfigError> {
        let raw = written.get_ref();
        let kind = self.needed("kind", raw.kind.as_ref(), "a phase", written.span())?.as_str();
        let Some((_, keys)) = KINDS.iter().find(|(name, _)| *name == kind) else {
            let known = KINDS.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let message = format!("`kind` is `{kind}`; {known} are allowed");
            return Err(self.source.error(raw.span("kind"), message));
        };
        for key in ["to", "per_second", "away", "group"] {
            if let Some(span) = raw.span(key).filter(|_| !keys.contains(&key)) {
                let also = keys.iter().map(|key| format!(", `{key}`")).collect::<String>();
                let message = format!("`{key}` says nothing in a {kind}; `name`, `kind`, `seconds`{also} are allowed");
                return Err(self.source.error(Some(span), message));
            }
        }
        let what = format!("a {kind}");
        let to = || -> Result<usize, ConfigError> {
            self.needed("to", raw.to.as_ref(), &what, written.span())?;
            Ok(self.whole("to", raw.to.as_ref(), 0..=CLIENTS_MAX as i64)?.unwrap_or_default())
        };
        let kind = match kind {
            "ramp" => PhaseKind::Ramp { to: to()? },
            "spike" => PhaseKind::Spike { to: to()? },
            "storm" => PhaseKind::Storm { to: to()? },
            "churn" => PhaseKind::Churn {
                per_s: *self.needed("per_second", raw.per_second.as_ref(), &what, written.span())?,
                away_s: raw.away.as_ref().map_or(AWAY_S, |away| *away.get_ref()),
            },
            _ => PhaseKind::Plateau,
        };
        Ok(Phase {
            name: raw.name.as_ref().map_or_else(|| kind.name().to_owned(), |name| name.get_ref().clone()),
            kind,
            seconds: *self.needed("seconds", raw.seconds.as_ref(), &what, written.span())?,
            group: raw.group.as_ref().map(|group| group.get_ref().clone()),
        })
    }

    fn gate(&self, path: &Spanned<String>, limit: &Spanned<Value>) -> Result<Gate, ConfigError> {
        let name = path.get_ref();
        match limit.get_ref() {
            Value::String(text) => {
                let limit = text
                    .parse()
                    .map_err(|error| self.source.error(Some(limit.span()), format!("`{name}`: {error}")))?;
                Ok(Gate { path: name.clone(), limit })
            }
            Value::Table(_) => {
                let message =
                    format!("`{name}` is a table here; a path with dots stands in quotes: \"{name}.p99\" = \"< 100\"");
                Err(self.source.error(Some(path.span()), message))
            }
            _ => {
                let message = format!("`{name}` is no text; a limit such as \"< 100\" is allowed");
                Err(self.source.error(Some(limit.span()), message))
            }
        }
    }

    fn needed<'b, T>(
        &self,
        key: &str,
        value: Option<&'b Spanned<T>>,
        what: &str,
        whole: Range<usize>,
    ) -> Result<&'b T, ConfigError> {
        let missing = || self.source.error(Some(whole), format!("{what} needs a `{key}`"));
        value.map(Spanned::get_ref).ok_or_else(missing)
    }

    fn whole<N: TryFrom<i64>>(
        &self,
        key: &str,
        value: Option<&Spanned<i64>>,
        allowed: RangeInclusive<i64>,
    ) -> Result<Option<N>, ConfigError> {
        let Some(given) = value else { return Ok(None) };
        let (number, least, most) = (*given.get_ref(), allowed.start(), allowed.end());
        let value = Some(number).filter(|number| allowed.contains(number)).and_then(|number| N::try_from(number).ok());
        let message = || format!("`{key}` is {number}; {least} to {most} are allowed");
        value.map(Some).ok_or_else(|| self.source.error(Some(given.span()), message()))
    }
}

/// Kinds of phases, and what each has beside name, kind and seconds.
const KINDS: [(&str, &[&str]); 5] = [
    ("ramp", &["to", "group"]),
    ("plateau", &[]),
    ("spike", &["to", "group"]),
    ("storm", &["to", "group"]),
    ("churn", &["per_second", "away", "group"]),
];
