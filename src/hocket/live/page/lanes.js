// The schedule: one lane a worker, an inference as a bar from its observation to its execution, ticks and delays below.

import { colours, prepare } from "./canvas.js";
import { OUTCOMES } from "./history.js";

const GUTTER = 74;
const RIGHT = 16;
const TOP = 6;
const AXIS = 22;
const TICKS = 26;
const DELAYS = 58;
const MOST_LANE = 84;
const LEAST_LABEL = 13;
const NEAR = 4;

export class Lanes {
  constructor(canvas) {
    this.canvas = canvas;
    this.shown = []; // bars as they were drawn last: where, and which
    this.shownTicks = [];
  }

  // Everything up to moment_s, of the window_s before it.
  draw(history, moment_s, window_s) {
    const { context, width, height } = prepare(this.canvas);
    this.context = context;
    this.history = history;
    this.begin_s = moment_s - window_s;
    this.end_s = moment_s;
    this.left = GUTTER;
    this.right = width - RIGHT;
    this.perSecond = (this.right - this.left) / window_s;
    const workers = Math.max(1, history.workers);
    const room = height - TOP - TICKS - DELAYS - AXIS;
    this.lane = Math.max(3, Math.min(MOST_LANE, room / workers));
    this.lanesEnd = TOP + this.lane * workers;
    this.ticksY = this.lanesEnd + TICKS / 2 + 3;
    this.delaysTop = this.lanesEnd + TICKS + 4;
    this.delaysHeight = Math.min(150, height - AXIS - this.delaysTop - 4);
    this.axisY = this.delaysTop + this.delaysHeight;
    this.shown = [];
    this.shownTicks = history.ticksWithin(this.begin_s - 1 / history.hz, this.end_s);
    this.drawGround(workers);
    context.save();
    context.beginPath();
    context.rect(this.left - 1, 0, this.right - this.left + 2 + RIGHT / 2, height);
    context.clip();
    this.drawBars();
    this.drawTicks();
    context.restore();
    this.drawAxis();
    this.canvas.dataset.moment = moment_s.toFixed(4);
    this.canvas.dataset.bars = this.shown.length;
    this.canvas.dataset.ticks = this.shownTicks.length;
  }

  x(time_s) {
    return this.left + (time_s - this.begin_s) * this.perSecond;
  }

  drawGround(workers) {
    const { context, lane, left, right, lanesEnd } = this;
    const bandOf = lane < 9 ? 4 : 1; // thin lanes are banded by four
    context.fillStyle = colours.band;
    for (let worker = 0; worker < workers; worker += 2 * bandOf) {
      const bottom = Math.min(lanesEnd, TOP + (worker + bandOf) * lane);
      context.fillRect(left, TOP + worker * lane, right - left, bottom - TOP - worker * lane);
    }
    context.font = "11.5px system-ui, sans-serif";
    context.fillStyle = colours.quiet;
    context.textAlign = "right";
    context.textBaseline = "middle";
    const every = labelEvery(lane);
    for (let worker = 0; worker < workers; worker += every) {
      context.fillText(every > 1 ? `${worker}` : `worker ${worker}`, left - 10, TOP + (worker + 0.5) * lane);
    }
    if (every > 1) {
      context.save();
      context.translate(16, (TOP + lanesEnd) / 2);
      context.rotate(-Math.PI / 2);
      context.textAlign = "center";
      context.fillText("worker", 0, 0);
      context.restore();
    }
    context.fillText("ticks", left - 10, this.ticksY);
    context.fillText("delay", left - 10, this.delaysTop + this.delaysHeight / 2);
    context.strokeStyle = colours.faint;
    context.lineWidth = 1;
    context.beginPath();
    const { history } = this;
    const gap = this.perSecond / history.hz;
    if (gap >= 7) {
      for (let tick = Math.ceil(this.begin_s * history.hz); tick <= this.end_s * history.hz; tick += 1) {
        const x = Math.round(this.x(tick / history.hz)) + 0.5;
        context.moveTo(x, TOP);
        context.lineTo(x, this.axisY);
      }
    }
    context.globalAlpha = 0.55;
    context.stroke();
    context.globalAlpha = 1;
  }

  drawBars() {
    const { inferences } = this.history;
    const newest = inferences.length - 1;
    for (let i = newest; i >= 0; i -= 1) {
      const one = inferences[i];
      if (one.started_s <= this.end_s) this.drawBar(one);
      if (one.started_s < this.begin_s - 40) break; // older ones are over, or as good as
    }
  }

  drawBar(one) {
    const { context, lane, history } = this;
    const over = Number.isFinite(one.finished_s);
    const until_s = Math.min(over ? one.finished_s : Infinity, this.end_s);
    const executed_s = one.executed_tick >= 0 ? Math.min(one.executed_tick / history.hz, this.end_s) : until_s;
    const last_s = Math.max(until_s, executed_s);
    if (last_s < this.begin_s) return;
    const middle = TOP + (one.worker + 0.5) * lane;
    const high = Math.max(1.6, lane * 0.56);
    const observed = this.x(one.observation / history.hz);
    const [begin, end, last] = [one.started_s, until_s, last_s].map((s) => this.x(s));
    const outcome = OUTCOMES[one.outcome];
    const colour = outcome ? colours[outcome] : colours.running;
    context.fillStyle = colour;
    if (begin - observed > 1.5) context.fillRect(observed, middle - 0.75, begin - observed, 1.5);
    if (last - end > 1) {
      context.globalAlpha = 0.32; // its answer waits for the tick that it is for
      context.fillRect(end, middle - high / 2, last - end, high);
    }
    context.globalAlpha = outcome ? 1 : 0.55;
    const round = Math.min(4, high / 2.5, (end - begin) / 2);
    context.beginPath();
    context.roundRect(begin, middle - high / 2, Math.max(1, end - begin - (lane > 12 ? 0.75 : 0.4)), high, Math.max(0, round));
    context.fill();
    context.globalAlpha = 1;
    if (one.executed_tick >= 0 && one.executed_tick / history.hz <= this.end_s) this.drawExecution(last, middle, colour);
    else if (outcome && outcome !== "executed" && lane >= 7) drawCross(context, end, middle, Math.min(4, lane / 4), colour);
    this.shown.push({ one, from: Math.min(observed, begin), to: last, top: middle - lane / 2, bottom: middle + lane / 2 });
  }

  drawExecution(x, middle, colour) {
    const { context, lane } = this;
    if (lane >= 18) {
      context.strokeStyle = colour;
      context.globalAlpha = 0.45;
      context.lineWidth = 1.25;
      context.beginPath();
      context.moveTo(x, middle);
      context.lineTo(x, this.ticksY - 5);
      context.stroke();
      context.globalAlpha = 1;
    }
    const radius = Math.max(1.3, Math.min(4, lane * 0.14));
    context.fillStyle = colours.panel;
    disc(context, x, middle, radius + Math.min(1.5, lane * 0.08));
    context.fillStyle = colour;
    disc(context, x, middle, radius);
  }

  drawTicks() {
    const { context, history } = this;
    const gap = this.perSecond / history.hz;
    const radius = Math.max(1.2, Math.min(4.2, gap * 0.3));
    const most = Math.max(3, ...this.shownTicks.map((tick) => tick.delay_ticks));
    this.mostDelay = most;
    const wide = Math.max(1, gap * 0.6);
    let before = null;
    for (const tick of this.shownTicks) {
      const x = this.x(tick.tick / history.hz);
      if (before !== null && tick.tick > before + 1) this.drawMissed(before, tick.tick);
      before = tick.tick;
      if (tick.delay_ticks > 0) {
        context.fillStyle = colours.fresh;
        disc(context, x, this.ticksY, radius);
        const high = (tick.delay_ticks / most) * this.delaysHeight;
        context.globalAlpha = 0.75;
        context.fillRect(x - wide / 2, this.axisY - high, wide, high);
        context.globalAlpha = 1;
      } else {
        drawCross(context, x, this.ticksY, Math.max(1.6, radius * 0.95), colours.default);
      }
      if (tick.ended) {
        context.fillStyle = colours.quiet;
        context.fillRect(x + (0.5 * this.perSecond) / history.hz, TOP, 1, this.axisY - TOP);
      }
    }
  }

  drawMissed(before, after) {
    const { context, history } = this;
    context.fillStyle = colours.missed;
    for (let tick = before + 1; tick < after; tick += 1) {
      context.fillRect(this.x(tick / history.hz) - 1.5, this.ticksY - 1, 3, 2);
    }
  }

  drawAxis() {
    const { context, left, right, axisY } = this;
    context.strokeStyle = colours.faint;
    context.lineWidth = 1;
    context.beginPath();
    for (const y of [this.lanesEnd + 0.5, axisY + 0.5]) {
      context.moveTo(left, Math.round(y) + 0.5);
      context.lineTo(right, Math.round(y) + 0.5);
    }
    context.stroke();
    context.fillStyle = colours.quiet;
    context.font = "11.5px system-ui, sans-serif";
    context.textBaseline = "middle";
    context.textAlign = "right";
    if (this.shownTicks.length) {
      context.fillText(`${this.mostDelay}`, left - 10, this.delaysTop + 5);
      context.fillText("0", left - 10, axisY - 3);
    }
    context.textAlign = "center";
    const step = niceStep(90 / this.perSecond);
    for (let at = Math.ceil(this.begin_s / step) * step; at <= this.end_s + 1e-9; at += step) {
      if (at < 0) continue;
      const x = this.x(at);
      context.fillRect(Math.round(x), axisY + 1, 1, 4);
      context.fillText(clock(at, step), Math.min(x, right - 6), axisY + 14);
    }
    context.fillStyle = colours.accent;
    context.fillRect(right, TOP, 1.5, axisY - TOP);
  }

  // What is at a place of the canvas, in words; null if nothing is.
  tell(x, y) {
    const { history } = this;
    if (!history) return null;
    const bar = this.shown.find((bar) => x >= bar.from - NEAR && x <= bar.to + NEAR && y >= bar.top && y < bar.bottom);
    if (bar) return tellInference(bar.one, history.hz);
    if (y < this.lanesEnd || y > this.axisY || x < this.left) return null;
    const at = (this.begin_s + (x - this.left) / this.perSecond) * history.hz;
    const tick = this.shownTicks.find((tick) => Math.abs(tick.tick - at) <= 0.5);
    return tick ? tellTick(tick) : null;
  }
}

function labelEvery(lane) {
  return [1, 2, 4, 8, 12, 24].find((every) => every * lane >= LEAST_LABEL) || 48;
}

function disc(context, x, y, radius) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
}

function drawCross(context, x, y, size, colour) {
  context.strokeStyle = colour;
  context.lineWidth = Math.max(1.2, size * 0.5);
  context.beginPath();
  context.moveTo(x - size, y - size);
  context.lineTo(x + size, y + size);
  context.moveTo(x - size, y + size);
  context.lineTo(x + size, y - size);
  context.stroke();
}

function niceStep(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= least);
}

// Seconds of the run, as minutes and seconds.
export function clock(seconds, step = 1) {
  const digits = step >= 1 ? 0 : Math.min(3, Math.ceil(-Math.log10(step) - 1e-9));
  const minutes = Math.floor(seconds / 60 + 1e-9);
  const rest = Math.max(0, seconds - 60 * minutes).toFixed(digits);
  return minutes ? `${minutes}:${rest.padStart(digits ? 3 + digits : 2, "0")}` : `${rest} s`;
}

function tellInference(one, hz) {
  const lines = [`inference ${one.number} on worker ${one.worker}`];
  lines.push(`of observation ${one.observation}` + (one.target >= 0 ? `, for tick ${one.target}` : ""));
  if (Number.isFinite(one.finished_s)) lines.push(`took ${((one.finished_s - one.started_s) * 1e3).toFixed(1)} ms`);
  if (one.executed_tick >= 0) {
    const delay = one.executed_tick - one.observation;
    lines.push(`executed at tick ${one.executed_tick}: delay ${delay} (${((delay / hz) * 1e3).toFixed(0)} ms)`);
  } else lines.push(OUTCOMES[one.outcome] || "running");
  return lines.join("\n");
}

function tellTick(tick) {
  const what = tick.delay_ticks > 0 ? `fresh, of inference ${tick.inference}, delay ${tick.delay_ticks}` : "filled by the default";
  return `tick ${tick.tick}: ${what}\n${(tick.lateness_s * 1e3).toFixed(3)} ms late, reward ${Number(tick.reward.toFixed(4))}`;
}
