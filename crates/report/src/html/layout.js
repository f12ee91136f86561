// Where the map puts segments: groups by pool and stream, in each the segments by address, laid
// out like words of a text, all to one scale. A segment longer than a line goes on in the next.

const ROW = 16,
  ROW_GAP = 4,
  GROUP_HEAD = 24,
  GROUP_GAP = 10,
  SEGMENT_GAP = 3,
  LEAST_WIDTH = 3;

/** The segments of a state by pool, size pool and stream, the largest group first. */
function groupsOf(device, state) {
  const groups = new Map();
  for (const segment of state.segments) {
    if (!groups.has(segment.key))
      groups.set(segment.key, { key: segment.key, segments: [], bytes: 0 });
    const group = groups.get(segment.key);
    group.segments.push(segment);
    group.bytes += segment.end - segment.start;
  }
  return [...groups.values()].sort((a, b) => b.bytes - a.bytes || a.key - b.key);
}

/**
 * Places all groups at so many bytes a pixel: strips `{segment, start, end, x, y, width}`, each a
 * part of a segment in one line, and heads `{group, y}`.
 */
function placeStrips(groups, perPixel, width) {
  const strips = [];
  const heads = [];
  let y = 0;
  for (const group of groups) {
    heads.push({ group, y });
    y += GROUP_HEAD;
    let x = 0;
    for (const segment of group.segments) {
      const whole = Math.max(LEAST_WIDTH, (segment.end - segment.start) / perPixel);
      if (x > 0 && x + whole > width) {
        if (whole <= width || width - x < 40) {
          x = 0;
          y += ROW + ROW_GAP;
        }
      }
      let start = segment.start;
      while (start < segment.end) {
        const room = width - x;
        const rest = segment.end - start;
        const end =
          rest / perPixel <= room + 0.01 ||
          (rest === segment.end - segment.start && whole === LEAST_WIDTH)
            ? segment.end
            : Math.min(segment.end, start + Math.max(1, Math.floor(room * perPixel)));
        const long = Math.min(room, Math.max(LEAST_WIDTH, (end - start) / perPixel));
        strips.push({ segment, start, end, x, y, width: long });
        x += long;
        start = end;
        if (start < segment.end) {
          x = 0;
          y += ROW + ROW_GAP;
        }
      }
      x += SEGMENT_GAP;
    }
    y += ROW + GROUP_GAP;
  }
  return { strips, heads, height: y, perPixel };
}

/** The layout in which everything just fits the height, `zoom` times enlarged. */
function layoutOf(device, state, width, height, zoom) {
  const groups = groupsOf(device, state);
  const reserved = groups.reduce((sum, group) => sum + group.bytes, 0);
  let [low, high] = [1, Math.max(2, reserved)];
  for (let round = 0; round < 24; round++) {
    const middle = Math.sqrt(low * high);
    if (placeStrips(groups, middle, width).height <= height) high = middle;
    else low = middle;
  }
  return placeStrips(groups, high / zoom, width);
}

/** What a group is called. */
function groupName(device, key) {
  if (key < 0) return "blocks; the recording does not say where they were placed";
  const { pool, size_pool: sizePool, stream, page } = device.keys[key];
  const paged = page === null ? "" : ` · expandable, pages of ${sizeText(page)}`;
  return `${poolName(pool, sizePool, stream)}${paged}`;
}
