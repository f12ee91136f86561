// Rectangles to pixels, each weighed by how much of a pixel it covers.
//
// A picture of a million rectangles on a thousand pixels must not lose the small ones nor make
// them larger than they are. So every rectangle adds its exact coverage to the pixels it touches.
// Rows hold differences: a rectangle writes where it begins and where it ends, and one sweep sums
// them up. The cost is that of the rectangles' edges and of the pixels, not of the areas.

/** A raster of `width` × `height` pixels. */
function newRaster(width, height) {
  // One column more than there are pixels takes the ends of rectangles at the right edge.
  const stride = (width + 2) * 4;
  return { width, height, stride, sums: new Float32Array(stride * height) };
}

function clearRaster(raster) {
  raster.sums.fill(0);
}

/** Adds a rectangle in pixels, already inside of the raster, in a color of 0 to 255. */
function addRectangle(raster, x0, x1, y0, y1, color, share) {
  const { sums, stride } = raster;
  const firstRow = Math.floor(y0);
  const lastRow = Math.min(raster.height - 1, Math.ceil(y1) - 1);
  const i = Math.floor(x0);
  const j = Math.floor(x1);
  const begins = i + 1 - x0;
  const ends = j + 1 - x1;
  for (let row = firstRow; row <= lastRow; row++) {
    const covered = (Math.min(y1, row + 1) - Math.max(y0, row)) * share;
    if (covered <= 0) continue;
    const base = row * stride;
    const [a, b] = [base + i * 4, base + j * 4];
    const [ab, ae] = [covered * begins, covered * (1 - begins)];
    const [bb, be] = [covered * ends, covered * (1 - ends)];
    for (let channel = 0; channel < 4; channel++) {
      const tone = channel < 3 ? color[channel] : 255;
      sums[a + channel] += ab * tone;
      sums[a + 4 + channel] += ae * tone;
      sums[b + channel] -= bb * tone;
      sums[b + 4 + channel] -= be * tone;
    }
  }
}

/** The raster as an image: color where something is, transparent where nothing is. */
function rasterImage(raster) {
  const image = new ImageData(raster.width, raster.height);
  const { data } = image;
  let at = 0;
  for (let row = 0; row < raster.height; row++) {
    let source = row * raster.stride;
    let [r, g, b, a] = [0, 0, 0, 0];
    for (let x = 0; x < raster.width; x++, source += 4, at += 4) {
      r += raster.sums[source];
      g += raster.sums[source + 1];
      b += raster.sums[source + 2];
      a += raster.sums[source + 3];
      // Sums of differences do not come back to zero exactly.
      if (a < 0.5) continue;
      const whole = 255 / a;
      data[at] = r * whole;
      data[at + 1] = g * whole;
      data[at + 2] = b * whole;
      data[at + 3] = a;
    }
  }
  return image;
}
