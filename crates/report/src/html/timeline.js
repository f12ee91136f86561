// Every allocation as a rectangle: its life across, its place among the addresses down.

const timelineCache = {
  raster: null,
  canvas: null,
  order: new WeakMap(),
  limit: Infinity,
  rest: 0,
};

/** The allocations, those with the most bytes × events first. */
function byWeight(device) {
  if (!timelineCache.order.has(device)) {
    const starts = new Uint32Array(257);
    for (let i = 0; i < device.count; i++) starts[256 - device.weight[i]] += 1;
    for (let w = 1; w <= 256; w++) starts[w] += starts[w - 1];
    const order = new Uint32Array(device.count);
    for (let i = device.count - 1; i >= 0; i--) order[--starts[256 - device.weight[i]]] = i;
    timelineCache.order.set(device, order);
  }
  return timelineCache.order.get(device);
}

/** The color of an allocation and how strongly it is drawn; one that does not match fades. */
function toneOf(device, i, colors) {
  if (!searching()) return [colors[device.siteColor[device.stack[i]]], 1];
  return isFound(device, i) ? [palette.rgb.match, 1] : [palette.rgb.muted, 0.25];
}

function fillTimeline(device, raster, limit) {
  const { from, to, low, high } = view;
  const order = limit < device.count ? byWeight(device) : null;
  const count = Math.min(limit, device.count);
  const byCause = view.timelineColor === "cause";
  const held = Array(SITE_COLORS + 1).fill(palette.rgb.requested);
  const colors = byCause ? held : palette.sites;
  const perX = raster.width / (to - from);
  const perY = raster.height / (high - low);
  clearRaster(raster);
  for (let n = 0; n < count; n++) {
    const i = order === null ? n : order[n];
    const born = device.born[i];
    const freed = device.freed[i];
    if (born >= to || freed <= from) continue;
    const addr = device.addr[i];
    const end = addr + device.size[i];
    if (addr >= high || end <= low) continue;
    const y0 = Math.max(0, (addr - low) * perY);
    let y1 = Math.min(raster.height, (end - low) * perY);
    // Neighbors of one color stay apart where there is room for it.
    if (y1 - y0 > 7) y1 -= 0.75;
    const x0 = Math.max(0, (born - from) * perX);
    let x1 = Math.min(raster.width, (freed - from) * perX);
    if (x1 - x0 > 7) x1 -= 0.75;
    const [color, share] = toneOf(device, i, colors);
    if (searching() && share === 1) {
      // What was searched for must be seen, however small it is.
      y1 = Math.min(raster.height, Math.max(y1, y0 + 1));
      x1 = Math.min(raster.width, Math.max(x1, x0 + 1));
    }
    const letGo = Math.min(x1, Math.max(x0, (device.letGo[i] - from) * perX));
    const split = byCause && !searching() && letGo < x1;
    addRectangle(raster, x0, split ? letGo : x1, y0, y1, color, share);
    if (split) addRectangle(raster, letGo, x1, y0, y1, palette.rgb.pending, share);
  }
}

/** Draws as many of the largest as a frame has time for; all of them once the view rests. */
function rasterTimeline(width, height) {
  const started = performance.now();
  const cache = timelineCache;
  if (!cache.raster || cache.raster.width !== width || cache.raster.height !== height) {
    cache.raster = newRaster(width, height);
    cache.canvas = document.createElement("canvas");
    cache.canvas.width = width;
    cache.canvas.height = height;
  }
  const limit = dragging() ? cache.limit : Infinity;
  fillTimeline(shown(), cache.raster, limit);
  cache.canvas.getContext("2d").putImageData(rasterImage(cache.raster), 0, 0);
  const spent = performance.now() - started;
  if (limit === Infinity)
    cache.limit = spent < 24 ? Infinity : Math.ceil((shown().count * 20) / spent);
  note(limit === Infinity ? "timeline" : "moving", started);
}

/** Whether the view is on the move; then a drawing of all is due a little later. */
function dragging() {
  const now = performance.now();
  const moving = now - (timelineCache.last || -1e9) < 120;
  timelineCache.last = now;
  clearTimeout(timelineCache.rest);
  if (moving && timelineCache.limit < Infinity) {
    timelineCache.rest = setTimeout(() => look({ settled: now }), 160);
  }
  return moving;
}

function paintTimeline(canvas) {
  const { context, width, height } = startDrawing(canvas);
  const box = { left: GUTTER, right: width, top: 0, bottom: height - AXIS };
  const inner = [Math.max(1, Math.floor(width - GUTTER)), Math.max(1, Math.floor(box.bottom))];
  const span = view.high - view.low;
  const y = (place) => ((place - view.low) / span) * box.bottom;
  const scale = eventScale(width);
  context.save();
  context.beginPath();
  context.rect(box.left, 0, box.right - box.left, box.bottom);
  context.clip();
  paintMapped(context, scale, y);
  rasterTimeline(...inner);
  context.imageSmoothingEnabled = false;
  context.drawImage(timelineCache.canvas, GUTTER, 0);
  for (const region of shown().regions) {
    if (region.place > view.low && region.place < view.high && region.size / span > 0.012) {
      context.fillStyle = alpha("text", 0.35);
      context.fillRect(box.left, y(region.place), box.right, 0.5);
    }
  }
  context.restore();
  placeAxis(context, box, y);
  eventAxis(context, box, scale);
}

/** Memory that is held from the device, behind the blocks: what shines through is free. */
function paintMapped(context, scale, y) {
  const { pieces } = shown();
  context.fillStyle = palette.css.mapped;
  for (let i = 0; i < pieces.count; i++) {
    const top = y(pieces.addr[i]);
    const bottom = y(pieces.addr[i] + pieces.size[i]);
    if (bottom < 0 || top > context.canvas.height) continue;
    const x = scale.x(pieces.born[i]);
    context.fillRect(x, top, scale.x(pieces.freed[i]) - x, bottom - top);
  }
}

function placeAxis(context, box, y) {
  const step = axisStep(view.high - view.low, 5, true);
  context.textAlign = "right";
  for (let place = Math.ceil(view.low / step) * step; place <= view.high; place += step) {
    context.fillStyle = palette.css.line;
    context.fillRect(box.left - 4, y(place), 4, 1);
    context.fillStyle = palette.css.muted;
    if (y(place) < box.bottom - 4)
      context.fillText(roundText(place), box.left - 8, Math.max(6, y(place)));
  }
}

/** The allocation at an instant and a packed place, or the nearest one a few bytes off. */
function allocationAt(device, instant, place, slack) {
  let best = -1;
  let distance = slack;
  const t = Math.floor(instant);
  for (let i = 0; i < device.count; i++) {
    if (device.born[i] > t || device.freed[i] <= t) continue;
    const away = Math.max(device.addr[i] - place, place - (device.addr[i] + device.size[i]), 0);
    if (away < distance || (away === 0 && best < 0)) {
      best = i;
      distance = away;
    }
    if (away === 0) break;
  }
  return best;
}
