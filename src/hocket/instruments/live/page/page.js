// Connects the parts of the page: incoming frames, the shown moment, and the buttons.

import { colours } from "./canvas.js";
import { Gauges, digits } from "./gauges.js";
import { History, MINUTE_S, OUTCOMES } from "./history.js";
import { Lanes } from "./lanes.js";
import { drawPicture, fit, forgetScale } from "./picture.js";
import { Playhead } from "./playhead.js";
import { Stream } from "./stream.js";
import { clock } from "./words.js";

const GAUGES_EVERY_MS = 200;
const WINDOWS_S = [0.05, 0.1, 0.2, 0.5, 1, 1.5, 2, 3, 5, 8, 12, 20, 30, 60];
const by = (id) => document.getElementById(id);

const gauges = new Gauges(by("gauges"));
const lanes = new Lanes(by("lanes"));
const playhead = new Playhead();
let history = new History({});
let run = null;
let window_s = 2;
let chosenWindow = false;
let connection = { state: "connecting", failures: 0 };
let pointer = null;
let drawnPicture = null;
let drawnSize = "";
let gaugesAt = 0;

const stream = new Stream(take, (state) => {
  connection = state;
});

// idle, starting, running, ended; connecting before the first frame; lost while the server does not answer.
function phase() {
  if (history.phase === "ended") return "ended";
  if (connection.state === "open") return history.totals ? history.phase : "connecting";
  return history.totals && connection.failures > 0 ? "lost" : "connecting";
}

const started = (name) => name !== "idle" && name !== "starting" && history.ticks.length > 0;

function take(frame) {
  if (frame.about) begin(frame);
  history.take(frame, playhead.paused ? playhead.moment_s : Infinity);
  playhead.hear(frame, history);
}

function begin(frame) {
  history = new History(frame.about);
  if (frame.run !== run) {
    playhead.restart();
    chosenWindow = false;
  }
  run = frame.run;
  forgetScale();
  drawnPicture = null;
  const { about } = frame;
  by("name").textContent = about.name || "waiting for a run";
  const facts = about.name
    ? [`${about.rule}, ${about.workers} worker${about.workers === 1 ? "" : "s"}`, `${digits(about.hz, 6)} Hz`]
    : [];
  if (about.name) facts.push(about.realtime ? "realtime" : "virtual");
  by("about").replaceChildren(
    ...facts.map((text) => Object.assign(document.createElement("li"), { textContent: text })),
  );
}

// Chooses a window that shows some inferences completely, without too many ticks to tell apart.
function chooseWindow() {
  if (chosenWindow || history.ticks.length < 0.5 * history.hz) return;
  const lasted = history.inferences
    .slice(-300)
    .filter((one) => Number.isFinite(one.finished_s))
    .map((one) => one.finished_s - one.started_s)
    .sort((a, b) => a - b);
  if (!lasted.length) return;
  const wanted = Math.max(72 / history.hz, 4 * lasted[lasted.length >> 1]);
  window_s = WINDOWS_S.find((seconds) => seconds >= wanted) || MINUTE_S;
  chosenWindow = true;
}

function zoom(by) {
  const at = WINDOWS_S.findIndex((seconds) => seconds >= window_s);
  window_s = WINDOWS_S[Math.max(0, Math.min(WINDOWS_S.length - 1, at + by))];
  chosenWindow = true;
}

// -- every frame ----------------------------------------------------------------------------------------------

function draw(now_ms) {
  requestAnimationFrame(draw);
  stream.ask();
  playhead.advance(history);
  chooseWindow();
  lanes.draw(history, playhead.moment_s, window_s);
  showPicture();
  showTick();
  showControls();
  showHint();
  if (now_ms - gaugesAt > GAUGES_EVERY_MS) {
    gaugesAt = now_ms;
    gauges.show(history, playhead.rate);
    showLegend();
    showHeader();
  }
}

function showPicture() {
  const picture = playhead.paused ? history.pictureAt(playhead.moment_s) : history.newestPicture;
  const canvas = by("picture");
  const size = `${innerWidth} ${innerHeight} ${devicePixelRatio}`;
  if (picture === drawnPicture && size === drawnSize) return;
  drawnPicture = picture;
  drawnSize = size;
  fit(canvas, picture);
  drawPicture(canvas, picture);
  canvas.dataset.tick = picture ? picture.tick : "";
  const what = picture && (picture.rendered ? "drawn by the environment" : "the newest observation");
  const caption = by("picture-caption");
  caption.textContent = picture ? `tick ${picture.tick}: ${what}` : playhead.paused ? "no picture kept" : "no picture yet";
  caption.title = history.about.picture || "";
}

function showControls() {
  const { paused } = playhead;
  const behind_s = Math.max(0, history.newest_s - playhead.moment_s);
  const over = phase() === "ended" || phase() === "lost";
  by("pause").textContent = !paused ? "Pause" : over ? "Go to the end" : "Go live";
  by("pause").disabled = !paused && over; // nothing moves
  const slider = by("moment");
  slider.min = -Math.min(MINUTE_S, Math.max(1, history.newest_s - history.oldest_s));
  if (document.activeElement !== slider || !paused) slider.value = paused ? -behind_s : 0;
  by("ago").textContent = paused ? `−${behind_s.toFixed(behind_s < 10 ? 2 : 1)} s` : over ? "end" : "live";
  by("window").textContent = window_s < 1 ? `${Math.round(window_s * 1e3)} ms` : `${window_s} s`;
  by("back").disabled = by("forth").disabled = !history.ticks.length;
}

function showHeader() {
  const { totals, about } = history;
  const now = phase();
  const state = playhead.paused && now !== "lost" ? "paused" : now;
  const workers = `${about.workers} worker${about.workers === 1 ? "" : "s"}`;
  const words = {
    connecting: "connecting",
    idle: "waiting",
    starting: `starting ${workers}`,
    running: "live",
    ended: "ended",
    paused: "paused",
    lost: totals && totals.tick ? `run lost at tick ${totals.tick.toLocaleString("en")}` : "page lost before the first tick",
  };
  const status = by("status");
  status.dataset.state = state === "running" ? "live" : state;
  status.textContent = words[state];
  status.title = state === "lost" ? "The page's server does not answer: the run was killed, or the connection broke. Trying again." : "";
  document.body.dataset.phase = started(now) ? "started" : "waiting";
  by("waiting").textContent = { idle: "waiting for a run", running: "waiting for the first tick" }[now] || words[now];
  if (!totals) return;
  by("progress").value = about.ticks ? totals.tick / about.ticks : 0;
  const coverage = totals.coverage === null ? "" : `${(totals.coverage * 100).toFixed(1)} % · `;
  document.title = about.name ? `${coverage}${about.name} · hocket` : "hocket";
}

// Shows the tick of the picture in the header, unless the picture is older than half a second.
function showTick() {
  const { totals, about, newestPicture: picture } = history;
  if (!totals) return;
  const isNew = !playhead.paused && picture && totals.tick - picture.tick < history.hz / 2;
  const tick = isNew ? picture.tick : totals.tick;
  by("ticks").textContent =
    about.ticks && totals.tick
      ? `tick ${tick.toLocaleString("en")} of ${about.ticks.toLocaleString("en")} · ${clock(tick / history.hz)}`
      : "";
}

function showLegend() {
  const { totals } = history;
  if (!totals) return;
  const entry = (name, colour, shape, count) => {
    const span = document.createElement("span");
    const mark = span.appendChild(document.createElement("i"));
    mark.className = shape;
    mark.style.setProperty("--colour", colours[colour]);
    span.append(name);
    if (count !== undefined) span.appendChild(document.createElement("b")).textContent = count.toLocaleString("en");
    return span;
  };
  const always = ["executed", "superseded", "dropped"];
  const outcomes = OUTCOMES.filter((name) => totals.outcomes[name] || always.includes(name));
  const words = { dropped: "dropped (late)" };
  const legend = by("legend");
  legend.replaceChildren(
    entry("running", "running", "open"),
    ...outcomes.map((name) => entry(words[name] || name, name, "", totals.outcomes[name])),
    entry("tick: fresh action", "fresh", "dot"),
    entry("tick: default", "default", "cross"),
  );
  for (const name of OUTCOMES) legend.dataset[name] = totals.outcomes[name];
}

function showHint() {
  const hint = by("hint");
  const text = pointer && lanes.tell(pointer.x, pointer.y);
  hint.hidden = !text;
  if (!text) return;
  if (hint.textContent !== text) hint.textContent = text;
  const stage = by("stage");
  hint.style.left = `${Math.min(pointer.x + 14, stage.clientWidth - hint.offsetWidth - 8)}px`;
  hint.style.top = `${Math.max(4, Math.min(pointer.y + 16, stage.clientHeight - hint.offsetHeight - 4))}px`;
}

// -- input ------------------------------------------------------------------------------------------------------

by("pause").addEventListener("click", () => (playhead.paused ? playhead.goLive() : playhead.pause()));
by("back").addEventListener("click", () => playhead.step(-1, history));
by("forth").addEventListener("click", () => playhead.step(1, history));
by("wider").addEventListener("click", () => zoom(1));
by("closer").addEventListener("click", () => zoom(-1));
by("moment").addEventListener("input", (event) => playhead.goTo(history.newest_s + Number(event.target.value), history));

const canvas = by("lanes");
canvas.addEventListener("pointermove", (event) => {
  pointer = { x: event.offsetX, y: event.offsetY };
  if (event.buttons === 1 && event.movementX) {
    playhead.goTo(playhead.moment_s - event.movementX / lanes.perSecond, history);
  }
});
canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
canvas.addEventListener("pointerleave", () => {
  pointer = null;
});
canvas.addEventListener(
  "wheel",
  (event) => {
    event.preventDefault();
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      playhead.goTo(playhead.moment_s + (event.deltaX || event.deltaY) / lanes.perSecond, history);
    } else zoom(Math.sign(event.deltaY));
  },
  { passive: false },
);

const KEYS = {
  " ": () => (playhead.paused ? playhead.goLive() : playhead.pause()),
  ArrowLeft: (event) => playhead.step(event.shiftKey ? -10 : -1, history),
  ArrowRight: (event) => playhead.step(event.shiftKey ? 10 : 1, history),
  Home: () => playhead.goTo(history.newest_s - MINUTE_S, history),
  End: () => playhead.goLive(),
  "+": () => zoom(-1),
  "-": () => zoom(1),
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key]) return;
  if (event.target instanceof HTMLInputElement && event.key.startsWith("Arrow")) return;
  event.preventDefault();
  KEYS[event.key](event);
});

requestAnimationFrame(draw);
