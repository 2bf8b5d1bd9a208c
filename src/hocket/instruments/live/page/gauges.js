// The figures of the run so far, as in its summary, each with its values over the last minute.

import { colours, prepare } from "./canvas.js";
import { MINUTE_S, OUTCOMES } from "./history.js";

const UNANSWERED = ["failed", "cancelled"].map((name) => OUTCOMES.indexOf(name));
const RECENT_S = 5;
const POINTS = 60;
const CLASSES = 40;
const ALIKE = 1e-3; // the spread, as a share, below which times count as constant
const LEAST_SPAN_S = 10;
const MOST_TIMES = 2000;

export function digits(value, most = 4) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e5) return value.toExponential(2);
  return size >= 1000 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(most)));
}

function percent(value) {
  return value === null ? "–" : (value * 100).toFixed(1);
}

function duration(seconds) {
  if (seconds === null || !Number.isFinite(seconds)) return ["–", ""];
  if (seconds >= 1) return [digits(seconds, 3), "s"];
  return seconds >= 1e-3 ? [digits(seconds * 1e3, 3), "ms"] : [digits(seconds * 1e6, 3), "µs"];
}

const mean = (values) => (values.length ? values.reduce((a, b) => a + b, 0) / values.length : NaN);

const most = (values) => (values.length ? Math.max(...values) : NaN);

// Each gauge: its title, its value and unit, the text below, and its values over time.
const GAUGES = [
  {
    id: "coverage",
    title: "Coverage",
    value: ({ totals }) => totals.coverage,
    say: (value) => [percent(value), "%"],
    more: ({ recent }) => (recent.length ? `last ${RECENT_S} s: ${percent(share(recent))} %` : ""),
    course: ({ bins }) => bins.map(share),
    range: [0, 1],
  },
  {
    id: "delay",
    title: "Delay, mean",
    value: ({ totals }) => totals.delay_mean,
    say: (value) => [digits(value, 3), "ticks"],
    more: ({ totals, history }) => (totals.delay_mean === null ? "" : `${duration(totals.delay_mean / history.hz).join(" ")} old`),
    course: ({ bins }) => bins.map((ticks) => mean(ticks.filter((t) => t.delay_ticks > 0).map((t) => t.delay_ticks))),
    range: [0, null],
  },
  {
    id: "lateness",
    title: "Tick lateness, p99",
    value: ({ totals }) => totals.lateness_p99_s,
    say: duration,
    more: ({ totals }) => `p50 ${duration(totals.lateness_p50_s).join(" ")}` + (totals.missed ? `, ${totals.missed} missed` : ""),
    course: ({ bins }) => bins.map((ticks) => (ticks.length ? Math.max(...ticks.map((t) => t.lateness_s)) : NaN)),
    range: [0, null],
    shows: ({ history }) => history.about.realtime,
  },
  {
    id: "jump",
    title: "Jump at seams, p99 of the last minute",
    value: ({ jumps }) => at(jumps, 0.99),
    say: (value) => [digits(value, 3), ""],
    more: ({ jumps, history }) => {
      const bound = history.about.jump_bound;
      const above = bound === null ? "" : `, ${percent(jumps.filter((jump) => jump > bound).length / jumps.length)} % above ${digits(bound)}`;
      return `p50 ${digits(at(jumps, 0.5), 3)}${above}`;
    },
    course: ({ bins }) => bins.map((ticks) => most(ticks.map((t) => t.jump).filter(Number.isFinite))),
    range: [0, null],
    shows: ({ jumps }) => jumps.length > 0,
  },
  {
    id: "speed",
    title: "Virtual time runs",
    value: ({ rate }) => rate,
    say: (value) => [digits(value, 3), "× real time"],
    more: ({ rate, history }) => `${digits(rate * history.hz, 3)} ticks/s`,
    shows: ({ history }) => !history.about.realtime,
  },
  {
    id: "return",
    title: "Return, mean",
    value: ({ totals }) => totals.return_mean,
    say: (value) => [digits(value), ""],
    more: ({ totals }) => `${totals.episodes} episode${totals.episodes === 1 ? "" : "s"}, now ${digits(totals.episode_reward)}`,
    course: ({ history }) => returnsOf(history.ticks),
  },
  {
    id: "reward",
    title: "Total reward",
    value: ({ totals }) => totals.reward_total,
    say: (value) => [digits(value), ""],
    more: () => "",
    shows: () => false,
  },
  {
    id: "updates",
    title: "Updates",
    value: ({ training }) => training.updates_per_s,
    say: (value) => [digits(value, 3), "/s"],
    more: ({ training }) => `${digits(training.updates, 6)} so far`,
    course: ({ trainings }) => trainings.map((t) => t.updates_per_s),
    range: [0, null],
    shows: learns,
  },
  {
    id: "staleness",
    title: "Staleness, mean",
    value: ({ training }) => training.staleness,
    say: (value) => [digits(value, 3), "updates"],
    more: ({ training }) => (Number.isFinite(training.epsilon) ? `ε ${digits(training.epsilon, 3)}` : ""),
    course: ({ trainings }) => trainings.map((t) => t.staleness),
    range: [0, null],
    shows: learns,
  },
  {
    id: "loss",
    title: "Loss",
    value: ({ training }) => training.loss,
    say: (value) => [digits(value, 3), ""],
    more: () => "",
    course: ({ trainings }) => trainings.map((t) => t.loss),
    shows: learns,
  },
  {
    id: "evaluation",
    title: "Evaluation, mean return",
    value: ({ history }) => history.evaluations[history.evaluations.length - 1].mean_return,
    say: (value) => [digits(value), ""],
    more: ({ history }) => `after tick ${digits(history.evaluations[history.evaluations.length - 1].tick, 7)}`,
    course: ({ history }) => history.evaluations.map((e) => e.mean_return),
    shows: ({ history }) => history.evaluations.length > 0,
  },
  {
    id: "times",
    title: "Inference, mean of the last minute",
    wide: true,
    value: ({ lasted }) => mean(lasted),
    say: duration,
    more: ({ lasted }) => (lasted.length ? `p99 ${duration(at(lasted, 0.99)).join(" ")}, the last ${lasted.length}:` : ""),
    bars: ({ lasted }) => inClasses(lasted),
    shows: ({ lasted }) => lasted.length > 0,
  },
];

// The quantile `part` of a sorted list.
function at(sorted, part) {
  return sorted[Math.min(sorted.length - 1, Math.round(part * (sorted.length - 1)))];
}

// A histogram of durations from the least to the 99th percentile; longer ones count in the last class.
function inClasses(sorted) {
  const least = sorted[0];
  const counts = new Array(CLASSES).fill(0);
  if (at(sorted, 0.99) - least < ALIKE * least) {
    counts[CLASSES >> 1] = sorted.length; // in the middle, between 0 and twice as long
    return { counts, from: "0", to: duration(2 * least).join(" ") };
  }
  const width = Math.max(1e-9, at(sorted, 0.99) - least) / (CLASSES - 1);
  for (const value of sorted) counts[Math.min(CLASSES - 1, Math.floor((value - least) / width))] += 1;
  return { counts, from: duration(least).join(" "), to: duration(least + width * CLASSES).join(" ") };
}

// Returns of the episodes that lie completely within the known ticks.
function returnsOf(ticks) {
  const returns = [];
  let sum = ticks.length && ticks[0].tick === 1 ? 0 : NaN;
  for (const tick of ticks) {
    sum += tick.reward;
    if (!tick.ended) continue;
    returns.push(sum);
    sum = 0;
  }
  return returns;
}

function learns({ training }) {
  return training !== undefined;
}

function share(ticks) {
  if (!ticks.length) return NaN;
  const passed = ticks[ticks.length - 1].tick - ticks[0].tick + 1;
  return ticks.filter((tick) => tick.delay_ticks > 0).length / passed;
}

export class Gauges {
  constructor(section) {
    this.cards = new Map();
    for (const gauge of GAUGES) {
      const card = document.createElement("article");
      card.className = "gauge panel";
      card.id = "gauge-" + gauge.id;
      card.hidden = true;
      const [title, value, more] = ["h3", "p", "div"].map((tag) => card.appendChild(document.createElement(tag)));
      title.textContent = gauge.title;
      value.className = "value";
      more.className = "more";
      if (gauge.wide) card.classList.add("wide");
      const canvas = gauge.course || gauge.bars ? card.appendChild(document.createElement("canvas")) : null;
      section.append(card);
      this.cards.set(gauge, { card, value, more, canvas });
    }
  }

  show(history, rate) {
    if (!history.totals) return;
    const known = { history, totals: history.totals, rate, trainings: history.trainings };
    known.training = history.trainings[history.trainings.length - 1];
    known.bins = inBins(history);
    known.jumps = known.bins.flat().map((tick) => tick.jump).filter(Number.isFinite).sort((a, b) => a - b);
    known.lasted = history.inferences
      .slice(-MOST_TIMES)
      .filter((one) => Number.isFinite(one.finished_s) && !UNANSWERED.includes(one.outcome))
      .map((one) => one.finished_s - one.started_s)
      .sort((a, b) => a - b);
    known.recent = history.ticksWithin(history.newest_s - RECENT_S, history.newest_s);
    for (const [gauge, parts] of this.cards) {
      const shown = !gauge.shows || gauge.shows(known);
      parts.card.hidden = !shown;
      if (!shown && gauge.id !== "reward") continue;
      const value = gauge.value(known);
      const [number, unit] = gauge.say(value);
      parts.card.dataset.value = value === null ? "" : value;
      parts.value.textContent = number;
      if (unit) parts.value.appendChild(document.createElement("small")).textContent = unit;
      parts.more.textContent = gauge.more(known);
      if (gauge.bars) drawBars(parts.canvas, gauge.bars(known));
      else if (parts.canvas) drawCourse(parts.canvas, gauge.course(known), gauge.range || [null, null]);
    }
  }
}

// Divides the ticks of the last minute, or since the beginning, into bins of equal time.
function inBins(history) {
  const bins = Array.from({ length: POINTS }, () => []);
  const span_s = Math.min(MINUTE_S, Math.max(LEAST_SPAN_S, history.newest_s - history.oldest_s));
  const begin_s = history.newest_s - span_s;
  for (const tick of history.ticksWithin(begin_s, history.newest_s)) {
    const at = Math.floor(((tick.tick / history.hz - begin_s) / span_s) * POINTS);
    bins[Math.min(POINTS - 1, Math.max(0, at))].push(tick);
  }
  return bins;
}

function drawCourse(canvas, values, [low, high]) {
  const { context, width, height } = prepare(canvas);
  const known = values.filter(Number.isFinite);
  if (!known.length) return;
  let least = low ?? Math.min(...known);
  let most = high ?? Math.max(...known);
  if (most === least) [least, most] = low === null ? [least - 1, most + 1] : [least, most + 1];
  const x = (i) => 1.5 + (values.length > 1 ? (i / (values.length - 1)) * (width - 5) : width / 2);
  const y = (value) => height - 2.5 - ((value - least) / (most - least)) * (height - 5);
  context.lineJoin = "round";
  context.lineWidth = 1.6;
  context.strokeStyle = colours.accent;
  context.beginPath();
  let first = null;
  let last = null;
  values.forEach((value, i) => {
    if (!Number.isFinite(value)) return;
    if (first === null) context.moveTo(x(i), y(value));
    else context.lineTo(x(i), y(value));
    first ??= i;
    last = i;
  });
  context.stroke();
  context.globalAlpha = 0.12;
  context.lineTo(x(last), height);
  context.lineTo(x(first), height);
  context.fillStyle = colours.accent;
  context.fill();
  context.globalAlpha = 1;
  context.beginPath();
  context.arc(x(last), y(values[last]), 2.2, 0, 2 * Math.PI);
  context.fill();
}

function drawBars(canvas, { counts, from, to }) {
  const { context, width, height } = prepare(canvas);
  const floor = height - 13;
  const most = Math.max(...counts);
  const step = width / counts.length;
  context.fillStyle = colours.accent;
  counts.forEach((count, i) => {
    const high = (count / most) * (floor - 1);
    if (count) context.fillRect(i * step + 0.5, floor - Math.max(1, high), step - 1, Math.max(1, high));
  });
  context.fillStyle = colours.faint;
  context.fillRect(0, floor, width, 1);
  context.fillStyle = colours.quiet;
  context.font = "10.5px system-ui, sans-serif";
  context.textBaseline = "bottom";
  context.textAlign = "left";
  context.fillText(from, 0, height + 1);
  context.textAlign = "right";
  context.fillText(to, width, height + 1);
}
