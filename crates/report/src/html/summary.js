// The report on top: what the facts say, as they say it.

/** Fills the report with the facts of the device in sight. */
function tellReport() {
  const facts = view.facts.devices?.[view.index] || {};
  byId("report").replaceChildren(
    ...[
      verdictOf(facts),
      numbersOf(facts),
      make("div", { class: "pair" }, ledgerCard(facts), blameCard(facts)),
      ransomCard(facts),
      findingsCard(facts),
      notesCard(view.facts, facts),
    ].filter(Boolean),
  );
}

function tellRecording() {
  const recording = view.facts.recording || {};
  const words = [
    recording.path && fileName(recording.path),
    recording.framework?.text || (typeof recording.framework === "string" ? recording.framework : null),
    Number.isInteger(recording.bytes) && sizeText(recording.bytes),
  ].filter(Boolean);
  byId("recording").textContent = words.join(" · ");
  byId("recording").title = recording.path || "";
}

/** `cannot_tell` as words. */
function wordsOf(name) {
  return String(name || "").replaceAll("_", " ");
}

function verdictOf(facts) {
  const verdict = facts.verdict || {};
  const kind = verdict.kind || "";
  const context = [
    `device ${facts.device ?? shown().id}`,
    facts.settings_summary || settingsText(facts.settings),
    `${countText(facts.events ?? shown().events)} events`,
    facts.failure ? "ends out of memory" : null,
  ];
  return make("div", { class: "verdict", "data-kind": kind },
    make("p", { class: "context" }, context.filter(Boolean).join(" · ")),
    make("p", { class: "sentence" },
      make("strong", { class: "kind" }, verdict.title || wordsOf(kind) || "no verdict"),
      " ",
      make("span", { id: "verdict-summary" }, verdict.summary || "")),
  );
}

function settingsText(settings) {
  if (settings === null || settings === undefined) return "settings not recorded";
  const text = typeof settings === "string" ? settings : settings.text;
  if (text === "") return "default settings";
  return typeof text === "string" ? text : null;
}

function numbersOf(facts) {
  const bytes = (label, value, key) => Number.isFinite(value) && [label, value, key];
  const shownNumbers = [
    facts.failure && bytes("asked for, and refused", facts.failure.requested_bytes, "failure.requested_bytes"),
    facts.failure && bytes("free on the device then", facts.failure.device_free_bytes, "failure.device_free_bytes"),
    bytes("reserved at its peak", facts.peak?.reserved_bytes, "peak.reserved_bytes"),
    bytes("active at its peak", facts.peak?.active_bytes, "peak.active_bytes"),
    bytes("requested at its peak", facts.peak?.requested_bytes, "peak.requested_bytes"),
    bytes("reserved at the end", facts.end?.reserved_bytes, "end.reserved_bytes"),
    bytes("largest gap at the end", facts.end?.largest_gap_bytes, "end.largest_gap_bytes"),
  ].filter(Boolean);
  return make("dl", { class: "numbers" }, ...shownNumbers.map(([label, value, key]) =>
    make("div", {}, make("dt", {}, label),
      make("dd", { title: exactText(value), "data-fact": key, "data-bytes": value }, sizeText(value)))));
}

function card(title, aside, ...children) {
  return make("section", { class: "card" },
    make("h2", {}, title, aside ? make("small", {}, aside) : null), ...children);
}

function atText(ledger) {
  if (!ledger) return "";
  if (ledger.at === "failure") return "when the request failed";
  if (ledger.at === "end") return "at the end";
  return `after event ${countText(ledger.at)}`;
}

function ledgerCard(facts) {
  const { ledger } = facts;
  if (!ledger) return null;
  const rows = (ledger.causes || []).map(({ cause, bytes, ...more }) => [cause, bytes, more]);
  return card("Reserved memory by cause", `${sizeText(ledger.reserved_bytes)} ${atText(ledger)}`,
    ledgerBars(rows, ledger.reserved_bytes, "fact"),
    ledger.free?.length ? obstaclesOf(ledger.free, facts.request) : null);
}

/** A bar of all causes and a row for each; `source` tells the test whose numbers these are. */
function ledgerBars(rows, reserved, source) {
  const known = new Map(CAUSES.map(([cause, word, meaning]) => [cause, { word, meaning }]));
  const whole = make("div", { class: "whole", "aria-hidden": "true" }, ...rows.map(([cause, bytes]) =>
    bytes > 0 && make("span", { class: `fill ${cause}`, style: `flex: ${bytes / reserved}` })));
  const line = ([cause, bytes, more]) => {
    const { word, meaning } = known.get(cause) || { word: wordsOf(cause), meaning: "" };
    return make("tr", { "data-cause": cause, "data-bytes": bytes, "data-source": source, class: bytes ? null : "none" },
      make("th", { scope: "row" }, swatch(cause), word),
      make("td", { class: "number", title: exactText(bytes) }, sizeText(bytes)),
      make("td", { class: "number share" }, shareText(bytes, reserved)),
      make("td", { class: "meaning" }, more?.note || more?.text || meaning));
  };
  return make("div", { class: "ledger" }, whole,
    make("table", {}, make("tbody", {}, ...rows.map(line))));
}

/** The request that free memory is measured against. */
function requestText(request) {
  if (!request) return "the next request";
  const words = { failed: "the failed request", largest_recent: "the largest recent request", largest_alive: "the largest block alive" };
  return `${words[request.origin] || "the request"} of ${sizeText(request.requested_bytes)}`;
}

/** What keeps the free bytes from the request in question. */
function obstaclesOf(free, request) {
  const words = {
    other_pool: "in another pool", other_size_pool: "in the pool for other sizes", other_stream: "on another stream",
    too_small: "in gaps too small", split_limit: "kept by the split limit", none: "ready to serve it",
  };
  const parts = free.filter((share) => share.bytes > 0).map((share) =>
    make("li", {}, make("b", { title: exactText(share.bytes) }, sizeText(share.bytes)), ` ${words[share.obstacle || share.reason] || wordsOf(share.obstacle || share.reason)}`,
      share.gaps ? make("span", { class: "muted" }, ` (${counted(share.gaps, "gap")}${share.largest_bytes ? `, the largest ${sizeText(share.largest_bytes)}` : ""})`) : null));
  return parts.length > 0 && make("div", { class: "obstacles" }, make("h3", {}, `Free bytes, for ${requestText(request)}`), make("ul", {}, ...parts));
}

/** The frame of a stack that its reader can change, as the facts mark it, or its first. */
function siteFrame(row) {
  return row.site || row.stack?.find((frame) => frame.site) || row.stack?.[0] || null;
}

function frameText(frame) {
  if (!frame) return "no stack recorded";
  const file = frame.file ?? frame.filename ?? "";
  const name = frame.function ?? frame.name ?? "";
  return `${fileName(file)}${frame.line ? `:${frame.line}` : ""} ${name}`;
}

function stackOf(frames) {
  return make("ol", { class: "stack" }, ...frames.map((frame) => {
    const file = frame.file ?? frame.filename ?? "";
    return make("li", { class: isFar(file) ? "far" : null },
      make("span", { class: "function" }, frame.function ?? frame.name ?? ""),
      make("span", { class: "file", title: file }, ` ${shortPath(file)}${frame.line ? `:${frame.line}` : ""}`));
  }));
}

/** Points out the blocks of a call site at the instant the report looks at. */
function findSite(row) {
  goTo(ledgerInstant(view.facts.devices?.[view.index], shown()));
  byId("query").value = frameText(siteFrame(row));
  search(byId("query").value);
  byId("map-scroll").closest("figure").scrollIntoView({ block: "center" });
}

const BLAME_ROWS = 8;

function blameCard(facts) {
  const rows = facts.blame || [];
  if (rows.length === 0) {
    return card("What holds the gaps", null, make("p", { class: "muted" }, "No live block keeps free memory in place."));
  }
  const most = Math.max(...rows.map((row) => row.pins_bytes));
  const line = (row) => make("details", { class: "blame" },
    make("summary", {},
      make("span", { class: "where" }, frameText(siteFrame(row))),
      make("span", { class: "meter", "aria-hidden": "true" }, make("i", { style: `width: ${(100 * row.pins_bytes) / most}%` })),
      make("span", { class: "number", title: exactText(row.pins_bytes), "data-blame-bytes": row.pins_bytes }, sizeText(row.pins_bytes)),
      make("span", { class: "behind" }, row.blocks ? `${counted(row.blocks, "block")}${row.live_bytes ? `, ${sizeText(row.live_bytes)}` : ""}` : "")),
    row.stack?.length ? make("button", { class: "action", click: () => findSite(row) }, "Show its blocks on the map") : null,
    row.stack?.length ? stackOf(row.stack) : null);
  const rest = rows.slice(BLAME_ROWS);
  return card("What holds the gaps", "free bytes kept in place by live blocks, by call site",
    ...rows.slice(0, BLAME_ROWS).map(line),
    rest.length > 0 && make("details", { class: "more" }, make("summary", {}, `${counted(rest.length, "more call site")}`), ...rest.map(line)));
}
