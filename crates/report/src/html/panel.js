// The side panel: the ledger at the chosen instant, and the selection or who holds memory then.

function tellPanel() {
  const { selection } = view;
  const parts = [instantCard()];
  if (searching()) parts.push(matchesCard());
  if (selection?.kind === "block") parts.push(blockCard(selection.allocation));
  else if (selection?.kind === "gap") parts.push(gapCard(selection.place));
  if (!selection) parts.push(holdersCard());
  byId("panel").replaceChildren(...parts.filter(Boolean));
}

function instantCard() {
  const { ledger, instant } = view;
  const time = timeAt(shown(), instant);
  return make("section", {},
    make("h3", {}, instant === 0 ? "Before the first event" : `After event ${countText(instant - 1)}`,
      time === null ? null : make("small", {}, durationText(time))),
    make("p", { class: "happened" }, happened(instant)),
    ledgerBars(CAUSES.map(([cause]) => [cause, ledger[cause]]), ledger.reserved, "state"),
    make("p", { class: "sum" }, make("b", { title: exactText(ledger.reserved) }, sizeText(ledger.reserved)),
      ` reserved in ${counted(ledger.segments, "segment")}, ${countText(ledger.gapSegments)} with pinned gaps; the largest gap is `,
      make("b", { title: exactText(ledger.largestGap) }, sizeText(ledger.largestGap)),
      view.state.misplaced ? `; ${counted(view.state.misplaced, "block")} outside of every segment` : "", "."));
}

/** What the event before an instant did. */
function happened(instant) {
  const device = shown();
  if (instant === 0) return "What the allocator held when the recording began.";
  const failure = device.failures.find(([event]) => event === instant - 1);
  if (failure) return `A request for ${sizeText(failure[1])} failed; ${sizeText(failure[2])} were free on the device.`;
  const born = device.bornAt[instant];
  if (born) return `${sizeText(device.requested[born - 1])} allocated · ${device.stacks[device.stack[born - 1]].name}`;
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
  byId("found").textContent = stacks === 0 ? "no stack" : `${counted(live, "block")} alive, ${sizeText(bytes)}`;
  return make("section", { id: "matches", "data-live": live, "data-bytes": bytes, "data-ever": ever },
    make("h3", {}, view.marked ? "The blocks of the ransom" : "Matching stacks",
      make("button", { class: "close", "aria-label": "Close", click: () => setQuery("") }, "×")),
    pairs([
      stacks !== null && ["stacks", countText(stacks)],
      ["allocations ever", countText(ever)],
      ["blocks alive here", countText(live)],
      ["their bytes", sizeText(bytes), exactText(bytes)],
      ["free bytes they pin", sizeText(pinned), exactText(pinned)],
    ]));
}

/** Names with values; a third part is a tooltip. */
function pairs(rows) {
  return make("dl", { class: "pairs" }, ...rows.filter(Boolean).flatMap(([name, value, exact]) =>
    [make("dt", {}, name), make("dd", { title: exact }, value)]));
}

function jump(instant, text) {
  return make("button", { class: "link", click: () => goTo(instant) }, text);
}

function blockCard(i) {
  const device = shown();
  const position = view.state.blocks.indexOf(i);
  const alive = position >= 0;
  const segment = alive ? segmentAt(view.state, device.addr[i]) : null;
  const pending = alive && device.letGo[i] <= view.instant;
  const [born, freed] = [device.born[i], device.freed[i]];
  const stack = device.stacks[device.stack[i]];
  return make("section", { class: "selected", id: "selected-block", "data-allocation": i },
    make("h3", {}, "Block", make("small", {}, alive ? (pending ? "pending" : "held") : "not alive here"),
      make("button", { class: "close", "aria-label": "Close", click: () => look({ selection: null }) }, "×")),
    pairs([
      ["requested", sizeText(device.requested[i]), exactText(device.requested[i])],
      ["size", sizeText(device.size[i]), exactText(device.size[i])],
      ["pins", alive ? sizeText(view.pins[position]) : "—", alive ? exactText(view.pins[position]) : null],
      ["age", ageText(born, Math.min(view.instant, freed))],
      ["born", born === 0 ? "before the recording" : jump(born, `event ${countText(born - 1)}`)],
      device.letGo[i] < freed && ["let go", jump(device.letGo[i], `event ${countText(device.letGo[i] - 1)}`)],
      ["freed", freed > device.events ? "alive at the end" : jump(freed, `event ${countText(freed - 1)}`)],
      freed <= device.events && ["lived", ageText(born, freed)],
      ["stream", device.streams[device.stream[i]]],
      ["address", device.placed ? hexText(addressOf(device, device.addr[i])) : "not recorded"],
      segment && ["segment", segmentText(segment)],
    ]),
    make("button", { class: "action", click: () => setQuery(stack.site ? stack.name : "") }, "Find all from this line"),
    stackList(stack));
}

function segmentText(segment) {
  const device = shown();
  if (segment.key < 0) return "not recorded";
  const place = hexText(addressOf(device, segment.start));
  return `${sizeText(segment.end - segment.start)} at ${place}, ${groupName(device, segment.key)}`;
}

function ageText(born, until) {
  const events = counted(Math.max(0, until - born), "event");
  if (born === 0) return `${events} or more`;
  const [from, to] = [timeAt(shown(), born), timeAt(shown(), until)];
  return from === null ? events : `${events}, ${durationText(Math.max(0, to - from))}`;
}

/** A stack, the frame to change in bold, the frames inside of the framework faint. */
function stackList(stack) {
  if (stack.frames.length === 0) return make("p", { class: "muted" }, "No stack was recorded for it.");
  return make("ol", { class: "stack" }, ...stack.frames.map((frame, depth) =>
    make("li", { class: depth === stack.depth ? "site" : isFar(frame.file) ? "far" : null },
      make("span", { class: "function" }, frame.name || "(no name)"),
      make("span", { class: "file", title: frame.file }, ` ${shortPath(frame.file)}${frame.line ? `:${frame.line}` : ""}`))));
}

function gapCard(place) {
  const device = shown();
  const { state } = view;
  const segment = segmentAt(state, place);
  let gap = null;
  if (segment) {
    eachGap(device, state, segment, (start, end, from, to, next) => {
      if (start <= place && place < end) gap = { start, end, from, to, next };
    });
  }
  if (!gap) return null;
  const releasable = gap.to - gap.from;
  const size = gap.end - gap.start;
  const neighbor = (position, word) => {
    if (position < segment.first || position >= segment.last) return [word, "the end of the segment"];
    const i = state.blocks[position];
    const text = `${sizeText(device.size[i])}, ${device.stacks[device.stack[i]].name}`;
    return [word, make("button", { class: "link", click: () => look({ selection: { kind: "block", allocation: i } }) }, text)];
  };
  return make("section", { class: "selected" },
    make("h3", {}, "Gap", make("button", { class: "close", "aria-label": "Close", click: () => look({ selection: null }) }, "×")),
    pairs([
      ["size", sizeText(size), exactText(size)],
      ["pinned", sizeText(size - releasable), exactText(size - releasable)],
      ["releasable", sizeText(releasable), exactText(releasable)],
      neighbor(gap.next - 1, "before it"),
      neighbor(gap.next, "behind it"),
      ["address", hexText(addressOf(device, gap.start))],
      ["segment", segmentText(segment)],
    ]));
}
