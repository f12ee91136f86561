// The cards of a selected block and of a selected gap.

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
  return make(
    "section",
    { class: "selected", id: "selected-block", "data-allocation": i },
    make(
      "h3",
      {},
      "Block",
      make("small", {}, alive ? (pending ? "pending" : "held") : "not alive here"),
      make(
        "button",
        { class: "close", "aria-label": "Close", click: () => look({ selection: null }) },
        "×",
      ),
    ),
    pairs([
      ["requested", sizeText(device.requested[i]), exactText(device.requested[i])],
      ["size", sizeText(device.size[i]), exactText(device.size[i])],
      [
        "pins",
        alive ? sizeText(view.pins[position]) : "—",
        alive ? exactText(view.pins[position]) : null,
      ],
      ["age", ageText(born, Math.min(view.instant, freed))],
      ["born", born === 0 ? "before the recording" : jump(born, `event ${countText(born - 1)}`)],
      device.letGo[i] < freed && [
        "let go",
        jump(device.letGo[i], `event ${countText(device.letGo[i] - 1)}`),
      ],
      [
        "freed",
        freed > device.events ? "alive at the end" : jump(freed, `event ${countText(freed - 1)}`),
      ],
      freed <= device.events && ["lived", ageText(born, freed)],
      ["stream", device.streams[device.stream[i]]],
      ["address", device.placed ? hexText(addressOf(device, device.addr[i])) : "not recorded"],
      segment && ["segment", segmentText(segment)],
    ]),
    make(
      "button",
      { class: "action", click: () => setQuery(stack.site ? stack.name : "") },
      "Find all from this line",
    ),
    stackList(stack),
  );
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
  if (stack.frames.length === 0)
    return make("p", { class: "muted" }, "No stack was recorded for it.");
  return make(
    "ol",
    { class: "stack" },
    ...stack.frames.map((frame, depth) =>
      make(
        "li",
        { class: depth === stack.depth ? "site" : isFar(frame.file) ? "far" : null },
        make("span", { class: "function" }, frame.name || "(no name)"),
        make(
          "span",
          { class: "file", title: frame.file },
          ` ${shortPath(frame.file)}${frame.line ? `:${frame.line}` : ""}`,
        ),
      ),
    ),
  );
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
    if (position < segment.first || position >= segment.last)
      return [word, "the end of the segment"];
    const i = state.blocks[position];
    const text = `${sizeText(device.size[i])}, ${device.stacks[device.stack[i]].name}`;
    return [
      word,
      make(
        "button",
        { class: "link", click: () => look({ selection: { kind: "block", allocation: i } }) },
        text,
      ),
    ];
  };
  return make(
    "section",
    { class: "selected" },
    make(
      "h3",
      {},
      "Gap",
      make(
        "button",
        { class: "close", "aria-label": "Close", click: () => look({ selection: null }) },
        "×",
      ),
    ),
    pairs([
      ["size", sizeText(size), exactText(size)],
      ["pinned", sizeText(size - releasable), exactText(size - releasable)],
      ["releasable", sizeText(releasable), exactText(releasable)],
      neighbor(gap.next - 1, "before it"),
      neighbor(gap.next, "behind it"),
      ["address", hexText(addressOf(device, gap.start))],
      ["segment", segmentText(segment)],
    ]),
  );
}
