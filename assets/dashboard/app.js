// The page: looks at the server once a second while somebody looks at the page.

import { act, afterwards, showRole } from "./actions.js";
import { Refused, get, token } from "./api.js";
import { chooseRange, setBudget } from "./charts.js";
import { confirm, signIn } from "./dialogs.js";
import { count, lasting, millis, percent, rate, state, text, time } from "./format.js";
import { showPlayers, takeRates } from "./players.js";
import { showRooms } from "./rooms.js";
import { server, view } from "./state.js";

const HISTORY = 600;

const $ = (id) => document.getElementById(id);

$("broadcast").addEventListener("click", async () => {
  const given = await confirm({
    title: "Say something to all players",
    about: "It shows where chat does, as an operator's.",
    fields: [{ name: "text", label: "Text", isNeeded: true, most: 255 }],
    ok: "Say it",
  });
  if (given) await act("POST", "/v1/broadcast", given, (heard) => `${heard.clients} heard it.`);
});

$("drain").addEventListener("click", async () => {
  const given = await confirm({
    title: "Drain the server?",
    about: "It takes nobody any more, tells those who play, waits for them until the deadline, and ends.",
    fields: [
      {
        name: "deadline",
        label: "Deadline",
        options: [["300", "5 minutes"], ["900", "15 minutes"], ["3600", "an hour"], ["", "as configured"], ["0", "at once"]],
      },
    ],
    ok: "Drain",
    isDanger: true,
  });
  if (!given) return;
  await act("POST", "/v1/drain", given.deadline === "" ? {} : { deadline_s: Number(given.deadline) }, "The server drains.");
});

$("sign-out").addEventListener("click", () => {
  token.clear();
  location.reload();
});

function tile(name, [value, unit], note, level = "") {
  const element = $(`tile-${name}`);
  element.dataset.state = level;
  const [, shown, about] = element.children;
  const small = document.createElement("span");
  small.className = "unit";
  small.textContent = unit;
  shown.replaceChildren(value, unit === "" ? "" : small);
  about.textContent = note;
}

function showTiles() {
  const now = server.seconds.at(-1);
  const { facts } = server;
  if (!now || !facts) return;
  const budget = 1e6 / facts.tick_rate_hz;
  const watching = server.rooms.reduce((sum, room) => sum + room.spectators, 0);
  const playing = server.rooms.reduce((sum, room) => sum + room.players, 0);
  const inRooms = `in ${now.rooms} of ${facts.rooms_max} rooms`;
  tile("clients", count(playing), watching > 0 ? `${inRooms}, ${watching} watch` : inRooms);
  const share = now.work_p99_us === null ? null : now.work_p99_us / budget;
  tile("work", time(now.work_p99_us), `of ${text(time(budget))} a tick`, state(share, 0.5, 1));
  tile("busy", percent(now.busy), facts.shards === 1 ? "1 shard" : `of ${facts.shards} shards`, state(now.busy, 0.75, 0.95));
  tile("rtt", millis(now.rtt_p50_ms), `one in 20 over ${text(millis(now.rtt_p95_ms))}`, state(now.rtt_p95_ms, 200, 400));
  tile("starved", percent(now.starved), "of players' ticks", state(now.starved, 0.03, 0.15));
  tile("out", rate(now.bytes_out * 8), now.clients > 0 ? `${text(rate((now.bytes_out * 8) / now.clients))} a client` : "no clients");
}

function showTop() {
  const { facts } = server;
  if (!facts) return;
  $("game").textContent = facts.game;
  const parts = [location.host, `${facts.tick_rate_hz} Hz`, `up ${lasting(facts.seconds)}`];
  $("facts").textContent = parts.join(" · ");
  document.title = `${server.seconds.at(-1)?.clients ?? 0} · ${facts.game} · Downbeat`;
  const recent = server.seconds.slice(-10);
  const sum = (key) => recent.reduce((total, second) => total + second[key], 0);
  if (facts.is_draining) status("warn", "draining");
  else if (sum("ticks_left_out") > 0) status("bad", "too slow: ticks are left out");
  else if (sum("kernel_drops") > 0) status("bad", "datagrams are dropped");
  else if (sum("overruns") > 0) status("warn", "ticks overrun");
  else status("good", "takes players");
}

function status(level, what) {
  $("status").dataset.state = level;
  $("status").textContent = what;
}

let looks = 0;

async function look() {
  const after = server.seconds.at(-1)?.n ?? 0;
  // A long list changes more slowly than it is read.
  const isTurn = looks % (server.players.length > 200 ? 3 : 1) === 0;
  looks += 1;
  const [facts, history, all, everybody] = await Promise.all([
    get("/v1/server"),
    get(`/v1/history?after=${after}`),
    get("/v1/rooms"),
    isTurn ? get("/v1/players?limit=10000") : null,
  ]);
  // A server that was started again counts from 1.
  if (server.facts && facts.seconds < server.facts.seconds) server.seconds = [];
  setBudget(1e6 / facts.tick_rate_hz);
  Object.assign(server, { facts, rooms: all.rooms, role: facts.you.role });
  server.seconds = server.seconds.concat(history.seconds.filter((second) => second.n > (server.seconds.at(-1)?.n ?? 0))).slice(-HISTORY);
  if (everybody) {
    server.players = everybody.players;
    takeRates(server.players);
  }
  if (view.room !== null && !server.rooms.some((room) => room.id === view.room)) view.room = null;
  $("main").hidden = false;
  $("main").classList.remove("is-old");
  $("sign-out").hidden = false;
  showRole(document.querySelector(".actions"));
  showRole(document.querySelector("main"));
  showTop();
  showTiles();
  // Who has not been there for long has little to show.
  chooseRange(view.isRangeChosen ? view.range : server.seconds.length < 75 ? 60 : 300);
  showRooms();
  showPlayers();
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const untilSeen = () =>
  document.hidden ? new Promise((done) => document.addEventListener("visibilitychange", done, { once: true })) : null;

async function run() {
  let failures = 0;
  for (;;) {
    await untilSeen();
    try {
      if (token.get() === "") await signIn("");
      await look();
      failures = 0;
    } catch (error) {
      if (error instanceof Refused && error.status === 401) {
        token.clear();
        await signIn(error.message);
        continue;
      }
      failures += 1;
      if (failures > 1) {
        status("bad", error instanceof Refused ? error.message : "does not answer");
        $("main").classList.add("is-old");
      }
    }
    await pause(failures > 2 ? 3000 : 1000);
  }
}

afterwards(look);
run();
