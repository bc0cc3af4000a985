// Which charts there are, and what all of them show: the same time, and the same moment.

import { Chart } from "./chart.js";
import { millis, rate, ticks, time } from "./format.js";
import { server, view } from "./state.js";

const $ = (id) => document.getElementById(id);

const work = (name, label) => ({ name, label, color: `--${name}`, stacked: true, of: (s) => s.work_us[name] });
const line = (name, label, color, of, more) => ({ name, label, color, of, ...more });

const longest = new Chart({
  title: "Longest ticks",
  note: "all of the work of one",
  format: time,
  least: 100,
  series: [line("p99", "p99", "--flush", (s) => s.work_p99_us), line("p50", "p50", "--step", (s) => s.work_p50_us)],
});

const charts = [
  new Chart({
    title: "Tick work",
    note: "by phase, on average",
    format: time,
    least: 50,
    series: [
      work("receive", "receive"),
      work("step", "step"),
      work("capture", "capture"),
      work("interest", "interest"),
      work("encode", "encode"),
      work("flush", "flush"),
    ],
  }),
  longest,
  new Chart({
    title: "Start jitter",
    note: "how late ticks begin",
    format: time,
    least: 20,
    series: [
      line("p99", "p99", "--encode", (s) => s.jitter_p99_us),
      line("p50", "p50", "--step", (s) => s.jitter_p50_us),
    ],
  }),
  new Chart({
    title: "Bandwidth",
    note: "UDP payload of all clients",
    format: rate,
    least: 10_000,
    series: [
      line("out", "sent", "--step", (s) => s.bytes_out * 8),
      line("in", "received", "--capture", (s) => s.bytes_in * 8),
    ],
  }),
  new Chart({
    title: "Input margins",
    note: "in ticks; below 0, inputs are late",
    format: ticks,
    least: 1,
    series: [
      line("p50", "p50", "--step", (s) => s.margin_p50),
      line("p10", "p10", "--capture", (s) => s.margin_p10),
      line("min", "least", "--flush", (s) => s.margin_min),
    ],
  }),
  new Chart({
    title: "Round trips",
    note: "of all clients",
    format: millis,
    least: 10,
    series: [
      line("p95", "p95", "--encode", (s) => s.rtt_p95_ms),
      line("p50", "p50", "--step", (s) => s.rtt_p50_ms),
    ],
  }),
];
$("charts").append(...charts.map((chart) => chart.root));

export const drawCharts = () => charts.forEach((chart) => chart.show(server.seconds, view.range, view.at));

$("charts").addEventListener("pointermove", (event) => {
  const chart = charts.find((one) => one.canvas === event.target);
  view.at = chart ? chart.timeAt(event.clientX) : null;
  drawCharts();
});
$("charts").addEventListener("pointerleave", () => {
  view.at = null;
  drawCharts();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawCharts);
for (const button of document.querySelectorAll("[data-range]")) {
  button.addEventListener("click", () => {
    view.isRangeChosen = true;
    chooseRange(Number(button.dataset.range));
  });
}

export function chooseRange(range) {
  view.range = range;
  document.querySelectorAll("[data-range]").forEach((one) => one.setAttribute("aria-pressed", String(Number(one.dataset.range) === range)));
  drawCharts();
}

/** A tick that takes longer than this is not finished when the next is due. */
export function setBudget(us) {
  longest.limit = { label: "the next tick is due", value: us };
}
