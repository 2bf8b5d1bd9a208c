"use strict";
document.documentElement.classList.add("js");

// Values under the pointer, for every chart.
const brief = (v) => v === null ? "n/a" : Math.abs(v) >= 1000 ? Math.round(v).toLocaleString("en") : String(+v.toPrecision(4));

for (const figure of document.querySelectorAll("figure.chart")) {
  const svg = figure.querySelector("svg"), data = JSON.parse(figure.querySelector("script").textContent);
  const [left, right, top, bottom] = data.frame, [low, high] = data.x;
  const cursor = document.createElementNS("http://www.w3.org/2000/svg", "path");
  cursor.setAttribute("class", "cursor");
  const tip = document.createElement("div");
  tip.className = "tip";
  const hide = () => { cursor.remove(); tip.remove(); };
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect(), scale = svg.viewBox.baseVal.width / box.width;
    const px = (event.clientX - box.left) * scale;
    if (px < left || px > right) return hide();
    const share = (px - left) / (right - left);
    const x = data.log ? low * (high / low) ** share : low + share * (high - low);
    const rows = [];
    let shown = x;
    for (const series of data.series) {
      if (series.edges) {
        const i = series.edges.findIndex((edge, k) => x >= edge && x < series.edges[k + 1]);
        if (i < 0 || series.y[i] === null) continue;
        rows.push(`${series.name}: ${brief(series.y[i])}`);
        shown = (series.edges[i] + series.edges[i + 1]) / 2;
        continue;
      }
      let best = -1;
      series.x.forEach((value, k) => {
        if (value !== null && series.y[k] !== null && (best < 0 || Math.abs(value - x) < Math.abs(series.x[best] - x))) best = k;
      });
      if (best < 0) continue;
      rows.push(`${series.name}: ${brief(series.y[best])}`);
      if (data.series.length === 1) shown = series.x[best];
    }
    if (!rows.length) return hide();
    const at = left + (data.log ? Math.log(shown / low) / Math.log(high / low) : (shown - low) / (high - low)) * (right - left);
    cursor.setAttribute("d", `M${at} ${top}V${bottom}`);
    svg.append(cursor);
    tip.textContent = "";
    for (const line of [`${data.label}: ${brief(shown)}`, ...rows]) tip.append(Object.assign(document.createElement("div"), { textContent: line }));
    figure.append(tip);
    const room = figure.clientWidth - tip.offsetWidth, wanted = at / scale + 12;
    tip.style.left = `${Math.max(0, wanted > room ? at / scale - tip.offsetWidth - 12 : wanted)}px`;
    tip.style.top = `${svg.offsetTop + 8}px`;
  });
}

// The whole schedule, to scroll through.
async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const steps = new Int32Array(await new Response(stream).arrayBuffer());
  let sum = 0;
  return Float64Array.from(steps, (step) => (sum += step));
}

async function view(figure) {
  const data = JSON.parse(figure.querySelector("script").textContent);
  const canvas = figure.querySelector("canvas"), readout = figure.querySelector(".readout"), bar = figure.querySelector(".bar");
  const column = {};
  for (const name of ["start", "until", "worker", "fate", "observation", "executed", "tick", "delay"]) column[name] = await unpacked(data[name]);
  const count = column.start.length, lanes = data.workers.length, lane = Math.max(5, Math.min(26, 430 / Math.max(1, lanes)));
  const place = new Map(data.workers.map((worker, i) => [worker, i]));
  const gutter = 84, height = Math.round(lanes * lane + 58);
  let longest = 0;
  for (let i = 0; i < count; i++) longest = Math.max(longest, column.until[i] - column.start[i]);
  let begin = 0, span = data.window_s;
  const clamp = () => {
    span = Math.min(Math.max(span, 4 * data.period_s), Math.max(data.end_s, 4 * data.period_s), 4000 * data.period_s);
    begin = Math.max(0, Math.min(begin, data.end_s - span));
  };
  const first = (time) => {  // the first inference that starts at or after time
    let a = 0, b = count;
    while (a < b) { const middle = (a + b) >> 1; if (column.start[middle] * data.unit_s < time) a = middle + 1; else b = middle; }
    return a;
  };
  let drawn = [];
  function draw() {
    clamp();
    const width = canvas.clientWidth, dense = window.devicePixelRatio || 1;
    canvas.style.height = `${height}px`;
    canvas.width = width * dense;
    canvas.height = height * dense;
    const pen = canvas.getContext("2d"), style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const fates = ["blue", "orange", "pink", "sky", "grey", "black", "yellow"].map(colour);
    pen.scale(dense, dense);
    pen.clearRect(0, 0, width, height);
    const x = (seconds) => gutter + (seconds - begin) / span * (width - gutter - 8), end = begin + span;
    pen.font = "11px system-ui, sans-serif";
    pen.textBaseline = "middle";
    pen.fillStyle = colour("soft");
    pen.textAlign = "right";
    const every = Math.ceil(14 / lane);
    data.workers.forEach((worker, i) => { if (i % every === 0) pen.fillText(`worker ${worker}`, gutter - 8, 8 + lane * (i + .5)); });
    const ticksAt = 8 + lane * lanes + 14;
    pen.fillText("ticks", gutter - 8, ticksAt);
    pen.textAlign = "center";
    let step = 10 ** Math.floor(Math.log10(span / 6));
    for (const factor of [2, 2.5, 2]) if (span / step > 10) step *= factor;
    for (let k = Math.ceil(begin / step); k * step <= end; k++) pen.fillText(`${+(k * step).toFixed(6)} s`, x(k * step), height - 10);
    pen.save();
    pen.beginPath();
    pen.rect(gutter, 0, width - gutter - 8, height);
    pen.clip();
    const half = Math.min(4.5, Math.max(.7, data.period_s / span * (width - gutter) * .35));
    let low = 0, high = column.tick.length;
    while (low < high) { const middle = (low + high) >> 1; if (column.tick[middle] * data.period_s < begin) low = middle + 1; else high = middle; }
    for (let i = low; i < column.tick.length && column.tick[i] * data.period_s <= end; i++) {
      const at = x(column.tick[i] * data.period_s);
      if (half > 1.5) { pen.fillStyle = colour("grid"); pen.fillRect(at, 8, 1, ticksAt - 8); }
      if (column.delay[i] > 0) { pen.fillStyle = colour("green"); pen.fillRect(at - half, ticksAt - half, 2 * half, 2 * half); }
      else { pen.strokeStyle = colour("red"); pen.lineWidth = 1.5; pen.beginPath(); pen.moveTo(at - half, ticksAt - half); pen.lineTo(at + half, ticksAt + half); pen.moveTo(at - half, ticksAt + half); pen.lineTo(at + half, ticksAt - half); pen.stroke(); }
    }
    drawn = [];
    const thick = Math.max(3, lane * .62);
    for (let i = first(begin - longest * data.unit_s); i < count && column.start[i] * data.unit_s <= end; i++) {
      const from = x(column.start[i] * data.unit_s), to = x(column.until[i] * data.unit_s), y = 8 + lane * place.get(column.worker[i]) + (lane - thick) / 2;
      if (column.executed[i] >= 0) {
        pen.fillStyle = fates[column.fate[i]];
        pen.fillRect(to, y + thick / 2 - .5, Math.max(0, x(column.executed[i] * data.period_s) - to), 1);
      }
      if (to < gutter) continue;
      pen.fillStyle = fates[column.fate[i]];
      pen.fillRect(from, y, Math.max(1, to - from - .5), thick);
      drawn.push([from, to, y, y + thick, i]);
    }
    pen.restore();
  }
  const buttons = [
    ["start", () => { begin = 0; }], ["fewest fresh actions", () => { begin = data.worst_s; span = data.window_s; }],
    ["end", () => { begin = data.end_s; }], ["◀", () => { begin -= span * .8; }], ["▶", () => { begin += span * .8; }],
    ["+", () => zoom(.6)], ["−", () => zoom(1 / .6)],
  ];
  function zoom(factor, share = .5) {
    const before = span;
    span *= factor;
    clamp();
    begin += share * (before - span);
  }
  for (const [name, act] of buttons) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: name });
    button.addEventListener("click", () => { act(); draw(); });
    bar.append(button);
  }
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) begin += event.deltaX / canvas.clientWidth * span;
    else zoom(1.0015 ** event.deltaY, Math.max(0, Math.min(1, (event.offsetX - gutter) / (canvas.clientWidth - gutter - 8))));
    draw();
  }, { passive: false });
  let held = null;
  canvas.addEventListener("pointerdown", (event) => { held = event.offsetX; canvas.setPointerCapture(event.pointerId); });
  canvas.addEventListener("pointerup", () => { held = null; });
  canvas.addEventListener("pointermove", (event) => {
    if (held !== null) {
      begin -= (event.offsetX - held) / (canvas.clientWidth - gutter - 8) * span;
      held = event.offsetX;
      return draw();
    }
    const hit = drawn.find(([a, b, c, d]) => event.offsetX >= a && event.offsetX <= b && event.offsetY >= c && event.offsetY <= d);
    if (!hit) { readout.textContent = "\u00a0"; return; }
    const i = hit[4], took = (column.until[i] - column.start[i]) * data.unit_s * 1e3;
    const fate = column.executed[i] >= 0 ? `executed at tick ${column.executed[i]}` : data.names[column.fate[i]];
    readout.textContent = `worker ${column.worker[i]}: observation ${column.observation[i]}, ${fate}, ${took.toFixed(1)} ms, from ${(column.start[i] * data.unit_s).toFixed(3)} s on`;
  });
  canvas.addEventListener("keydown", (event) => {
    const act = { ArrowLeft: () => { begin -= span * .2; }, ArrowRight: () => { begin += span * .2; }, "+": () => zoom(.6), "-": () => zoom(1 / .6), Home: () => { begin = 0; }, End: () => { begin = data.end_s; } }[event.key];
    if (act) { event.preventDefault(); act(); draw(); }
  });
  new ResizeObserver(draw).observe(canvas.parentElement);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  draw();
}
for (const figure of document.querySelectorAll("figure.viewer")) view(figure);
