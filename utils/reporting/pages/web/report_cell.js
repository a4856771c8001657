// The languages of a cell: one row per subset, one column per model and k, each figure with its interval.
async function showCell(params) {
  const board = pickBoard(params);
  const sets = [].concat(params.dataset ?? []).filter((name) => board.columns.includes(name));
  const models = [].concat(params.model ?? []).filter((name) => board.rows.includes(name));
  if (!sets.length || !models.length) return missing("These logs have no such cell.");
  const several = otherKs(board);
  const ks = [].concat(params.ks ?? (models.length > 1 ? String(board.k) : several.map((other) => String(other.k))));
  const series = seriesOf(several.filter((other) => ks.includes(String(other.k))), sets, models);
  const rows = await cellRows(series, params, board);
  const grouping = own({ family: (row) => row.family ?? "unknown", script: (row) => row.script ?? "unknown" }, params.by);
  const columns = cellColumns(series, sets, rows);
  const summary = (column, members) => (column.key ? percent(mean(members.filter((row) => !row.beside).map(column.value).filter((value) => value !== null))) : "");
  const whole = sets.length === 1 && rows.length > 1 ? () => "mean" : undefined; // the figure of the leaderboard, above its languages
  return el(
    "section", {},
    el("h2", { tabindex: "-1" }, `${sets.join(", ")}: ${models.join(" and ")}`),
    el("p", {}, link("board", { ...boardParams(board), metric: params.metric }, {}, boardWords(board))),
    el("div", { class: "controls" }, ...cellControls(board, several, ks, sets, models, params)),
    sortableTable({ columns, rows, sort: params.sort, file: sets.join("-"), group: grouping ?? whole, summary, caption: `subsets of ${sets.join(", ")}: ${[...new Set(sets.map((set) => measureName(metricName(params, board.task, set))))].join(", ")} in %` }),
  );
}

function missing(text) {
  return el("section", {}, el("p", {}, text), el("p", {}, link("board", {}, {}, "To the leaderboard")));
}

function mean(values) {
  return values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
}

function cellControls(board, several, ks, sets, models, params) {
  const change = (changes) => go("cell", { ...stateParams(), ...changes });
  const made = several.length > 1 ? [choiceBoxes("k", several.map((other) => String(other.k)), ks, (chosen) => change({ ks: chosen }))] : [];
  const others = board.rows.filter((row, place) => !models.includes(row) && sets.some((name) => board.records[place][board.columns.indexOf(name)]));
  if (others.length) made.push(select("beside", "compare with", [["", "another model"], ...others.map((name) => [name])], "", (name) => name && change({ model: [...models, name] })));
  if (models.length > 1) made.push(el("button", { type: "button", onclick: () => change({ model: models[0] }) }, `only ${models[0]}`));
  if (models.length > 1) made.push(link("compare", { ...boardParams(board), a: models[0], b: models[1] }, { class: "button" }, "compare"));
  made.push(select("metric", "metric", Object.keys(board.cells).map((name) => [name, name === "main" ? `main metric: ${sets.map((set) => metricName({}, board.task, set)).join(", ")}` : name]), params.metric ?? "main", (metric) => change({ metric })));
  made.push(select("by", "group by", [["", "nothing"], ["family"], ["script"]], params.by ?? "", (by) => change({ by })));
  return made;
}

function choiceBoxes(label, values, chosen, onchange) {
  const boxes = values.map((value) => {
    const box = el("input", { type: "checkbox", id: `${label}-${value}`, checked: chosen.includes(value) });
    box.addEventListener("change", () => {
      const now = boxes.map((made) => made.firstChild).filter((one) => one.checked).map((one) => one.value);
      onchange(now.length ? now : [value]);
    });
    box.value = value;
    return el("label", { class: "box" }, box, value);
  });
  return el("fieldset", {}, el("legend", {}, label), ...boxes);
}

// The records of each model and k: [{model, k, numbers, extra}].
function seriesOf(boards, sets, models) {
  const found = [];
  for (const model of models) {
    for (const board of boards) {
      const row = board.rows.indexOf(model);
      const refs = row < 0 ? [] : sets.map((name) => board.records[row][board.columns.indexOf(name)]).filter(Boolean);
      if (refs.length) found.push({ model, k: board.k, numbers: refs.flatMap((ref) => ref[0]), extra: refs.flatMap((ref) => ref[1]), key: `${model}|${board.k}` });
    }
  }
  return found;
}

async function cellRows(series, params, board) {
  const rows = new Map();
  for (const { key, k, numbers, extra } of series) {
    for (const number of [...numbers, ...extra]) {
      const record = await recordOf(number);
      const name = `${record.dataset} ${record.subset}`;
      if (!rows.has(name)) rows.set(name, { ...infoOf(number), n: record.body.n ?? null, figures: {}, beside: extra.includes(number), first: record.path });
      if (k === board.k) rows.get(name).first = record.path; // the record of the figure in the leaderboard
      rows.get(name).figures[key] = { ...figureOf(record, metricName(params, board.task, record.dataset)), path: record.path };
    }
  }
  return [...rows.values()];
}

function cellColumns(series, sets, rows) {
  const severalModels = new Set(series.map(({ model }) => model)).size > 1;
  const text = (name) => ({ name, value: (row) => row[name] ?? null });
  return [
    { name: "subset", value: (row) => row.subset, cell: (row) => link("record", { path: row.first }, {}, row.subset + (row.beside ? " *" : "")) },
    ...(sets.length > 1 ? [text("dataset")] : []),
    ...["lang", "family", "script"].filter((name) => rows.some((row) => row[name] && row[name] !== row.subset)).map(text),
    { ...text("n"), number: true },
    ...series.map(({ model, k, key }) => ({
      name: key, key, number: true, label: [severalModels ? model : null, k === null ? null : `k ${k}`].filter(Boolean).join(", ") || model,
      value: (row) => row.figures[key]?.value ?? null,
      text: (row) => figureText(row.figures[key]),
      cell: (row) => figureCell(row.figures[key]),
    })),
  ];
}

function figureText(figure) {
  if (figure?.value === undefined) return "-";
  return percent(figure.value) + (figure.low === null ? "" : ` [${percent(figure.low)}, ${percent(figure.high)}]`);
}

function figureCell(figure) {
  if (figure?.value === undefined) return "-";
  const range = figure.low === null ? null : el("small", { class: "soft" }, ` [${percent(figure.low)}, ${percent(figure.high)}]`);
  return el("span", { class: "figure" }, link("record", { path: figure.path }, {}, percent(figure.value)), range, intervalBar(figure));
}

// A scale from 0 to 100 % with a bar for the interval and a mark for the figure.
function intervalBar({ value, low, high }, from = 0, to = 1) {
  const x = (share) => 1 + (98 * (share - from)) / (to - from);
  const parts = [svg("line", { x1: 1, x2: 99, y1: 6, y2: 6, class: "axis" })];
  if (from < 0) parts.push(svg("line", { x1: x(0), x2: x(0), y1: 0, y2: 12, class: "axis" }));
  if (low !== null) parts.push(svg("rect", { x: x(low), y: 3, width: Math.max(x(high) - x(low), 0.5), height: 6, class: "range" }));
  parts.push(svg("rect", { x: x(value) - 1, y: 1, width: 2, height: 10, class: "mark" }));
  return svg("svg", { viewBox: "0 0 100 12", class: "interval", "aria-hidden": "true" }, ...parts);
}

function svg(name, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}
