// What bytes are spent on.

const PART_WORDS = {
  ip_udp: "IP and UDP headers", quic: "QUIC", reliable: "reliable events", head: "heads", acks: "acknowledgements", inputs: "inputs",
  leave: "leaving", enter: "entering", entering: "entering", presence: "whether it changed", field: "fields", names: "entities named",
  wakes: "who wakes", event: "events", end: "ends of codes", unread: "not read",
};
const PART_NOTES = { quic: "packet heads, tags, acknowledgements, control stream", end: "what makes whole bytes of them" };
const FILLS = ["blue", "red", "green", "orange", "pink", "sky"];

function bytesSection(report) {
  const { accounting, bandwidth } = report;
  if (!isKnown(bandwidth.down_wire_bytes_per_client_s)) return null;
  const text = accounting
    ? `Per client and second, from ${whole(accounting.bots)} bots that kept account of every datagram, decision by decision.`
    : "Per client and second. With --explain or --html, some bots keep account of what snapshots are spent on.";
  const ways = accounting
    ? [["Down: from the server", accounting.down], ["Up: to the server", accounting.up]]
    : [["Down: from the server", plain(bandwidth, "down")], ["Up: to the server", plain(bandwidth, "up")]];
  const most = Math.max(...ways.map(([, way]) => way.wire_bytes_per_client_s));
  const bars = ways.map(([name, way]) => bytesBar(name, way, most));
  const tables = accounting ? el("div", { class: "grid two" }, ways.map(([name, way]) => card(el("h3", {}, name), rowsTable(way)))) : null;
  return section("What the bytes are spent on", text, card(bars), tables);
}

/** What is known without accounting. */
function plain(bandwidth, way) {
  const [wire, udp] = [bandwidth[`${way}_wire_bytes_per_client_s`], bandwidth[`${way}_udp_payload_bytes_per_client_s`]];
  return { wire_bytes_per_client_s: wire, rows: [{ part: "ip_udp", bytes_per_client_s: wire - udp }, { part: "payload of UDP", bytes_per_client_s: udp }] };
}

/** Rows of the same kind are one piece of the bar. */
function pieces(way) {
  const sums = new Map();
  for (const row of way.rows) {
    const name = row.kind && row.part !== "event" ? row.kind : PART_WORDS[row.part] ?? row.part;
    sums.set(name, (sums.get(name) ?? 0) + row.bytes_per_client_s);
  }
  const frame = { [PART_WORDS.ip_udp]: { mark: "ip" }, [PART_WORDS.quic]: { fill: "grey" } };
  const all = [...sums].filter(([, amount]) => amount > 0).map(([name, amount]) => ({ name, amount }));
  const told = all.filter(({ name }) => !frame[name]).sort((a, b) => b.amount - a.amount);
  const few = told.slice(0, told.length > FILLS.length ? FILLS.length - 1 : FILLS.length);
  const rest = told.slice(few.length).reduce((sum, { amount }) => sum + amount, 0);
  if (rest > 0) few.push({ name: "the rest", amount: rest });
  return [...all.filter(({ name }) => frame[name]).map((piece) => ({ ...piece, ...frame[piece.name] })), ...few.map((piece, i) => ({ ...piece, fill: FILLS[i] }))]
    .map((piece) => ({ ...piece, told: whole(piece.amount) }));
}

function bytesBar(name, way, most) {
  const list = pieces(way);
  const told = `${whole(way.wire_bytes_per_client_s)} bytes/s`;
  const share = ({ amount }) => percent(amount / way.wire_bytes_per_client_s, 0);
  const legend = el("ul", { class: "legend" }, list.map((piece) => el("li", {}, styled(swatch(piece), { margin: "0" }), `${piece.name} ${piece.told} (${share(piece)})`)));
  return el("div", { class: "way" },
    el("div", { class: "way-head" }, el("h3", {}, name), el("span", { class: "soft" }, told)),
    stackedBar(`${name}: ${told}`, list, most), legend);
}

function rowsTable(way) {
  const rows = way.rows.filter((row) => Math.abs(row.share) >= 0.0005);
  const rest = way.rows.filter((row) => Math.abs(row.share) < 0.0005).reduce((sum, row) => sum + row.bytes_per_client_s, 0);
  if (rest > 0) rows.push({ part: `less than 0.05 % each`, bytes_per_client_s: rest, share: rest / way.wire_bytes_per_client_s });
  const top = Math.max(...rows.map((row) => row.share));
  const name = (row) => {
    const field = row.kind ? (row.field ? `${row.kind}.${row.field}` : row.kind) : null;
    const part = PART_WORDS[row.part] ?? row.part;
    if (!field) return [part, PART_NOTES[row.part] ? el("span", { class: "soft" }, ` (${PART_NOTES[row.part]})`) : null];
    return row.part === "field" ? field : [field, el("span", { class: "soft" }, ` ${part}`)];
  };
  const columns = [
    { name: "what", class: "wrap", of: (row) => el("span", {}, name(row)) },
    { name: "", class: "share-cell", of: (row) => styled(el("i", { class: "share" }), { width: `${Math.max(0, (100 * row.share) / top)}%` }) },
    { name: "bytes/s", of: (row) => (row.bytes_per_client_s >= 10 ? whole(row.bytes_per_client_s) : row.bytes_per_client_s.toFixed(1)) },
    { name: "share", of: (row) => percent(row.share, 1) },
    { name: "times/s", of: (row) => (isKnown(row.times_per_client_s) ? short(row.times_per_client_s) : "") },
    { name: "bits each", of: (row) => (isKnown(row.bits_each) ? short(row.bits_each) : "") },
  ];
  return table(columns, rows);
}
