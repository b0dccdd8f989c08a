// What is on the screen, and how the script speaks: shared by console.js and evidence.js.

export const $ = (selector, root = document) => root.querySelector(selector);
export const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
export const view = { page: null, busy: false }; // `page`: see mounted() in console.js

export function say(text, urgent = false) {
  const region = $(urgent ? "#live-urgent" : "#live-polite");
  region.textContent = "";
  // A region that gets the same text twice says nothing: empty first, then fill.
  requestAnimationFrame(() => { region.textContent = text; });
}

export function notice(text, kind = "bad") {
  $$("[data-notice]").forEach((old) => old.remove());
  const box = document.createElement("div");
  box.className = `notice is-${kind}`;
  box.dataset.notice = "";
  const line = document.createElement("p");
  line.textContent = text;
  box.append(line);
  view.page?.root.prepend(box);
  say(text, true);
}

export function bodyOf(form, submitter) {
  const data = new URLSearchParams(new FormData(form));
  if (submitter?.name) data.set(submitter.name, submitter.value);
  return data;
}

export async function ask(path, fields) {
  const form = $("#decide");
  const data = bodyOf(form);
  for (const [name, value] of Object.entries(fields)) data.set(name, value);
  const answer = await fetch(`/work/${view.page.flag}/${path}`, {
    method: "POST", body: data, headers: { Accept: "application/json" },
  });
  const kind = answer.headers.get("content-type") || "";
  if (!kind.startsWith("application/json")) {
    if (new URL(answer.url).pathname === "/signin") location.assign(answer.url);
    throw new Error(`status ${answer.status}`);
  }
  return { status: answer.status, told: await answer.json() };
}

