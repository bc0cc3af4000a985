// What the page knows of the server, and what is chosen on it.

export const server = { facts: null, seconds: [], rooms: [], players: [], role: null };

export const view = { range: 300, isRangeChosen: false, at: null, room: null, search: "" };

const ROLES = ["viewer", "moderator", "admin"];

/** Whether the bearer of the token may do what this role may. */
export const may = (role) => ROLES.indexOf(server.role) >= ROLES.indexOf(role);
