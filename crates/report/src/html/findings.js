// The rest of the report: the prescription, the ransom, the findings, and what the reader had to note.

function prescriptionCard(facts) {
  const { prescription } = facts;
  if (prescription) {
    const { summary, line } = prescription;
    return card("Prescription", "by a replay", make("p", {}, summary), make("code", {}, line));
  }
  if (!facts.prescription_unsought) return null;
  const where = "Not looked for in so long a recording; see gapless advise.";
  return card("Prescription", "", make("p", {}, where));
}

function ransomCard(facts) {
  const { ransom } = facts;
  if (!ransom) return null;
  const price = ransom.price_bytes ?? ransom.bytes;
  const kinds = {
    one_gap: "become one gap with the free memory between them",
    whole_segments: "leave whole segments free, which go back to the device",
  };
  const blocks = ransom.blocks || [];
  const count = ransom.block_count ?? blocks.length;
  const sentence =
    ransom.summary ||
    [
      `Releasing ${counted(count, "live block")}`,
      Number.isFinite(price) ? ` of ${sizeText(price)} together` : "",
      facts.failure ? " would have served " : " would make room for ",
      requestText(facts.request),
      kinds[ransom.kind] ? `: they ${kinds[ransom.kind]}.` : ".",
    ].join("");
  const listed = blocks.filter((block) => Number.isFinite(block.address));
  const rows = ransom.sites || blocks;
  return card(
    "Ransom",
    `the cheapest release for ${requestText(facts.request)}`,
    make("p", {}, ...prose(sentence)),
    listed.length > 0 &&
      make(
        "button",
        { class: "action", click: () => markRansom(listed) },
        listed.length < count
          ? `Show the first ${countText(listed.length)} on the map`
          : "Show on the map",
      ),
    rows.length > 0 &&
      make(
        "details",
        { class: "more" },
        make("summary", {}, "Which blocks"),
        ...rows
          .slice(0, 40)
          .map((row) =>
            evidenceRow({ ...row, what: row.blocks ? counted(row.blocks, "block") : "" }),
          ),
      ),
  );
}

/** Points out the blocks of the ransom at the instant the report looks at. */
function markRansom(rows) {
  const device = shown();
  const instant = ledgerInstant(view.facts.devices?.[view.index], device);
  const addresses = new Set(rows.map((row) => BigInt(row.address)));
  goTo(instant);
  byId("query").value = "";
  search("");
  look({
    marked: new Set(
      view.state.blocks.filter((i) => addresses.has(addressOf(device, device.addr[i]))),
    ),
  });
  byId("map-scroll").closest("figure").scrollIntoView({ block: "center" });
}

function findingsCard(facts) {
  const findings = facts.findings || [];
  if (findings.length === 0) return null;
  return card(
    "Findings",
    counted(findings.length, "finding"),
    make("div", { class: "findings" }, ...findings.map((finding, i) => findingOf(finding, i < 2))),
  );
}

function findingOf(finding, open) {
  const share = Number.isFinite(finding.share_of_peak)
    ? `${shareText(finding.share_of_peak, 1)} of the peak`
    : "";
  const advice = [finding.advice || []].flat().filter(Boolean);
  const evidence = Array.isArray(finding.evidence) ? finding.evidence : [];
  return make(
    "details",
    { class: "finding", open, "data-code": finding.code },
    make(
      "summary",
      {},
      make("code", {}, finding.code || ""),
      make("span", { class: "title" }, finding.title || ""),
      make(
        "span",
        {
          class: "number",
          title: Number.isFinite(finding.bytes) ? exactText(finding.bytes) : null,
        },
        Number.isFinite(finding.bytes) ? sizeText(finding.bytes) : "",
      ),
      make("span", { class: "share muted" }, share),
    ),
    finding.summary ? make("p", {}, ...prose(finding.summary)) : null,
    advice.length > 0 &&
      make(
        "ul",
        { class: "advice" },
        ...advice.map((text) => make("li", {}, ...prose(adviceText(text)))),
      ),
    evidence.length > 0 &&
      make(
        "details",
        { class: "more" },
        make("summary", {}, "Evidence"),
        ...evidence.map(evidenceRow),
      ),
  );
}

function adviceText(advice) {
  return typeof advice === "string"
    ? advice
    : advice.text || advice.summary || advice.what || JSON.stringify(advice);
}

function evidenceRow(row) {
  if (typeof row === "string") return make("p", { class: "evidence" }, row);
  const bytes = row.bytes ?? row.size_bytes ?? row.size;
  const line = [
    make("span", { class: "where" }, frameText(siteFrame(row))),
    make("span", { class: "behind" }, row.what || row.text || ""),
    make("span", { class: "number" }, Number.isFinite(bytes) ? sizeText(bytes) : ""),
  ];
  if (!row.stack?.length) return make("p", { class: "evidence" }, ...line);
  return make("details", { class: "evidence" }, make("summary", {}, ...line), stackOf(row.stack));
}

function notesCard(all, facts) {
  const notes = [...(all.recording?.notes || []), ...(facts.notes || [])];
  if (notes.length === 0) return null;
  const line = (note) => {
    const weight = typeof note === "string" ? "remark" : note.weight || "remark";
    const text = typeof note === "string" ? note : note.text || note.summary || "";
    return make("li", { "data-weight": weight }, make("b", {}, wordsOf(weight)), ` ${text}`);
  };
  const grave = notes.some((note) => note.weight === "contradiction");
  return make(
    "details",
    { class: "card notes", open: grave },
    make(
      "summary",
      {},
      make("h2", {}, "Notes"),
      make("small", {}, `${counted(notes.length, "note")} on the recording`),
    ),
    make("ul", {}, ...notes.map(line)),
  );
}
