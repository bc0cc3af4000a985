// What scripts/dashboard.sh does in the browser.
"use strict";

const assert = require("node:assert/strict");
const { chromium } = require("playwright-core");

const [browserPath, url, out] = process.argv.slice(2);
const WAIT = { timeout: 60_000 };
const problems = [];

/** A page whose console is listened to. */
async function open(browser, options) {
  const context = await browser.newContext({ locale: "en-GB", ...options });
  const page = await context.newPage();
  page.on("console", (message) => {
    // A browser reports each refused request; those that are meant to be are told apart by the tests themselves.
    const isMeant = /status of (401|403|503)/.test(message.text());
    if (["error", "warning"].includes(message.type()) && !isMeant) problems.push(message.text());
  });
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("request", (request) => {
    if (!request.url().startsWith(url)) problems.push(`asks elsewhere: ${request.url()}`);
  });
  await page.goto(url);
  return page;
}

async function signIn(page, token) {
  await page.fill("#token", token);
  await page.click("#sign-in button");
}

const value = (page, tile) => page.textContent(`#tile-${tile} .value`);
const seen = (page, condition, argument) => page.waitForFunction(condition, argument, WAIT);

/** Whether something other than the background was drawn on each chart. */
const areDrawn = () =>
  [...document.querySelectorAll("canvas")].map((canvas) => {
    const { data } = canvas.getContext("2d").getImageData(60, 0, canvas.width - 60, canvas.height - 50);
    const colors = new Set();
    for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 200) colors.add(`${data[i]},${data[i + 1]},${data[i + 2]}`);
    return colors.size;
  });

async function valuesMove(page) {
  await seen(page, () => document.querySelectorAll("#players tbody tr").length >= 16);
  // Some are differences between two readings, or need a player's first acknowledgement: each comes, none stays empty.
  await seen(page, (tiles) => tiles.every((tile) => document.querySelector(`#tile-${tile} .value`).textContent !== "–"), [
    "clients",
    "work",
    "busy",
    "rtt",
    "out",
  ]);
  const before = { work: await value(page, "work"), out: await value(page, "out") };
  await seen(page, ([work, out]) => {
    const now = (tile) => document.querySelector(`#tile-${tile} .value`).textContent;
    return now("work") !== work && now("out") !== out;
  }, [before.work, before.out]);
  assert.ok((await page.evaluate(areDrawn)).every((colors) => colors > 3), "each chart shows something");
  // Whether the machine keeps up is not the page's affair.
  assert.notEqual(await page.getAttribute("#status", "data-state"), "waiting");
}

async function rolesDoWhatTheyMay(page) {
  const shown = (selector) => page.locator(selector).first().isVisible();
  assert.equal(await shown("#drain"), true);
  await page.click("#sign-out");
  await signIn(page, "viewer-0123456789");
  await seen(page, () => document.querySelectorAll("#players tbody tr").length >= 16);
  assert.equal(await shown("#drain"), false);
  assert.equal(await shown("#broadcast"), false);
  assert.equal(await shown("#players tbody button:has-text('Kick')"), false);
  await page.click("#sign-out");
  await signIn(page, "wrong-0123456789");
  await seen(page, () => document.querySelector("#sign-in-error").textContent !== "");
  await signIn(page, "admin-0123456789");
  await seen(page, () => document.querySelectorAll("#players tbody tr").length >= 16);
}

async function buttonsWork(page) {
  const clients = async () => Number(await value(page, "clients"));
  const before = await clients();
  await page.fill("#search", await page.textContent("#players tbody tr td span"));
  await page.click("#players tbody tr:first-child button:has-text('Mute')");
  await seen(page, () => document.querySelector("#players .tag")?.textContent === "muted");
  await page.click("#players tbody tr:first-child button:has-text('Kick')");
  await page.fill("#ask input", "be nice");
  await page.click("#ask-ok");
  await seen(page, (count) => Number(document.querySelector("#tile-clients .value").textContent) === count, before - 1);
  await page.fill("#search", "");
  await page.click("#broadcast");
  await page.fill("#ask input", "restart at noon");
  await page.click("#ask-ok");
  await seen(page, (count) => document.querySelector("#toast").textContent === `${count} heard it.`, before - 1);
  const rooms = await page.locator("#rooms tbody tr").count();
  await page.click("#open-room");
  await seen(page, (count) => document.querySelectorAll("#rooms tbody tr").length === count, rooms + 1);
  await page.click("#rooms tbody tr:last-child button:has-text('Close')");
  await page.click("#ask-ok");
  await seen(page, (count) => document.querySelectorAll("#rooms tbody tr").length === count, rooms);
  await page.click("#rooms tbody tr:first-child button:has-text('Players')");
  await seen(page, () => / of /.test(document.querySelector("#players-count").textContent));
  await page.click("#all-rooms");
}

async function pictures(browser) {
  const kinds = {
    light: { colorScheme: "light", viewport: { width: 1360, height: 1000 } },
    dark: { colorScheme: "dark", viewport: { width: 1360, height: 1000 } },
    phone: { colorScheme: "dark", viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true },
    "phone-light": { colorScheme: "light", viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true },
  };
  for (const [name, options] of Object.entries(kinds)) {
    const page = await open(browser, options);
    if (name === "light") await page.screenshot({ path: `${out}/sign-in.png` });
    await signIn(page, "admin-0123456789");
    await seen(page, () => document.querySelectorAll("#players tbody tr").length >= 16);
    await page.waitForTimeout(2_500);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(wide <= 0, `${name}: the page is ${wide} pixels too wide`);
    if (name === "dark") await page.hover("canvas >> nth=0", { position: { x: 260, y: 60 } });
    await page.screenshot({ path: `${out}/${name}.png`, fullPage: !name.startsWith("phone") || name === "phone" });
    if (name === "light") {
      await page.click("#drain");
      await page.screenshot({ path: `${out}/drain.png` });
    }
    await page.context().close();
  }
}

async function drains(page) {
  await page.click("#drain");
  await page.selectOption("#ask select", "3600");
  await page.click("#ask-ok");
  await seen(page, () => document.querySelector("#status").textContent === "draining");
  await page.screenshot({ path: `${out}/draining.png` });
  for (let row = await page.locator("#rooms tbody button:has-text('Close')").count(); row > 0; row -= 1) {
    await page.click("#rooms tbody tr:first-child button:has-text('Close')");
    await page.click("#ask-ok");
    await page.waitForTimeout(1_500);
  }
  // Nobody is left: the server has ended.
  problems.length = 0;
  await seen(page, () => document.querySelector("#status").textContent === "does not answer");
  problems.length = 0;
}

(async () => {
  const browser = await chromium.launch({ executablePath: browserPath, args: ["--no-sandbox"] });
  const page = await open(browser, { viewport: { width: 1360, height: 1000 } });
  await signIn(page, "admin-0123456789");
  await valuesMove(page);
  await rolesDoWhatTheyMay(page);
  await buttonsWork(page);
  await page.waitForTimeout(Number(process.env.SETTLE_MS ?? 20_000));
  await pictures(browser);
  assert.deepEqual(problems, [], "nothing to complain of in the console");
  await drains(page);
  await browser.close();
})().catch((error) => {
  console.error(error);
  console.error(problems);
  process.exit(1);
});
