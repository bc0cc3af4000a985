// Buttons, and what they do.

import { Refused, ask } from "./api.js";
import { toast } from "./dialogs.js";
import { may } from "./state.js";

let look = async () => {};

/** What is to be done after something was done. */
export function afterwards(again) {
  look = again;
}

/** Does something, and says what came of it. */
export async function act(method, path, body, done) {
  try {
    const answer = await ask(method, path, body);
    toast(typeof done === "function" ? done(answer) : done);
    await look();
  } catch (error) {
    toast(error instanceof Refused ? error.message : "The server does not answer.");
  }
}

/** A small button; `more` says who may use it. */
export const button = (label, title, act, more = "") => {
  const element = document.createElement("button");
  element.className = `small ${more}`;
  element.textContent = label;
  element.title = title;
  element.addEventListener("click", (event) => {
    event.stopPropagation();
    act();
  });
  return element;
};

/** Hides what the role may not do. */
export function showRole(within) {
  for (const element of within.querySelectorAll(".for-moderators")) element.hidden = !may("moderator");
  for (const element of within.querySelectorAll(".for-admins")) element.hidden = !may("admin");
}

