// Where the milliseconds go between a press and its effect.

const PARTS = [
  ["sampling", "grey", "from sampling to the packet: measured"],
  ["uplink", "blue", "half of the round trip, sampling and tick apart"],
  ["margin", "orange", "waits at the server for its tick: measured by the server"],
  ["tick", "pink", "the server's tick, until its packet is sent"],
  ["snapshot", "green", "until a snapshot told of it and arrived (send rate, losses): measured"],
  ["downlink", "sky", "the other half of the round trip"],
  ["interpolation", "red", "from the arrival to its moment on the screen: measured"],
];

function budgetSection({ budget }) {
  const ways = [["To the acknowledgement", budget?.input_to_ack], ["To another player's screen", budget?.input_to_visible]];
  const known = ways.filter(([, parts]) => parts);
  if (known.length === 0) return null;
  const press = budget.press_ms ?? 0;
  const longest = Math.max(...known.map(([, parts]) => Math.max(parts.sum_ms, parts.mean_ms))) + press;
  const bars = known.map(([name, parts]) => bar(name, parts, press, longest));
  const text = "Mean times of the parts of the way. Bots press when they sample; a person's press waits for the next sample first, half a tick on average, which is hatched and in no sum.";
  return section("Where the milliseconds go", text, card(bars, scale(longest, press), partsTable(known, press), loops(budget)));
}

function bar(name, parts, press, longest) {
  const pieces = PARTS.map(([part, fill]) => ({ name: part, fill, amount: parts[`${part}_ms`] })).filter((piece) => piece.amount > 0);
  if (press > 0) pieces.unshift({ name: "press", amount: press, mark: "press" });
  const off = parts.mean_ms > 0 ? parts.sum_ms / parts.mean_ms - 1 : 0;
  const told = `${short(parts.sum_ms)} ms in all; measured as a whole: ${short(parts.mean_ms)} ms (${off >= 0 ? "+" : "−"}${Math.abs(100 * off).toFixed(1)} %)`;
  return el("div", { class: "way" },
    el("div", { class: "way-head" }, el("h3", {}, name), el("span", { class: "soft" }, told)),
    stackedBar(`${name}: ${told}`, pieces.map((piece) => ({ ...piece, told: `${short(piece.amount)} ms` })), longest));
}

/** Milliseconds since the input was sampled, below the bars. */
function scale(longest, press) {
  const place = (mark) => (100 * (mark + press)) / longest;
  const marks = steps(longest - press, 4).filter((mark) => place(mark) <= 100);
  return el("div", { class: "scale" }, marks.map((mark) => styled(el("span", { class: place(mark) > 95 ? "end" : null }, `${mark} ms`), { left: `${place(mark)}%` })));
}

function partsTable(known, press) {
  const rows = PARTS.filter(([part]) => known.some(([, parts]) => isKnown(parts[`${part}_ms`])));
  if (press > 0) rows.unshift(["press", null, "a person's press waits for the next sample: calculated, in no sum"]);
  const columns = [
    { name: "part", class: "wrap", of: ([part, fill, what]) => [swatch({ fill, mark: "press" }), part, el("span", { class: "soft" }, ` · ${what}`)] },
    ...known.map(([name, parts]) => ({ name: `${name.includes("screen") ? "to screen" : "to ack"}, ms`, of: ([part]) => short(part === "press" ? press : parts[`${part}_ms`]) })),
  ];
  return table(columns, rows);
}

function loops({ rtt_ms: rtt, rtt_net_ms: net, rtt_loops_ms: more }) {
  if (!isKnown(more)) return null;
  return el("p", { class: "soft small" }, `The mean round trip is ${short(rtt)} ms, of which the imitated network is ${short(net)} ms; the real network, its jitter and the loops of both ends add ${short(more)} ms.`);
}
