//! What came of a run: stable names, plain data. What was not measured is `null`, never 0.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::accounting::Accounting;
use crate::budget::Budget;
use crate::curves::Curves;
use crate::digits::told;
use crate::hostile::report::Hostile;
use crate::outliers::Outlier;
use crate::output::{OutputError, write_output};
use crate::percentiles::Percentiles;
use crate::scrape::Work;
use crate::series::Series;

/// The `schema` of this report. Fields may be added; none is renamed.
pub const SCHEMA: &str = "downbeat.report/1";

/// Lateness of the bots' loop up to which a run counts, in microseconds, for 99 % of the wake-ups.
pub const LATE_US_MAX: f64 = 2_000.0;

/// The share of the expected snapshots that a served client has received.
pub const SERVED_RATIO: f64 = 0.98;

/// What came of a run. The default is of no run: nothing was asked, nothing was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: String,
    /// When the run began: RFC 3339, in UTC.
    pub started_at: Option<String>,
    /// The version of the bots.
    pub version: Option<String>,
    /// The command line that it was run by, the program's own name apart, without secrets.
    pub args: Vec<String>,
    /// The server; nothing where it was in the same process.
    pub connect: Option<String>,
    /// The build profile.
    pub profile: String,
    /// What was played.
    pub game: String,
    /// By whom.
    pub brain: String,
    /// The network, by name or spelled out.
    pub net: String,
    /// The scenario, where there was one.
    pub scenario: Option<String>,
    /// The file that it stands in, as it was named.
    pub scenario_file: Option<String>,
    /// What decided everything random.
    pub seed: u64,
    /// Which part of the bots this is about, such as `1/4`, where several processes shared them.
    pub share: Option<String>,
    /// Ticks per second.
    pub tick_rate_hz: Option<u32>,
    /// Snapshots per second.
    pub send_rate_hz: Option<u32>,
    /// How long was played once the last had joined, warm-up included.
    pub seconds: f64,
    /// How long was measured.
    pub measured_seconds: f64,
    /// From the start of the bots to the end.
    pub total_seconds: f64,
    /// Why the run ended.
    pub ended: Ended,
    /// How long would have been played once the last had joined.
    pub planned_seconds: f64,
    /// Median time of sealing 1,200 bytes with AES-128-GCM, in nanoseconds.
    pub reference_ns: Option<f64>,
    /// How many played, light ones apart.
    pub clients: Clients,
    /// The light ones, where there were any. No other figure is about them, but `bots` and `server`.
    pub light: Option<Light>,
    /// From the first packet to the welcome, for everybody who came, also before the measurement.
    pub join_ms: Option<Percentiles>,
    /// Round trip: the network, the loops of both ends, and the tick's work until its packet. QUIC's estimate where the server
    /// does not say how long inputs wait for their tick.
    pub rtt_ms: Option<Percentiles>,
    /// Round trip by QUIC's own estimate, which holds the wait of acknowledgements for the tick's packet.
    pub quic_rtt_ms: Option<Percentiles>,
    /// From sampling an input to the first snapshot that consumed it.
    pub input_to_ack_ms: Option<Percentiles>,
    /// From sampling an input to the moment at which another bot is shown the tick that consumed it.
    pub input_to_visible_ms: Option<Percentiles>,
    /// Time between snapshots.
    pub snapshot_interval_ms: Option<Percentiles>,
    /// How far the others are shown behind the newest snapshot.
    pub interpolation_delay_ms: Option<Percentiles>,
    /// Distance of the predicted from the confirmed position.
    pub prediction_error_m: Option<Percentiles>,
    /// The server's work for one tick.
    pub tick_us: Option<Percentiles>,
    /// How far from its time the server began a tick.
    pub tick_start_jitter_us: Option<Percentiles>,
    /// What arrived of what was owed.
    pub snapshots: Snapshots,
    /// How smooth the others moved.
    pub interpolation: Interpolation,
    /// How well the clients knew their own future.
    pub prediction: Prediction,
    /// What became of inputs.
    pub inputs: Inputs,
    /// Entities shown to a client, its avatar apart.
    pub visible_entities_mean: Option<f64>,
    /// Bytes on the network.
    pub bandwidth: Bandwidth,
    /// What the server says of itself, where it is in reach.
    pub server: Server,
    /// Whether the bots kept up.
    pub bots: BotsFigures,
    /// The same figures for each group of a scenario; empty without one.
    pub groups: Vec<GroupReport>,
    /// The phases of a scenario, in order.
    pub phases: Vec<PhaseReport>,
    /// What the scenario asked for, and what came of it.
    pub gates: Vec<GateResult>,
    /// Where the time goes.
    pub budget: Budget,
    /// The bots that had the worst of it, the worst first.
    pub outliers: Vec<Outlier>,
    /// What bytes are spent on, where some of the bots kept account.
    pub accounting: Option<Accounting>,
    /// The distributions as curves.
    pub curves: Curves,
    /// The run, second by second.
    pub series: Series,
    /// What hostile bots gained, where there were any. No other figure is about them, but `bots` and `server`.
    pub hostile: Option<Hostile>,
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// Its time was over.
    #[default]
    Time,
    /// Somebody stopped it.
    Stopped,
    /// Nobody was in the game any more.
    AllLost,
    /// More were lost than the scenario allows.
    TooManyLost,
}

/// What came of one group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GroupReport {
    /// What the scenario calls it.
    pub name: String,
    /// Who plays.
    pub brain: String,
    /// The network, by name or spelled out.
    pub net: String,
    /// How many played, light and hostile ones apart. Why some did not is told for all groups together.
    pub clients: GroupClients,
    /// How many are hostile: no other figure of the group is about them.
    pub hostile_bots: u64,
    /// The light ones, where there were any.
    pub light: Option<Light>,
    /// As in [`Report::join_ms`].
    pub join_ms: Option<Percentiles>,
    /// As in [`Report::rtt_ms`].
    pub rtt_ms: Option<Percentiles>,
    /// As in [`Report::input_to_ack_ms`].
    pub input_to_ack_ms: Option<Percentiles>,
    /// From sampling an input in this group to the moment at which a bot of any group is shown what it did: their lines count
    /// as well as its own.
    pub input_to_visible_ms: Option<Percentiles>,
    /// As in [`Report::snapshot_interval_ms`].
    pub snapshot_interval_ms: Option<Percentiles>,
    /// As in [`Report::interpolation_delay_ms`].
    pub interpolation_delay_ms: Option<Percentiles>,
    /// As in [`Report::prediction_error_m`].
    pub prediction_error_m: Option<Percentiles>,
    /// What arrived of what was owed.
    pub snapshots: Snapshots,
    /// How smooth the others moved.
    pub interpolation: Interpolation,
    /// How well the clients knew their own future.
    pub prediction: Prediction,
    /// What became of inputs.
    pub inputs: Inputs,
    /// As in [`Report::visible_entities_mean`].
    pub visible_entities_mean: Option<f64>,
    /// Bytes on the network.
    pub bandwidth: Bandwidth,
}

/// How many of a group played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GroupClients {
    /// As many as were asked for.
    pub asked: u64,
    /// As many as got into the game.
    pub connected: u64,
    /// Those of them whose connection was closed before its time.
    pub lost: u64,
}

/// A phase of a scenario, as it was planned, and what it was like.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PhaseReport {
    /// What the scenario calls it.
    pub name: String,
    /// What happens: `ramp`, `plateau`, `spike`, `storm` or `churn`.
    pub kind: String,
    /// When it began, in seconds since the bots were started.
    pub begin_s: f64,
    /// When it ended.
    pub end_s: f64,
    /// As in [`Report::join_ms`], for those who got in in this phase.
    pub join_ms: Option<Percentiles>,
    /// As in [`Report::rtt_ms`], as far as this phase was measured; likewise the others.
    pub rtt_ms: Option<Percentiles>,
    /// As in [`Report::input_to_ack_ms`].
    pub input_to_ack_ms: Option<Percentiles>,
    /// As in [`Report::input_to_visible_ms`].
    pub input_to_visible_ms: Option<Percentiles>,
    /// As in [`Report::snapshot_interval_ms`].
    pub snapshot_interval_ms: Option<Percentiles>,
}

/// What came of a gate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GateResult {
    /// The figure, such as `input_to_visible_ms.p99`.
    pub path: String,
    /// What it had to be, such as `< 100`.
    pub limit: String,
    /// What it was; nothing if it was not measured.
    pub measured: Option<f64>,
    /// Whether it was as it had to be. What was not measured was not.
    pub held: bool,
}

/// How many played.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Clients {
    /// As many as were asked for, up to the end of the run.
    pub asked: u64,
    /// As many as got into the game.
    pub connected: u64,
    /// Those of them whose connection was closed before its time.
    pub lost: u64,
    /// Connections that were lost and whose sessions could go on.
    pub broken: u64,
    /// How often clients that had left as planned came again.
    pub rejoined: u64,
    /// Sessions that went on over another connection.
    pub resumed: u64,
    /// Of these, sessions of which all was told anew.
    pub resumed_anew: u64,
    /// Why clients did not get in or were lost, the most frequent first.
    pub reasons: Vec<Reason>,
}

/// Clients that load the server and measure nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Light {
    /// As many as were asked for.
    pub asked: u64,
    /// As many as got into the game.
    pub connected: u64,
    /// Those of them whose connection was closed before its time; `clients.reasons` says why.
    pub lost: u64,
    /// Snapshots that arrived.
    pub received: Option<u64>,
    /// Snapshots that the send rate owed to each while it was there, less what the conditioner took.
    pub expected: Option<u64>,
    /// Snapshots that the conditioner (`--net`) took on the way down, as in [`Snapshots::net_dropped`].
    pub net_dropped: Option<u64>,
    /// Snapshots that one of them received per second.
    pub snapshots_per_client_s: Option<f64>,
}

/// Why clients ended before their time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reason {
    /// Whether they had got in.
    pub joined: bool,
    /// The close code, where one was sent.
    pub code: Option<u64>,
    /// For people.
    pub why: String,
    /// How many.
    pub clients: u64,
    /// When that happened first and last, in seconds since the bots were started.
    pub first_s: Option<f64>,
    /// Likewise.
    pub last_s: Option<f64>,
}

/// What arrived of what was owed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Snapshots {
    /// That arrived and decoded.
    pub received: Option<u64>,
    /// What the send rate owed, less [`Self::net_dropped`].
    pub expected: Option<u64>,
    /// Expected and not received.
    pub lost: Option<u64>,
    /// Snapshots that the conditioner (`--net`) took on purpose on the way down. It drops packets, of which nobody can see whether
    /// they had one: so many as is likely by those that came, and twice the standard deviation of that; never more than are missing.
    pub net_dropped: Option<u64>,
    /// Share of all that the send rate owed that did not arrive, by the snapshots' numbers: what a client sees of the loss on
    /// the way down, whoever caused it.
    pub missing_ratio: Option<f64>,
    /// What the conditioner did to the datagrams of both directions, QUIC's own included; `null` without one.
    pub net_loss: Option<NetLoss>,
}

/// Datagrams that the conditioner dropped on purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetLoss {
    /// Share of them.
    pub ratio: f64,
    /// How many.
    pub dropped: u64,
    /// Of so many that were sent through it.
    pub datagrams: u64,
}

/// How smooth the others moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Interpolation {
    /// Share of entities and frames that were shown before their state had arrived.
    pub starved_ratio: Option<f64>,
}

/// How well the clients knew their own future.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Prediction {
    /// Confirmations that made a client go back and replay.
    pub reconciled: Option<u64>,
    /// Confirmations that differ from what was predicted, substituted ticks replayed with their substitute.
    pub mispredicted: Option<u64>,
    /// Ticks that ran on a substitute.
    pub substituted: Option<u64>,
    /// Mispredictions of one client in a minute.
    pub per_client_minute: Option<f64>,
}

/// What became of inputs. The bots know what they sent and what was acknowledged; where the server is in reach, its own
/// counts stand here instead, `sent` apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Inputs {
    /// Sampled and sent.
    pub sent: Option<u64>,
    /// Run by the server.
    pub consumed: Option<u64>,
    /// Ticks that ran without one.
    pub starved: Option<u64>,
    /// That reached the server after their tick.
    pub late: Option<u64>,
    /// Too far in the future.
    pub rejected: Option<u64>,
}

/// Bytes per client and second. Wire bytes include IP and UDP headers: what an operator pays for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Bandwidth {
    /// From the server.
    pub down_wire_bytes_per_client_s: Option<f64>,
    /// To the server.
    pub up_wire_bytes_per_client_s: Option<f64>,
    /// From the server, UDP payload alone.
    pub down_udp_payload_bytes_per_client_s: Option<f64>,
    /// To the server, UDP payload alone.
    pub up_udp_payload_bytes_per_client_s: Option<f64>,
}

/// What the server says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Server {
    /// Ticks that took longer than a tick.
    pub overruns: Option<u64>,
    /// CPU time for one client in one tick.
    pub cpu_us_per_client_tick: Option<f64>,
    /// Memory of the process.
    pub rss_bytes: Option<u64>,
    /// Datagrams that the kernel dropped before the server read them.
    pub kernel_drops: Option<u64>,
    /// State values that were out of the range their field declares, and were clamped: a mistake of the game.
    pub clamped: Option<u64>,
    /// States that held a NaN and were refused, so that clients kept the one before: likewise.
    pub refused: Option<u64>,
    /// Its work for one tick by its metrics, where these are in reach.
    pub tick_us: Option<Work>,
    /// How late it began ticks, likewise.
    pub tick_start_jitter_us: Option<Work>,
}

/// Whether the bots kept up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BotsFigures {
    /// From the time at which an input or a frame was due to its turn.
    pub late_us: Option<Percentiles>,
    /// Whether 99 % of that is below [`LATE_US_MAX`] and nothing was dropped by either kernel or by the conditioner.
    pub valid: bool,
    /// Datagrams that the kernel dropped before the bots read them.
    pub kernel_drops: Option<u64>,
    /// Datagrams that were dropped unsent or unread because the bots were slow: none in a valid run.
    pub dropped: Option<u64>,
    /// Inputs that waited for the next packet because the connection could not take one.
    pub blocked: Option<u64>,
    /// CPU time of the loop for one bot in one tick, where none is light.
    pub cpu_us_per_bot_tick: Option<f64>,
    /// Resident memory of the process for one bot, in bytes, beyond what it had before there were bots. Where none is light, and no
    /// server is in the same process.
    pub rss_bytes_per_bot: Option<u64>,
    /// Share of one processor that the loop used.
    pub cpu_share: Option<f64>,
}

/// What a server knows of the same run: plain data for whoever runs both.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ServerSide {
    /// Its figures.
    pub server: Server,
    /// Its counts of inputs; `sent` is left out.
    pub inputs: Inputs,
    /// Seconds that its figures are about.
    pub measured_seconds: f64,
    /// Its work for one tick.
    pub tick_us: Option<Percentiles>,
    /// How far from its time it began a tick.
    pub tick_start_jitter_us: Option<Percentiles>,
}

/// What a run was worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every client got in, stayed, and was served.
    Served,
    /// Some were not: why.
    NotServed(Vec<String>),
    /// Everybody was served, but figures are not what the scenario asks for: which.
    GatesFailed(Vec<String>),
    /// The bots or a kernel fell behind, so the figures say little about the server: how.
    Invalid(Vec<String>),
}

impl Verdict {
    /// The exit code of a program that ran this.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Served => 0,
            Self::NotServed(_) => 1,
            Self::GatesFailed(_) => 3,
            Self::Invalid(_) => 4,
        }
    }
}

impl GateResult {
    /// What went wrong.
    fn words(&self) -> String {
        let measured = self.measured.map_or("not measured".to_owned(), told);
        format!("{} is {measured}, not {}", self.path, self.limit)
    }
}

impl Report {
    /// Adds what the server knows, and judges the run again.
    pub fn add_server(&mut self, side: &ServerSide) {
        let Server { tick_us, tick_start_jitter_us, .. } = self.server;
        self.server = Server { tick_us, tick_start_jitter_us, ..side.server };
        self.tick_us = side.tick_us;
        self.tick_start_jitter_us = side.tick_start_jitter_us;
        // Counts of another stretch of time would not add up with the bots' own.
        if (side.measured_seconds - self.measured_seconds).abs() <= 0.05 * self.measured_seconds {
            self.inputs = Inputs { sent: self.inputs.sent, ..side.inputs };
        }
        if let (Some(late), Some(work)) = (side.tick_start_jitter_us, side.tick_us) {
            self.budget.tell_tick((late.p50 + work.p50) / 1e3);
        }
        self.bots.valid = self.faults().is_empty();
        self.round();
        self.judge_gates();
    }

    /// What the server's metrics say of a tick has its place in the budget: means, which its sums make exact.
    pub(crate) fn tell_tick(&mut self) {
        if let (Some(late), Some(work)) = (self.server.tick_start_jitter_us, self.server.tick_us) {
            self.budget.tell_tick((late.mean + work.mean) / 1e3);
        }
    }

    /// What makes the run invalid.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        match self.bots.late_us {
            None => faults.push("nothing was measured".to_owned()),
            Some(late) if late.p99 > LATE_US_MAX => faults.push(format!(
                "the bots' loop was late: {:.1} ms at p99, {:.0} ms are allowed",
                late.p99 / 1e3,
                LATE_US_MAX / 1e3
            )),
            Some(_) => {}
        }
        let drops = [
            ("the kernel dropped {} datagrams on the bots' side", self.bots.kernel_drops),
            ("the bots dropped {} datagrams", self.bots.dropped),
            ("the kernel dropped {} datagrams on the server's side", self.server.kernel_drops),
        ];
        let drops = drops.iter().filter(|(_, count)| count.unwrap_or(0) > 0);
        faults.extend(drops.map(|(text, count)| text.replace("{}", &count.unwrap_or(0).to_string())));
        faults
    }

    /// After what somebody stopped the run, if somebody did.
    pub(crate) fn stopped(&self) -> Option<String> {
        (self.ended == Ended::Stopped).then(|| {
            if self.measured_seconds > 0.0 {
                format!("after {:.0} of {:.0} s", self.seconds, self.planned_seconds)
            } else {
                "before anything was measured".to_owned()
            }
        })
    }

    /// What the run was worth. Of one that somebody stopped, what was played until then. Whether clients got in and stayed counts first, then whether the bots kept up, then
    /// whether enough snapshots arrived (bots that are late lose some by themselves), then the gates.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        // Who was on the way in when it was stopped was not refused.
        if let Some(when) = self.stopped().filter(|_| self.measured_seconds == 0.0) {
            return Verdict::Invalid(vec![format!("it was stopped {when}")]);
        }
        let Clients { asked, connected, lost, .. } = self.clients;
        let light = self.light.unwrap_or_default();
        let mut missing = Vec::new();
        for (who, asked, connected, lost) in
            [("clients", asked, connected, lost), ("light clients", light.asked, light.connected, light.lost)]
        {
            if connected < asked {
                missing.push(format!("{} of {asked} {who} did not get in", asked - connected));
            }
            if lost > 0 {
                missing.push(format!("{lost} of {connected} {who} were lost"));
            }
        }
        if !missing.is_empty() {
            return Verdict::NotServed(missing);
        }
        let faults = self.faults();
        if !faults.is_empty() {
            return Verdict::Invalid(faults);
        }
        let Snapshots { received, expected, .. } = self.snapshots;
        for (whose, counts) in [
            ("", Some((received, expected))),
            (" of light clients", self.light_snapshots()),
            // Before the attack all was well, which hides half of what it does.
            (" while the attack was on", self.hostile.as_ref().and_then(Hostile::snapshots)),
        ] {
            let Some((received, expected)) = counts else { continue };
            let ratio = received.zip(expected).map_or(0.0, |(got, due)| got as f64 / due.max(1) as f64);
            if ratio < SERVED_RATIO {
                return Verdict::NotServed(vec![format!(
                    "{:.1} % of the expected snapshots{whose} arrived, {:.0} % are due",
                    100.0 * ratio,
                    100.0 * SERVED_RATIO
                )]);
            }
        }
        let failed: Vec<String> = self.gates.iter().filter(|gate| !gate.held).map(GateResult::words).collect();
        if failed.is_empty() { Verdict::Served } else { Verdict::GatesFailed(failed) }
    }

    /// What light clients received, and what was owed to them.
    fn light_snapshots(&self) -> Option<(Option<u64>, Option<u64>)> {
        self.light.map(|light| (light.received, light.expected))
    }

    /// The report as one JSON object.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a report is plain data, which always encodes") + "\n"
    }

    /// Writes [`Self::to_json`] to a file, as a whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), OutputError> {
        write_output(path, self.to_json().as_bytes())
    }
}
