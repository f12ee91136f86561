// What the pointer does on the pictures: reading, choosing, moving and zooming.

/** Shows lines of text beside the pointer; none hide it. */
function tip(event, lines) {
  const tooltip = byId("tooltip");
  tooltip.hidden = lines === null;
  if (lines === null) return;
  tooltip.replaceChildren(
    ...lines
      .filter(Boolean)
      .map((line, i) =>
        Array.isArray(line)
          ? make(
              "div",
              { class: "row" },
              swatch(line[2] || ""),
              make("span", {}, line[0]),
              make("b", {}, line[1]),
            )
          : make("div", { class: i ? null : "head" }, line),
      ),
  );
  const { width, height } = tooltip.getBoundingClientRect();
  const left =
    event.clientX + 16 + width > innerWidth ? event.clientX - width - 12 : event.clientX + 16;
  const top =
    event.clientY + 16 + height > innerHeight ? event.clientY - height - 12 : event.clientY + 16;
  tooltip.style.transform = `translate(${Math.max(4, left)}px, ${Math.max(4, top)}px)`;
}

function instantText(instant) {
  const time = timeAt(shown(), instant);
  const name = instant === 0 ? "before the first event" : `after event ${countText(instant - 1)}`;
  return time === null ? name : `${name} · ${durationText(time)}`;
}

function curvesTip(instant) {
  const { curves, events } = shown();
  const at = Math.max(0, Math.min(events, Math.floor(instant)));
  const [reserved, active] = [curves.reserved[at], curves.active[at]];
  return [
    instantText(at),
    ["reserved", sizeText(reserved), "line"],
    ["active", sizeText(active), "pending"],
    ["allocated", sizeText(curves.allocated[at]), "rounding"],
    ["requested", sizeText(curves.requested[at]), "requested"],
    ["free in the cache", sizeText(reserved - active), "pinned_gap"],
    ...rangesAt(shown(), at),
  ];
}

function allocationTip(i) {
  const device = shown();
  const stack = device.stacks[device.stack[i]];
  const freed =
    device.freed[i] > device.events
      ? "alive at the end"
      : `freed at event ${countText(device.freed[i] - 1)}`;
  const born =
    device.born[i] === 0
      ? "older than the recording"
      : `born at event ${countText(device.born[i] - 1)}`;
  return [
    stack.name,
    ["requested", sizeText(device.requested[i]), ""],
    ["block", sizeText(device.size[i]), ""],
    `${born}, ${freed}`,
  ];
}

function gapTip(place) {
  const segment = segmentAt(view.state, place);
  let lines = null;
  eachGap(shown(), view.state, segment, (start, end, from, to) => {
    if (start > place || place >= end) return;
    const releasable = to - from;
    lines = [
      `gap of ${sizeText(end - start)}`,
      ["pinned", sizeText(end - start - releasable), "pinned_gap"],
      ["releasable", sizeText(releasable), "releasable"],
    ];
  });
  return lines;
}

/** Dragging moves, the wheel zooms; `moved` gets pixels, `zoomed` a factor and where. */
function moveAndZoom(canvas, moved, zoomed) {
  let held = null;
  canvas.addEventListener("pointerdown", (event) => {
    held = { x: event.offsetX, y: event.offsetY, far: false };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!held) return;
    const [dx, dy] = [event.offsetX - held.x, event.offsetY - held.y];
    if (!held.far && Math.hypot(dx, dy) < 4) return;
    held = { x: event.offsetX, y: event.offsetY, far: true };
    tip(event, null);
    moved(dx, dy);
  });
  canvas.addEventListener("pointerup", (event) => {
    if (held && !held.far) canvas.dispatchEvent(new CustomEvent("choose", { detail: event }));
    held = null;
  });
  canvas.addEventListener(
    "wheel",
    (event) => {
      // A page must scroll under the wheel; a picture takes it only once it was asked for.
      if (document.activeElement !== canvas && !event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const steps = event.deltaY || event.deltaX;
      zoomed(Math.exp(Math.max(-60, Math.min(60, steps)) * 0.004), event, event.shiftKey);
    },
    { passive: false },
  );
}

function zoomEvents(factor, x, width) {
  const at = eventScale(width).instant(x);
  showEvents(at - (at - view.from) * factor, at + (view.to - at) * factor);
}

function startCurves() {
  const canvas = byId("curves");
  moveAndZoom(
    canvas,
    (dx) => panEvents(dx, canvas.clientWidth),
    (factor, event) => zoomEvents(factor, event.offsetX, canvas.clientWidth),
  );
  canvas.addEventListener("choose", ({ detail }) =>
    look({ instant: Math.floor(eventScale(canvas.clientWidth).instant(detail.offsetX)) }),
  );
  canvas.addEventListener("dblclick", () => showEvents(0, shown().events + 1));
  canvas.addEventListener("pointermove", (event) => {
    if (event.buttons || event.offsetX < GUTTER) return tip(event, null);
    tip(event, curvesTip(eventScale(canvas.clientWidth).instant(event.offsetX)));
  });
  canvas.addEventListener("pointerleave", (event) => tip(event, null));
}

function panEvents(dx, width) {
  const shift = (-dx / (width - GUTTER)) * (view.to - view.from);
  showEvents(view.from + shift, view.to + shift);
}

function startTimeline() {
  const canvas = byId("timeline");
  const inner = () => canvas.clientHeight - AXIS;
  const placeAt = (y) => view.low + (y / inner()) * (view.high - view.low);
  const found = (event) => {
    const instant = eventScale(canvas.clientWidth).instant(event.offsetX);
    return [
      instant,
      allocationAt(
        shown(),
        instant,
        placeAt(event.offsetY),
        (3 / inner()) * (view.high - view.low),
      ),
    ];
  };
  moveAndZoom(
    canvas,
    (dx, dy) => {
      panEvents(dx, canvas.clientWidth);
      const shift = (-dy / inner()) * (view.high - view.low);
      showPlaces(view.low + shift, view.high + shift);
    },
    (factor, event, places) => {
      if (!places) return zoomEvents(factor, event.offsetX, canvas.clientWidth);
      const at = placeAt(event.offsetY);
      showPlaces(at - (at - view.low) * factor, at + (view.high - at) * factor);
    },
  );
  canvas.addEventListener("choose", ({ detail }) => {
    const [instant, i] = found(detail);
    look({
      instant: Math.floor(instant),
      selection: i < 0 ? null : { kind: "block", allocation: i },
    });
  });
  canvas.addEventListener("dblclick", () => {
    showEvents(0, shown().events + 1);
    showPlaces(0, shown().total);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.buttons || event.offsetX < GUTTER || event.offsetY > inner()) return tip(event, null);
    const [instant, i] = found(event);
    tip(event, i < 0 ? [instantText(Math.floor(instant)), "no block here"] : allocationTip(i));
  });
  canvas.addEventListener("pointerleave", (event) => tip(event, null));
}

function startMap() {
  const canvas = byId("map");
  const found = (event) => {
    const place = placeOnMap(event.offsetX, event.offsetY);
    return place === null ? null : thingAt(shown(), view.state, place);
  };
  canvas.addEventListener("click", (event) => look({ selection: found(event) }));
  canvas.addEventListener("pointermove", (event) => {
    const thing = found(event);
    if (!thing) return tip(event, null);
    tip(event, thing.kind === "block" ? allocationTip(thing.allocation) : gapTip(thing.place));
  });
  canvas.addEventListener("pointerleave", (event) => tip(event, null));
  canvas.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      zoomMap(Math.exp(-Math.max(-60, Math.min(60, event.deltaY)) * 0.004));
    },
    { passive: false },
  );
  byId("map-scroll").addEventListener("scroll", () =>
    look({ scrolled: byId("map-scroll").scrollTop }),
  );
  byId("map-in").addEventListener("click", () => zoomMap(1.5));
  byId("map-out").addEventListener("click", () => zoomMap(1 / 1.5));
}

function zoomMap(factor) {
  look({ mapZoom: Math.max(1, Math.min(4096, view.mapZoom * factor)) });
}
