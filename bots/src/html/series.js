// The run, second by second.

const STAGES = { joining: "joining", warm_up: "warm-up" };

function timeSection(report) {
  const rows = report.series?.rows ?? [];
  if (rows.length < 2) return null;
  const x = timeAxis(rows);
  const spread = (key, at, by = 1) => rows.map((row) => (row[key] ? row[key][at] / by : null));
  const of = (pick) => rows.map((row) => pick(row) ?? null);
  const bands = stageBands(report, rows).concat(phaseBands(report));
  const chart = (title, unit, lines, more = {}) => lineChart({ title, unit, lines, x, bands, ...more });
  const every = report.series.every_s > 1 ? ` Each point is about ${report.series.every_s} s.` : "";
  return section("Over time", `What is shaded does not count in the figures above.${every}`,
    el("div", { class: "grid" },
      chart("Latency", "ms", [
        { name: "to another screen, p50", color: "red", values: spread("input_to_visible_ms", "p50") },
        { name: "p99", color: "red", dash: "5 4", width: 1.4, values: spread("input_to_visible_ms", "p99") },
        { name: "to acknowledgement, p50", color: "blue", values: spread("input_to_ack_ms", "p50") },
        { name: "p99", color: "blue", dash: "5 4", width: 1.4, values: spread("input_to_ack_ms", "p99") },
        { name: "round trip, p50", color: "green", dash: "1 4", values: spread("rtt_ms", "p50") },
      ], { wide: true }),
      chart("Bandwidth of all bots", "kB/s on the wire", [
        { name: "down", color: "blue", values: of((row) => row.down_bytes_per_s / 1e3) },
        { name: "up", color: "orange", dash: "6 4", values: of((row) => row.up_bytes_per_s / 1e3) },
      ]),
      chart("Snapshots per client", "per second", [{ name: "", color: "blue", values: of(snapshotsEach) }]),
      chart("Clients in the game", "", [{ name: "", color: "green", values: of((row) => row.clients) }]),
      chart("Shown before it arrived", "% of entities", [{ name: "", color: "red", values: of((row) => (isKnown(row.starved_ratio) ? 100 * row.starved_ratio : null)) }]),
      chart("Wrong predictions of all bots", "per second", [{ name: "", color: "pink", values: of((row) => row.mispredictions / Math.max(row.seconds, 0.001)) }]),
      chart("Server's work for a tick", "ms", [
        { name: "p50", color: "pink", values: spread("server_tick_us", "p50", 1e3) },
        { name: "p99", color: "pink", dash: "5 4", width: 1.4, values: spread("server_tick_us", "p99", 1e3) },
      ]),
      chart("Lateness of the bots themselves, p99", "ms", [{ name: "", color: "grey", values: of((row) => (isKnown(row.bots_late_us_p99) ? row.bots_late_us_p99 / 1e3 : null)) }], { limit: { value: 2, name: "allowed over the run: 2 ms" } })));
}

/** By those who were there in that second, on average: those at its end may have just come. */
function snapshotsEach(row) {
  const clients = row.clients_mean ?? row.clients;
  return clients > 0 ? row.snapshots_per_s / clients : null;
}

function timeAxis(rows) {
  const at = rows.map((row) => row.t_s);
  const [first, last] = [rows[0].t_s - rows[0].seconds, at[at.length - 1]];
  const isLong = last > 600;
  const name = (seconds) => (isLong ? `${Math.round(seconds / 60)}` : `${seconds}`);
  const ticks = steps(last, 6).map((mark) => (isLong ? Math.round(mark / 60) * 60 : mark)).filter((mark) => mark >= first && mark <= last);
  return { from: rows[0].t_s - rows[0].seconds, at, ticks: ticks.map((mark) => ({ at: mark, name: name(mark) })), label: isLong ? "minutes since the start" : "seconds since the start", tell: (i) => `${at[i].toFixed(1)} s` };
}

/** What does not count. A row is of the stage in which it began, but the measurement may begin within it. */
function stageBands({ total_seconds: total, measured_seconds: measured }, rows) {
  const begun = total > 0 && measured > 0 ? total - measured : Infinity;
  const bands = [];
  for (const row of rows) {
    const name = STAGES[row.stage];
    const last = bands[bands.length - 1];
    const to = Math.min(row.t_s, begun);
    if (last && last.name === name && name) last.to = to;
    else if (name) bands.push({ name, from: row.t_s - row.seconds, to });
  }
  const attack = rows.filter((row) => row.stage === "attack");
  if (attack.length > 0) bands.push({ name: "attack", from: attack[0].t_s - attack[0].seconds, to: attack[attack.length - 1].t_s, isPlain: true, isHigh: true });
  return bands;
}

/** Phases of a scenario: told apart, not shaded. */
const phaseBands = (report) => (report.phases ?? []).map((phase) => ({ name: phase.name, from: phase.begin_s, to: phase.end_s, isPlain: true }));
