// What hostile bots gained, what they did to the others, and what they were told.

const GAIN_WORDS = { metres_per_s: "metres per second", shots_per_s: "shots per second", hits_per_s: "hits per second", hits_per_shot: "hits per shot" };

/** More than this, in percent, and beyond doubt, is an advantage that a server must not give. */
const GAIN_ALLOWED = 2;

/** Gains are drawn up to here: beyond, a bar ends with an arrow. */
const GAIN_DRAWN = 100;

function hostileSection({ hostile }) {
  if (!hostile) return null;
  const who = `${whole(hostile.bots)} bots${hostile.group ? ` of the group ${hostile.group}` : ""} (${hostile.kind})`;
  const when = hostile.during_seconds > 0
    ? `All were honest for ${hostile.before_seconds.toFixed(1)} s, then ${who} were hostile for ${hostile.during_seconds.toFixed(1)} s.`
    : `${who} were to be hostile, but the run ended before.`;
  return section("Hostile bots", `${when} No other figure of this page is about them, but the bots' own and the server's.`,
    gainsCard(hostile), el("div", { class: "grid two" }, feltCard(hostile), answerCard(hostile)));
}

/** What became of a gain: its word, and its colour. */
function judged(gain) {
  if (gain.in_noise) return ["in the noise", "grey"];
  if (gain.gain_percent - gain.uncertainty_percent > GAIN_ALLOWED) return ["an advantage", "bad"];
  return gain.gain_percent < 0 ? ["a loss", "blue"] : ["within what is allowed", "good"];
}

const told = (gain) => `${signed(gain.gain_percent)} ± ${gain.uncertainty_percent.toFixed(1)}`;
const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(1)}`;

function gainsCard({ gains, honest_bot_seconds: honest, hostile_bot_seconds: seconds }) {
  const list = Object.keys(GAIN_WORDS).filter((key) => gains[key]).map((key) => ({ name: GAIN_WORDS[key], ...gains[key] }));
  if (list.length === 0) return null;
  const title = "What was gained over an honest bot";
  const host = el("div", { class: "chart" });
  new ResizeObserver(() => requestAnimationFrame(() => drawGains(host, title, list))).observe(host);
  const columns = [
    { name: "", class: "wrap", of: (gain) => gain.name },
    { name: "", class: "text", of: (gain) => styled(el("span", { class: "mark" }, judged(gain)[0]), { color: color(judged(gain)[1]) }) },
    { name: "honest", of: (gain) => short(gain.honest) },
    { name: "hostile", of: (gain) => short(gain.hostile) },
    { name: "gain, %", class: "wide-only", of: told },
  ];
  const text = `Means while the attack was on, of ${whole(honest)} and ${whole(seconds)} bot seconds. The bar holds the gain with 95 % probability; the band is ±${GAIN_ALLOWED} %.`;
  return card(el("h3", {}, title), el("p", { class: "soft small" }, text), host, table(columns, list));
}

/** Round numbers on both sides of 0, which hold all bars as far as they are drawn. */
function gainScale(list) {
  const clamped = (value) => Math.max(-GAIN_DRAWN, Math.min(GAIN_DRAWN, value));
  const ends = list.flatMap((gain) => [gain.gain_percent - gain.uncertainty_percent, gain.gain_percent + gain.uncertainty_percent]);
  const most = Math.max(2 * GAIN_ALLOWED, ...ends.map((end) => Math.abs(clamped(end))));
  const marks = steps(most, 2);
  return { clamped, high: marks[marks.length - 1], marks: [...marks.slice(1).map((mark) => -mark).reverse(), ...marks] };
}

function drawGains(host, title, list) {
  const width = host.clientWidth;
  if (width === 0 || host.dataset.width === String(width)) return;
  host.dataset.width = width;
  const { clamped, high, marks } = gainScale(list);
  const [row, edge] = [38, 22];
  const height = list.length * row + 30;
  const bottom = list.length * row + 6;
  const place = (percents) => edge + ((percents + high) / (2 * high)) * (width - 2 * edge);
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img", "aria-label": `${title}, percent` });
  picture.append(svg("rect", { class: "allowed", x: place(-GAIN_ALLOWED), width: place(GAIN_ALLOWED) - place(-GAIN_ALLOWED), y: 0, height: bottom }));
  for (const mark of marks) {
    picture.append(svg("line", { class: mark === 0 ? "zero" : "gridline", x1: place(mark), x2: place(mark), y1: 0, y2: bottom }));
    picture.append(svg("text", { x: place(mark), y: bottom + 16, "text-anchor": "middle" }, mark === 0 ? "0" : `${mark < 0 ? "−" : "+"}${Math.abs(mark)} %`));
  }
  list.forEach((gain, i) => {
    const [from, to] = [gain.gain_percent - gain.uncertainty_percent, gain.gain_percent + gain.uncertainty_percent];
    const y = i * row + 28;
    const hue = color(judged(gain)[1]);
    picture.append(svg("text", { class: "over-lines", x: 0, y: y - 13 }, `${gain.name}: ${told(gain)} %`));
    picture.append(styled(svg("line", { x1: place(clamped(from)), x2: place(clamped(to)), y1: y, y2: y, "stroke-width": 3 }), { stroke: hue }));
    for (const end of [from, to]) picture.append(styled(svg("path", { d: endOf(place(clamped(end)), y, clamped(end) === end ? 0 : Math.sign(end)), "stroke-width": 2, fill: "none" }), { stroke: hue }));
    picture.append(styled(svg("circle", { cx: place(clamped(gain.gain_percent)), cy: y, r: 5 }), { fill: hue }));
  });
  host.replaceChildren(picture);
}

/** A bar ends with a stroke; with an arrow, where it goes on. */
const endOf = (x, y, beyond) => (beyond === 0 ? `M${x} ${y - 5}V${y + 5}` : `M${x - 5 * beyond} ${y - 5}L${x} ${y}L${x - 5 * beyond} ${y + 5}`);

function feltCard({ others, server }) {
  const of = (figure, key) => ["before", "during"].map((half) => (key ? figure[half]?.[key] : figure[half]));
  const rows = [
    ["to acknowledgement p50, ms", of(others.input_to_ack_ms, "p50")],
    ["to acknowledgement p99, ms", of(others.input_to_ack_ms, "p99")],
    ["to another screen p50, ms", of(others.input_to_visible_ms, "p50")],
    ["to another screen p99, ms", of(others.input_to_visible_ms, "p99")],
    ["snapshots lost", of(others.snapshots_lost), whole],
    ["ticks on a substitute", of(others.substituted), whole],
    ["server's work for a tick, mean, µs", of(server.tick_us, "mean")],
    ["server's work for a tick, p99, µs", of(server.tick_us, "p99")],
  ].filter(([, told]) => told.some(isKnown)).map(([name, told, words = short]) => ({ name, told, words }));
  if (rows.length === 0) return null;
  const bars = ({ told }) => {
    const most = Math.max(...told.filter(isKnown));
    const bar = (value, half) => styled(el("i", { class: half === 0 ? "half" : "half attack" }), { width: `${isKnown(value) ? (100 * value) / most : 0}%` });
    return most > 0 ? told.map(bar) : null;
  };
  const columns = [
    { name: "", class: "wrap", of: (row) => el("div", { class: "halves" }, row.name, bars(row)) },
    { name: "before", of: ({ told, words }) => words(told[0]) },
    { name: "under attack", of: ({ told, words }) => words(told[1]) },
  ];
  const legend = el("ul", { class: "legend" }, [["half", "before"], ["half attack", "under attack"]].map(([mark, name]) => el("li", {}, styled(el("i", { class: mark }), { width: "1.4rem" }), name)));
  return card(el("h3", {}, "What the others felt, and the server"), legend, table(columns, rows));
}

function answerCard({ answer }) {
  const fact = (name, value) => el("span", {}, `${name} `, el("b", {}, value));
  const facts = el("div", { class: "facts" },
    fact("let in", `${whole(answer.admitted)} of ${whole(answer.attempts)} connections`),
    answer.datagrams > 0 ? fact("datagrams", whole(answer.datagrams)) : null,
    fact("ticks of theirs on a substitute", whole(answer.substituted)));
  const columns = [
    { name: "times", of: ({ ends }) => `${whole(ends.reduce((sum, end) => sum + end.clients, 0))} ×` },
    { name: "why", class: "wrap", of: ({ name, ends }) => [el("b", {}, name), ends.map((end) => el("div", { class: "soft" }, `${whole(end.clients)} ${end.joined ? "sent away" : "refused"}: ${end.why}`))] },
  ];
  const ends = answer.closed.length > 0 ? table(columns, byCode(answer.closed)) : el("p", { class: "soft" }, "Nobody was sent away or refused.");
  return card(el("h3", {}, "What they were told"), el("p", { class: "soft small" }, `Expected: ${answer.expected}.`), facts, ends);
}

/** Ends of connections by the name of their close code; those without one are QUIC's or the network's. */
function byCode(closed) {
  const codes = new Map();
  for (const end of closed) {
    const name = /([A-Z][A-Z_]+) \(\d+\)/.exec(end.why)?.[1] ?? "no code of Downbeat's";
    codes.set(name, [...(codes.get(name) ?? []), end]);
  }
  return [...codes].map(([name, ends]) => ({ name, ends }));
}
