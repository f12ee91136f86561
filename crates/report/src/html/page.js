// The page from opening to the first drawing.

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
  context.strokeRect(left, top, Math.max(2, right - left), Math.max(2, y(device.addr[i] + device.size[i]) - top));
}

function legends() {
  byId("curves-legend").replaceChildren(...CURVES.map(({ name, dash }) =>
    make("span", {}, make("span", { class: `stroke ${name}`, "data-dash": dash.length, "aria-hidden": "true" }), name)));
  byId("map-legend").replaceChildren(...CAUSES.map(([cause, word]) => make("span", {}, swatch(cause), word)));
}

function timelineLegend() {
  const byCause = view.timelineColor === "cause";
  const entries = byCause
    ? [["requested", "held"], ["pending", "pending"], ["mapped", "free, held from the device"]]
    : [...shown().topSites.map((name, i) => [`site-${i}`, name]), ["site-8", "others"]];
  byId("timeline-legend").replaceChildren(...entries.map(([kind, text]) => byCause || kind === "site-8"
    ? make("span", {}, swatch(kind), text)
    : make("button", { class: "link", title: `Search ${text}`, click: () => setQuery(text) }, swatch(kind), text)));
}

function startPainters() {
  const [curves, timeline, map, overview] = ["curves", "timeline", "map", "overview"].map(byId);
  const [overCurves, overTimeline] = [overlay(curves), overlay(timeline)];
  const sized = (canvas) => [canvas.clientWidth, canvas.clientHeight, devicePixelRatio, view.theme, view.index];
  const events = () => [view.from, view.to];
  painter(() => [...sized(overview), ...events()], () => paintOverview(overview));
  painter(() => [...sized(curves), ...events()], () => paintCurves(curves));
  painter(() => [...sized(timeline), ...events(), view.low, view.high, view.matched, view.marked, view.timelineColor, view.settled], () => paintTimeline(timeline));
  painter(() => [...sized(curves), ...events(), view.instant], () => paintCursor(overCurves, AXIS));
  painter(() => [...sized(timeline), ...events(), view.low, view.high, view.instant, view.selection], () => {
    paintCursor(overTimeline, AXIS);
    paintChosen(overTimeline, timeline);
  });
  painter(() => [...sized(map), view.instant, view.matched, view.marked, view.selection, view.mapColor, view.mapZoom, view.scrolled, byId("map-scroll").clientHeight], () => paintMap(map));
  painter(() => [view.index, view.instant], tellTransport);
  painter(() => [view.index, view.instant, view.matched, view.marked, view.selection], tellPanel);
  painter(() => [view.index], () => {
    tellReport();
    tellJumps();
    if (!shown().placed) byId("timeline-hint").textContent = "The recording does not say where blocks were placed: each is drawn where there is room, and its height alone means something.";
  });
  painter(() => [view.index, view.timelineColor], timelineLegend);
  painter(() => [view.matched, view.marked], () => { if (!searching()) byId("found").textContent = ""; });
}

function tellDevices() {
  const tabs = byId("devices");
  tabs.hidden = view.devices.length < 2;
  const redraw = () => tabs.replaceChildren(...view.devices.map((device, i) =>
    make("button", { role: "tab", "aria-selected": String(i === view.index), click: () => { openTab(i); redraw(); } }, `device ${device.id}`)));
  redraw();
}

/** The ledgers as this page computes them where the facts took theirs, for whoever compares. */
function tellComputed() {
  view.devices.forEach((device, i) => {
    const instant = ledgerInstant(view.facts.devices?.[i], device);
    const ledger = ledgerOf(device, stateAt(device, instant));
    const data = { "data-device": device.id, "data-instant": instant };
    for (const [cause] of CAUSES) data[`data-${cause}`] = ledger[cause];
    data["data-reserved"] = ledger.reserved;
    data["data-largest-gap"] = ledger.largestGap;
    for (const { name } of CURVES) {
      data[`data-peak-${name}`] = peakOf(device, name).bytes;
      data[`data-end-${name}`] = device.curves[name][device.events];
    }
    byId("computed").append(make("output", { class: "computed", ...data }));
  });
}

async function open() {
  const started = performance.now();
  view.facts = readJson("facts");
  tellRecording();
  const directories = readJson("directories");
  view.devices = await Promise.all(directories.map((directory, i) => openDevice(i, directory)));
  note("open", started);
  if (view.devices.length === 0) throw new Error("the recording has no device");
  startTheme(() => look({ theme: view.theme + 1 }));
  legends();
  startPainters();
  openTab(0);
  tellDevices();
  startControls();
  startCurves();
  startTimeline();
  startMap();
  new ResizeObserver(() => look({})).observe(byId("explorer"));
  tellComputed();
  draw();
  document.documentElement.dataset.ready = "1";
}

open().catch((error) => {
  byId("explorer").hidden = true;
  const old = typeof DecompressionStream === "undefined";
  byId("notice").hidden = false;
  byId("notice").textContent = old
    ? "This browser is too old to open what is inside of this page: it lacks DecompressionStream."
    : `The page could not be drawn: ${error.message}`;
  document.documentElement.dataset.ready = "failed";
});
