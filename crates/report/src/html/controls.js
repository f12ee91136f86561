// The bar above the pictures: choosing the instant, playing, searching, and the keys.

let playing = 0;

/** Plays the recording in about twenty seconds from start to end. */
function togglePlay() {
  if (playing) {
    cancelAnimationFrame(playing);
    playing = 0;
  } else {
    if (view.instant >= shown().events) look({ instant: 0 });
    let last = performance.now();
    let exact = view.instant;
    const next = (now) => {
      exact += ((now - last) / 20000) * Math.max(200, view.to - view.from);
      last = now;
      look({ instant: exact });
      playing = exact < shown().events ? requestAnimationFrame(next) : 0;
      if (!playing) tellTransport();
    };
    playing = requestAnimationFrame(next);
  }
  tellTransport();
}

function tellTransport() {
  const { events } = shown();
  const slider = byId("slider");
  slider.max = events;
  slider.value = view.instant;
  slider.setAttribute("aria-valuetext", instantText(view.instant));
  byId("play").textContent = playing ? "❚❚" : "▶";
  byId("play").setAttribute("aria-label", playing ? "Stop" : "Play");
  const number = byId("event-number");
  number.max = events - 1;
  if (document.activeElement !== number) number.value = view.instant === 0 ? "" : view.instant - 1;
  const time = timeAt(shown(), view.instant);
  byId("clock").textContent =
    `of ${counted(events, "event")}${time === null ? "" : ` · ${durationText(time)}`}`;
  byId("map-when").textContent = instantText(view.instant);
}

/** Buttons to the instants people look for. */
function tellJumps() {
  const failure = lastFailure();
  const button = (text, instant, title) =>
    make("button", { click: () => goTo(instant), title }, text);
  byId("jumps").replaceChildren(
    ...[
      button("start", 0, "The start (Home)"),
      button("peak", peakOf(shown(), "active").instant, "The most active bytes (P)"),
      failure === null ? null : button("failure", failure + 1, "The request that failed (F)"),
      button("end", shown().events, "The end (End)"),
    ].filter(Boolean),
  );
}

/** The whole recording behind the slider, with the part in sight marked. */
function paintOverview(canvas) {
  const { context, width, height } = startDrawing(canvas);
  const columns = Math.max(1, Math.round(width));
  const all = [0, shown().events + 1];
  const reserved = extremes(shown(), "reserved", ...all, columns);
  const active = extremes(shown(), "active", ...all, columns);
  const most = reserved.high.reduce((a, b) => Math.max(a, b), 1);
  for (const [{ high }, css] of [
    [reserved, alpha("pinned_gap", 0.35)],
    [active, alpha("requested", 0.75)],
  ]) {
    context.fillStyle = css;
    for (let x = 0; x < columns; x++)
      context.fillRect(x, height - (high[x] / most) * height, 1, height);
  }
  const [from, to] = [view.from, view.to].map((instant) => (instant / all[1]) * width);
  context.fillStyle = alpha("ground", 0.7);
  context.fillRect(0, 0, from, height);
  context.fillRect(to, 0, width - to, height);
}

/** A choice between two colorings. */
function startChoice(id, key) {
  const redraw = () =>
    byId(id).replaceChildren(
      "color by ",
      ...[
        ["cause", "cause"],
        ["site", "call site"],
      ].map(([value, text]) =>
        make(
          "button",
          {
            role: "radio",
            "aria-checked": String(view[key] === value),
            click: () => {
              look({ [key]: value });
              redraw();
            },
          },
          text,
        ),
      ),
    );
  redraw();
}

const KEYS = [
  [
    "← →",
    "one event back, on; with Shift a hundredth of what is in sight",
    (e) =>
      look({
        instant:
          view.instant +
          (e.key === "ArrowLeft" ? -1 : 1) *
            (e.shiftKey ? Math.ceil((view.to - view.from) / 100) : 1),
      }),
    ["ArrowLeft", "ArrowRight"],
  ],
  ["space", "play, stop", togglePlay, [" "]],
  [
    "Home End",
    "the start, the end",
    (e) => goTo(e.key === "Home" ? 0 : shown().events),
    ["Home", "End"],
  ],
  ["P", "the peak", () => goTo(peakOf(shown(), "active").instant), ["p", "P"]],
  [
    "F",
    "the failure, where there is one",
    () => lastFailure() !== null && goTo(lastFailure() + 1),
    ["f", "F"],
  ],
  [
    "+ −",
    "more or fewer events in sight",
    (e) => zoomAround(e.key === "-" ? 1.5 : 1 / 1.5),
    ["+", "=", "-"],
  ],
  [
    "0",
    "all events and addresses",
    () => {
      showEvents(0, shown().events + 1);
      showPlaces(0, shown().total);
    },
    ["0"],
  ],
  ["/", "search stacks", () => byId("query").focus(), ["/"]],
  [
    "Esc",
    "leave the search, the selection",
    () => (view.query ? setQuery("") : look({ selection: null })),
    ["Escape"],
  ],
  ["T", "light or dark", () => byId("theme-button").click(), ["t", "T"]],
];

function zoomAround(factor) {
  const { instant, from, to } = view;
  const at = instant >= from && instant <= to ? instant : (from + to) / 2;
  showEvents(at - (at - from) * factor, at + (to - at) * factor);
}

function onKey(event) {
  const typing =
    /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) && event.target.type !== "range";
  if (event.ctrlKey || event.metaKey || event.altKey || (typing && event.key !== "Escape")) return;
  const pressable = event.target.closest("button, summary");
  if (pressable && (event.key === " " || event.key === "Enter")) return;
  if (event.target.id === "map" && moveSelection(event)) return event.preventDefault();
  const found = KEYS.find(([, , , keys]) => keys.includes(event.key));
  if (!found) return;
  event.preventDefault();
  if (typing) event.target.blur();
  found[2](event);
}

/** On the map the arrows go from block to block. */
function moveSelection(event) {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const { blocks } = view.state;
  if (!step || blocks.length === 0) return false;
  const now = view.selection?.kind === "block" ? blocks.indexOf(view.selection.allocation) : -1;
  const next = now < 0 ? 0 : Math.max(0, Math.min(blocks.length - 1, now + step));
  look({ selection: { kind: "block", allocation: blocks[next] } });
  return true;
}

function startControls() {
  byId("slider").addEventListener("input", (event) =>
    look({ instant: Number(event.target.value) }),
  );
  byId("event-number").addEventListener("change", (event) =>
    goTo(event.target.value === "" ? 0 : Number(event.target.value) + 1),
  );
  byId("step-back").addEventListener("click", () => look({ instant: view.instant - 1 }));
  byId("step-on").addEventListener("click", () => look({ instant: view.instant + 1 }));
  byId("play").addEventListener("click", togglePlay);
  byId("query").addEventListener("input", (event) => search(event.target.value));
  byId("skip").addEventListener("click", () => byId("map").focus());
  startChoice("timeline-color", "timelineColor");
  startChoice("map-color", "mapColor");
  byId("keys").replaceChildren(
    ...KEYS.map(([keys, what]) =>
      make("p", {}, ...keys.split(" ").map((key) => make("kbd", {}, key)), ` ${what}`),
    ),
  );
  byId("keys-button").addEventListener("click", (event) => {
    byId("keys").hidden = !byId("keys").hidden;
    event.target.setAttribute("aria-expanded", String(!byId("keys").hidden));
  });
  addEventListener("keydown", onKey);
}
