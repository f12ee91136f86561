// What is being looked at, and the frame that draws it again after a change.

const view = {
  devices: [],
  facts: null,
  index: 0,
  instant: 0,
  // The instants and packed places in sight.
  from: 0,
  to: 1,
  low: 0,
  high: 1,
  query: "",
  // For each stack 1 where it matches the query; none without a query.
  matched: null,
  // Allocations pointed out by the report instead of a query, as a set; none otherwise.
  marked: null,
  // {kind: "block", allocation} or {kind: "gap", place}.
  selection: null,
  timelineColor: "site",
  mapColor: "cause",
  mapZoom: 1,
  state: null,
  ledger: null,
  pins: null,
  theme: 0,
};

const painters = [];
let scheduled = false;

function shown() {
  return view.devices[view.index];
}

/** Changes the view and draws it in the next frame. */
function look(change) {
  Object.assign(view, change);
  const { events } = shown();
  view.instant = Math.max(0, Math.min(events, Math.round(view.instant)));
  if ("index" in change || "instant" in change || !view.state) settle();
  if (!scheduled) {
    scheduled = true;
    requestAnimationFrame(draw);
  }
}

/** Rebuilds what depends on the instant. */
function settle() {
  const started = performance.now();
  const current = shown();
  view.state = stateAt(current, view.instant);
  view.ledger = ledgerOf(current, view.state);
  view.pins = pinsOf(current, view.state);
  note("state", started);
}

function draw() {
  scheduled = false;
  const started = performance.now();
  for (const paint of painters) paint();
  note("frame", started);
}

/** Runs `paint` whenever what `keys` names has changed since. */
function painter(keys, paint) {
  let last = null;
  painters.push(() => {
    const now = keys();
    if (
      last !== null &&
      now.length === last.length &&
      now.every((key, i) => Object.is(key, last[i]))
    )
      return;
    last = now;
    paint();
  });
}

/** Keeps how long the last work of a kind took, in milliseconds, for whoever measures the page. */
function note(kind, started) {
  document.documentElement.dataset[`${kind}Ms`] = (performance.now() - started).toFixed(2);
}

/** Shows other events; keeps at least a few and stays inside of the recording. */
function showEvents(from, to) {
  const all = shown().events + 1;
  const span = Math.min(all, Math.max(8, to - from));
  const start = Math.max(0, Math.min(all - span, from));
  look({ from: start, to: start + span });
}

/** Shows other addresses, likewise. */
function showPlaces(low, high) {
  const all = Math.max(1, shown().total);
  const span = Math.min(all, Math.max(4096, high - low));
  const start = Math.max(0, Math.min(all - span, low));
  look({ low: start, high: start + span });
}

/** Looks at an instant and brings it into sight. */
function goTo(instant) {
  const span = view.to - view.from;
  if (instant < view.from || instant > view.to) showEvents(instant - span / 2, instant + span / 2);
  look({ instant });
}

/** Looks at another device, from where its facts look. */
function openTab(index) {
  const next = view.devices[index];
  const instant = ledgerInstant(view.facts.devices?.[index], next);
  Object.assign(view, {
    from: 0,
    to: next.events + 1,
    low: 0,
    high: Math.max(1, next.total),
    selection: null,
  });
  look({ index, instant });
  search(view.query);
}

/** The instant the facts' ledger is of. */
function ledgerInstant(facts, device) {
  const ledger = facts?.ledger || {};
  if (Number.isInteger(ledger.instant_events)) return ledger.instant_events;
  if (ledger.at === "failure" && facts.failure) return facts.failure.event + 1;
  return Number.isInteger(ledger.at) ? ledger.at : device.events;
}

/** Marks the stacks with a frame whose file or function has the words. */
function search(query) {
  const words = query.trim().toLowerCase();
  const { stacks } = shown();
  const has = (frame) => `${frame.file}:${frame.line} ${frame.name}`.toLowerCase().includes(words);
  const matched = words
    ? Uint8Array.from(stacks, (stack) => (stack.frames.some(has) ? 1 : 0))
    : null;
  look({ query, matched, marked: null });
}

/** Whether some allocations are to stand out from the others. */
function searching() {
  return view.matched !== null || view.marked !== null;
}

/** Whether an allocation stands out. */
function isFound(device, i) {
  return view.marked === null ? view.matched[device.stack[i]] === 1 : view.marked.has(i);
}
