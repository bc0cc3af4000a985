// What the page asks people, and what it tells them.

import { token } from "./api.js";

const $ = (id) => document.getElementById(id);

/** Asks for a token until one is given. */
export function signIn(error) {
  const dialog = $("sign-in");
  $("sign-in-error").textContent = error;
  $("token").value = "";
  dialog.oncancel = (event) => event.preventDefault();
  if (!dialog.open) dialog.showModal();
  return new Promise((done) => {
    dialog.onclose = () => {
      token.set($("token").value.trim());
      done();
    };
  });
}

/**
 * Asks whether something should be done, and how. Gives the fields by their names; null if it should not.
 * A field: { name, label, hint, isNeeded, most } or, to choose from, { name, label, options: [[value, text]] }.
 */
export function confirm({ title, about, fields, ok, isDanger = false }) {
  const dialog = $("ask");
  $("ask-title").textContent = title;
  $("ask-text").textContent = about;
  $("ask-error").textContent = "";
  const inputs = fields.map((field) => input(field));
  $("ask-fields").replaceChildren(...inputs.map(({ label }) => label));
  const button = $("ask-ok");
  button.textContent = ok;
  button.classList.toggle("danger", isDanger);
  return new Promise((done) => {
    let isOk = false;
    dialog.querySelector("form").onsubmit = () => {
      isOk = true;
    };
    $("ask-cancel").onclick = () => dialog.close();
    dialog.onclose = () => done(isOk ? Object.fromEntries(inputs.map(({ name, element }) => [name, element.value.trim()])) : null);
    dialog.showModal();
    (inputs[0]?.element ?? button).focus();
  });
}

function input({ name, label: text, hint = "", isNeeded = false, most = 200, options }) {
  const label = document.createElement("label");
  const element = document.createElement(options ? "select" : "input");
  if (options) element.append(...options.map(([value, shown]) => new Option(shown, value)));
  else Object.assign(element, { type: "text", placeholder: hint, required: isNeeded, maxLength: most, autocomplete: "off" });
  label.append(text, element);
  return { name, label, element };
}

let timer = 0;

/** Says something for a few seconds. */
export function toast(text) {
  $("toast").textContent = text;
  clearTimeout(timer);
  timer = setTimeout(() => {
    $("toast").textContent = "";
  }, 4000);
}
