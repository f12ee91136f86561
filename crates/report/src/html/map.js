// The address map: every segment, block and gap at the chosen instant.

const mapCache = { layout: null, key: null, state: null };

/** The layout, which most events leave as it is: they change blocks, not segments. */
function mapLayout(width, height) {
  const key = [view.index, width, height, view.mapZoom];
  const { state } = view;
  const kept = mapCache.key !== null && key.every((part, i) => part === mapCache.key[i]);
  if (!kept || !sameSegments(state, mapCache.state)) {
    mapCache.layout = layoutOf(shown(), state, width, height, view.mapZoom);
  } else if (state !== mapCache.state) {
    const now = new Map(state.segments.map((segment) => [segment.start, segment]));
    for (const strip of mapCache.layout.strips) strip.segment = now.get(strip.segment.start);
  }
  Object.assign(mapCache, { key, state });
  return mapCache.layout;
}

function sameSegments(one, other) {
  if (one === other) return true;
  return (
    one.segments.length === other.segments.length &&
    one.segments.every((segment, i) => {
      const twin = other.segments[i];
      return segment.start === twin.start && segment.end === twin.end && segment.key === twin.key;
    })
  );
}

function paintMap(canvas) {
  const started = performance.now();
  const scroll = byId("map-scroll");
  const layout = mapLayout(scroll.clientWidth, scroll.clientHeight);
  byId("map-spacer").style.height = `${Math.max(scroll.clientHeight, layout.height)}px`;
  const { context, width, height, ratio } = startDrawing(canvas);
  const top = scroll.scrollTop;
  const strips = layout.strips.filter((strip) => strip.y + ROW > top && strip.y < top + height);
  const image = context.createImageData(Math.round(width * ratio), Math.round(height * ratio));
  for (const strip of strips) paintStrip(image, strip, top, ratio);
  context.putImageData(image, 0, 0);
  paintTextures(context, strips, top);
  for (const { group, y } of layout.heads) {
    if (y + GROUP_HEAD > top && y < top + height) paintHead(context, group, y - top, width);
  }
  paintSelection(context, strips, top);
  byId("map-scale").textContent = view.state.segments.length
    ? `One line is ${sizeText(Math.round(layout.perPixel * width))}. Click a block or a gap; the arrow keys go from one to the next.`
    : "Nothing is reserved at this event.";
  note("map", started);
}

/**
 * Calls `each` with what a strip shows: start, end, cause, the allocation or -1, and whether the
 * allocation's block ends there.
 */
function eachPart(strip, each) {
  const device = shown();
  const { state } = view;
  const { segment } = strip;
  const inside = (start, end, cause, i, ends) => {
    const [from, to] = [Math.max(start, strip.start), Math.min(end, strip.end)];
    if (from < to) each(from, to, cause, i, ends && to === end);
  };
  const first = firstBlockBehind(device, state, segment, strip.start);
  for (let b = first; b < segment.last; b++) {
    const i = state.blocks[b];
    const start = device.addr[i];
    if (start >= strip.end) break;
    const end = start + device.size[i];
    const asked = Math.min(end, start + device.requested[i]);
    if (device.letGo[i] <= state.instant) {
      inside(start, end, "pending", i, true);
    } else {
      inside(start, asked, "requested", i, asked === end);
      inside(asked, end, "rounding", i, true);
    }
  }
  const gap = (start, end, from, to) => {
    inside(start, from === to ? end : from, "pinned_gap", -1, false);
    if (from === to) return;
    inside(from, to, "releasable", -1, false);
    inside(to, end, "pinned_gap", -1, false);
  };
  eachGap(device, state, segment, gap, first, strip.end);
}

/** The position of the first block of a segment that ends behind a place. */
function firstBlockBehind(device, state, segment, place) {
  let low = segment.first;
  let high = segment.last;
  while (low < high) {
    const middle = (low + high) >> 1;
    const i = state.blocks[middle];
    if (device.addr[i] + device.size[i] <= place) low = middle + 1;
    else high = middle;
  }
  return low;
}

function partColor(cause, i) {
  if (searching()) {
    if (i >= 0 && isFound(shown(), i)) return palette.rgb.match;
    return mix(palette.rgb[cause], palette.rgb.surface, 0.72);
  }
  if (view.mapColor === "site" && i >= 0) return palette.sites[shown().siteColor[shown().stack[i]]];
  return palette.rgb[cause];
}

function mix(one, other, share) {
  return [0, 1, 2].map((channel) => one[channel] * (1 - share) + other[channel] * share);
}

/** Draws one strip: colors summed up along a line by coverage, then repeated down the row. */
function paintStrip(image, strip, top, ratio) {
  const columns = Math.max(1, Math.round(strip.width * ratio));
  const line = new Float32Array(columns * 3);
  const cover = new Float32Array(columns);
  const perByte = columns / (strip.end - strip.start);
  eachPart(strip, (from, to, cause, i, ends) => {
    const x0 = (from - strip.start) * perByte;
    let x1 = Math.min(columns, (to - strip.start) * perByte);
    // Blocks stay apart where there is room for it.
    if (ends && x1 - x0 > 4 * ratio) x1 -= 0.8 * ratio;
    addSpan(line, cover, x0, x1, partColor(cause, i));
  });
  const [r, g, b] = palette.rgb.surface;
  const left = Math.round(strip.x * ratio);
  const pixels = new Uint8ClampedArray(Math.max(0, Math.min(columns, image.width - left)) * 4);
  for (let x = 0; x * 4 < pixels.length; x++) {
    const rest = Math.max(0, 1 - cover[x]);
    pixels[x * 4] = line[x * 3] + rest * r;
    pixels[x * 4 + 1] = line[x * 3 + 1] + rest * g;
    pixels[x * 4 + 2] = line[x * 3 + 2] + rest * b;
    pixels[x * 4 + 3] = 255;
  }
  const firstRow = Math.max(0, Math.round((strip.y - top) * ratio));
  const behindRow = Math.min(image.height, Math.round((strip.y - top + ROW) * ratio));
  for (let row = firstRow; row < behindRow; row++)
    image.data.set(pixels, (row * image.width + left) * 4);
}

function addSpan(line, cover, x0, x1, color) {
  for (let x = Math.floor(x0); x < x1 && x < cover.length; x++) {
    const covered = Math.min(x1, x + 1) - Math.max(x0, x);
    cover[x] += covered;
    line[x * 3] += covered * color[0];
    line[x * 3 + 1] += covered * color[1];
    line[x * 3 + 2] += covered * color[2];
  }
}

/** Lines on gaps and on pending blocks, and the ticks of pages: causes differ without color too. */
function paintTextures(context, strips, top) {
  const fills = {
    pinned_gap: hatch(context, alpha("surface", 0.55), 5),
    pending: hatch(context, alpha("surface", 0.4), 9),
  };
  for (const strip of strips) {
    const scale = strip.width / (strip.end - strip.start);
    const at = (place) => strip.x + (place - strip.start) * scale;
    const y = strip.y - top;
    eachPart(strip, (from, to, cause, i) => {
      const wide = (to - from) * scale;
      if (wide < 2 && i >= 0 && searching() && isFound(shown(), i)) {
        // What was searched for must be seen, however small it is.
        context.fillStyle = palette.css.match;
        context.fillRect(at(from) - 0.5, y - 2, 2, ROW + 4);
      }
      if (wide < 5 || cause === "requested" || cause === "rounding") return;
      if (cause === "releasable") {
        // A frame, open where the extent goes on in the line before or behind.
        const left = from === strip.start && from > strip.segment.start ? 0 : 1;
        const right = to === strip.end && to < strip.segment.end ? 0 : 1;
        context.fillStyle = alpha("surface", 0.78);
        context.fillRect(at(from) + left, y + 1, wide - left - right, ROW - 2);
      } else {
        context.fillStyle = fills[cause];
        context.fillRect(at(from), y, wide, ROW);
      }
    });
    paintPages(context, strip, at, y, scale);
  }
}

/** Ticks where pages of an expandable segment meet, where they are not too dense. */
function paintPages(context, strip, at, y, scale) {
  const { page, start } = strip.segment;
  if (page === null || page * scale < 5) return;
  context.fillStyle = alpha("text", 0.5);
  for (
    let place = start + Math.ceil((strip.start - start) / page) * page;
    place < strip.end;
    place += page
  ) {
    context.fillRect(at(place) - 0.5, y + ROW, 1, 3);
  }
}

function paintHead(context, group, y, width) {
  const name = groupName(shown(), group.key);
  context.textAlign = "left";
  context.fillStyle = palette.css.text;
  context.font = `600 11.5px ${palette.font}`;
  context.fillText(name, 0, y + 13);
  const after = context.measureText(name).width + 10;
  context.font = `11px ${palette.font}`;
  context.fillStyle = palette.css.muted;
  context.fillText(
    `${counted(group.segments.length, "segment")} · ${sizeText(group.bytes)}`,
    after,
    y + 13,
  );
  context.fillStyle = palette.css.line;
  context.fillRect(0, y + GROUP_HEAD - 3, width, 1);
}

/** The packed place under a point of the map, or none. */
function placeOnMap(x, y) {
  const scroll = byId("map-scroll");
  const layout = mapLayout(scroll.clientWidth, scroll.clientHeight);
  const down = y + scroll.scrollTop;
  const strip = layout.strips.find(
    (s) => s.y <= down && down < s.y + ROW && s.x - 1 <= x && x < s.x + s.width + 1,
  );
  if (!strip) return null;
  const share = Math.min(0.999999, Math.max(0, (x - strip.x) / strip.width));
  return strip.start + share * (strip.end - strip.start);
}
