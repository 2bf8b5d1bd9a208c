// Computes the moment of the run that is shown: now, with a small lag for a smooth flow, or a chosen one.

import { MINUTE_S } from "./history.js";

const BEHIND_S = 0.1; // the lag, in the reader's time: the data has arrived by then
const SETTLE = 0.08;
const STILL_RATE = 4;
const STILL_MS = 500;

export class Playhead {
  constructor() {
    this.restart();
  }

  restart() {
    this.paused = false;
    this.moment_s = 0;
    this.rate = 1; // the run's time per reader's time
    this.heard = null;
    this.stillAt = 0;
  }

  // Handles a frame: updates the run's position and its rate.
  hear(frame, history) {
    const at_ms = performance.now();
    const now_s = frame.now_s ?? history.newest_s;
    if (frame.now_s !== undefined) this.rate = 1;
    else if (this.first && frame.phase === "running" && at_ms - this.first.at_ms > 300) {
      const rate = (now_s - this.first.now_s) / ((at_ms - this.first.at_ms) / 1e3);
      this.rate = this.rate === 1 ? rate : this.rate + 0.3 * (rate - this.rate);
      this.first = { at_ms, now_s };
    }
    this.first ??= { at_ms, now_s };
    this.heard = { at_ms, now_s, flows: frame.phase === "running" };
  }

  advance(history) {
    if (this.paused || !this.heard) return;
    const at_ms = performance.now();
    const { heard } = this;
    if (!heard.flows) {
      this.moment_s = heard.now_s;
      return;
    }
    if (this.rate > STILL_RATE) {
      // Too fast to follow: show still pictures.
      if (at_ms - this.stillAt > STILL_MS) {
        this.stillAt = at_ms;
        this.moment_s = history.newest_s;
      }
      return;
    }
    const elapsed_s = Math.min(0.5, (at_ms - heard.at_ms) / 1e3);
    const wanted_s = heard.now_s + this.rate * (elapsed_s - BEHIND_S);
    const since_s = (at_ms - (this.drawnAt ?? at_ms)) / 1e3;
    this.drawnAt = at_ms;
    const flowing_s = this.moment_s + this.rate * since_s;
    const off_s = wanted_s - flowing_s;
    this.moment_s = Math.abs(off_s) > 0.5 * this.rate ? wanted_s : flowing_s + SETTLE * off_s;
  }

  pause() {
    this.paused = true;
  }

  goLive() {
    this.paused = false;
    this.drawnAt = performance.now();
  }

  // Pause at a moment of the last minute.
  goTo(moment_s, history) {
    this.paused = true;
    const oldest_s = Math.max(history.oldest_s, history.newest_s - MINUTE_S);
    this.moment_s = Math.max(oldest_s, Math.min(history.newest_s, moment_s));
  }

  // Pause, and move by whole ticks.
  step(ticks, history) {
    const at = this.moment_s * history.hz;
    const tick = ticks < 0 ? Math.ceil(at - 1e-6) + ticks : Math.floor(at + 1e-6) + ticks;
    this.goTo(tick / history.hz, history);
  }
}
