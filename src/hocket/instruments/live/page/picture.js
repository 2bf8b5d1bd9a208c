// The environment's picture: pixels as they are, or values as columns.

import { colours, prepare } from "./canvas.js";

const own = document.createElement("canvas");
let greatest = [];
const LEAST_HEIGHT = 150;
const MOST_OF_HEIGHT = 0.46; // as a share of the window's height

export function forgetScale() {
  greatest = [];
}

// Sets the canvas's height to show the picture at a whole-number scale, or at the canvas's width if it is larger.
export function fit(canvas, picture) {
  canvas.style.height = "";
  if (!picture || picture.kind === "vector") return;
  const ratio = window.devicePixelRatio || 1;
  const [width, high] = [canvas.clientWidth * ratio, Math.max(300, MOST_OF_HEIGHT * innerHeight) * ratio];
  const scale = scaleOf(picture, width, high);
  canvas.style.height = `${Math.max(LEAST_HEIGHT, Math.ceil((picture.height * scale) / ratio))}px`;
}

// The largest whole-number scale that fits; below 1 the exact scale that fits.
function scaleOf(picture, width, height) {
  const scale = Math.min(width / picture.width, height / picture.height);
  return scale >= 1 ? Math.floor(scale) : scale;
}

export function drawPicture(canvas, picture) {
  const { context, width, height } = prepare(canvas);
  if (!picture) return;
  if (picture.kind === "vector") drawValues(context, width, height, new Float32Array(picture.content));
  else drawPixels(context, picture);
}

function drawPixels(context, picture) {
  own.width = picture.width;
  own.height = picture.height;
  const pixels = own.getContext("2d");
  const image = pixels.createImageData(picture.width, picture.height);
  const from = new Uint8Array(picture.content);
  const channels = picture.kind === "rgb" ? 3 : 1;
  for (let i = 0, j = 0; j < image.data.length; i += channels, j += 4) {
    image.data[j] = from[i];
    image.data[j + 1] = from[i + (channels > 1 ? 1 : 0)];
    image.data[j + 2] = from[i + (channels > 1 ? 2 : 0)];
    image.data[j + 3] = 255;
  }
  pixels.putImageData(image, 0, 0);
  const scale = scaleOf(picture, context.canvas.width, context.canvas.height);
  const [wide, high] = [picture.width * scale, picture.height * scale];
  context.imageSmoothingEnabled = scale < 1;
  context.setTransform(1, 0, 0, 1, 0, 0); // in screen pixels
  const [left, top] = [(context.canvas.width - wide) / 2, (context.canvas.height - high) / 2].map(Math.floor);
  context.drawImage(own, left, top, wide, high);
  context.canvas.dataset.scale = scale;
}

// Draws columns up and down from zero, each scaled by its greatest value so far.
function drawValues(context, width, height, values) {
  const margin = 14;
  const middle = height / 2;
  const step = (width - 2 * margin) / values.length;
  context.fillStyle = colours.accent;
  values.forEach((value, i) => {
    if (!Number.isFinite(value)) return;
    greatest[i] = Math.max(greatest[i] || 1e-9, Math.abs(value));
    const high = (value / greatest[i]) * (middle - margin);
    context.fillRect(margin + (i + 0.14) * step, Math.min(middle, middle - high), step * 0.72, Math.max(1.5, Math.abs(high)));
  });
  context.fillStyle = colours.quiet;
  context.fillRect(margin, middle - 0.5, width - 2 * margin, 1);
}
