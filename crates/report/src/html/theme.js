// Colors, as the style sheet has them, and the choice between light and dark.

const palette = { rgb: {}, css: {} };

const COLOR_NAMES = [
  "requested",
  "rounding",
  "pending",
  "pinned_gap",
  "releasable",
  "surface",
  "ground",
  "mapped",
  "text",
  "muted",
  "line",
  "match",
  "select",
  "fail",
  "site-0",
  "site-1",
  "site-2",
  "site-3",
  "site-4",
  "site-5",
  "site-6",
  "site-7",
  "site-8",
];

/** Reads the colors in force. */
function readPalette() {
  const style = getComputedStyle(document.documentElement);
  for (const name of COLOR_NAMES) {
    const css = style.getPropertyValue(`--${name.replace("_", "-")}`).trim();
    palette.css[name] = css;
    const digits = css.slice(1);
    palette.rgb[name] = [0, 2, 4].map((at) => parseInt(digits.slice(at, at + 2), 16));
  }
  palette.sites = Array.from({ length: SITE_COLORS + 1 }, (_, i) => palette.rgb[`site-${i}`]);
  palette.font = style.getPropertyValue("--sans");
}

function alpha(name, share) {
  const [r, g, b] = palette.rgb[name];
  return `rgb(${r} ${g} ${b} / ${share})`;
}

/** Changes to the theme that is not in force. */
function toggleTheme() {
  const root = document.documentElement;
  const dark = getComputedStyle(root).getPropertyValue("--dark").trim() === "1";
  root.dataset.theme = dark ? "light" : "dark";
  readPalette();
}

/** What the page's address asks for behind `#`: `theme`, `device`, `at` an event, `search`. */
function askedFor() {
  return new URLSearchParams(location.hash.slice(1));
}

function startTheme(changed) {
  const asked = askedFor().get("theme");
  if (asked === "light" || asked === "dark") document.documentElement.dataset.theme = asked;
  readPalette();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    readPalette();
    changed();
  });
  byId("theme-button").addEventListener("click", () => {
    toggleTheme();
    changed();
  });
}

/** A canvas cleared and scaled so that one unit is one CSS pixel. */
function startDrawing(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = `11px ${palette.font}`;
  context.textBaseline = "middle";
  return { context, width, height, ratio };
}

/** A fill of diagonal lines, so that causes differ by more than color. */
function hatch(context, css, step) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = step;
  const pen = tile.getContext("2d");
  pen.strokeStyle = css;
  pen.lineWidth = 1.2;
  for (const shift of [-step, 0, step]) {
    pen.beginPath();
    pen.moveTo(shift - 1, step + 1);
    pen.lineTo(shift + step + 1, -1);
    pen.stroke();
  }
  return context.createPattern(tile, "repeat");
}
