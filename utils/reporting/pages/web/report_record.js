// One record: its figures, labels and provenance.
async function showRecord(params) {
  const number = numberOf(params.path);
  if (number === undefined) return missing(`No record ${params.path ?? ""} in this page.`);
  const record = await recordOf(number);
  const other = params.with !== undefined && numberOf(params.with) !== undefined ? await recordOf(numberOf(params.with)) : null;
  const run = record.body.run;
  return el(
    "section", {},
    el("h2", { tabindex: "-1" }, `${record.dataset} ${record.subset}, k ${record.k}: ${record.model}`),
    el("p", { class: "path" }, record.path),
    hasItems(record) ? el("p", { class: "controls" }, link("items", { path: record.path }, { class: "button" }, "items")) : null,
    metricTable(record, other),
    ceilings(record.body),
    record.body.members ? memberTable(record.body.members) : null,
    record.body.per_label ? labelTable(record.body.per_label, answerKind(record) === "choice" ? "by the position of the option in the data" : "by label") : null,
    isConfusion(record.body) ? confusionTable(record.body) : null,
    el("h2", {}, "Provenance"),
    run ? command(run) : el("p", {}, "A file of the original MINERS: it has four metrics and no provenance."),
    run ? provenance(record, other, params) : null,
  );
}

function metricTable(record, other) {
  const rows = metricsOf(record.body).map(([name]) => ({ name, figure: figureOf(record, name), beside: other ? figureOf(other, name) : null }));
  const columns = [
    { name: "metric", value: (row) => row.name },
    { name: "value", number: true, value: (row) => row.figure.value, text: (row) => percent(row.figure.value), cell: (row) => percent(row.figure.value) },
    { name: "95 % interval", number: true, value: (row) => row.figure.low, text: (row) => rangeText(row.figure), cell: (row) => rangeCell(row.figure) },
    ...(other ? [{ name: "other record", number: true, value: (row) => row.beside?.value ?? null, text: (row) => percent(row.beside?.value), cell: (row) => percent(row.beside?.value) }] : []),
  ];
  return sortableTable({ columns, rows, file: `${record.dataset}-${record.subset}-${record.k}`, caption: `figures in %, n ${record.body.n ?? "unknown"}` });
}

function rangeText(figure) {
  return figure.low === null ? "-" : `[${percent(figure.low)}, ${percent(figure.high)}]`;
}

function rangeCell(figure) {
  return figure.low === null ? "-" : el("span", { class: "figure" }, rangeText(figure), intervalBar(figure));
}

function ceilings(body) {
  if (typeof body.ceiling === "number") {
    if (body.ceiling >= 1 && body.ceiling_f1 >= 1) return null;
    return el("p", { class: "soft" }, `Upper bounds, since texts repeat: acc ${percent(body.ceiling)}, f1 ${percent(body.ceiling_f1)}.`);
  }
  if (typeof body.majority_acc !== "number") return null;
  return el("p", { class: "soft" }, `Baselines: the most frequent label of the training texts has acc ${percent(body.majority_acc)}, a random label ${percent(body.random_acc)}.`);
}

function memberTable(members) {
  const names = [...new Set(Object.values(members).flatMap((metrics) => Object.keys(metrics)))];
  const columns = [
    { name: "member", value: (row) => row.name },
    ...names.map((name) => ({ name, number: true, value: (row) => own(row, name) ?? null, text: (row) => percent(own(row, name)), cell: (row) => percent(own(row, name)) })),
  ];
  const rows = Object.entries(members).map(([name, metrics]) => ({ ...metrics, name }));
  return sortableTable({ columns, rows, file: "members", caption: "each encoder of the ensemble on its own" });
}

function labelTable(labels, caption) {
  const share = (name) => ({ name, number: true, value: (row) => own(row, name) ?? null, text: (row) => percent(own(row, name)), cell: (row) => percent(own(row, name)) });
  const count = (name) => ({ name, number: true, value: (row) => own(row, name) ?? null });
  const rows = Object.entries(labels).map(([label, figures]) => ({ ...figures, label }));
  const columns = [{ name: "label", value: (row) => row.label }, ...["prec", "rec", "f1"].map(share), ...["support", "predicted"].map(count)];
  return sortableTable({ columns, rows, file: "labels", caption });
}

function isConfusion({ labels, confusion }) {
  return [labels, confusion].every(Array.isArray) && confusion.every(Array.isArray);
}

function confusionTable({ labels, confusion }) {
  const columns = confusion[0]?.length > labels.length ? [...labels, "(none)"] : labels;
  const head = el("tr", {}, el("th", { scope: "col" }, "gold \\ predicted"), ...columns.map((label) => el("th", { scope: "col", class: "number upright" }, el("span", {}, label))));
  const rows = confusion.map((counts, place) => {
    const sum = counts.reduce((total, count) => total + count, 0);
    const cells = counts.map((count, column) => {
      const share = sum ? Math.round((100 * count) / sum) : 0;
      const way = place === column ? "good" : "bad";
      return el("td", { class: `number count ${count ? way : "zero"}`, style: `--share: ${share}%`, title: `gold ${labels[place]}, predicted ${columns[column]}: ${count}` }, String(count));
    });
    return el("tr", {}, el("th", { scope: "row" }, labels[place]), ...cells);
  });
  const table = el("table", { class: "confusion" }, el("caption", {}, "confusion: rows gold, columns predicted"), el("thead", {}, head), el("tbody", {}, ...rows));
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "confusion" }, table);
}
