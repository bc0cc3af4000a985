// The server's interface, as this page needs it. The token lives as long as the tab.

const KEY = "downbeat-token";

export class Refused extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

export const token = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (text) => sessionStorage.setItem(KEY, text),
  clear: () => sessionStorage.removeItem(KEY),
};

/** Asks for `path`; gives what the answer holds, or throws what is wrong in words for people. */
export async function ask(method, path, body) {
  const headers = { Authorization: `Bearer ${token.get()}` };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await fetch(path, {
    method,
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
    cache: "no-store",
    signal: AbortSignal.timeout(8000),
  });
  const text = await answer.text();
  let told = null;
  try {
    told = text === "" ? null : JSON.parse(text);
  } catch {
    // Only what is no document of ours.
  }
  if (!answer.ok) throw new Refused(answer.status, told?.detail ?? `the server answered ${answer.status}`);
  return told;
}

export const get = (path) => ask("GET", path);
