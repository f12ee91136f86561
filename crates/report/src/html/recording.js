// A device as the page keeps it: allocations and pieces of memory in columns, and what follows
// from them once and for all. Lifetimes are half-open in instants, extents in packed places.

/** Opens the device at `index` of the page. */
async function openDevice(index, directory) {
  const columns = await openColumns(index, directory);
  const count = columns.addr.length;
  const device = {
    id: directory.device,
    events: directory.events,
    placed: directory.placed,
    run: directory.run,
    count,
    addr: columns.addr,
    size: columns.size,
    requested: columns.slack.map((slack, i) => columns.size[i] - slack),
    born: columns.born,
    letGo: new Uint32Array(count),
    freed: new Uint32Array(count),
    stack: columns.stack,
    stream: columns.stream,
    streams: columns.streams,
    weight: columns.weight,
    keys: columns.keys,
    time: columns.time || null,
    failures: columns.failures,
    ranges: columns.ranges,
    stacks: stacksOf(columns.stacks),
    pieces: piecesOf(columns),
    regions: regionsOf(columns.regions),
    lod: lodOf(columns),
  };
  for (let i = 0; i < count; i++) {
    device.letGo[i] = device.born[i] + columns.held[i];
    device.freed[i] = device.letGo[i] + columns.pending[i];
  }
  device.total = totalOf(device);
  device.curves = curvesOf(device);
  device.bornAt = bornAt(device);
  rankSites(device);
  return device;
}

function piecesOf(columns) {
  const { piece_addr: addr, piece_size: size, piece_born: born, piece_key: key } = columns;
  const freed = columns.piece_held.map((held, i) => born[i] + held);
  return { count: addr.length, addr, size, born, freed, key };
}

function regionsOf(listed) {
  let place = 0;
  return listed.map(([start, size]) => {
    const region = { start: BigInt(`0x${start}`), size, place };
    place += size;
    return region;
  });
}

/** The end of the packed space; where no place was recorded, of the places to draw at. */
function totalOf(device) {
  const last = device.regions[device.regions.length - 1];
  if (last) return last.place + last.size;
  let end = 0;
  for (let i = 0; i < device.count; i++) end = Math.max(end, device.addr[i] + device.size[i]);
  return end;
}

function lodOf(columns) {
  const lod = {};
  for (const name of ["requested", "allocated", "active", "reserved"]) {
    lod[name] = { least: columns[`${name}_least`], most: columns[`${name}_most`] };
  }
  return lod;
}

/** Each stack as frames, with the site: the frame its reader can change. */
function stacksOf({ texts, frames, stacks, sites }) {
  return stacks.map((list, i) => {
    const opened = list.map((number) => {
      const [file, line, name] = frames[number];
      return { file: texts[file], line, name: texts[name] };
    });
    const site = opened[sites[i]] || null;
    return {
      frames: opened,
      depth: sites[i],
      site,
      name: siteName(site),
      key: site ? list[sites[i]] : -1,
    };
  });
}

function siteName(site) {
  if (!site) return "no stack recorded";
  return `${fileName(site.file)}${site.line ? `:${site.line}` : ""} ${site.name}`;
}

/** The four curves at every instant, summed up from the lifetimes. */
function curvesOf(device) {
  const instants = device.events + 1;
  const curve = () => new Float64Array(instants + 1);
  const curves = { requested: curve(), allocated: curve(), active: curve(), reserved: curve() };
  const { requested, allocated, active, reserved } = curves;
  for (let i = 0; i < device.count; i++) {
    const size = device.size[i];
    const [born, letGo, freed] = [device.born[i], device.letGo[i], device.freed[i]];
    requested[born] += device.requested[i];
    requested[freed] -= device.requested[i];
    allocated[born] += size;
    allocated[letGo] -= size;
    active[born] += size;
    active[freed] -= size;
  }
  const { pieces } = device;
  for (let i = 0; i < pieces.count; i++) {
    reserved[pieces.born[i]] += pieces.size[i];
    reserved[pieces.freed[i]] -= pieces.size[i];
  }
  for (const values of Object.values(curves)) {
    for (let i = 1; i < values.length; i++) values[i] += values[i - 1];
  }
  if (!device.placed) curves.reserved = active;
  return curves;
}

/** For each instant the allocation born there, plus one; 0 where none is. */
function bornAt(device) {
  const born = new Uint32Array(device.events + 2);
  for (let i = 0; i < device.count; i++) if (device.born[i] > 0) born[device.born[i]] = i + 1;
  return born;
}

/** How many call sites get a color of their own. */
const SITE_COLORS = 8;

/** Gives the sites with the most bytes × events a color each: `siteColor` of each stack. */
function rankSites(device) {
  const areas = new Map();
  for (let i = 0; i < device.count; i++) {
    const { key } = device.stacks[device.stack[i]];
    const area = device.size[i] * (device.freed[i] - device.born[i]);
    areas.set(key, (areas.get(key) || 0) + area);
  }
  const ranked = [...areas].sort((a, b) => b[1] - a[1] || a[0] - b[0]).slice(0, SITE_COLORS);
  const color = new Map(ranked.map(([key], i) => [key, i]));
  const others = SITE_COLORS;
  device.siteColor = device.stacks.map((stack) =>
    color.has(stack.key) ? color.get(stack.key) : others,
  );
  device.topSites = ranked.map(([key]) => device.stacks.find((stack) => stack.key === key).name);
}

/** The true address of a packed place. */
function addressOf(device, place) {
  let low = 0;
  let high = device.regions.length;
  while (low + 1 < high) {
    const middle = (low + high) >> 1;
    if (device.regions[middle].place <= place) low = middle;
    else high = middle;
  }
  const region = device.regions[low];
  return region ? region.start + BigInt(Math.round(place - region.place)) : 0n;
}

/** Microseconds since the first event at an instant, where the recording has times. */
function timeAt(device, instant) {
  if (!device.time || device.events === 0) return null;
  return instant === 0 ? device.time[0] : device.time[Math.min(instant, device.events) - 1];
}
