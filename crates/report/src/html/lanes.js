// The ranges that the program named, in thin lanes below the curves.

const MOST_LANES = 4;
const LANE = 13;
const lanesOfDevices = new WeakMap();

/** The iterations that the facts tell of, then the ranges that the program named. */
function allRanges(device) {
  const starts = view.facts.devices?.[view.devices.indexOf(device)]?.iterations?.starts || [];
  const iterations = starts.slice(1).map((end, i) => [`iteration ${i}`, starts[i], end]);
  return [...iterations, ...device.ranges];
}

/** The lane of each range: the first that is free where it starts; -1 where none is. */
function lanesOf(device) {
  if (!lanesOfDevices.has(device)) {
    const free = [];
    const ranges = allRanges(device);
    const iterations = ranges.length - device.ranges.length;
    const lanes = ranges.map(([, from, to], i) => {
      // Iterations have the first lane to themselves.
      let lane = free.findIndex(
        (end, l) => end <= from && (i < iterations || l > 0 || iterations === 0),
      );
      if (lane < 0 && free.length < MOST_LANES) lane = free.length;
      if (lane >= 0) free[lane] = Math.max(to, from + 1);
      return lane;
    });
    lanesOfDevices.set(device, { ranges, lanes, count: free.length });
  }
  return lanesOfDevices.get(device);
}

function laneCount(device) {
  return lanesOf(device).count;
}

function paintRanges(context, box, scale) {
  const { ranges, lanes } = lanesOf(shown());
  context.save();
  context.beginPath();
  context.rect(box.left, box.bottom, box.right - box.left, MOST_LANES * LANE + 2);
  context.clip();
  context.textAlign = "left";
  ranges.forEach(([name, from, to], i) => {
    const x = Math.max(box.left, scale.x(from));
    const right = Math.min(box.right, scale.x(to));
    if (lanes[i] < 0 || right < box.left || x > box.right) return;
    const top = box.bottom + 2 + lanes[i] * LANE;
    context.fillStyle = alpha("muted", 0.22);
    context.fillRect(x, top, Math.max(1, right - x - 1), LANE - 2);
    const short = clean(name).split("#").filter(Boolean).pop() || name;
    if (right - x < 24 || context.measureText(short).width > right - x - 6) return;
    context.fillStyle = palette.css.text;
    context.fillText(short, x + 4, top + LANE / 2 - 0.5);
  });
  context.restore();
}

/** The named ranges around an instant, for the tooltip. */
function rangesAt(device, instant) {
  return lanesOf(device)
    .ranges.filter(([, from, to]) => from <= instant && instant < to)
    .map(([name]) => name);
}
