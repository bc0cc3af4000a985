// The table of players, and what is done to them.

import { act, button, showRole } from "./actions.js";
import { confirm } from "./dialogs.js";
import { lasting, millis, percent, rate, state, text, ticks } from "./format.js";
import { server, view } from "./state.js";
import { Table } from "./table.js";

const $ = (id) => document.getElementById(id);
const PLAYERS_SHOWN = 500;
const LOOKS_KEPT = 10;

/** What each player had done at the last looks, oldest first. */
let rates = new Map();

/** Of what came on top in the last looks, the share of `part` in all. */
function share(player, part, all) {
  const looks = rates.get(player.id) ?? [];
  const [first, last] = [looks[0], looks.at(-1)];
  if (!first || last[all] === null || !(last[all] > first[all])) return null;
  return (last[part] - first[part]) / (last[all] - first[all]);
}
const lost = (player) => share(player, "lost", "packets");
const starved = (player) => share(player, "starved", "inputs");
const number = (value) => value ?? -1;

const players = new Table($("players"), {
  key: (player) => player.id,
  sort: { name: "name", up: true },
  empty: "Nobody is here.",
  columns: [
    {
      name: "name",
      label: "Name",
      text: true,
      by: (player) => player.name,
      make: () => {
        const part = document.createDocumentFragment();
        part.append(document.createElement("span"), document.createElement("span"));
        return part;
      },
      update: (cell, player) => {
        cell.children[0].textContent = player.name;
        const tags = [player.player === null ? "watches" : "", player.is_muted ? "muted" : "", player.line ? "" : "away"];
        const tag = tags.filter((one) => one !== "").join(", ");
        cell.children[1].textContent = tag;
        cell.children[1].className = tag === "" ? "" : "tag";
        cell.title = player.name;
      },
    },
    { name: "account", label: "Account", text: true, wide: true, by: (player) => player.account ?? "", of: (player) => [player.account ?? "–"] },
    { name: "room", label: "Room", by: (player) => player.room, of: (player) => [`${player.room}`] },
    {
      name: "rtt",
      label: "Round trip",
      by: (player) => number(player.line?.rtt_ms),
      of: (player) => [text(millis(player.line?.rtt_ms)), state(player.line?.rtt_ms, 150, 300)],
    },
    {
      name: "loss",
      label: "Loss",
      about: "Packets of the last seconds that were lost on the way to the player",
      by: (player) => number(lost(player)),
      of: (player) => [text(percent(lost(player))), state(lost(player), 0.02, 0.1)],
    },
    {
      name: "margin",
      label: "Margin",
      about: "Ticks that inputs come before their own; below 0 is late",
      wide: true,
      by: (player) => number(player.inputs?.margin_ticks),
      of: (player) => [text(ticks(player.inputs?.margin_ticks)), player.inputs?.margin_ticks < 0 ? "warn" : ""],
    },
    {
      name: "starved",
      label: "Missing",
      about: "Ticks of the last seconds that ran without the player's input",
      by: (player) => number(starved(player)),
      of: (player) => [text(percent(starved(player))), state(starved(player), 0.03, 0.15)],
    },
    { name: "out", label: "Sent", wide: true, by: (player) => number(speed(player)?.out), of: (player) => [text(rate(speed(player)?.out))] },
    { name: "in", label: "Received", wide: true, by: (player) => number(speed(player)?.in), of: (player) => [text(rate(speed(player)?.in))] },
    { name: "since", label: "Here for", wide: true, by: (player) => player.seconds, of: (player) => [lasting(player.seconds)] },
    {
      name: "act",
      label: "",
      make: (row) => {
        const part = document.createDocumentFragment();
        part.append(
          button("Mute", "Nobody hears what it says", () => mute(row()), "for-moderators wide"),
          button("Kick…", "Send it away; it may come back", () => kick(row()), "for-moderators"),
          button("Ban…", "Send it away for good, or for a while", () => ban(row()), "for-moderators danger wide"),
        );
        return part;
      },
    },
  ],
});
players.each = (element, player) => {
  const first = element.querySelector("button");
  first.textContent = player.is_muted ? "Unmute" : "Mute";
};

/** Bits per second, from the last look to the one before. */
function speed(player) {
  const looks = rates.get(player.id) ?? [];
  const [before, last] = looks.slice(-2);
  if (!last) return undefined;
  const per = (key) => (Math.max(0, last[key] - before[key]) * 8) / (last.seconds - before.seconds);
  return { out: per("out"), in: per("in") };
}

/** Notes what players have done. The server looks once a second, so now and then there is nothing to note. */
export function takeRates(all) {
  const now = new Map();
  for (const player of all) {
    const { seconds, line, inputs } = player;
    let looks = rates.get(player.id) ?? [];
    const last = looks.at(-1);
    // Whoever has a new connection begins anew.
    if (last && (line?.packets_sent ?? 0) < last.packets) looks = [];
    if (!last || seconds - last.seconds > 0.2) {
      looks = looks.slice(1 - LOOKS_KEPT).concat({
        seconds,
        out: line?.bytes_out ?? 0,
        in: line?.bytes_in ?? 0,
        packets: line?.packets_sent ?? 0,
        lost: line?.packets_lost ?? 0,
        inputs: inputs ? inputs.consumed + inputs.starved : null,
        starved: inputs?.starved ?? 0,
      });
    }
    now.set(player.id, looks);
  }
  rates = now;
}

const reasonField = (hint) => ({ name: "reason", label: "What the player is told", hint });

async function kick(player) {
  const given = await confirm({
    title: `Kick ${player.name}?`,
    about: "The player is sent away, and may come back.",
    fields: [reasonField("removed by an operator")],
    ok: "Kick",
    isDanger: true,
  });
  if (given) await act("POST", `/v1/players/${player.id}/kick`, given, `${player.name} is gone.`);
}

async function ban(player) {
  const given = await confirm({
    title: `Ban ${player.name}?`,
    about: player.account === null ? "There is no account: the address is banned, and everybody behind it." : "The account is banned.",
    fields: [
      {
        name: "time",
        label: "For",
        options: [["3600", "an hour"], ["86400", "a day"], ["604800", "a week"], ["2592000", "30 days"], ["", "good"]],
      },
      reasonField("banned"),
    ],
    ok: "Ban",
    isDanger: true,
  });
  if (!given) return;
  const body = { reason: given.reason, ...(given.time === "" ? {} : { seconds: Number(given.time) }) };
  await act("POST", `/v1/players/${player.id}/ban`, body, `${player.name} is banned.`);
}

const mute = (player) =>
  player.is_muted
    ? act("DELETE", `/v1/players/${player.id}/mute`, undefined, `${player.name} is heard again.`)
    : act("POST", `/v1/players/${player.id}/mute`, {}, `${player.name} is muted.`);

$("search").addEventListener("input", () => {
  view.search = $("search").value.trim().toLowerCase();
  showPlayers();
});

export function showPlayers() {
  const chip = $("all-rooms");
  chip.hidden = view.room === null;
  chip.textContent = `Room ${view.room} ×`;
  chip.title = "Show the players of all rooms";
  const isMeant = (player) =>
    (view.room === null || player.room === view.room) &&
    (view.search === "" || player.name.toLowerCase().includes(view.search) || (player.account ?? "").toLowerCase().includes(view.search));
  const meant = server.players.filter(isMeant);
  $("players-count").textContent = meant.length === server.players.length ? meant.length : `${meant.length} of ${server.players.length}`;
  players.show(meant.slice(0, PLAYERS_SHOWN));
  const more = meant.length - PLAYERS_SHOWN;
  $("players-more").textContent = more > 0 ? `${more} more; search, or choose a room, to see them.` : "";
  showRole($("players"));
}
