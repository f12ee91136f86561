// The selected block or gap on the map.

/** Outlines the selection; what is smaller than a pixel gets a pointer above it. */
function paintSelection(context, strips, top) {
  const span = selectedSpan();
  if (!span) return;
  for (const strip of strips) {
    const from = Math.max(span.start, strip.start);
    const to = Math.min(span.end, strip.end);
    if (from >= to) continue;
    const scale = strip.width / (strip.end - strip.start);
    const x = strip.x + (from - strip.start) * scale;
    const wide = Math.max(2, (to - from) * scale);
    const y = strip.y - top;
    context.strokeStyle = palette.css.surface;
    context.lineWidth = 4;
    context.strokeRect(x, y, wide, ROW);
    context.strokeStyle = palette.css.select;
    context.lineWidth = 2;
    context.strokeRect(x, y, wide, ROW);
  }
}

/** The packed places of the selection at the chosen instant. */
function selectedSpan() {
  const { selection, state } = view;
  if (!selection) return null;
  const device = shown();
  if (selection.kind === "block") {
    const i = selection.allocation;
    return { start: device.addr[i], end: device.addr[i] + device.size[i] };
  }
  const segment = segmentAt(state, selection.place);
  let span = null;
  if (segment) {
    eachGap(device, state, segment, (start, end) => {
      if (start <= selection.place && selection.place < end) span = { start, end };
    });
  }
  return span;
}
