// The report on top: what the facts say, as they say it.

/** Fills the report with the facts of the device in sight. */
function tellReport() {
  const facts = view.facts.devices?.[view.index] || {};
  byId("report").replaceChildren(
    ...[
      verdictOf(facts),
      numbersOf(facts),
      make("div", { class: "pair" }, ledgerCard(facts), blameCard(facts)),
      prescriptionCard(facts),
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
    recording.framework?.text ||
      (typeof recording.framework === "string" ? recording.framework : null),
    Number.isInteger(recording.bytes) && sizeText(recording.bytes),
  ].filter(Boolean);
  byId("recording").textContent = words.join(" · ");
  byId("recording").title = recording.path || "";
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
  return make(
    "div",
    { class: "verdict", "data-kind": kind },
    make("p", { class: "context" }, context.filter(Boolean).join(" · ")),
    make(
      "p",
      { class: "sentence" },
      make("strong", { class: "kind" }, verdict.title || wordsOf(kind) || "no verdict"),
      " ",
      make("span", { id: "verdict-summary" }, ...prose(verdict.summary || "")),
    ),
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
    facts.failure &&
      bytes("asked for, and refused", facts.failure.requested_bytes, "failure.requested_bytes"),
    facts.failure &&
      bytes(
        "free on the device then",
        facts.failure.device_free_bytes,
        "failure.device_free_bytes",
      ),
    bytes("reserved at its peak", facts.peak?.reserved_bytes, "peak.reserved_bytes"),
    bytes("active at its peak", facts.peak?.active_bytes, "peak.active_bytes"),
    bytes("requested at its peak", facts.peak?.requested_bytes, "peak.requested_bytes"),
    bytes("reserved at the end", facts.end?.reserved_bytes, "end.reserved_bytes"),
    bytes("largest gap at the end", facts.end?.largest_gap_bytes, "end.largest_gap_bytes"),
  ].filter(Boolean);
  return make(
    "dl",
    { class: "numbers" },
    ...shownNumbers.map(([label, value, key]) =>
      make(
        "div",
        {},
        make("dt", {}, label),
        make(
          "dd",
          { title: exactText(value), "data-fact": key, "data-bytes": value },
          sizeText(value),
        ),
      ),
    ),
  );
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
  return card(
    "Reserved memory by cause",
    `${sizeText(ledger.reserved_bytes)} ${atText(ledger)}`,
    ledgerBars(rows, ledger.reserved_bytes, "fact"),
    ledger.free?.length ? obstaclesOf(ledger.free, facts.request) : null,
    ledger.pools?.length > 1 ? poolsOf(ledger.pools) : null,
  );
}

/** A bar of all causes and a row for each; `source` tells the test whose numbers these are. */
function ledgerBars(rows, reserved, source) {
  const known = new Map(CAUSES.map(([cause, word, meaning]) => [cause, { word, meaning }]));
  const whole = make(
    "div",
    { class: "whole", "aria-hidden": "true" },
    ...rows.map(
      ([cause, bytes]) =>
        bytes > 0 && make("span", { class: `fill ${cause}`, style: `flex: ${bytes / reserved}` }),
    ),
  );
  const line = ([cause, bytes, more]) => {
    const { word, meaning } = known.get(cause) || { word: wordsOf(cause), meaning: "" };
    return make(
      "tr",
      {
        "data-cause": cause,
        "data-bytes": bytes,
        "data-source": source,
        class: bytes ? null : "none",
      },
      make("th", { scope: "row" }, swatch(cause), word),
      make("td", { class: "number", title: exactText(bytes) }, sizeText(bytes)),
      make("td", { class: "number share" }, shareText(bytes, reserved)),
      make("td", { class: "meaning" }, more?.note || more?.text || meaning),
    );
  };
  return make(
    "div",
    { class: "ledger" },
    whole,
    make("table", {}, make("tbody", {}, ...rows.map(line))),
  );
}

/** The ledger of each pool on each stream, as a bar and its sums. */
function poolsOf(pools) {
  const line = (share) => {
    const rows = share.causes.map(({ cause, bytes }) => [cause, bytes]);
    const free = rows
      .filter(([cause]) => cause === "pinned_gap" || cause === "releasable")
      .reduce((sum, [, bytes]) => sum + bytes, 0);
    return make(
      "tr",
      {},
      make("th", { scope: "row" }, poolName(share.pool, share.size_pool, share.stream)),
      make(
        "td",
        { class: "number", title: exactText(share.reserved_bytes) },
        sizeText(share.reserved_bytes),
      ),
      make(
        "td",
        { class: "behind" },
        `${sizeText(free)} free in ${counted(share.segments, "segment")}`,
      ),
    );
  };
  return make(
    "details",
    { class: "more pools" },
    make("summary", {}, `By pool and stream: ${countText(pools.length)}`),
    make("table", {}, make("tbody", {}, ...pools.map(line))),
  );
}

/** What keeps the free bytes from the request in question. */
function obstaclesOf(free, request) {
  const words = {
    other_pool: "in another pool",
    other_size_pool: "in the pool for other sizes",
    other_stream: "on another stream",
    too_small: "in gaps too small",
    split_limit: "kept by the split limit",
    none: "ready to serve it",
  };
  const parts = free
    .filter((share) => share.bytes > 0)
    .map((share) =>
      make(
        "li",
        {},
        make("b", { title: exactText(share.bytes) }, sizeText(share.bytes)),
        ` ${words[share.obstacle || share.reason] || wordsOf(share.obstacle || share.reason)}`,
        share.gaps
          ? make(
              "span",
              { class: "muted" },
              ` (${counted(share.gaps, "gap")}${share.largest_bytes ? `, the largest ${sizeText(share.largest_bytes)}` : ""})`,
            )
          : null,
      ),
    );
  return (
    parts.length > 0 &&
    make(
      "div",
      { class: "obstacles" },
      make("h3", {}, `Free bytes, for ${requestText(request)}`),
      make("ul", {}, ...parts),
    )
  );
}
