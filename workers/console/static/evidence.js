// Evidence on the work page: choosing a picture, revealing it step by step, blurring it again.

import { $, $$, ask, notice, say, view } from "./view.js";

function caption(text) {
  const place = $("[data-caption]");
  if (place) place.textContent = text;
}

export function picked() {
  return $(".strip-shot[aria-current]");
}

export function pick(shot) {
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
  view.page.coverAt = 0;
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

export function cover() {
  const stage = $("#stage");
  if (!stage || stage.dataset.level === "blurred") return;
  blurStage(picked());
  ask("look", { picture: stage.dataset.name }).catch(() => {});
  say("Blurred again.");
}

export async function reveal(show) {
  const stage = $("#stage");
  if (!stage || view.busy) return;
  const shown = view.page;
  try {
    const { status, told } = await ask("reveal", { show });
    if (view.page !== shown) return;
    if (status !== 200) return notice(told.refused || "This cannot be shown.", "warn");
    if (told.level === "clip") showClip(told.src);
    else {
      const image = picture(told.src, `${caption_of(picked())}, in ${told.level}`);
      await image.decode();
      if (view.page !== shown || stage.dataset.name !== picked()?.value) return;
      put(image);
    }
    stage.dataset.level = told.level;
    view.page.coverAt = performance.now() + told.lasts_s * 1000;
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

export function slower() {
  const clip = $(".stage-clip");
  if (!clip) return;
  clip.playbackRate = { 1: 0.5, 0.5: 0.25 }[clip.playbackRate] || 1;
  const words = { 1: "1×", 0.5: "½×", 0.25: "¼×" }[clip.playbackRate];
  const button = $("[data-act=slower]");
  if (button) button.textContent = `Speed ${words}`;
  say(`Speed ${words}`);
}

export function play() {
  const clip = $(".stage-clip");
  if (!clip) return $("[data-act=clip]:not([disabled])")?.click();
  if (clip.paused) clip.play().catch(() => {});
  else clip.pause();
}

export function revealStep() {
  const stage = $("#stage");
  const next = { blurred: "grey", grey: "colour", clip: "grey" }[stage?.dataset.level];
  if (next) $(`[data-act=${next}]:not([disabled])`, stage)?.click();
}

