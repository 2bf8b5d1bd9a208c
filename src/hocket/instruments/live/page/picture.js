// The environment's picture: pixels as they are, or values as columns.

import { colours, prepare } from "./canvas.js";

const own = document.createElement("canvas");
let greatest = [];

export function forgetScale() {
  greatest = [];
}

export function drawPicture(canvas, picture) {
  const { context, width, height } = prepare(canvas);
  if (!picture) return;
  if (picture.kind === "vector") drawValues(context, width, height, new Float32Array(picture.content));
  else drawPixels(context, width, height, picture);
}

function drawPixels(context, width, height, picture) {
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
  const scale = Math.min(width / picture.width, height / picture.height);
  const [wide, high] = [picture.width * scale, picture.height * scale];
  context.imageSmoothingEnabled = scale < 1;
  context.drawImage(own, (width - wide) / 2, (height - high) / 2, wide, high);
}

// Columns up and down from zero, each on the scale of the greatest that it has been so far.
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
