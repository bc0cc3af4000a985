// What a scenario asks for, and what came of its phases and groups.

function gates({ gates: list }) {
  if (!list?.length) return null;
  const mark = (gate) => el("span", { class: `mark ${gate.held ? "good" : "bad"}` }, gate.held ? "✓ held" : "✗ failed");
  const figure = (value) => (Number.isInteger(value) ? whole(value) : short(value));
  // The verdict first: a narrow window may cut off what comes last.
  const columns = [
    { name: "", of: mark },
    { name: "figure", class: "wrap", of: (gate) => breakable(gate.path) },
    { name: "must be", class: "text", of: (gate) => gate.limit },
    { name: "was", of: (gate) => (isKnown(gate.measured) ? figure(gate.measured) : "not measured") },
  ];
  const failed = list.filter((gate) => !gate.held).length;
  return section("Gates", failed === 0 ? `All ${list.length} held.` : `${failed} of ${list.length} failed.`, card(table(columns, list)));
}

const percentile = (key, at) => (part) => (part[key] ? short(part[key][at]) : null);

function phases({ phases: list }) {
  if (!list?.length) return null;
  const columns = [
    { name: "phase", of: (phase) => [phase.name, el("div", { class: "soft small" }, phase.kind)] },
    { name: "from, s", of: (phase) => seconds(phase.begin_s) },
    { name: "to, s", of: (phase) => seconds(phase.end_s) },
    { name: "joining p50, ms", of: percentile("join_ms", "p50") },
    { name: "joining p99", of: percentile("join_ms", "p99") },
    { name: "round trip p50, ms", of: percentile("rtt_ms", "p50") },
    { name: "to ack p50, ms", of: percentile("input_to_ack_ms", "p50") },
    { name: "to ack p99", of: percentile("input_to_ack_ms", "p99") },
    { name: "to another screen p50, ms", of: percentile("input_to_visible_ms", "p50") },
    { name: "to another screen p99", of: percentile("input_to_visible_ms", "p99") },
    { name: "between snapshots p99, ms", of: percentile("snapshot_interval_ms", "p99") },
  ];
  return section("Phases", "What each was like, as far as it was measured.", card(table(columns, list)));
}

function groups({ groups: list }) {
  if (!list?.length) return null;
  const columns = [
    { name: "group", class: "wrap", of: (group) => [group.name, el("div", { class: "soft small" }, breakable(`${group.brain}, ${group.net}`))] },
    { name: "clients", of: (group) => `${whole(group.clients?.connected)} of ${whole(group.clients?.asked)}` },
    { name: "lost", of: (group) => whole(group.clients?.lost) },
    ...(list.some((group) => group.hostile_bots > 0) ? [{ name: "hostile", of: (group) => whole(group.hostile_bots) }] : []),
    { name: "round trip p50, ms", of: percentile("rtt_ms", "p50") },
    { name: "to ack p50, ms", of: percentile("input_to_ack_ms", "p50") },
    { name: "to ack p99", of: percentile("input_to_ack_ms", "p99") },
    { name: "own inputs at others p50, ms", of: percentile("input_to_visible_ms", "p50") },
    { name: "own inputs at others p99", of: percentile("input_to_visible_ms", "p99") },
    { name: "starved", of: (group) => percent(group.interpolation?.starved_ratio) },
    { name: "wrong/min", of: (group) => short(group.prediction?.per_client_minute) },
    { name: "down, kB/s", of: (group) => short(group.bandwidth?.down_wire_bytes_per_client_s / 1e3) },
  ];
  const isSeen = list.some((group) => group.input_to_visible_ms);
  const text = isSeen
    ? "Own inputs at others: from a group's inputs to the screens of others, so the lines of those count as well."
    : "Nobody was shown another one's avatar (games may keep them private), so that there is no time from an input to another screen.";
  return section("Groups", text, card(table(columns, list)));
}
