// Canvases that are sharp on any screen, and the page's colours.

// Fits the canvas's pixels to its size; returns its cleared context, in CSS pixels.
export function prepare(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  const [pixelsX, pixelsY] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== pixelsX || canvas.height !== pixelsY) {
    canvas.width = pixelsX;
    canvas.height = pixelsY;
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

const NAMES = [
  ...["ink", "quiet", "faint", "band", "panel", "accent", "running", "fresh", "default", "missed"],
  ...["executed", "superseded", "dropped", "duplicate", "discarded", "failed", "cancelled"],
];
const colours = {};

function readColours() {
  const style = getComputedStyle(document.documentElement);
  for (const name of NAMES) colours[name] = style.getPropertyValue("--" + name).trim();
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", readColours);
readColours();

export { colours };
