// Makes the console quicker: keys, reveals in place, a lease clock, live counts. Every page works
// without it: it only sends the forms that are there, and puts the answer's <main> in their place.

import { cover, pick, picked, play, reveal, revealStep, slower } from "./evidence.js";
import { $, $$, ask, bodyOf, notice, say, view } from "./view.js";

const ACTIVE_MS = 60_000; // after so long without a key or a pointer nobody is at the page
const RENEW_EVERY_MS = 10_000;
const RENEW_BELOW = 0.6; // share of the lease left at which an active page renews it

let lastActive = performance.now();

// ---- the page that is shown

function mounted() {
  const root = $("[data-work], [data-idle]");
  view.page = null;
  if (!root) return;
  const leftS = Number(root.dataset.leftS || 0);
  view.page = {
    root,
    flag: root.dataset.work || "",
    keys: root.dataset.keysOn === "yes" ? JSON.parse(root.dataset.keys) : {},
    at: performance.now(),
    leaseS: leftS,
    fullS: Math.max(leftS, 1),
    warnS: Number(root.dataset.warnS || 60),
    warned: false,
    over: false,
    renewing: false,
    renewedAt: performance.now(),
    armed: null,
    coverAt: 0,
    undoUntil: 0,
  };
  const undo = $("[data-undo]");
  if (undo) view.page.undoUntil = view.page.at + Number(undo.dataset.leftS) * 1000;
  restoreNote();
  countNote();
  tick();
}

function swap(html, url) {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  const main = $("main", fresh);
  if (!main) return;
  $("main").replaceWith(document.adoptNode(main));
  // The page may be another one: then another entry is current, and counts come or go.
  const top = $("header.top", fresh);
  if (top && $("[data-counts]", top)) $("header.top").replaceWith(document.adoptNode(top));
  document.title = fresh.title;
  document.body.className = fresh.body.className;
  history.replaceState(null, "", new URL(url).pathname);
  mounted();
  showCurrent();
  listen();
  const problem = $("[data-problem]");
  const heading = $("main h1");
  if (heading) heading.focus({ preventScroll: true });
  window.scrollTo(0, 0);
  const said = $("[data-said] p");
  if (problem) say(problem.textContent.trim(), true);
  else say([said, heading].filter(Boolean).map((node) => node.textContent.trim()).join(" "));
}

function showCurrent() {
  // On a narrow screen the navigation is wider than the page.
  const current = $(".nav [aria-current]");
  if (current) $(".nav").scrollLeft = current.offsetLeft + current.offsetWidth / 2 - $(".nav").clientWidth / 2;
}

// ---- sending forms

async function send(form, submitter) {
  if (view.busy) return;
  view.busy = true;
  const main = $("main");
  main.setAttribute("aria-busy", "true");
  const flag = view.page?.flag;
  try {
    const answer = await fetch(submitter?.getAttribute("formaction") || form.getAttribute("action"), {
      method: "POST", body: bodyOf(form, submitter), headers: { Accept: "text/html" },
    });
    if (new URL(answer.url).pathname === "/signin") return location.assign(answer.url);
    const html = await answer.text();
    if (answer.status >= 500 || [413, 429].includes(answer.status)) {
      const text = $("[role=alert], main p", new DOMParser().parseFromString(html, "text/html"));
      return notice(text ? text.textContent.trim() : "The console could not do this. Try again.");
    }
    if (answer.ok && flag) dropNote(flag);
    swap(html, answer.url);
  } catch {
    notice("The console cannot be reached. Nothing was lost: your note is still here. Try again.");
  } finally {
    view.busy = false;
    main.removeAttribute("aria-busy");
  }
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!view.page || !view.page.root.contains(form) || form.method !== "post") return;
  event.preventDefault();
  const act = event.submitter?.dataset.act;
  if (act === "pick") pick(event.submitter);
  else if (act === "cover") cover();
  else if (act === "grey" || act === "colour" || act === "clip") reveal(event.submitter.value);
  else if (act === "extend") renew(true);
  else send(form, event.submitter);
});

// ---- lease

function leftS() {
  return view.page.leaseS - (performance.now() - view.page.at) / 1000;
}

async function renew(asked) {
  if (!view.page?.flag || view.page.renewing || view.page.over) return;
  const shown = view.page;
  view.page.renewing = true;
  view.page.renewedAt = performance.now();
  try {
    const { status, told } = await ask("renew", {});
    if (view.page !== shown) return;
    if (status === 409) return lose(told.lost);
    // What is left is the server's word: a browser's clock stands still while a laptop sleeps.
    view.page.leaseS = told.left_s + (performance.now() - view.page.at) / 1000;
    view.page.warned = false;
    $("#lease time").textContent = new Date(told.ends_at).toISOString().slice(11, 19);
    if (asked) say("Extended.");
  } catch {
    if (asked) notice("The lease could not be extended: the console cannot be reached. Try again.", "warn");
  } finally {
    shown.renewing = false;
  }
}

function lose(text) {
  view.page.over = true;
  $("#lease").className = "lease is-over";
  $("#lease p").textContent = "Your lease ended.";
  notice(`${text} Your note is kept below.`);
}

function tick() {
  if (!view.page) return;
  const now = performance.now();
  if (view.page.undoUntil && now > view.page.undoUntil) {
    $("[data-undo]")?.remove();
    view.page.undoUntil = 0;
  }
  if (view.page.coverAt && now > view.page.coverAt) cover();
  if (!view.page.flag || view.page.over) return;
  const left = leftS();
  const clock = $("[data-left]");
  if (clock) clock.textContent = left > 0 ? ` · ${Math.floor(left / 60)}:${String(Math.floor(left % 60)).padStart(2, "0")} left` : "";
  const lease = $("#lease");
  lease.classList.toggle("is-ending", left <= view.page.warnS);
  const here = !document.hidden && now - lastActive < ACTIVE_MS;
  const waited = now - view.page.renewedAt > RENEW_EVERY_MS;
  if (here && waited && left < view.page.fullS * RENEW_BELOW) renew(false);
  else if (!here && left <= 0) {
    // Not asked for again: whoever left the page must not keep the flag from others.
    lose("Your lease ended while you were away. If nobody took the flag yet, your verdict still counts.");
  }
  if (left > 0 && left <= view.page.warnS && !view.page.warned && !view.page.renewing) {
    view.page.warned = true;
    const key = view.page.keys.extend ? ` Press ${view.page.keys.extend.toUpperCase()} to extend.` : "";
    say(`Your lease ends in ${Math.round(left)} seconds.${key}`, true);
  }
}

// ---- note

function countNote() {
  const note = $("#note");
  if (!note) return;
  const limit = Number(note.dataset.limit);
  const length = note.value.replaceAll("\r\n", "\n").trim().length;
  const place = $("[data-count]");
  place.textContent = `${length} of ${limit}`;
  place.classList.toggle("is-over-limit", length > limit);
  note.setAttribute("aria-invalid", String(length > limit));
}

function restoreNote() {
  const note = $("#note");
  if (!note || note.value) return;
  note.value = sessionStorage.getItem(`note:${view.page.flag}`) || "";
}

function dropNote(flag) {
  sessionStorage.removeItem(`note:${flag}`);
}

document.addEventListener("input", (event) => {
  if (event.target.id !== "note") return;
  countNote();
  sessionStorage.setItem(`note:${view.page.flag}`, event.target.value);
});

// ---- keys

function arm(name) {
  $$(".is-armed").forEach((old) => old.classList.remove("is-armed"));
  view.page.armed = name;
  if (!name) return;
  const group = $(`[data-arm=${name}]`);
  group?.classList.add("is-armed");
  const choices = $$(".choice", group).map((one) => `${one.dataset.digit} ${$("span", one).textContent}`);
  say(`${name === "violent" ? "Violent" : "Not violent"}: ${choices.join(", ")}. Escape cancels.`);
}

function step(by) {
  const shots = $$(".strip-shot");
  const next = shots[shots.indexOf(picked()) + by];
  if (next) pick(next);
}

const press = (act) => $(`main [data-act=${act}]:not([disabled])`)?.click();
const DOES = {
  next: () => press("next"), violent: () => view.page.flag && arm("violent"),
  not_violent: () => view.page.flag && arm("not_violent"), unsure: () => press("unsure"),
  undo: () => press("undo"), skip: () => press("skip"), hold: () => press("hold"),
  extend: () => press("extend"), reveal: revealStep, cover, play, slower,
  previous: () => step(-1), following: () => step(1), note: () => $("#note")?.focus(),
  help: () => $("#help")?.showModal(),
};

document.addEventListener("keydown", (event) => {
  lastActive = performance.now();
  if (!view.page || event.repeat || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const field = event.target.closest("input:not([type=checkbox]), textarea, select");
  if (event.key === "Escape") {
    if (field) $("main h1")?.focus();
    return arm(null);
  }
  if (field || $("dialog[open]")) return;
  if (/^[1-9]$/.test(event.key) && view.page.armed) {
    event.preventDefault();
    return $(`[data-arm=${view.page.armed}] [data-digit="${event.key}"]`)?.click();
  }
  const action = Object.keys(view.page.keys).find((name) => view.page.keys[name] && view.page.keys[name] === event.key.toLowerCase());
  if (!action || !DOES[action]) return;
  event.preventDefault();
  DOES[action]();
});

// ---- counts

let source = null;

function listen() {
  if (!$("[data-counts]") || source) return;
  source = new EventSource("/events");
  source.addEventListener("counts", (event) => {
    $$("[data-counts]").forEach((place) => place.classList.remove("is-away"));
    for (const [name, count] of Object.entries(JSON.parse(event.data))) {
      for (const place of $$(`[data-count-of=${name}]`)) {
        place.textContent = count.toLocaleString("en").replaceAll(",", "\u202f");
        const box = place.closest("[data-hide-zero]");
        if (box) box.hidden = !count;
      }
    }
  });
  source.addEventListener("away", () => {
    $$("[data-counts]").forEach((place) => place.classList.add("is-away"));
  });
  source.addEventListener("over", () => {
    hush();
    notice("Your session ended. Sign in again to go on; your note is kept in this tab.");
  });
}

function hush() {
  source?.close();
  source = null;
}

for (const name of ["pointermove", "pointerdown", "scroll"]) {
  document.addEventListener(name, () => { lastActive = performance.now(); }, { passive: true });
}
document.addEventListener("visibilitychange", () => {
  if (document.hidden) { cover(); hush(); } else { listen(); tick(); }
});
addEventListener("pagehide", hush);
setInterval(tick, 1000);
mounted();
showCurrent();
listen();
