// The provenance of a record: its command line, the run block as a tree, and the differences from another record.
function quoted(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

// The command line that computes the record, without arguments that have the script's default values.
function commandLine({ task, args }) {
  const usual = own(report.index.defaults, task);
  const flags = Object.entries(args ?? {}).flatMap(([name, value]) => {
    if (["dry_run", "list", "verbose", "overwrite"].includes(name) || JSON.stringify(value) === JSON.stringify(own(usual, name) ?? null)) return [];
    if (value === null || value === false) return [];
    return value === true ? [quoted(`--${name}`)] : [quoted(`--${name}`), ...[].concat(value).map((one) => quoted(String(one)))];
  });
  return ["python", own(report.index.tasks, task)?.script ?? "?", ...flags].join(" ");
}

function command(run) {
  const text = commandLine(run);
  return el("div", { class: "command" }, el("pre", { id: "command" }, text), el("button", { type: "button", onclick: () => copy(text) }, "copy"));
}

// Records to compare the provenance with: those of the same subset first, then others of the same run.
function comparable(record) {
  const own = report.index.records[record.number];
  const others = report.index.records.map((row, number) => ({ row, number })).filter(({ number }) => number !== record.number);
  const same = others.filter(({ row }) => row[0] === own[0]);
  const beside = others.filter(({ row }) => row[4] === own[4] && row[0] !== own[0]);
  return [...same, ...beside].slice(0, 500).map(({ number }) => infoOf(number));
}

function provenance(record, other, params) {
  const options = comparable(record).map((info) => [info.path, `${info.dataset} ${info.subset}, k ${info.k}: ${info.model}, seed ${info.seed}`]);
  const chooser = select("with", "differences from", [["", "no other record"], ...options], params.with ?? "", (path) => go("record", { path: record.path, with: path }));
  const found = other ? differences(record.body.run, other.body.run ?? {}) : [];
  const changed = new Set(found.map(({ place }) => place));
  return el(
    "div", {},
    el("div", { class: "controls" }, chooser),
    other ? differenceTable(found, other) : null,
    el("div", { class: "tree" }, ...branches(record.body.run, "", changed)),
  );
}

// The differences of two JSON values, as deep as both are objects, or lists of equal length.
function differences(one, other, place = "") {
  const both = (test) => test(one) && test(other);
  const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
  if (both(isObject) || (both(Array.isArray) && one.length === other.length)) {
    return [...new Set([...Object.keys(one), ...Object.keys(other)])].flatMap((key) => differences(own(one, key), own(other, key), place ? `${place}.${key}` : key));
  }
  return JSON.stringify(one) === JSON.stringify(other) ? [] : [{ place, one, other }];
}

function differenceTable(found, other) {
  const shown = (value) => (value === undefined ? "absent" : JSON.stringify(value));
  const columns = [
    { name: "key", value: (row) => row.place },
    { name: "here", value: (row) => shown(row.one) },
    { name: "there", value: (row) => shown(row.other) },
  ];
  const table = found.length ? sortableTable({ columns, rows: found, file: "differences", caption: `${found.length} differences` }) : el("p", {}, "No difference.");
  return el("div", { class: "differences" }, el("p", {}, "there: ", link("record", { path: other.path }, {}, other.path)), table);
}

function branches(value, place, changed) {
  return Object.entries(value).map(([key, inner]) => {
    const path = place ? `${place}.${key}` : key;
    const inside = [...changed].some((other) => other === path || other.startsWith(`${path}.`));
    const nested = typeof inner === "object" && inner !== null && Object.keys(inner).length;
    if (!nested) return el("div", { class: inside ? "leaf changed" : "leaf" }, el("b", {}, key), el("code", {}, JSON.stringify(inner)));
    return el("details", { open: inside || !["args", "packages", "api"].includes(key), class: inside ? "changed" : "" }, el("summary", {}, key), ...branches(inner, path, changed));
  });
}
