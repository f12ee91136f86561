// The page from opening to the first drawing.

function tellDevices() {
  const tabs = byId("devices");
  tabs.hidden = view.devices.length < 2;
  const redraw = () =>
    tabs.replaceChildren(
      ...view.devices.map((device, i) =>
        make(
          "button",
          {
            role: "tab",
            "aria-selected": String(i === view.index),
            click: () => {
              openTab(i);
              redraw();
            },
          },
          `device ${device.id}`,
        ),
      ),
    );
  redraw();
}

/** The ledgers as this page computes them where the facts took theirs, for whoever compares. */
function tellComputed() {
  view.devices.forEach((device, i) => {
    const instant = ledgerInstant(view.facts.devices?.[i], device);
    const ledger = ledgerOf(device, stateAt(device, instant));
    const data = { "data-device": device.id, "data-instant": instant };
    for (const [cause] of CAUSES) data[`data-${cause}`] = ledger[cause];
    data["data-reserved"] = ledger.reserved;
    data["data-largest-gap"] = ledger.largestGap;
    for (const { name } of CURVES) {
      data[`data-peak-${name}`] = peakOf(device, name).bytes;
      data[`data-end-${name}`] = device.curves[name][device.events];
    }
    byId("computed").append(make("output", { class: "computed", ...data }));
  });
}

/** The device that the address asks for, by its number; the first otherwise. */
function askedDevice() {
  const asked = askedFor().get("device");
  return Math.max(
    0,
    view.devices.findIndex((device) => String(device.id) === asked),
  );
}

/** Looks at what the address asks for. */
function openAsked() {
  const asked = askedFor();
  if (asked.has("at")) look({ instant: Number(asked.get("at")) + 1 || 0 });
  if (asked.has("search")) setQuery(asked.get("search"));
}

async function open() {
  const started = performance.now();
  view.facts = readJson("facts");
  tellRecording();
  const directories = readJson("directories");
  view.devices = await Promise.all(directories.map((directory, i) => openDevice(i, directory)));
  note("open", started);
  if (view.devices.length === 0) throw new Error("the recording has no device");
  startTheme(() => look({ theme: view.theme + 1 }));
  legends();
  startPainters();
  openTab(askedDevice());
  openAsked();
  tellDevices();
  startControls();
  startCurves();
  startTimeline();
  startMap();
  new ResizeObserver(() => look({})).observe(byId("explorer"));
  tellComputed();
  draw();
  document.documentElement.dataset.ready = "1";
}

open().catch((error) => {
  byId("explorer").hidden = true;
  const old = typeof DecompressionStream === "undefined";
  byId("notice").hidden = false;
  byId("notice").textContent = old
    ? "This browser is too old to open what is inside of this page: it lacks DecompressionStream."
    : `The page could not be drawn: ${error.message}`;
  document.documentElement.dataset.ready = "failed";
});
