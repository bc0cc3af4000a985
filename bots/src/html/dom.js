// What makes elements. Text is set as text, never as HTML: names and reasons come from outside.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  for (const child of children.flat(3)) if (child !== null && child !== undefined) element.append(child);
  return element;
}

const el = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

/** Styles go in through the object model. */
function styled(element, styles) {
  for (const [name, value] of Object.entries(styles)) element.style.setProperty(name, value);
  return element;
}

function section(title, text, ...children) {
  const head = [el("h2", {}, title), text ? el("p", { class: "soft" }, text) : null];
  return el("section", {}, head, children);
}

const card = (...children) => el("div", { class: "card" }, children);

/** A long name, which may break behind its dots and commas. */
const breakable = (text) => text.split(/(?<=[.,])/).flatMap((part) => [part, el("wbr")]);

/** A table; `columns` are `{name, of, class}`, with `of` giving text or an element for a row. */
function table(columns, rows) {
  const head = el("tr", {}, columns.map((column) => el("th", { class: column.class, scope: "col" }, column.name)));
  const body = rows.map((row) => el("tr", {}, columns.map((column) => el("td", { class: column.class }, column.of(row) ?? "–"))));
  return el("div", { class: "scroll" }, el("table", {}, el("thead", {}, head), el("tbody", {}, body)));
}

/**
 * A bar of pieces `{name, amount, told, fill, mark}`, `whole` being its length: `fill` names a colour, `mark` a class instead.
 * A piece bears as much text as it has room for.
 */
function stackedBar(label, pieces, whole) {
  const spans = pieces.map(({ name, amount, told, fill: hue, mark }) => {
    const span = el("span", { class: mark, title: `${name}: ${told}` });
    styled(span, { flex: `0 0 ${(100 * amount) / whole}%` });
    if (hue) styled(span, { background: color(hue), color: color(`on-${hue}`) });
    return { span, texts: [`${name} ${told}`, told, told.split(" ")[0], ""] };
  });
  const bar = el("div", { class: "bar", role: "img", "aria-label": label }, spans.map(({ span }) => span));
  new ResizeObserver(() => spans.forEach(({ span, texts }) => {
    for (const text of texts) {
      span.textContent = text;
      if (span.scrollWidth <= span.clientWidth) break;
    }
  })).observe(bar);
  return bar;
}

const swatch = ({ fill: hue, mark }) => (hue ? styled(el("i", { class: "swatch" }), { background: color(hue) }) : el("i", { class: `swatch ${mark}` }));

// Numbers for people.

const isKnown = (value) => typeof value === "number" && Number.isFinite(value);

/** A number to about three digits. */
function short(value) {
  if (!isKnown(value)) return "–";
  const size = Math.abs(value);
  const digits = size >= 100 || size === 0 ? 0 : size >= 10 ? 1 : size >= 0.1 ? 2 : 3;
  return value.toLocaleString("en", { minimumFractionDigits: size >= 1000 ? 0 : digits, maximumFractionDigits: digits });
}

const whole = (value) => (isKnown(value) ? Math.round(value).toLocaleString("en") : "–");
const percent = (ratio, digits = 2) => (isKnown(ratio) ? `${(100 * ratio).toFixed(digits)} %` : "–");
const color = (name) => `var(--${name})`;
