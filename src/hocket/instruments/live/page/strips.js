// Strips below the lanes, tick by tick: delay and, where there is room, lateness and reward.

import { colours } from "./canvas.js";

const HIGH = 140;
const GAP = 12;

const STRIPS = [
  {
    title: "delay",
    unit: "ticks",
    value: (tick) => tick.delay_ticks,
    colour: () => "fresh",
    least: 3,
    say: (value) => String(value),
  },
  {
    title: "lateness",
    value: (tick) => tick.lateness_s * 1e3,
    colour: (value) => (value > 1 ? "default" : "accent"),
    least: 0.2,
    say: (value) => `${Number(value.toPrecision(2))} ms`,
    shows: (history) => history.about.realtime,
  },
  {
    title: "reward",
    value: (tick) => tick.reward,
    colour: (value) => (value < 0 ? "default" : "accent"),
    least: 1,
    signed: true,
    say: (value) => String(Number(value.toPrecision(2))),
    shows: (history) => history.rewarded,
  },
];

// Returns the strips that fit between two heights, with their positions.
export function stripsFor(history, top, bottom) {
  const wanted = STRIPS.filter((strip) => !strip.shows || strip.shows(history));
  const count = Math.max(1, Math.min(wanted.length, Math.floor((bottom - top + GAP) / (60 + GAP))));
  const high = Math.min(HIGH, (bottom - top - GAP * (count - 1)) / count);
  return wanted.slice(0, count).map((strip, i) => {
    const begin = top + i * (high + GAP);
    return { ...strip, top: begin, bottom: begin + high };
  });
}

export function drawStrips(context, strips, ticks, x, gap) {
  for (const strip of strips) drawStrip(context, strip, ticks, x, gap);
}

function drawStrip(context, strip, ticks, x, gap) {
  const values = ticks.map(strip.value).map((value) => (Number.isFinite(value) ? value : 0));
  const most = values.reduce((most, value) => Math.max(most, Math.abs(value)), strip.least);
  strip.most = values.length ? strip.say(most) : "";
  const zero = strip.signed ? (strip.top + strip.bottom) / 2 : strip.bottom;
  const full = zero - strip.top;
  const wide = Math.max(1, gap * 0.62);
  context.globalAlpha = 0.8;
  values.forEach((value, i) => {
    if (!value) return;
    const high = (value / most) * full;
    context.fillStyle = colours[strip.colour(value)];
    context.fillRect(x(ticks[i].tick) - wide / 2, Math.min(zero, zero - high), wide, Math.max(1, Math.abs(high)));
  });
  context.globalAlpha = 1;
}

// Draws their names and scales, to the left of them.
export function labelStrips(context, strips, left, right) {
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const strip of strips) {
    const middle = (strip.top + strip.bottom) / 2;
    context.fillStyle = colours.faint;
    context.fillRect(left, Math.round(strip.signed ? middle : strip.bottom), right - left, 1);
    context.fillStyle = colours.quiet;
    context.fillText(strip.title, left - 10, middle);
    context.fillText(strip.most, left - 10, strip.top + 5);
    context.fillText(strip.signed ? `−${strip.most}` : "0", left - 10, strip.bottom - 4);
  }
}
