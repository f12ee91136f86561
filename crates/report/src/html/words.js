// How numbers and things are said, and how elements are made.
// Text only ever becomes text nodes: a recording's file and function names are hostile.

/** The units of sizes, each 1024 times the one before, and their decimals. */
const UNITS = [
  ["KiB", 1],
  ["MiB", 1],
  ["GiB", 2],
  ["TiB", 2],
  ["PiB", 2],
  ["EiB", 2],
];

/** Rounds half to even, as the other report formats do, so that every format says the same. */
function fixed(value, decimals) {
  const scaled = value * 10 ** decimals;
  const floor = Math.floor(scaled);
  if (scaled - floor === 0.5) {
    return ((floor + (floor % 2)) / 10 ** decimals).toFixed(decimals);
  }
  return value.toFixed(decimals);
}

/** A size as people read it, "1.50 GiB"; what rounds up to 1024 of a unit is one of the next. */
function sizeText(bytes) {
  if (bytes === 0) return "0";
  if (bytes < 1024) return `${bytes} B`;
  let value = bytes / 1024;
  let text = "";
  for (const [unit, decimals] of UNITS) {
    text = `${fixed(value, decimals)} ${unit}`;
    if (value < 1024 && !text.startsWith("1024.")) break;
    value /= 1024;
  }
  return text;
}

/** A size that is a power of two or a small multiple of one, without decimals. */
function roundText(bytes) {
  return sizeText(bytes).replace(/\.0+ /, " ");
}

/** "23,988", whatever the reader's language. */
function countText(count) {
  return String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** "1 block", "2 blocks". */
function counted(count, noun) {
  return `${countText(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** Bytes to the last one, for tooltips. */
function exactText(bytes) {
  return `${countText(bytes)} bytes`;
}

/** A share in percent; what is not nothing is not shown as nothing, nor what is not all as all. */
function shareText(part, whole) {
  if (!(whole > 0)) return "";
  const percent = (100 * part) / whole;
  if (percent > 0 && percent < 0.05) return "<0.1 %";
  if (percent < 100 && percent >= 99.95) return ">99.9 %";
  return `${fixed(percent, 1)} %`;
}

/** A duration given in microseconds. */
function durationText(us) {
  const size = Math.abs(us);
  if (size < 1e3) return `${us} µs`;
  if (size < 1e6) return `${(us / 1e3).toFixed(2)} ms`;
  if (size < 120e6) return `${(us / 1e6).toFixed(3)} s`;
  const seconds = Math.round(us / 1e6);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** The last part of a path, which is what people know a file by. */
function fileName(path) {
  return path.split(/[/\\]/).pop() || path;
}

/** A path from the package on, where it lies in one. */
function shortPath(path) {
  return path.replace(/^.*[/\\](?:site|dist)-packages[/\\]/, "");
}

/** Whether a file is the framework's or the interpreter's rather than the program's. */
function isFar(path) {
  return /(^|[/\\])(torch|torch_npu)[/\\]|^<frozen |\.(cpp|cc|c|cu|h|hpp|cuh)$|^\?\?$|^$/.test(
    path,
  );
}

function hexText(address) {
  return `0x${address.toString(16)}`;
}

/** Text without control characters and without marks that turn the direction of writing. */
function clean(text) {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "?");
}

/** An element with attributes and children; functions become listeners, the rest attributes. */
function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  const shown = children.filter(
    (child) => child !== null && child !== undefined && child !== false,
  );
  element.append(...shown.map((child) => (typeof child === "string" ? clean(child) : child)));
  return element;
}

/** A text of the report as nodes; what stands between backticks is code. */
function prose(text) {
  return text.split("`").map((part, i) => (i % 2 ? make("code", {}, part) : clean(part)));
}

function byId(id) {
  return document.getElementById(id);
}

/** The JSON inside of a script element, which is then no longer needed. */
function readJson(id) {
  return JSON.parse(byId(id).textContent);
}

/** What each cause of the ledger is called, and what it means, in the order of the ledger. */
const CAUSES = [
  ["requested", "requested", "asked for and alive"],
  ["rounding", "rounding", "alive, beyond what was asked"],
  ["pending", "pending", "freed by the program, waiting for another stream"],
  ["pinned_gap", "pinned gap", "free, held in place by a live block beside it"],
  ["releasable", "releasable", "free in whole pieces: a cache flush gives it back, unless a private pool or a pin keeps it"],
];

/** What a pool is called: PyTorch gives it a pair of numbers. */
function poolName([first, second], sizePool, stream) {
  const kind = first === 0 ? `MemPool (0, ${second})` : `graph pool (${first}, ${second})`;
  return `${first === 0 && second === 0 ? "default pool" : kind} · ${sizePool} blocks · stream ${stream}`;
}

function swatch(kind) {
  return make("span", { class: `swatch ${kind}`, "aria-hidden": "true" });
}

/** A part of the report under a heading, with a remark beside it. */
function card(title, aside, ...children) {
  return make(
    "section",
    { class: "card" },
    make("h2", {}, title, aside ? make("small", {}, aside) : null),
    ...children,
  );
}

/** The request that free memory is measured against. */
function requestText(request) {
  if (!request) return "the next request";
  const words = {
    failed: "the failed request",
    largest_recent: "the largest recent request",
    largest_alive: "the largest block alive",
  };
  return `${words[request.origin] || "the request"} of ${sizeText(request.requested_bytes)}`;
}

/** Names with values; a third part is a tooltip. */
function pairs(rows) {
  return make(
    "dl",
    { class: "pairs" },
    ...rows
      .filter(Boolean)
      .flatMap(([name, value, exact]) => [
        make("dt", {}, name),
        make("dd", { title: exact }, value),
      ]),
  );
}

/** `cannot_tell` as words. */
function wordsOf(name) {
  return String(name || "").replaceAll("_", " ");
}
