// Opening the columns of a device: base64, deflate, varints.

const ARRAYS = { u8: Uint8Array, u32: Uint32Array, f64: Float64Array };

/** All columns of the device at `index`, by name. */
async function openColumns(index, directory) {
  const element = byId(`columns-${index}`);
  const deflated = bytesOf(element.textContent);
  element.remove();
  const opened = new Blob([deflated]).stream().pipeThrough(new DecompressionStream("deflate"));
  const bytes = new Uint8Array(await new Response(opened).arrayBuffer());
  const columns = {};
  let start = 0;
  for (const entry of directory.columns) {
    const part = bytes.subarray(start, start + entry.bytes);
    columns[entry.name] = readColumn(entry, part);
    start += entry.bytes;
  }
  return columns;
}

function bytesOf(base64) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

function readColumn(entry, bytes) {
  if (entry.code === "json") return JSON.parse(new TextDecoder().decode(bytes));
  const values = new ARRAYS[entry.array](entry.count);
  return entry.code === "steps" ? readSteps(values, bytes) : readPlain(values, bytes);
}

function readPlain(values, bytes) {
  let at = 0;
  for (let i = 0; i < values.length; i++) {
    let byte = bytes[at++];
    let value = byte & 127;
    // Multiplication, because shifts end at 32 bits and sizes do not.
    for (let factor = 128; byte > 127; factor *= 128) {
      byte = bytes[at++];
      value += (byte & 127) * factor;
    }
    values[i] = value;
  }
  return values;
}

function readSteps(values, bytes) {
  let at = 0;
  let last = 0;
  for (let i = 0; i < values.length; i++) {
    let byte = bytes[at++];
    const negative = byte & 1;
    let step = (byte & 127) >> 1;
    for (let factor = 64; byte > 127; factor *= 128) {
      byte = bytes[at++];
      step += (byte & 127) * factor;
    }
    last += negative ? -step - 1 : step;
    values[i] = last;
  }
  return values;
}
