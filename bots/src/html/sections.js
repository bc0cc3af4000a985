// The other parts of the page.

function head({ report, verdict }) {
  const clients = report.clients;
  const bots = [
    `${whole(clients.asked)} bots`,
    report.light ? `${whole(report.light.asked)} light ones` : null,
    report.hostile ? `${whole(report.hostile.bots)} hostile ones` : null,
  ].filter(Boolean).join(" and ");
  const fact = (name, value) => el("span", {}, `${name} `, el("b", {}, value));
  const state = { served: ["good", "SERVED"], not_served: ["bad", "NOT SERVED"], gates_failed: ["bad", "GATES FAILED"], invalid: ["warn", "INVALID"], stopped: ["warn", "STOPPED"] }[verdict.state] ?? ["warn", verdict.state];
  const why = verdict.why.length > 0 ? verdict.why.join("; ") : `all ${whole(clients.asked)} clients got in, stayed, and received what was due`;
  return [
    el("p", { class: "over" }, "Downbeat · bots' report"),
    el("h1", {}, `${report.scenario ? `${report.scenario}: ` : ""}${bots} play ${report.game} (${report.brain})`),
    el("div", { class: "facts" },
      fact("network", report.net),
      fact("ticks", `${report.tick_rate_hz ?? "–"}/s`),
      fact("snapshots", `${report.send_rate_hz ?? "–"}/s`),
      report.share ? fact("share", report.share) : null,
      fact("measured", `${report.measured_seconds.toFixed(1)} of ${lasted(report).toFixed(1)} s`),
      ENDS[report.ended] ? fact("ended before its time:", ENDS[report.ended]) : null,
      fact("seed", String(report.seed)),
      fact("profile", report.profile),
      isKnown(report.reference_ns) ? fact("machine", `${whole(report.reference_ns)} ns to seal 1,200 bytes`) : null,
      report.connect ? fact("server", report.connect) : null,
      report.started_at ? fact("began", report.started_at) : null,
      report.version ? fact("Downbeat", report.version) : null),
    report.args?.length ? el("p", { class: "soft small line" }, `downbeat ${report.args.join(" ")}`) : null,
    el("div", { class: `verdict ${state[0]}`, role: "status" }, el("b", {}, state[1]), el("span", {}, why)),
    verdict.state === "invalid" ? el("p", { class: "soft small" }, "The figures below say little about the server: other programs use the processors, or there are more bots than one of them can play.") : null,
  ];
}

const ENDS = { stopped: "it was stopped", all_lost: "all clients were lost", too_many_lost: "too many clients were lost" };

/** How long the run was in seconds: all of it where phases say so, else from when the last had joined. */
const lasted = (report) => (report.phases?.length && report.total_seconds > 0 ? report.total_seconds : report.seconds);

function tiles(report) {
  const tile = (name, value, unit, note) => isKnown(value)
    ? el("div", { class: "tile" }, el("div", { class: "name" }, name), el("div", { class: "value" }, short(value), " ", el("small", {}, unit)), el("div", { class: "note" }, note))
    : null;
  const spread = (name, told) => (told ? tile(name, told.p50, "ms", `p99 ${short(told.p99)} ms`) : null);
  const { snapshots, bandwidth, bots, prediction, interpolation } = report;
  const arrived = isKnown(snapshots.received) && snapshots.expected > 0 ? Math.min(100, (100 * snapshots.received) / snapshots.expected) : null;
  const lost = snapshots.net_loss ? `--net drops ${percent(snapshots.net_loss.ratio)}` : `${whole(snapshots.lost)} lost`;
  const rate = (bytes) => (isKnown(bytes) ? bytes / 1e3 : null);
  return el("div", { class: "tiles" },
    spread("To another screen", report.input_to_visible_ms),
    spread("To acknowledgement", report.input_to_ack_ms),
    spread("Round trip", report.rtt_ms),
    tile("Snapshots arrived", arrived, "%", lost),
    tile("Shown before it arrived", isKnown(interpolation.starved_ratio) ? 100 * interpolation.starved_ratio : null, "%", "of entities and frames"),
    tile("Wrong predictions", prediction.per_client_minute, "/min", "per client"),
    tile("Down, per client", rate(bandwidth.down_wire_bytes_per_client_s), "kB/s", "with all headers"),
    tile("Up, per client", rate(bandwidth.up_wire_bytes_per_client_s), "kB/s", "with all headers"),
    report.tick_us ? tile("Server's tick", report.tick_us.p50 / 1e3, "ms", `p99 ${short(report.tick_us.p99 / 1e3)} ms`) : meanTick(report.server, tile),
    tile("Server's CPU", report.server.cpu_us_per_client_tick, "µs", "per client and tick"),
    bots.late_us ? tile("Bots' own lateness", bots.late_us.p99 / 1e3, "ms", "p99; 2 ms are allowed") : null,
    tile("Bots' CPU", bots.cpu_us_per_bot_tick, "µs", "per bot and tick"));
}

/** By the server's metrics, where the whole distribution is not known. */
const meanTick = ({ tick_us: work }, tile) => (work ? tile("Server's tick, mean", work.mean / 1e3, "ms", `p99 ${short(work.p99 / 1e3)} ms`) : null);

const CURVES = [
  ["input_to_visible_ms", "press to another screen", "red", null],
  ["input_to_ack_ms", "press to acknowledgement", "blue", null],
  ["interpolation_delay_ms", "interpolation delay", "orange", "6 4"],
  ["rtt_ms", "round trip", "green", "2 4"],
];

/** Percentages are drawn by their nines, so that the tail can be seen; the largest sample stands at the end. */
function percentAxis(percents) {
  const nines = (value) => (value >= 100 ? 4.6 : -Math.log10(1 - value / 100));
  const ticks = [[0, "0"], [50, "50"], [90, "90"], [99, "99"], [99.9, "99.9"], [99.99, "99.99"], [100, "max"]];
  return {
    at: percents.map(nines),
    ticks: ticks.map(([value, name]) => ({ at: nines(value), name })),
    label: "per cent of the samples, by nines",
    tell: (i) => (percents[i] >= 100 ? "largest sample" : `${Number(percents[i].toPrecision(percents[i] > 99 ? 6 : 4))} %`),
  };
}

function distributions(report) {
  const curves = report.curves;
  if (!curves?.percent.length) return null;
  const x = percentAxis(curves.percent);
  const chart = (title, unit, list, note) => lineChart({ title, unit, note, x, lines: list.map(([key, name, lineColor, dash, by = 1]) => ({ name, color: lineColor, dash, values: (curves[key] ?? []).map((value) => value / by) })) });
  return section("Distributions", "How long it takes for the luckiest, for most, and for the unluckiest: what so many per cent of the samples do not exceed.",
    el("div", { class: "grid two" },
      chart("Latency", "ms", CURVES),
      chart("Time between snapshots", "ms", [["snapshot_interval_ms", "", "blue", null]]),
      chart("Prediction error", "m", [["prediction_error_m", "", "pink", null]], "From where a client thought it was to where it was."),
      chart("Lateness of the bots themselves", "ms", [["bots_late_us", "", "grey", null, 1e3]])),
    card(percentileTable(report)));
}

function percentileTable(report) {
  const rows = [
    ["round trip, ms", report.rtt_ms], ["round trip by QUIC, ms", report.quic_rtt_ms], ["press to acknowledgement, ms", report.input_to_ack_ms],
    ["press to another screen, ms", report.input_to_visible_ms], ["time between snapshots, ms", report.snapshot_interval_ms],
    ["interpolation delay, ms", report.interpolation_delay_ms], ["prediction error, m", report.prediction_error_m], ["joining, ms", report.join_ms],
    ["server's work for a tick, µs", report.tick_us], ["start of ticks off by, µs", report.tick_start_jitter_us], ["bots late by, µs", report.bots.late_us],
  ].filter(([, told]) => told);
  const columns = [["p50", "p50"], ["p90", "p90"], ["p99", "p99"], ["p99.9", "p999"], ["max", "max"]];
  return table([{ name: "", of: ([name]) => name }, ...columns.map(([name, key]) => ({ name, of: ([, told]) => short(told[key]) }))], rows);
}

function outliers({ outliers: list }) {
  if (!list?.length) return null;
  const of = (key, at) => (bot) => (bot[key] ? short(bot[key][at]) : null);
  const columns = [
    { name: "bot", of: (bot) => `#${bot.bot}` },
    ...(list.some((bot) => bot.group) ? [{ name: "group", class: "text", of: (bot) => bot.group }] : []),
    { name: "sees others p50, ms", of: of("input_to_visible_ms", "p50") },
    { name: "sees others p99", of: of("input_to_visible_ms", "p99") },
    { name: "own acks p50, ms", of: of("input_to_ack_ms", "p50") },
    { name: "own acks p99", of: of("input_to_ack_ms", "p99") },
    { name: "round trip, ms", of: (bot) => short(bot.rtt_ms) },
    { name: "missing", of: (bot) => percent(bot.missing_ratio) },
    { name: "starved", of: (bot) => percent(bot.starved_ratio) },
    { name: "wrong", of: (bot) => whole(bot.mispredictions) },
    { name: "down, kB/s", of: (bot) => short(bot.down_wire_bytes_per_s / 1e3) },
  ];
  return section("Who had the worst of it", "The bots that others' inputs reached latest, at p99; where nobody sees anybody, those whose acknowledgements came latest.", card(table(columns, list)));
}

/** A moment of the run. */
const seconds = (at) => (isKnown(at) ? at.toFixed(1) : null);

function reasons({ clients }) {
  if (!clients.reasons?.length) return null;
  const columns = [
    { name: "clients", of: (reason) => whole(reason.clients) },
    { name: "", class: "text", of: (reason) => (reason.joined ? "lost" : "did not get in") },
    { name: "first, s", of: (reason) => seconds(reason.first_s) },
    { name: "last, s", of: (reason) => seconds(reason.last_s) },
    { name: "why", class: "wrap", of: (reason) => reason.why },
  ];
  return section("Who ended before time", "When that happened first and last, in seconds since the start.", card(table(columns, clients.reasons)));
}
