// What is drawn when: every picture and text with the parts of the view it depends on.

/** The instant as a line over a picture. */
function paintCursor(canvas, bottom) {
  const { context, width, height } = startDrawing(canvas);
  const x = eventScale(width).x(view.instant + 0.5);
  if (x < GUTTER || x > width) return;
  context.fillStyle = palette.css.select;
  context.fillRect(x - 0.75, 0, 1.5, height - bottom);
  context.beginPath();
  context.moveTo(x - 5, 0);
  context.lineTo(x + 5, 0);
  context.lineTo(x, 7);
  context.fill();
}

/** A canvas over another one for what changes often. */
function overlay(canvas) {
  const over = make("canvas", { class: "over", "aria-hidden": "true" });
  const holder = make("div", { class: "holder" });
  canvas.replaceWith(holder);
  holder.append(canvas, over);
  return over;
}

/** The selected allocation's rectangle on the timeline. */
function paintChosen(over, canvas) {
  const { selection } = view;
  if (selection?.kind !== "block") return;
  const device = shown();
  const i = selection.allocation;
  const context = over.getContext("2d");
  const scale = eventScale(canvas.clientWidth);
  const y = (place) => ((place - view.low) / (view.high - view.low)) * (canvas.clientHeight - AXIS);
  const left = Math.max(GUTTER, scale.x(device.born[i]));
  const right = scale.x(device.freed[i]);
  const top = y(device.addr[i]);
  context.strokeStyle = palette.css.select;
  context.lineWidth = 2;
  context.strokeRect(
    left,
    top,
    Math.max(2, right - left),
    Math.max(2, y(device.addr[i] + device.size[i]) - top),
  );
}

function legends() {
  byId("curves-legend").replaceChildren(
    ...CURVES.map(({ name, dash }) =>
      make(
        "span",
        {},
        make("span", { class: `stroke ${name}`, "data-dash": dash.length, "aria-hidden": "true" }),
        name,
      ),
    ),
  );
  byId("map-legend").replaceChildren(
    ...CAUSES.map(([cause, word]) => make("span", {}, swatch(cause), word)),
  );
}

function timelineLegend() {
  const byCause = view.timelineColor === "cause";
  const entries = byCause
    ? [
        ["requested", "held"],
        ["pending", "pending"],
        ["mapped", "free, held from the device"],
      ]
    : [...shown().topSites.map((name, i) => [`site-${i}`, name]), ["site-8", "others"]];
  byId("timeline-legend").replaceChildren(
    ...entries.map(([kind, text]) =>
      byCause || kind === "site-8"
        ? make("span", {}, swatch(kind), text)
        : make(
            "button",
            { class: "link", title: `Search ${text}`, click: () => setQuery(text) },
            swatch(kind),
            text,
          ),
    ),
  );
}

function startPainters() {
  const [curves, timeline, map, overview] = ["curves", "timeline", "map", "overview"].map(byId);
  const [overCurves, overTimeline] = [overlay(curves), overlay(timeline)];
  const sized = (canvas) => [
    canvas.clientWidth,
    canvas.clientHeight,
    devicePixelRatio,
    view.theme,
    view.index,
  ];
  const events = () => [view.from, view.to];
  // A picture that is hidden has no size to be drawn in.
  const visible = (canvas, paint) => () =>
    canvas.clientWidth > 0 && canvas.clientHeight > 0 && paint();
  painter(
    () => [view.index],
    () => {
      tellReport();
      tellJumps();
      byId("explorer").classList.toggle("still", shown().events === 0);
      byId("explorer").classList.toggle("unplaced", !shown().placed);
      if (!shown().placed)
        byId("timeline-hint").textContent =
          "The recording does not say where blocks were placed: each is drawn where there is room, and its height alone means something.";
    },
  );
  painter(
    () => [...sized(overview), ...events()],
    visible(overview, () => paintOverview(overview)),
  );
  painter(
    () => [...sized(curves), ...events()],
    visible(curves, () => paintCurves(curves)),
  );
  painter(
    () => [
      ...sized(timeline),
      ...events(),
      view.low,
      view.high,
      view.matched,
      view.marked,
      view.timelineColor,
      view.settled,
    ],
    visible(timeline, () => paintTimeline(timeline)),
  );
  painter(
    () => [...sized(curves), ...events(), view.instant],
    visible(curves, () => paintCursor(overCurves, AXIS)),
  );
  painter(
    () => [...sized(timeline), ...events(), view.low, view.high, view.instant, view.selection],
    visible(timeline, () => {
      paintCursor(overTimeline, AXIS);
      paintChosen(overTimeline, timeline);
    }),
  );
  painter(
    () => [
      ...sized(map),
      view.instant,
      view.matched,
      view.marked,
      view.selection,
      view.mapColor,
      view.mapZoom,
      view.scrolled,
      byId("map-scroll").clientHeight,
    ],
    visible(map, () => paintMap(map)),
  );
  painter(() => [view.index, view.instant], tellTransport);
  painter(() => [view.index, view.instant, view.matched, view.marked, view.selection], tellPanel);
  painter(() => [view.index, view.timelineColor], timelineLegend);
  painter(
    () => [view.matched, view.marked],
    () => {
      if (!searching()) byId("found").textContent = "";
    },
  );
}
