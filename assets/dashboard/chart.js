// Charts of the last minutes: areas upon each other, or lines. All show the same time, and the same moment where the pointer is.

const LEFT = 64;
const BOTTOM = 20;
const TOP = 8;
const RIGHT = 6;

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** A number near `value` that people count in. */
function roundStep(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= value * 0.999);
}

export class Chart {
  /**
   * `series`: { name, label, color, of(second), stacked }; `format` makes [number, unit] of a value; `limit` is a line that
   * should not be crossed: { label, value }.
   */
  constructor({ title, note, series, format, least = 1, limit = null, floor = null }) {
    Object.assign(this, { series, format, least, limit, floor });
    this.seconds = [];
    this.range = 300;
    this.at = null;
    this.root = document.createElement("figure");
    this.root.className = "chart";
    const head = document.createElement("div");
    head.className = "head";
    const heading = document.createElement("h2");
    heading.textContent = title;
    const about = document.createElement("p");
    about.textContent = note;
    head.append(heading, about);
    this.legend = document.createElement("ul");
    this.legend.className = "legend";
    this.values = series.map((line) => {
      const item = document.createElement("li");
      item.style.setProperty("--swatch", `var(${line.color})`);
      if (!line.stacked) item.className = "is-line";
      const value = document.createElement("b");
      item.append(`${line.label} `, value);
      this.legend.append(item);
      return value;
    });
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", `${title}: ${note}`);
    this.root.append(head, this.legend, this.canvas);
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  show(seconds, range, at) {
    this.seconds = seconds;
    this.range = range;
    this.at = at;
    this.draw();
  }

  /** The time under a place on the screen. */
  timeAt(clientX) {
    const box = this.canvas.getBoundingClientRect();
    const share = (clientX - box.left - LEFT) / (box.width - LEFT - RIGHT);
    return this.end() - (1 - Math.min(1, Math.max(0, share))) * this.range * 1000;
  }

  end() {
    return this.seconds.at(-1)?.unix_ms ?? Date.now();
  }

  draw() {
    const { width, height } = this.canvas.getBoundingClientRect();
    if (width === 0) return;
    const scale = window.devicePixelRatio || 1;
    const [wide, high] = [Math.round(width * scale), Math.round(height * scale)];
    if (this.canvas.width !== wide || this.canvas.height !== high) Object.assign(this.canvas, { width: wide, height: high });
    const pen = this.canvas.getContext("2d");
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = `11px ${getComputedStyle(document.body).fontFamily}`;
    const begin = this.end() - this.range * 1000;
    const seen = this.seconds.filter((second) => second.unix_ms >= begin - 2000);
    const [low, top, step] = this.span(seen);
    const place = {
      x: (ms) => LEFT + ((ms - begin) / (this.range * 1000)) * (width - LEFT - RIGHT),
      y: (value) => height - BOTTOM - ((value - low) / (top - low)) * (height - TOP - BOTTOM),
    };
    this.drawGrid(pen, place, { low, top, step, width, height, begin });
    pen.save();
    pen.beginPath();
    pen.rect(LEFT, 0, width - LEFT - RIGHT, height - BOTTOM + 1);
    pen.clip();
    this.drawStacks(pen, place, seen, low);
    for (const line of this.series.filter((one) => !one.stacked)) this.drawLine(pen, place, seen, line);
    pen.restore();
    const shown = this.moment(seen);
    if (this.at !== null && shown) this.drawMoment(pen, place, shown, height);
    this.series.forEach((line, i) => {
      const value = shown ? line.of(shown) : null;
      const [number, unit] = this.format(value);
      this.values[i].textContent = unit === "" ? number : `${number} ${unit}`;
    });
  }

  /** The second that is pointed at, else the newest. */
  moment(seen) {
    if (this.at === null) return seen.at(-1);
    let best = null;
    for (const second of seen) {
      if (best === null || Math.abs(second.unix_ms - this.at) < Math.abs(best.unix_ms - this.at)) best = second;
    }
    return best;
  }

  /** The values that fit: least, most, and the step of the grid. */
  span(seen) {
    let [low, most] = [this.floor ?? 0, this.least];
    for (const second of seen) {
      let sum = 0;
      for (const line of this.series) {
        const value = line.of(second);
        if (!Number.isFinite(value)) continue;
        if (line.stacked) sum += value;
        else {
          most = Math.max(most, value);
          low = Math.min(low, value);
        }
      }
      most = Math.max(most, sum);
    }
    // A limit is shown when it is near.
    if (this.limit && most > this.limit.value * 0.4) most = Math.max(most, this.limit.value * 1.05);
    const step = roundStep((most - low) / 4);
    return [Math.floor(low / step) * step, Math.ceil((most * 1.02) / step) * step, step];
  }

  drawGrid(pen, place, { low, top, step, width, height, begin }) {
    pen.lineWidth = 1;
    pen.textBaseline = "middle";
    for (let value = low; value <= top + step / 2; value += step) {
      const y = Math.round(place.y(value)) + 0.5;
      pen.strokeStyle = color(Math.abs(value) < step / 1000 ? "--line" : "--grid");
      pen.beginPath();
      pen.moveTo(LEFT, y);
      pen.lineTo(width - RIGHT, y);
      pen.stroke();
      pen.fillStyle = color("--soft");
      pen.textAlign = "right";
      const near = Math.abs(value) < step / 1000 ? 0 : value;
      const [number, unit] = this.format(near);
      pen.fillText(near === 0 ? "0" : `${Number.parseFloat(number)}${unit === "" ? "" : ` ${unit}`}`, LEFT - 6, y);
    }
    const every = [15, 60, 120][[60, 300, 600].indexOf(this.range)] * 1000;
    pen.textAlign = "center";
    for (let ms = Math.ceil(begin / every) * every; ms <= begin + this.range * 1000; ms += every) {
      const label = new Date(ms).toLocaleTimeString("en-GB", this.range === 60 ? {} : { hour: "2-digit", minute: "2-digit" });
      const x = place.x(ms);
      if (x > LEFT + 14 && x < width - RIGHT - 14) pen.fillText(label, x, height - BOTTOM / 2 + 2);
    }
    if (this.limit && this.limit.value <= top) {
      const y = Math.round(place.y(this.limit.value)) + 0.5;
      pen.strokeStyle = color("--bad");
      pen.setLineDash([5, 4]);
      pen.beginPath();
      pen.moveTo(LEFT, y);
      pen.lineTo(width - RIGHT, y);
      pen.stroke();
      pen.setLineDash([]);
      pen.fillStyle = color("--bad");
      pen.textAlign = "right";
      pen.fillText(this.limit.label, width - RIGHT - 2, y - 8);
    }
  }

  drawStacks(pen, place, seen, low) {
    const below = seen.map(() => low);
    for (const line of this.series.filter((one) => one.stacked)) {
      const tops = seen.map((second, i) => below[i] + (line.of(second) ?? 0));
      pen.beginPath();
      seen.forEach((second, i) => pen.lineTo(place.x(second.unix_ms), place.y(tops[i])));
      for (let i = seen.length - 1; i >= 0; i -= 1) pen.lineTo(place.x(seen[i].unix_ms), place.y(below[i]));
      pen.closePath();
      pen.fillStyle = color(line.color);
      pen.globalAlpha = 0.85;
      pen.fill();
      pen.globalAlpha = 1;
      tops.forEach((top, i) => {
        below[i] = top;
      });
    }
  }

  drawLine(pen, place, seen, line) {
    pen.strokeStyle = color(line.color);
    pen.lineWidth = 1.75;
    pen.lineJoin = "round";
    pen.setLineDash(line.dashed ? [4, 3] : []);
    pen.beginPath();
    let isDown = false;
    for (const second of seen) {
      const value = line.of(second);
      if (!Number.isFinite(value)) isDown = false;
      else if (isDown) pen.lineTo(place.x(second.unix_ms), place.y(value));
      else {
        pen.moveTo(place.x(second.unix_ms), place.y(value));
        isDown = true;
      }
    }
    pen.stroke();
    pen.setLineDash([]);
  }

  drawMoment(pen, place, second, height) {
    const x = Math.round(place.x(second.unix_ms)) + 0.5;
    if (x < LEFT) return;
    pen.strokeStyle = color("--soft");
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(x, TOP);
    pen.lineTo(x, height - BOTTOM);
    pen.stroke();
    const label = new Date(second.unix_ms).toLocaleTimeString("en-GB");
    const half = pen.measureText(label).width / 2 + 5;
    const middle = Math.max(LEFT + half, Math.min(x, this.canvas.clientWidth - RIGHT - half));
    pen.fillStyle = color("--ink");
    pen.beginPath();
    pen.roundRect(middle - half, height - BOTTOM + 2, half * 2, BOTTOM - 3, 4);
    pen.fill();
    pen.fillStyle = color("--page");
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.fillText(label, middle, height - BOTTOM / 2 + 1);
  }
}
