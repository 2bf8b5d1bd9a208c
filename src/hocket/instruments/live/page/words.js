// Describes what is drawn at a position of the canvas.

import { OUTCOMES } from "./history.js";

// Formats seconds of the run as minutes and seconds.
export function clock(seconds, step = 1) {
  const digits = step >= 1 ? 0 : Math.min(3, Math.ceil(-Math.log10(step) - 1e-9));
  const minutes = Math.floor(seconds / 60 + 1e-9);
  const rest = Math.max(0, seconds - 60 * minutes).toFixed(digits);
  return minutes ? `${minutes}:${rest.padStart(digits ? 3 + digits : 2, "0")}` : `${rest} s`;
}

export function tellInference(one, hz) {
  const lines = [`inference ${one.number} on worker ${one.worker}`];
  lines.push(`of observation ${one.observation}` + (one.target >= 0 ? `, for tick ${one.target}` : ""));
  if (Number.isFinite(one.finished_s)) lines.push(`took ${((one.finished_s - one.started_s) * 1e3).toFixed(1)} ms`);
  if (one.executed_tick >= 0) {
    const delay = one.executed_tick - one.observation;
    lines.push(`executed at tick ${one.executed_tick}: delay ${delay} (${((delay / hz) * 1e3).toFixed(0)} ms)`);
  } else lines.push(OUTCOMES[one.outcome] || "running");
  return lines.join("\n");
}

export function tellTick(tick) {
  const what = tick.delay_ticks > 0 ? `fresh, of inference ${tick.inference}, delay ${tick.delay_ticks}` : "filled by the default";
  return `tick ${tick.tick}: ${what}\n${(tick.lateness_s * 1e3).toFixed(3)} ms late, reward ${Number(tick.reward.toFixed(4))}`;
}
