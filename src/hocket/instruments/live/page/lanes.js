// The schedule: one lane a worker, an inference as a bar from its observation to its execution, ticks and delays below.

import { colours, prepare } from "./canvas.js";
import { OUTCOMES } from "./history.js";
import { drawStrips, labelStrips, stripsFor } from "./strips.js";
import { clock, tellInference, tellTick } from "./words.js";

const GUTTER = 74;
const RIGHT = 16;
const TOP = 8;
const AXIS = 22;
const TICKS = 26;
const LEAST_STRIP = 56;
const MOST_LANE = 128;
const TALL = 26; // least height of a lane that shows the link from observation to execution below its bars
const ROWS = 3;
const LEAST_LABEL = 13;
const NEAR = 4;

export class Lanes {
  constructor(canvas) {
    this.canvas = canvas;
    this.shown = []; // the bars of the last drawing, with their positions
    this.shownTicks = [];
  }

  // Draws everything up to moment_s, within the window_s before it.
  draw(history, moment_s, window_s) {
    const { context, width, height } = prepare(this.canvas);
    this.context = context;
    this.history = history;
    this.begin_s = moment_s - window_s;
    this.end_s = moment_s;
    this.left = GUTTER;
    this.right = width - RIGHT;
    this.perSecond = (this.right - this.left) / window_s;
    this.gap = this.perSecond / history.hz;
    const workers = Math.max(1, history.workers);
    const room = height - TOP - TICKS - AXIS;
    this.lane = Math.max(3, Math.min(MOST_LANE, (room - LEAST_STRIP) / workers));
    this.lanesEnd = TOP + this.lane * workers;
    this.ticksY = this.lanesEnd + TICKS / 2 + 3;
    this.axisY = height - AXIS;
    this.strips = stripsFor(history, this.lanesEnd + TICKS + 4, this.axisY);
    this.axisY = this.strips[this.strips.length - 1].bottom;
    this.shown = [];
    this.shownTicks = history.ticksWithin(this.begin_s - 1 / history.hz, this.end_s);
    this.drawGround(workers);
    context.save();
    context.beginPath();
    context.rect(this.left - 1, 0, this.right - this.left + 2 + RIGHT / 2, height);
    context.clip();
    this.drawBars();
    this.drawTicks();
    drawStrips(context, this.strips, this.shownTicks, (tick) => this.x(tick / history.hz), this.gap);
    context.restore();
    this.drawAxis();
    this.canvas.dataset.moment = moment_s.toFixed(4);
    this.canvas.dataset.strips = this.strips.map((strip) => strip.title).join(" ");
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
    context.strokeStyle = colours.faint;
    context.lineWidth = 1;
    context.beginPath();
    const { history } = this;
    if (this.gap >= 7) {
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
    const { history, begin_s, end_s } = this;
    const within = [];
    for (let i = history.inferences.length - 1; i >= 0; i -= 1) {
      const one = history.inferences[i];
      if (one.started_s < begin_s - 40) break; // older ones are taken to have ended
      if (one.started_s <= end_s) {
        const bar = this.place(one);
        if (bar.last >= this.left) within.push(bar);
      }
    }
    this.shown = within.reverse();
    const tall = this.lane >= TALL;
    for (const bar of this.shown) (tall ? this.drawWay : this.drawTail).call(this, bar);
    for (const bar of this.shown) this.drawBar(bar);
  }

  // Returns the position of an inference: from its observation and its start to its end or its execution.
  place(one) {
    const { history, lane, end_s } = this;
    const until_s = Math.min(Number.isFinite(one.finished_s) ? one.finished_s : Infinity, end_s);
    const executed = one.executed_tick >= 0 && one.executed_tick / history.hz <= end_s;
    const waits = one.executed_tick >= 0 || (Number.isFinite(one.finished_s) && one.outcome < 0);
    const last_s = executed ? one.executed_tick / history.hz : waits ? end_s : until_s;
    const outcome = OUTCOMES[one.outcome];
    const top = TOP + one.worker * lane;
    return {
      one,
      top,
      outcome,
      executed,
      colour: colours[outcome || "running"],
      middle: top + lane * (lane >= TALL ? 0.36 : 0.5),
      high: Math.max(1.6, lane * (lane >= TALL ? 0.5 : 0.58)),
      observed: this.x(one.observation / history.hz),
      begin: this.x(one.started_s),
      end: this.x(until_s),
      last: this.x(Math.max(until_s, last_s)),
    };
  }

  drawBar({ one, begin, end, middle, high, colour, outcome }) {
    const { context, lane } = this;
    context.fillStyle = colour;
    context.globalAlpha = outcome ? 1 : lane >= TALL ? 0.18 : 0.4;
    const wide = Math.max(1, end - begin - (lane > 12 ? 1 : 0.5));
    context.beginPath();
    context.roundRect(begin, middle - high / 2, wide, high, Math.max(0, Math.min(4, high / 2.5, wide / 2)));
    context.fill();
    context.globalAlpha = 1;
    if (!outcome && lane >= TALL) {
      context.strokeStyle = colour;
      context.lineWidth = 1.25;
      context.stroke();
    }
    if (outcome && outcome !== "executed" && lane >= 7 && Number.isFinite(one.finished_s)) {
      const size = Math.min(4, lane / 4);
      drawCross(context, lane >= TALL ? end - size - 4 : end, middle, size, lane >= TALL ? colours.panel : colour);
    }
  }

  // Thin lanes: an answer that waits for its tick is a paler end of its bar, below the worker's next bars.
  drawTail({ begin, observed, end, last, middle, high, colour }) {
    const { context } = this;
    context.fillStyle = colour;
    context.globalAlpha = 0.32;
    if (last - end > 1) context.fillRect(end, middle - high / 2, last - end, high);
    if (begin - observed > 1.5) context.fillRect(observed, middle - 0.5, begin - observed, 1);
    context.globalAlpha = 1;
  }

  // Tall lanes: the link from observation to execution, below the bars, and down to the tick that executes it.
  drawWay({ one, observed, last, top, colour, executed }) {
    const { context, lane } = this;
    const y = top + lane * (0.7 + 0.11 * (one.turn % ROWS));
    const size = Math.max(1.6, Math.min(3.6, lane * 0.045));
    context.strokeStyle = context.fillStyle = colour;
    context.lineWidth = Math.max(1, size * 0.6);
    context.globalAlpha = 0.85;
    context.beginPath();
    context.moveTo(observed, y - size);
    context.lineTo(observed, y + size);
    context.moveTo(observed, y);
    context.lineTo(last, y);
    context.stroke();
    if (executed) {
      disc(context, last, y, size);
      context.globalAlpha = 0.28;
      context.lineWidth = 1;
      context.beginPath();
      context.moveTo(last, y);
      context.lineTo(last, this.ticksY - 5);
      context.stroke();
    }
    context.globalAlpha = 1;
  }

  drawTicks() {
    const { context, history } = this;
    const radius = Math.max(1.2, Math.min(4.2, this.gap * 0.3));
    let before = null;
    for (const tick of this.shownTicks) {
      const x = this.x(tick.tick / history.hz);
      if (before !== null && tick.tick > before + 1) this.drawMissed(before, tick.tick);
      before = tick.tick;
      if (tick.delay_ticks > 0) {
        context.fillStyle = colours.fresh;
        disc(context, x, this.ticksY, radius);
      } else {
        drawCross(context, x, this.ticksY, Math.max(1.6, radius * 0.95), colours.default);
      }
      if (tick.ended) {
        context.fillStyle = colours.quiet;
        context.fillRect(x + this.gap / 2, TOP, 1, this.axisY - TOP);
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
    context.font = "11.5px system-ui, sans-serif";
    labelStrips(context, this.strips, left, right);
    context.fillStyle = colours.faint;
    context.fillRect(left, Math.round(this.lanesEnd), right - left, 1);
    context.fillStyle = colours.quiet;
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

  // Describes what is drawn at a position of the canvas; null if nothing is.
  tell(x, y) {
    const { history } = this;
    if (!history) return null;
    const under = this.shown.filter((bar) => y >= bar.top && y < bar.top + this.lane);
    const bar =
      under.find((bar) => x >= bar.begin && x <= bar.end) ||
      under.find((bar) => x >= bar.observed - NEAR && x <= bar.last + NEAR);
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

export function disc(context, x, y, radius) {
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
