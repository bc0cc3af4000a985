// Line charts as inline SVG, drawn again when their width changes.

const PAD = { left: 46, right: 12, top: 10, bottom: 34 };

/** Room above the lines for the names of bands, in two rows. */
const BAND_NAMES = 30;

/** About `count` round numbers from 0 to beyond `max`: two at least, so that there is an axis where all is 0. */
function steps(max, count) {
  const rough = (max > 0 ? max : 1) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough);
  const list = [];
  for (let i = 0; list.length < 2 || list[list.length - 1] < max; i += 1) list.push(Number((i * step).toPrecision(12)));
  return list;
}

function legendMark(line) {
  return svg("svg", { width: 22, height: 8, "aria-hidden": "true" },
    styled(svg("line", { x1: 0, x2: 22, y1: 4, y2: 4, "stroke-width": line.width ?? 2, "stroke-dasharray": line.dash }), { stroke: color(line.color) }));
}

/**
 * `lines`: `{name, color, values, dash, width}`; `x`: `{at, ticks, label, tell}`, with `at` the place of each value.
 * `x.from` is where the axis begins, if not at the first value. `bands`: `{from, to, name}`, shaded unless they are `isPlain`; `limit`: `{value, name}`;
 * `wide`: it may take the room of two.
 */
function lineChart({ title, unit, note, lines, x, bands = [], limit = null, wide = false, height = 210 + (bands.length > 0 ? BAND_NAMES : 0) }) {
  const shown = lines.filter((line) => line.values.some(isKnown));
  if (shown.length === 0) return null;
  const host = el("div", { class: "chart" });
  const tip = el("div", { class: "tip", hidden: "" });
  const named = shown.filter((line) => line.name);
  const limitMark = limit ? el("li", {}, svg("svg", { width: 22, height: 8, "aria-hidden": "true" }, svg("line", { class: "limit", x1: 0, x2: 22, y1: 4, y2: 4, "stroke-width": 1.5, "stroke-dasharray": "2 4" })), limit.name) : null;
  const legend = el("ul", { class: "legend" }, named.map((line) => el("li", {}, legendMark(line), line.name)), limitMark);
  const head = el("h3", {}, title, el("span", { class: "soft" }, unit ? `, ${unit}` : ""));
  const figure = el("figure", { class: `card${wide ? " wide" : ""}` }, head, note ? el("p", { class: "soft small" }, note) : null, named.length > 0 || limit ? legend : null, host);
  const draw = () => drawLines(host, tip, { title, unit, lines: shown, x, bands, limit, height });
  new ResizeObserver(() => requestAnimationFrame(draw)).observe(host);
  return figure;
}

function drawLines(host, tip, { title, unit, lines, x, bands, limit, height }) {
  const width = host.clientWidth;
  if (width === 0 || host.dataset.width === String(width)) return;
  host.dataset.width = width;
  const ceiling = PAD.top + (bands.length > 0 ? BAND_NAMES : 0);
  const inner = { width: width - PAD.left - PAD.right, top: ceiling, height: height - ceiling - PAD.bottom };
  const [first, last] = [x.from ?? x.at[0], x.at[x.at.length - 1]];
  const place = (at) => PAD.left + (last > first ? (at - first) / (last - first) : 0.5) * inner.width;
  const all = lines.flatMap((line) => line.values.filter(isKnown));
  // A limit far above everything would flatten what is to be seen.
  const top = Math.max(...all, limit && limit.value < 4 * Math.max(...all) ? limit.value * 1.05 : 0);
  const marks = steps(top, 4);
  const high = marks[marks.length - 1];
  const rise = (value) => inner.top + inner.height * (1 - value / high);
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img", "aria-label": `${title}${unit ? `, ${unit}` : ""}` });
  drawBands(picture, bands, place, first, last, inner);
  for (const mark of marks) {
    picture.append(svg("line", { class: mark === 0 ? "axis" : "gridline", x1: PAD.left, x2: PAD.left + inner.width, y1: rise(mark), y2: rise(mark) }));
    picture.append(svg("text", { x: PAD.left - 7, y: rise(mark) + 4, "text-anchor": "end" }, mark.toLocaleString("en", { maximumFractionDigits: 4 })));
  }
  drawTicks(picture, x, place, inner, height);
  if (limit && limit.value <= high) {
    picture.append(svg("line", { class: "limit", x1: PAD.left, x2: PAD.left + inner.width, y1: rise(limit.value), y2: rise(limit.value) }));
  }
  for (const line of lines) {
    const path = pathOf(line.values, (i) => place(x.at[i]), rise);
    picture.append(styled(svg("path", { d: path, fill: "none", "stroke-width": line.width ?? 2, "stroke-dasharray": line.dash, "stroke-linejoin": "round", "stroke-linecap": "round" }), { stroke: color(line.color) }));
  }
  const cross = svg("line", { class: "cross", y1: inner.top, y2: inner.top + inner.height, visibility: "hidden" });
  picture.append(cross);
  listen(picture, host, tip, cross, { lines, x, unit, place, width });
  host.replaceChildren(picture, tip);
}

/** Shaded stretches, and plain ones that a line begins; their names stand in two rows, so that both can be read: phases below. */
function drawBands(picture, bands, place, first, last, inner) {
  for (const band of bands) {
    const [from, to] = [place(Math.max(band.from, first)), place(Math.min(band.to, last))];
    if (to <= from) continue;
    if (band.isPlain) picture.append(svg("line", { class: "axis", x1: from, x2: from, y1: PAD.top, y2: inner.top + inner.height, "stroke-dasharray": "3 3" }));
    else picture.append(svg("rect", { class: "band", x: from, width: to - from, y: PAD.top, height: inner.top + inner.height - PAD.top }));
    const y = PAD.top + (band.isPlain && !band.isHigh ? 24 : 11);
    if (to - from > 6.4 * band.name.length) picture.append(svg("text", { class: "band-name", x: (from + to) / 2, y, "text-anchor": "middle" }, band.name));
  }
}

/** Ticks from left to right, those left out that would touch the one before. */
function drawTicks(picture, x, place, inner, height) {
  const base = inner.top + inner.height;
  let free = -Infinity;
  for (const { at, name } of x.ticks) {
    const [centre, half] = [place(at), 3.4 * name.length + 3];
    if (centre - half < free) continue;
    free = centre + half;
    const isLast = centre + half > PAD.left + inner.width + PAD.right;
    picture.append(svg("line", { class: "axis", x1: centre, x2: centre, y1: base, y2: base + 4 }));
    picture.append(svg("text", { x: isLast ? PAD.left + inner.width + PAD.right : centre, y: base + 16, "text-anchor": isLast ? "end" : "middle" }, name));
  }
  picture.append(svg("text", { x: PAD.left + inner.width / 2, y: height - 3, "text-anchor": "middle" }, x.label));
}

function pathOf(values, place, rise) {
  let path = "";
  let isDown = false;
  values.forEach((value, i) => {
    if (isKnown(value)) path += `${isDown ? "L" : "M"}${place(i).toFixed(1)} ${rise(value).toFixed(1)}`;
    isDown = isKnown(value);
  });
  // A value alone between gaps is a dot.
  return path.replace(/M([\d.-]+ [\d.-]+)(?=M|$)/g, "M$1l0.01 0");
}

function listen(picture, host, tip, cross, { lines, x, unit, place, width }) {
  const hide = () => {
    tip.hidden = true;
    cross.setAttribute("visibility", "hidden");
  };
  picture.addEventListener("pointerleave", hide);
  picture.addEventListener("pointermove", (event) => {
    const at = event.clientX - host.getBoundingClientRect().left;
    let nearest = 0;
    x.at.forEach((value, i) => {
      if (Math.abs(place(value) - at) < Math.abs(place(x.at[nearest]) - at)) nearest = i;
    });
    const there = place(x.at[nearest]);
    cross.setAttribute("x1", there);
    cross.setAttribute("x2", there);
    cross.setAttribute("visibility", "visible");
    const row = (line) => el("div", {}, el("span", {}, styled(el("i"), { background: color(line.color) }), line.name || "value"), el("span", {}, `${short(line.values[nearest])} ${unit ?? ""}`));
    tip.replaceChildren(el("b", {}, x.tell(nearest)), ...lines.map(row));
    tip.hidden = false;
    const isRight = there > width / 2;
    styled(tip, { left: isRight ? "auto" : `${there + 10}px`, right: isRight ? `${width - there + 10}px` : "auto" });
  });
}
