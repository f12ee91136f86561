// The side panel: the ledger at the chosen instant, and the selection or who holds memory then.

function tellPanel() {
  const started = performance.now();
  const { selection } = view;
  const parts = [instantCard()];
  if (searching()) parts.push(matchesCard());
  if (selection?.kind === "block") parts.push(blockCard(selection.allocation));
  else if (selection?.kind === "gap") parts.push(gapCard(selection.place));
  if (!selection) parts.push(holdersCard());
  byId("panel").replaceChildren(...parts.filter(Boolean));
  note("panel", started);
}

function instantCard() {
  const { ledger, instant } = view;
  const time = timeAt(shown(), instant);
  return make(
    "section",
    {},
    make(
      "h3",
      {},
      shown().events === 0
        ? "As recorded"
        : instant === 0
          ? "Before the first event"
          : `After event ${countText(instant - 1)}`,
      time === null ? null : make("small", {}, durationText(time)),
    ),
    make("p", { class: "happened" }, happened(instant)),
    ledgerBars(
      CAUSES.map(([cause]) => [cause, ledger[cause]]),
      ledger.reserved,
      "state",
    ),
    make(
      "p",
      { class: "sum" },
      make("b", { title: exactText(ledger.reserved) }, sizeText(ledger.reserved)),
      ` reserved in ${counted(ledger.segments, "segment")}, ${countText(ledger.gapSegments)} with pinned gaps; the largest gap is `,
      make("b", { title: exactText(ledger.largestGap) }, sizeText(ledger.largestGap)),
      view.state.misplaced
        ? `; ${counted(view.state.misplaced, "block")} outside of every segment`
        : "",
      ".",
    ),
  );
}

/** What the event before an instant did. */
function happened(instant) {
  const device = shown();
  if (device.events === 0) return "The recording has a state and no events.";
  if (instant === 0) return "What the allocator held when the recording began.";
  const failure = device.failures.find(([event]) => event === instant - 1);
  if (failure)
    return `A request for ${sizeText(failure[1])} failed; ${sizeText(failure[2])} were free on the device.`;
  const born = device.bornAt[instant];
  if (born)
    return `${sizeText(device.requested[born - 1])} allocated · ${device.stacks[device.stack[born - 1]].name}`;
  for (let i = 0; i < device.count; i++) {
    if (device.freed[i] === instant || device.letGo[i] === instant) {
      const word = device.freed[i] === instant ? "freed" : "let go, pending";
      return `${sizeText(device.size[i])} ${word} · ${device.stacks[device.stack[i]].name}`;
    }
  }
  const { pieces } = device;
  for (let i = 0; i < pieces.count; i++) {
    if (pieces.born[i] === instant) return `${sizeText(pieces.size[i])} taken from the device`;
    if (pieces.freed[i] === instant) return `${sizeText(pieces.size[i])} given back to the device`;
  }
  return "Nothing in memory changed.";
}

function matchesCard() {
  const device = shown();
  const { blocks } = view.state;
  let [live, bytes, pinned, ever] = [0, 0, 0, 0];
  for (let i = 0; i < device.count; i++) if (isFound(device, i)) ever += 1;
  blocks.forEach((i, b) => {
    if (!isFound(device, i)) return;
    live += 1;
    bytes += device.size[i];
    pinned += view.pins[b];
  });
  const stacks = view.matched ? view.matched.reduce((sum, one) => sum + one, 0) : null;
  byId("found").textContent =
    stacks === null
      ? ""
      : stacks === 0
        ? "no stack"
        : `${counted(live, "block")} alive, ${sizeText(bytes)}`;
  return make(
    "section",
    { id: "matches", "data-live": live, "data-bytes": bytes, "data-ever": ever },
    make(
      "h3",
      {},
      view.marked ? "The blocks of the ransom" : "Matching stacks",
      make("button", { class: "close", "aria-label": "Close", click: () => setQuery("") }, "×"),
    ),
    pairs([
      stacks !== null && ["stacks", countText(stacks)],
      ["allocations ever", countText(ever)],
      ["blocks alive here", countText(live)],
      ["their bytes", sizeText(bytes), exactText(bytes)],
      ["free bytes they pin", sizeText(pinned), exactText(pinned)],
    ]),
  );
}
