// Makes the console quicker: keys, reveals in place, a lease clock, live counts. Every page works
// without it: it only sends the forms that are there, and puts the answer's <main> in their place.

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const ACTIVE_MS = 60_000; // after so long without a key or a pointer nobody is at the page
const RENEW_BELOW = 0.6; // share of the lease left at which an active page renews it

let page = null; // what is on the screen now: see mounted()
let busy = false;
let lastActive = performance.now();

function say(text, urgent = false) {
  const region = $(urgent ? "#live-urgent" : "#live-polite");
  region.textContent = "";
  // A region that gets the same text twice says nothing: empty first, then fill.
  requestAnimationFrame(() => { region.textContent = text; });
}

// ---- the page that is shown

function mounted() {
  const root = $("[data-work], [data-idle]");
  page = null;
  if (!root) return;
  const leftS = Number(root.dataset.leftS || 0);
  page = {
    root,
    flag: root.dataset.work || "",
    keys: root.dataset.keysOn === "yes" ? JSON.parse(root.dataset.keys) : {},
    at: performance.now(),
    leaseS: leftS,
    fullS: Math.max(leftS, 1),
    warnS: Number(root.dataset.warnS || 60),
    serverMs: Date.parse(root.dataset.endsAt || "") - leftS * 1000,
    warned: false,
    over: false,
    renewing: false,
    armed: null,
    coverAt: 0,
    undoUntil: 0,
  };
  const undo = $("[data-undo]");
  if (undo) page.undoUntil = page.at + Number(undo.dataset.leftS) * 1000;
  restoreNote();
  countNote();
  tick();
}

function swap(html, url) {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  const main = $("main", fresh);
  if (!main) return;
  $("main").replaceWith(document.adoptNode(main));
  document.title = fresh.title;
  document.body.className = fresh.body.className;
  history.replaceState(null, "", new URL(url).pathname);
  mounted();
  const problem = $("[data-problem]");
  const heading = $("main h1");
  if (heading) heading.focus({ preventScroll: true });
  window.scrollTo(0, 0);
  const said = $("[data-said] p");
  if (problem) say(problem.textContent.trim(), true);
  else say([said, heading].filter(Boolean).map((node) => node.textContent.trim()).join(" "));
}

function notice(text, kind = "bad") {
  $$("[data-notice]").forEach((old) => old.remove());
  const box = document.createElement("div");
  box.className = `notice is-${kind}`;
  box.dataset.notice = "";
  const line = document.createElement("p");
  line.textContent = text;
  box.append(line);
  page?.root.prepend(box);
  say(text, true);
}

// ---- sending forms

function bodyOf(form, submitter) {
  const data = new URLSearchParams(new FormData(form));
  if (submitter?.name) data.set(submitter.name, submitter.value);
  return data;
}

async function send(form, submitter) {
  if (busy) return;
  busy = true;
  const main = $("main");
  main.setAttribute("aria-busy", "true");
  const flag = page?.flag;
  try {
    const answer = await fetch(submitter?.getAttribute("formaction") || form.getAttribute("action"), {
      method: "POST", body: bodyOf(form, submitter), headers: { Accept: "text/html" },
    });
    if (new URL(answer.url).pathname === "/signin") return location.assign(answer.url);
    const html = await answer.text();
    if (answer.status >= 500 || answer.status === 429) {
      const text = $("[role=alert], main p", new DOMParser().parseFromString(html, "text/html"));
      return notice(text ? text.textContent.trim() : "The console could not do this. Try again.");
    }
    if (answer.ok && flag) dropNote(flag);
    swap(html, answer.url);
  } catch {
    notice("The console cannot be reached. Nothing was lost: your note is still here. Try again.");
  } finally {
    busy = false;
    main.removeAttribute("aria-busy");
  }
}

async function ask(path, fields) {
  const form = $("#decide");
  const data = bodyOf(form);
  for (const [name, value] of Object.entries(fields)) data.set(name, value);
  const answer = await fetch(`/work/${page.flag}/${path}`, {
    method: "POST", body: data, headers: { Accept: "application/json" },
  });
  const kind = answer.headers.get("content-type") || "";
  if (!kind.startsWith("application/json")) {
    if (new URL(answer.url).pathname === "/signin") location.assign(answer.url);
    throw new Error(`status ${answer.status}`);
  }
  return { status: answer.status, told: await answer.json() };
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!page || !page.root.contains(form) || form.method !== "post") return;
  event.preventDefault();
  const act = event.submitter?.dataset.act;
  if (act === "pick") pick(event.submitter);
  else if (act === "cover") cover();
  else if (act === "grey" || act === "colour" || act === "clip") reveal(event.submitter.value);
  else if (act === "extend") renew(true);
  else send(form, event.submitter);
});

// ---- looking at evidence

function caption(text) {
  const place = $("[data-caption]");
  if (place) place.textContent = text;
}

function picked() {
  return $(".strip-shot[aria-current]");
}

function pick(shot) {
  if (!shot) return;
  const wasClear = $("#stage")?.dataset.level !== "blurred";
  $$(".strip-shot[aria-current]").forEach((old) => old.removeAttribute("aria-current"));
  shot.setAttribute("aria-current", "true");
  shot.scrollIntoView({ block: "nearest", inline: "nearest" });
  blurStage(shot);
  if (wasClear) ask("look", { picture: shot.value }).catch(() => {});
  say(caption_of(shot));
}

function caption_of(shot) {
  const shots = $$(".strip-shot");
  return `Picture ${shots.indexOf(shot) + 1} of ${shots.length} · ${shot.dataset.at} · score ${shot.dataset.score}`;
}

function blurStage(shot) {
  const stage = $("#stage");
  if (!stage || !shot) return;
  stage.dataset.level = "blurred";
  stage.dataset.name = shot.value;
  for (const [act, level] of [["grey", "grey"], ["colour", "colour"]]) {
    const button = $(`[data-act=${act}]`, stage);
    if (button) button.value = `${level}:${shot.value}`;
  }
  put(picture(shot.dataset.src, $("img", shot)?.alt || caption_of(shot)));
  caption(caption_of(shot));
  page.coverAt = 0;
}

function picture(src, alt) {
  const image = new Image(640, 360);
  image.className = "stage-picture";
  image.alt = alt;
  image.src = src;
  return image;
}

function put(shown) {
  const old = $(".stage-picture, .stage-clip");
  if (old?.pause) old.pause();
  old?.replaceWith(shown);
  $("[data-act=slower]")?.remove();
}

function cover() {
  const stage = $("#stage");
  if (!stage || stage.dataset.level === "blurred") return;
  blurStage(picked());
  ask("look", { picture: stage.dataset.name }).catch(() => {});
  say("Blurred again.");
}

async function reveal(show) {
  const stage = $("#stage");
  if (!stage || busy) return;
  const shown = page;
  try {
    const { status, told } = await ask("reveal", { show });
    if (page !== shown) return;
    if (status !== 200) return notice(told.refused || "This cannot be shown.", "warn");
    if (told.level === "clip") showClip(told.src);
    else {
      const image = picture(told.src, `${caption_of(picked())}, in ${told.level}`);
      await image.decode();
      if (page !== shown || stage.dataset.name !== picked()?.value) return;
      put(image);
    }
    stage.dataset.level = told.level;
    page.coverAt = performance.now() + told.lasts_s * 1000;
    say(told.level === "clip" ? "The clip is here, paused and without sound." : `Shown in ${told.level}.`);
  } catch {
    notice("This evidence cannot be shown: it is gone, or the console cannot be reached.", "warn");
  }
}

function showClip(src) {
  const clip = document.createElement("video");
  clip.className = "stage-clip";
  clip.controls = clip.muted = clip.playsInline = true;
  clip.preload = "metadata";
  clip.setAttribute("aria-label", "Clip of the incident, without sound");
  clip.src = src;
  put(clip);
  caption("Clip, without sound");
  const speed = document.createElement("button");
  speed.type = "button";
  speed.className = "button is-small";
  speed.dataset.act = "slower";
  speed.textContent = "Speed 1×";
  speed.addEventListener("click", slower);
  $(".stage-steps").append(speed);
  clip.focus();
}

function slower() {
  const clip = $(".stage-clip");
  if (!clip) return;
  clip.playbackRate = { 1: 0.5, 0.5: 0.25 }[clip.playbackRate] || 1;
  const words = { 1: "1×", 0.5: "½×", 0.25: "¼×" }[clip.playbackRate];
  const button = $("[data-act=slower]");
  if (button) button.textContent = `Speed ${words}`;
  say(`Speed ${words}`);
}

function play() {
  const clip = $(".stage-clip");
  if (!clip) return $("[data-act=clip]:not([disabled])")?.click();
  if (clip.paused) clip.play().catch(() => {});
  else clip.pause();
}

function revealStep() {
  const stage = $("#stage");
  const next = { blurred: "grey", grey: "colour", clip: "grey" }[stage?.dataset.level];
  if (next) $(`[data-act=${next}]:not([disabled])`, stage)?.click();
}

// ---- lease

function leftS() {
  return page.leaseS - (performance.now() - page.at) / 1000;
}

async function renew(asked) {
  if (!page?.flag || page.renewing || page.over) return;
  const shown = page;
  page.renewing = true;
  try {
    const { status, told } = await ask("renew", {});
    if (page !== shown) return;
    if (status === 409) return lose(told.lost);
    const serverNow = page.serverMs + (performance.now() - page.at);
    page.leaseS = (Date.parse(told.ends_at) - serverNow) / 1000 + (performance.now() - page.at) / 1000;
    page.warned = false;
    $("#lease time").textContent = new Date(told.ends_at).toISOString().slice(11, 19);
    if (asked) say("Extended.");
  } catch {
    if (asked) notice("The lease could not be extended: the console cannot be reached. Try again.", "warn");
  } finally {
    shown.renewing = false;
  }
}

function lose(text) {
  page.over = true;
  $("#lease").className = "lease is-over";
  $("#lease p").textContent = "Your lease ended.";
  notice(`${text} Your note is kept below.`);
}

function tick() {
  if (!page) return;
  const now = performance.now();
  if (page.undoUntil && now > page.undoUntil) {
    $("[data-undo]")?.remove();
    page.undoUntil = 0;
  }
  if (page.coverAt && now > page.coverAt) cover();
  if (!page.flag || page.over) return;
  const left = leftS();
  const clock = $("[data-left]");
  if (clock) clock.textContent = left > 0 ? ` · ${Math.floor(left / 60)}:${String(Math.floor(left % 60)).padStart(2, "0")} left` : "";
  const lease = $("#lease");
  lease.classList.toggle("is-ending", left <= page.warnS);
  const here = !document.hidden && now - lastActive < ACTIVE_MS;
  if (left <= 0 || (here && left < page.fullS * RENEW_BELOW && left > 0 && !page.warned)) renew(false);
  if (left > 0 && left <= page.warnS && !page.warned && !page.renewing) {
    page.warned = true;
    const key = page.keys.extend ? ` Press ${page.keys.extend.toUpperCase()} to extend.` : "";
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
  note.value = sessionStorage.getItem(`note:${page.flag}`) || "";
}

function dropNote(flag) {
  sessionStorage.removeItem(`note:${flag}`);
}

document.addEventListener("input", (event) => {
  if (event.target.id !== "note") return;
  countNote();
  sessionStorage.setItem(`note:${page.flag}`, event.target.value);
});

// ---- keys

function arm(name) {
  $$(".is-armed").forEach((old) => old.classList.remove("is-armed"));
  page.armed = name;
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
  next: () => press("next"), violent: () => page.flag && arm("violent"),
  not_violent: () => page.flag && arm("not_violent"), unsure: () => press("unsure"),
  undo: () => press("undo"), skip: () => press("skip"), hold: () => press("hold"),
  extend: () => press("extend"), reveal: revealStep, cover, play, slower,
  previous: () => step(-1), following: () => step(1), note: () => $("#note")?.focus(),
  help: () => $("#help")?.showModal(),
};

document.addEventListener("keydown", (event) => {
  lastActive = performance.now();
  if (!page || event.repeat || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const field = event.target.closest("input:not([type=checkbox]), textarea, select");
  if (event.key === "Escape") {
    if (field) $("main h1")?.focus();
    return arm(null);
  }
  if (field || $("dialog[open]")) return;
  if (/^[1-9]$/.test(event.key) && page.armed) {
    event.preventDefault();
    return $(`[data-arm=${page.armed}] [data-digit="${event.key}"]`)?.click();
  }
  const action = Object.keys(page.keys).find((name) => page.keys[name] && page.keys[name] === event.key.toLowerCase());
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
listen();
