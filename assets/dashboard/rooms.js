// The table of rooms, and what is done to them.

import { act, button, showRole } from "./actions.js";
import { confirm } from "./dialogs.js";
import { count, text, time } from "./format.js";
import { showPlayers } from "./players.js";
import { server, view } from "./state.js";
import { Table } from "./table.js";

const $ = (id) => document.getElementById(id);

const rooms = new Table($("rooms"), {
  key: (room) => room.id,
  sort: { name: "players", up: false },
  empty: "No room is open: the first player opens one.",
  columns: [
    {
      name: "id",
      label: "Room",
      text: true,
      by: (room) => room.id,
      make: () => {
        const part = document.createDocumentFragment();
        part.append(document.createElement("span"), document.createElement("span"));
        return part;
      },
      update: (cell, room) => {
        cell.children[0].textContent = room.id;
        cell.children[1].textContent = room.is_kept ? "kept" : "";
        cell.children[1].className = room.is_kept ? "tag" : "";
      },
    },
    {
      name: "players",
      label: "Players",
      by: (room) => room.players,
      make: () => {
        const part = document.createDocumentFragment();
        const meter = document.createElement("meter");
        meter.className = "wide";
        part.append(meter, document.createElement("span"));
        return part;
      },
      update: (cell, room) => {
        Object.assign(cell.children[0], { max: room.players_max, value: room.players });
        cell.children[1].textContent = `${room.players} / ${room.players_max}`;
      },
    },
    { name: "spectators", label: "Watching", wide: true, by: (room) => room.spectators, of: (room) => [`${room.spectators}`] },
    { name: "ticks", label: "Ticks/s", by: (room) => room.ticks_per_s, of: (room) => [`${room.ticks_per_s}`, slow(room)] },
    {
      name: "snapshots",
      label: "Snapshots/s",
      wide: true,
      by: (room) => room.send_rate_hz,
      of: (room) => [`${room.send_rate_hz}`, room.send_rate_hz < (server.facts?.send_rate_hz ?? 0) ? "warn" : ""],
    },
    { name: "game", label: "Game", about: "Of each tick, what the game takes", by: (room) => room.game_us, of: (room) => [text(time(room.game_us))] },
    { name: "telling", label: "Telling", about: "Of each tick, what choosing, encoding and sending snapshots takes", by: (room) => room.telling_us, of: (room) => [text(time(room.telling_us))] },
    {
      name: "overruns",
      label: "Overruns",
      about: "Ticks that were not finished when the next was due",
      wide: true,
      by: (room) => room.overruns,
      of: (room) => [text(count(room.overruns)), room.overruns > 0 ? "warn" : ""],
    },
    {
      name: "left",
      label: "Left out",
      about: "Ticks that were left out: the match was slower for a moment",
      wide: true,
      by: (room) => room.ticks_left_out,
      of: (room) => [text(count(room.ticks_left_out)), room.ticks_left_out > 0 ? "bad" : ""],
    },
    {
      name: "act",
      label: "",
      make: (row) => {
        const part = document.createDocumentFragment();
        part.append(
          button("Players", "Show its players alone", () => chooseRoom(row().id)),
          button("Close…", "Send everybody away and close it", () => closeRoom(row()), "for-admins danger"),
        );
        return part;
      },
    },
  ],
});
rooms.each = (element, room) => element.classList.toggle("is-chosen", room.id === view.room);

/** A room that somebody is in runs as many ticks as it should, give or take one where the second begins. */
const slow = (room) =>
  room.players + room.spectators > 0 && room.tick > 200 && room.ticks_per_s < (server.facts?.tick_rate_hz ?? 0) - 3 ? "bad" : "";

/** Shows the players of one room alone, or of all again. */
function chooseRoom(id) {
  view.room = view.room === id ? null : id;
  showRooms();
  showPlayers();
}

$("all-rooms").addEventListener("click", () => chooseRoom(view.room));

async function closeRoom(room) {
  const given = await confirm({
    title: `Close room ${room.id}?`,
    about: `${room.players + room.spectators} clients are sent away.`,
    fields: [{ name: "reason", label: "What they are told", hint: "the room was closed" }],
    ok: "Close it",
    isDanger: true,
  });
  if (given) await act("DELETE", `/v1/rooms/${room.id}?reason=${encodeURIComponent(given.reason)}`, undefined, `Room ${room.id} is closed.`);
}

$("open-room").addEventListener("click", () => act("POST", "/v1/rooms", {}, (opened) => `Room ${opened.id} is open, and stays so.`));

export function showRooms() {
  $("rooms-count").textContent = server.rooms.length;
  rooms.show(server.rooms);
  showRole($("rooms"));
}
