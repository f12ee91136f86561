// Who holds the gaps: the facts' blame by call site, with stacks.

/** The call sites that the facts leave out, in one sum. */
function omittedRow(omitted) {
  return (
    omitted?.rows > 0 &&
    make(
      "p",
      { class: "muted" },
      `and ${counted(omitted.rows, "more call site")} with ${sizeText(omitted.pins_bytes)} together`,
    )
  );
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
  return make(
    "ol",
    { class: "stack" },
    ...frames.map((frame) => {
      const file = frame.file ?? frame.filename ?? "";
      return make(
        "li",
        { class: isFar(file) ? "far" : null },
        make("span", { class: "function" }, frame.function ?? frame.name ?? ""),
        make(
          "span",
          { class: "file", title: file },
          ` ${shortPath(file)}${frame.line ? `:${frame.line}` : ""}`,
        ),
      );
    }),
  );
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
    return card(
      "What holds the gaps",
      null,
      make("p", { class: "muted" }, "No live block keeps free memory in place."),
    );
  }
  const most = Math.max(...rows.map((row) => row.pins_bytes));
  const line = (row) =>
    make(
      "details",
      { class: "blame" },
      make(
        "summary",
        {},
        make("span", { class: "where" }, frameText(siteFrame(row))),
        make(
          "span",
          { class: "meter", "aria-hidden": "true" },
          make("i", { style: `width: ${(100 * row.pins_bytes) / most}%` }),
        ),
        make(
          "span",
          { class: "number", title: exactText(row.pins_bytes), "data-blame-bytes": row.pins_bytes },
          sizeText(row.pins_bytes),
        ),
        make(
          "span",
          { class: "behind" },
          row.blocks
            ? `${counted(row.blocks, "block")}${row.live_bytes ? `, ${sizeText(row.live_bytes)}` : ""}`
            : "",
        ),
      ),
      row.stack?.length
        ? make(
            "button",
            { class: "action", click: () => findSite(row) },
            "Show its blocks on the map",
          )
        : null,
      row.stack?.length ? stackOf(row.stack) : null,
    );
  const rest = rows.slice(BLAME_ROWS);
  return card(
    "What holds the gaps",
    "free bytes kept in place by live blocks, by call site",
    ...rows.slice(0, BLAME_ROWS).map(line),
    rest.length > 0 &&
      make(
        "details",
        { class: "more" },
        make("summary", {}, `${counted(rest.length, "more call site")}`),
        ...rest.map(line),
      ),
    omittedRow(facts.blame_omitted),
  );
}
