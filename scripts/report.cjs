// What scripts/report.sh does in the browser.
"use strict";

const assert = require("node:assert/strict");
const { resolve } = require("node:path");
const { chromium } = require("playwright-core");

// Pictures are called by what `out` says and their kind.
const [browserPath, file, out] = process.argv.slice(2);
const url = `file://${resolve(file)}`;
const problems = [];

/** The page, with its console listened to. */
async function open(browser, options) {
  const context = await browser.newContext({ locale: "en-GB", ...options });
  const page = await context.newPage();
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) problems.push(message.text());
  });
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("request", (request) => {
    if (request.url() !== url && !request.url().startsWith("data:")) problems.push(`asks for ${request.url()}`);
  });
  await page.goto(url);
  await page.waitForFunction(() => document.querySelectorAll(".chart svg path").length > 0);
  await page.waitForTimeout(300);
  return page;
}

/** Texts of one chart that lie on each other, and what sticks out of it. */
const overlaps = () => {
  const found = [];
  for (const chart of document.querySelectorAll(".chart > svg")) {
    const name = chart.getAttribute("aria-label");
    const texts = [...chart.querySelectorAll("text")].map((text) => ({ text: text.textContent, box: text.getBoundingClientRect() }));
    const frame = chart.parentElement.parentElement.getBoundingClientRect();
    for (const { text, box } of texts) {
      if (box.left < frame.left || box.right > frame.right) found.push(`${name}: "${text}" sticks out`);
    }
    texts.forEach((a, i) => texts.slice(i + 1).forEach((b) => {
      const apart = a.box.right <= b.box.left || b.box.right <= a.box.left || a.box.bottom <= b.box.top + 2 || b.box.bottom <= a.box.top + 2;
      if (!apart) found.push(`${name}: "${a.text}" and "${b.text}" overlap`);
    }));
  }
  return found;
};

/** Tables that are wider than their place. On a phone most are, which shadows at their edges tell; verdicts must be in sight. */
const cutTables = (isPhone) => {
  const found = [];
  for (const scroll of document.querySelectorAll(".scroll")) {
    const title = scroll.closest("section").querySelector("h2").textContent;
    const [place, marks] = [scroll.getBoundingClientRect(), [...scroll.querySelectorAll(".mark")]];
    if (scroll.scrollWidth > scroll.clientWidth && !isPhone) found.push(`${title}: ${scroll.scrollWidth} of ${scroll.clientWidth} pixels`);
    if (marks.some((mark) => mark.getBoundingClientRect().right > place.right)) found.push(`${title}: a verdict is out of sight`);
  }
  return found;
};

/** Names of stages and phases stand above what is drawn. */
const namesOnLines = () => {
  const found = [];
  for (const chart of document.querySelectorAll(".chart > svg:has(.cross)")) {
    const top = Math.min(...[...chart.querySelectorAll("path")].map((path) => path.getBoundingClientRect().top));
    for (const text of chart.querySelectorAll(".band-name")) {
      if (text.getBoundingClientRect().bottom > top + 3) found.push(`${chart.getAttribute("aria-label")}: ${text.textContent}`);
    }
  }
  return found;
};

async function looksRight(page, name) {
  assert.deepEqual(await page.evaluate(cutTables, name.startsWith("phone")), [], `${name}: tables`);
  assert.deepEqual(await page.evaluate(namesOnLines), [], `${name}: names on lines`);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(wide <= 0, `${name}: the page is ${wide} pixels too wide`);
  assert.deepEqual(await page.evaluate(overlaps), [], name);
  for (const title of ["Where the milliseconds go", "Distributions", "Over time", "Who had the worst of it", "What the bytes are spent on"]) {
    assert.equal(await page.locator(`h2:has-text("${title}")`).count(), 1, `${name}: ${title}`);
  }
  await tellsOfHostileBots(page, name);
  await tellsOfScenario(page, name);
  assert.equal(await page.evaluate(() => document.body.innerText.includes("NaN") || document.body.innerText.includes("undefined")), false);
}

/** A scenario's name, phases, groups and gates, each with its part. */
async function tellsOfScenario(page, name) {
  const report = await page.evaluate(() => JSON.parse(document.getElementById("data").textContent).report);
  for (const [title, list] of [["Gates", report.gates], ["Phases", report.phases], ["Groups", report.groups]]) {
    const rows = page.locator(`section:has(> h2:text-is("${title}")) tbody tr`);
    assert.equal(await rows.count(), list.length, `${name}: ${title}`);
  }
  if (report.scenario) assert.ok((await page.title()).startsWith(report.scenario) && (await page.innerText("h1")).startsWith(report.scenario), name);
}

/** Each gain has a bar of its own, and its figures in words. */
async function tellsOfHostileBots(page, name) {
  const hostile = await page.evaluate(() => JSON.parse(document.getElementById("data").textContent).report.hostile);
  const part = page.locator('section:has(> h2:text-is("Hostile bots"))');
  assert.equal(await part.count(), hostile ? 1 : 0, name);
  if (!hostile) return;
  const gains = Object.values(hostile.gains).filter(Boolean).length;
  assert.equal(await part.locator("svg circle").count(), gains, `${name}: gains`);
  const text = await part.innerText();
  const { answer, others, server } = hostile;
  for (const told of [`(${hostile.kind})`, `${answer.admitted.toLocaleString("en")} of ${answer.attempts.toLocaleString("en")} connections`]) {
    assert.ok(text.includes(told), `${name}: ${told}`);
  }
  assert.equal(await part.locator(".half.attack").count() > 0, others.input_to_ack_ms.before !== null, `${name}: halves`);
  assert.equal(text.includes("server's work for a tick"), server.tick_us.before !== null, `${name}: the server's ticks`);
  if (hostile.during_seconds > 0) assert.ok(await page.locator('svg text:text-is("attack")').count() > 0, `${name}: when it was`);
}

(async () => {
  const browser = await chromium.launch({ executablePath: browserPath, args: ["--no-sandbox"] });
  const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
  const kinds = {
    light: { colorScheme: "light", viewport: { width: 1360, height: 1000 } },
    dark: { colorScheme: "dark", viewport: { width: 1360, height: 1000 } },
    small: { colorScheme: "light", viewport: { width: 1200, height: 900 } },
    phone: { colorScheme: "light", ...phone },
    "phone-dark": { colorScheme: "dark", ...phone },
  };
  for (const [name, options] of Object.entries(kinds)) {
    const page = await open(browser, options);
    await looksRight(page, name);
    if (name === "dark") {
      await page.hover(".chart svg:has(.cross) >> nth=0", { position: { x: 300, y: 80 } });
      assert.equal(await page.locator(".tip:visible").count(), 1, "values are told where the pointer is");
    }
    await page.screenshot({ path: `${out}-${name}.png`, fullPage: true });
    await page.context().close();
  }
  assert.deepEqual(problems, [], "nothing to complain of in the console");
  await browser.close();
})().catch((error) => {
  console.error(error);
  console.error(problems);
  process.exit(1);
});
