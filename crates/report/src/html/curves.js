// The curves over events: nested areas, so that what lies between two curves has its cause's color.

/** Outermost first: each curve, the color below it, and the dashes of its line. */
const CURVES = [
  { name: "reserved", fill: "pinned_gap", share: 0.26, dash: [] },
  { name: "active", fill: "pending", share: 0.5, dash: [5, 2] },
  { name: "allocated", fill: "rounding", share: 0.6, dash: [2, 2] },
  { name: "requested", fill: "requested", share: 0.85, dash: [] },
];

/** The room left of every picture over events, for the labels of its axis. */
const GUTTER = 62;
const AXIS = 18;

/** The least and the most of a curve in each of `columns` equal parts of the view. */
function extremes(device, name, from, to, columns) {
  const values = device.curves[name];
  const lod = device.lod[name];
  const last = device.events;
  const low = new Float64Array(columns);
  const high = new Float64Array(columns);
  const step = (to - from) / columns;
  for (let x = 0; x < columns; x++) {
    const first = Math.min(last, Math.floor(from + x * step));
    const behind = Math.min(last + 1, Math.max(first + 1, Math.floor(from + (x + 1) * step)));
    let [least, most] = [Infinity, -Infinity];
    if (behind - first > 2 * device.run) {
      const lastRun = Math.floor((behind - 1) / device.run);
      for (let run = Math.floor(first / device.run); run <= lastRun; run++) {
        least = Math.min(least, lod.least[run]);
        most = Math.max(most, lod.most[run]);
      }
    } else {
      for (let i = first; i < behind; i++) {
        if (values[i] < least) least = values[i];
        if (values[i] > most) most = values[i];
      }
    }
    low[x] = least;
    high[x] = most;
  }
  return { low, high };
}

/** Steps of an axis: about `count` of 1, 2 or 5 times a power of ten, or of two for bytes. */
function axisStep(span, count, ofTwo) {
  const rough = Math.max(span / count, Number.MIN_VALUE);
  if (ofTwo) return 2 ** Math.max(0, Math.ceil(Math.log2(rough)));
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 5, 10].find((f) => f * power >= rough);
  return Math.max(1, factor * power);
}

/** Events to pixels in a picture of this width, and back. */
function eventScale(width) {
  const inner = width - GUTTER;
  const span = view.to - view.from;
  return {
    x: (instant) => GUTTER + ((instant - view.from) / span) * inner,
    instant: (x) => view.from + ((x - GUTTER) / inner) * span,
  };
}

function paintCurves(canvas) {
  const started = performance.now();
  const { context, width, height, ratio } = startDrawing(canvas);
  const lanes = laneCount(shown());
  const box = { top: 16, bottom: height - AXIS - lanes * LANE, left: GUTTER, right: width };
  const columns = Math.max(1, Math.round((width - GUTTER) * ratio));
  const outer = extremes(shown(), "reserved", view.from, view.to, columns);
  const most = outer.high.reduce((a, b) => Math.max(a, b), 1) * 1.06;
  const y = (bytes) => box.bottom - (bytes / most) * (box.bottom - box.top);
  byteAxis(context, box, most, y);
  for (const curve of CURVES) {
    const bounds = extremes(shown(), curve.name, view.from, view.to, columns);
    curveArea(context, box, bounds, y, curve, ratio);
  }
  eventAxis(context, { ...box, bottom: height - AXIS }, eventScale(width));
  paintRanges(context, box, eventScale(width));
  paintMarks(context, box, eventScale(width), y);
  note("curves", started);
}

function curveArea(context, box, { low, high }, y, curve, ratio) {
  const at = (x) => box.left + (x + 0.5) / ratio;
  const edge = new Path2D();
  for (let x = 0; x < high.length; x++) {
    const top = y(high[x]);
    if (x === 0) edge.moveTo(at(x), top);
    else edge.lineTo(at(x), top);
    if (high[x] > low[x]) {
      edge.lineTo(at(x), y(low[x]));
      edge.lineTo(at(x), top);
    }
  }
  const area = new Path2D(edge);
  area.lineTo(at(high.length - 1), box.bottom);
  area.lineTo(at(0), box.bottom);
  context.fillStyle = palette.css.surface;
  context.fill(area);
  context.fillStyle = alpha(curve.fill, curve.share);
  context.fill(area);
  context.strokeStyle = curve.name === "reserved" ? palette.css.text : palette.css[curve.fill];
  context.lineWidth = curve.name === "reserved" ? 1.25 : 1;
  context.setLineDash(curve.dash);
  context.stroke(edge);
  context.setLineDash([]);
}

function byteAxis(context, box, most, y) {
  const step = axisStep(most, 4, true);
  context.textAlign = "right";
  for (let bytes = 0; bytes <= most; bytes += step) {
    context.fillStyle = palette.css.line;
    context.fillRect(box.left, Math.round(y(bytes)), box.right - box.left, 1);
    context.fillStyle = palette.css.muted;
    context.fillText(roundText(bytes), box.left - 8, y(bytes));
  }
}

/** Event numbers below, with the time since the first event where it is known. */
function eventAxis(context, box, scale) {
  const step = axisStep(view.to - view.from, Math.max(2, (box.right - box.left) / 150), false);
  context.textAlign = "left";
  for (let event = Math.ceil(view.from / step) * step; event <= view.to; event += step) {
    const x = scale.x(event);
    const time = timeAt(shown(), Math.min(event, shown().events));
    context.fillStyle = palette.css.line;
    context.fillRect(Math.round(x), box.bottom, 1, 5);
    const fits = (text) => x + 4 + context.measureText(text).width <= box.right;
    const texts = [
      time === null ? "" : `${countText(event)} · ${durationText(time)}`,
      countText(event),
    ];
    context.fillStyle = palette.css.muted;
    context.fillText(texts.find((text) => text && fits(text)) || "", x + 4, box.bottom + 10);
  }
}

/** Where the peaks are, and what failed. */
function paintMarks(context, box, scale, y) {
  for (const [name, shape] of [
    ["reserved", "▼"],
    ["active", "▽"],
  ]) {
    const { instant, bytes } = peakOf(shown(), name);
    const x = scale.x(instant + 0.5);
    if (x < box.left || x > box.right) continue;
    const right = x > box.right - 170;
    context.textAlign = "center";
    context.fillStyle = palette.css.text;
    context.fillText(shape, x, y(bytes) - 6);
    context.textAlign = right ? "right" : "left";
    if (name === "reserved")
      context.fillText(`peak ${sizeText(bytes)}`, x + (right ? -8 : 8), y(bytes) - 7);
  }
  for (const [event, asked] of shown().failures) {
    const x = scale.x(event + 1);
    if (x < box.left || x > box.right + 1) continue;
    context.fillStyle = palette.css.fail;
    context.fillRect(
      Math.min(x, box.right - 1.5) - 0.75,
      box.top - 4,
      1.5,
      box.bottom - box.top + 4,
    );
    if (event !== lastFailure()) continue;
    const right = x > box.right - 240;
    context.textAlign = right ? "right" : "left";
    context.fillText(`✕ out of memory: ${sizeText(asked)} asked for`, x + (right ? -6 : 6), 6);
  }
}

function lastFailure() {
  const { failures } = shown();
  return failures.length ? failures[failures.length - 1][0] : null;
}

const peaks = new WeakMap();

/** The first instant at which a curve is highest. */
function peakOf(device, name) {
  if (!peaks.has(device)) peaks.set(device, {});
  const known = peaks.get(device);
  if (!known[name]) {
    const values = device.curves[name];
    let best = 0;
    for (let i = 1; i <= device.events; i++) if (values[i] > values[best]) best = i;
    known[name] = { instant: best, bytes: values[best] };
  }
  return known[name];
}
