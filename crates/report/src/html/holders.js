// Who holds memory at the chosen instant, by call site.

const HOLDER_ROWS = 10;

/** Live bytes, blocks and pinned bytes of each call site, the largest first. */
function holdersOf(device, state, pins) {
  const sites = new Map();
  state.blocks.forEach((i, b) => {
    const stack = device.stacks[device.stack[i]];
    if (!sites.has(stack.key))
      sites.set(stack.key, { stack, number: device.stack[i], bytes: 0, blocks: 0, pins: 0 });
    const site = sites.get(stack.key);
    site.bytes += device.size[i];
    site.blocks += 1;
    site.pins += pins[b];
  });
  return [...sites.values()].sort((a, b) => b.bytes - a.bytes || a.number - b.number);
}

function holdersCard() {
  const device = shown();
  const holders = holdersOf(device, view.state, view.pins);
  if (holders.length === 0) return null;
  const row = (site) =>
    make(
      "tr",
      {},
      make(
        "th",
        { scope: "row" },
        make(
          "button",
          { class: "link where", click: () => setQuery(site.stack.site ? site.stack.name : "") },
          site.stack.name,
        ),
      ),
      make(
        "td",
        { class: "number", title: `${exactText(site.bytes)} in ${counted(site.blocks, "block")}` },
        sizeText(site.bytes),
      ),
      make(
        "td",
        { class: "number", title: exactText(site.pins) },
        site.pins ? sizeText(site.pins) : "—",
      ),
    );
  const rest = holders.length - HOLDER_ROWS;
  return make(
    "section",
    { class: "holders" },
    make("h3", {}, "Who holds memory here"),
    make(
      "table",
      {},
      make(
        "thead",
        {},
        make(
          "tr",
          {},
          make("th", {}, "call site"),
          make("th", { class: "number" }, "alive"),
          make("th", { class: "number" }, "pins"),
        ),
      ),
      make("tbody", {}, ...holders.slice(0, HOLDER_ROWS).map(row)),
    ),
    rest > 0 && make("p", { class: "muted" }, `and ${counted(rest, "more call site")}`),
  );
}

function setQuery(text) {
  byId("query").value = text;
  search(text);
}
