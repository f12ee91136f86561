// Segments, blocks and gaps at an instant, by the rules of `gapless_trace::State`; the ledger by
// those of `gapless_diagnose::Ledger`; what each block pins by those of `Blame`.

/**
 * The state at `instant`. `blocks` are allocations in the order of addresses; a segment has those
 * from `first` up to `last`.
 */
function stateAt(device, instant) {
  const segments = device.placed ? segmentsAt(device, instant) : [];
  const blocks = [];
  let misplaced = 0;
  let segment = 0;
  let end = 0;
  for (let i = 0; i < device.count; i++) {
    if (device.born[i] > instant || device.freed[i] <= instant) continue;
    const start = device.addr[i];
    const size = device.size[i];
    if (!device.placed) {
      segments.push({
        start,
        end: start + size,
        key: -1,
        page: null,
        first: blocks.length,
        last: blocks.length + 1,
      });
      blocks.push(i);
      continue;
    }
    while (segment < segments.length && segments[segment].end <= start) segment += 1;
    const home = segments[segment];
    if (home && home.start <= start && start + size <= home.end && end <= start) {
      end = start + size;
      if (home.first < 0) home.first = blocks.length;
      blocks.push(i);
      home.last = blocks.length;
    } else {
      misplaced += 1;
    }
  }
  for (const each of segments) if (each.first < 0) each.first = each.last = 0;
  return { instant, segments, blocks, misplaced };
}

/** Pieces held at the instant; touching pieces of one expandable segment are one. */
function segmentsAt(device, instant) {
  const { pieces, keys } = device;
  const segments = [];
  for (let i = 0; i < pieces.count; i++) {
    if (pieces.born[i] > instant || pieces.freed[i] <= instant) continue;
    const start = pieces.addr[i];
    const end = start + pieces.size[i];
    const key = pieces.key[i];
    const last = segments[segments.length - 1];
    if (last && last.page !== null && last.key === key && last.end === start) last.end = end;
    else segments.push({ start, end, key, page: keys[key].page, first: -1, last: -1 });
  }
  return segments;
}

/**
 * Calls `each` with every gap of a segment: its start and end, the part in the middle that a
 * cache flush gives back, and the position of the block behind it. `first` and `until` narrow it
 * to the gaps from before that block up to that place.
 */
function eachGap(device, state, segment, each, first = segment.first, until = Infinity) {
  const before = state.blocks[first - 1];
  let start = first === segment.first ? segment.start : device.addr[before] + device.size[before];
  for (let b = first; b <= segment.last && start < until; b++) {
    const atEnd = b === segment.last;
    const end = atEnd ? segment.end : device.addr[state.blocks[b]];
    if (start < end) {
      let [from, to] = [start, start];
      if (segment.page !== null) {
        from = segment.start + Math.ceil((start - segment.start) / segment.page) * segment.page;
        to = segment.start + Math.floor((end - segment.start) / segment.page) * segment.page;
        if (to < from) to = from;
      } else if (segment.first === segment.last) {
        to = end;
      }
      each(start, end, from, to, b);
    }
    if (!atEnd) start = device.addr[state.blocks[b]] + device.size[state.blocks[b]];
  }
}

/** Every reserved byte by its cause. */
function ledgerOf(device, state) {
  const ledger = { requested: 0, rounding: 0, pending: 0, pinned_gap: 0, releasable: 0 };
  let gapSegments = 0;
  let largestGap = 0;
  for (const i of state.blocks) {
    if (device.letGo[i] <= state.instant) {
      ledger.pending += device.size[i];
    } else {
      const requested = Math.min(device.requested[i], device.size[i]);
      ledger.requested += requested;
      ledger.rounding += device.size[i] - requested;
    }
  }
  for (const segment of state.segments) {
    const before = ledger.pinned_gap;
    eachGap(device, state, segment, (start, end, from, to) => {
      ledger.releasable += to - from;
      ledger.pinned_gap += end - start - (to - from);
      largestGap = Math.max(largestGap, end - start);
    });
    if (ledger.pinned_gap > before) gapSegments += 1;
  }
  const reserved = Object.values(ledger).reduce((sum, bytes) => sum + bytes, 0);
  return { ...ledger, reserved, gapSegments, largestGap, segments: state.segments.length };
}

/** For each block of the state the free bytes it pins: a gap's are shared by its neighbors. */
function pinsOf(device, state) {
  const pins = new Float64Array(state.blocks.length);
  for (const segment of state.segments) {
    eachGap(device, state, segment, (start, end, from, to, next) => {
      const pinned = end - start - (to - from);
      const half = Math.floor(pinned / 2);
      const hasBefore = next > segment.first;
      const hasAfter = next < segment.last;
      if (hasBefore) pins[next - 1] += hasAfter ? half : pinned;
      if (hasAfter) pins[next] += hasBefore ? pinned - half : pinned;
    });
  }
  return pins;
}

/** The segment a packed place lies in, or none. */
function segmentAt(state, place) {
  let low = 0;
  let high = state.segments.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (state.segments[middle].end <= place) low = middle + 1;
    else high = middle;
  }
  const segment = state.segments[low];
  return segment && segment.start <= place ? segment : null;
}

/** What lies at a packed place at the instant: a block, a gap, or nothing. */
function thingAt(device, state, place) {
  const segment = segmentAt(state, place);
  if (!segment) return null;
  for (let b = segment.first; b < segment.last; b++) {
    const i = state.blocks[b];
    if (device.addr[i] <= place && place < device.addr[i] + device.size[i]) {
      return { kind: "block", allocation: i };
    }
  }
  let found = null;
  eachGap(device, state, segment, (start, end) => {
    if (start <= place && place < end) found = { kind: "gap", place: start };
  });
  return found;
}
