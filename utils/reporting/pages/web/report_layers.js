// Curves over the layers of a model: each figure of layers.py by layer, with a line for each language.
const PLACES = ["layer", "depth", "pooling"];
const CHART = { wide: 330, high: 210, left: 46, right: 10, top: 10, bottom: 34 };

function layerViews() {
  return [...new Set(report.index.boards.filter((board) => report.index.tasks[board.task].by_layer).map((board) => board.view))];
}

async function showLayers(params) {
  const views = layerViews();
  if (!views.length) return missing("These logs have no records of layers.py.");
  const view = views.includes(params.view) ? params.view : views[0];
  const board = pickBoard({ ...params, view });
  const measured = (row) => board.columns.filter((_, place) => board.records[row][place]);
  const sets = board.columns.filter((name) => board.rows.some((_, row) => measured(row).includes(name)));
  const set = sets.includes(params.set) ? params.set : sets[0];
  const models = board.rows.filter((_, row) => measured(row).includes(set));
  const a = models.includes(params.a) ? params.a : models[0];
  const b = models.includes(params.b) && params.b !== a ? params.b : "";
  const lines = [];
  for (const model of [a, ...(b ? [b] : [])]) lines.push(...await linesOf(board, model, set, model === b));
  const poolings = [...new Set(lines.flatMap((line) => line.rows.map((row) => row.pooling)))];
  const pooling = poolings.map(String).includes(params.pooling) ? poolings[poolings.map(String).indexOf(params.pooling)] : poolings[0];
  const langs = [...new Set(lines.map((line) => line.lang))];
  const asked = [].concat(params.langs ?? []).filter((lang) => langs.includes(lang));
  const shown = lines.filter((line) => !asked.length || asked.includes(line.lang)).map((line) => ({ ...line, rows: line.rows.filter((row) => row.pooling === pooling) }));
  const measure = own(report.index.measures, lines[0]?.measure);
  const figures = figuresOf(shown, measure);
  const figure = figures.includes(params.figure) ? params.figure : figures.includes(measure?.metric) ? measure.metric : figures[0];
  const change = (changes) => go("layers", { ...stateParams(), ...boardParams(board), set, a, b, ...changes });
  const controls = [
    select("view", "task", views.map((name) => [name]), view, (name) => go("layers", { view: name })),
    ...boardControls(board, params, "layers").slice(1, -1), // neither the tasks without layers nor the metric
    select("set", "data set", sets.map((name) => [name]), set, (name) => change({ set: name, langs: [] })),
    select("a", "model", models.map((name) => [name]), a, (name) => change({ a: name })),
    select("b", "beside it", [["", "no other"], ...models.filter((name) => name !== a).map((name) => [name])], b, (name) => change({ b: name })),
    ...(poolings.length > 1 ? [select("pooling", "pooling", poolings.map((name) => [String(name)]), String(pooling), (name) => change({ pooling: name }))] : []),
    select("figure", "table of", figures.map((name) => [name]), figure, (name) => change({ figure: name })),
  ];
  return el(
    "section", {},
    el("h2", { tabindex: "-1" }, `${measure?.title ?? view}: ${set}`),
    el("div", { class: "controls" }, ...controls),
    langs.length > 1 ? el("div", { class: "controls" }, choiceBoxes("languages", langs, asked.length ? asked : langs, (chosen) => change({ langs: chosen }))) : null,
    el("p", { class: "soft" }, `Bands are 95 % intervals over items.${b ? ` Dashed: ${b}.` : ""} Layer 0 has the embeddings of tokens. Point at a line to read it.`),
    el("div", { class: "curves" }, ...figures.map((name) => curves(name, shown, own(measure?.figures, name)))),
    layerTable(shown, figure, params, set),
  );
}

async function linesOf(board, model, set, dashed) {
  const numbers = (board.records[board.rows.indexOf(model)][board.columns.indexOf(set)] ?? []).flat();
  const found = await Promise.all(numbers.map(recordOf));
  return found.filter((record) => Array.isArray(record.body.rows)).map((record) => ({
    model, dashed, lang: record.subset, colour: own(report.index.colours, record.lang ?? record.subset) ?? "var(--accent)",
    path: record.path, rows: record.body.rows, measure: record.body.run?.measure ?? record.body.run?.task,
  }));
}

// The names of the figures that rows have, those of the measure first and in its order.
function figuresOf(lines, measure) {
  const there = new Set(lines.flatMap((line) => line.rows.flatMap((row) => Object.keys(row).filter((name) => typeof row[name] === "number"))));
  const names = [...there].filter((name) => !PLACES.includes(name) && !/_(low|high)$/.test(name));
  const known = Object.keys(measure?.figures ?? {});
  return [...known.filter((name) => names.includes(name)), ...names.filter((name) => !known.includes(name))];
}

function numbersOf(lines, name) {
  return lines.flatMap((line) => line.rows.flatMap((row) => [row[name], row[`${name}_low`], row[`${name}_high`]])).filter((value) => typeof value === "number" && Number.isFinite(value));
}

// The scale of a figure: shares from 0, ranks that span orders of magnitude as logarithms.
function scaleOf(values, name) {
  const least = Math.min(...values), most = Math.max(...values);
  const log = name.startsWith("rank") && least >= 1 && most / least > 50;
  const share = !log && least >= 0 && most <= 1;
  const from = log ? Math.log10(least) : share ? 0 : least, to = log ? Math.log10(most) : most;
  const reach = to > from ? to - from : 1;
  const at = (value) => ((log ? Math.log10(value) : value) - from) / reach;
  const fine = (value) => (most >= 0.02 || value === 0 ? percent(value) : (100 * value).toPrecision(2)); // small shares keep two digits
  const text = (value) => (share ? `${fine(value)} %` : Math.abs(value) >= 100 ? Math.round(value).toLocaleString("en") : value.toPrecision(3));
  return { at, text, ticks: ticksOf(from, to, log), log, share };
}

// Round numbers on a scale: about five of them, or the powers of ten of logarithms.
function ticksOf(from, to, log) {
  const range = (to - from || 1) / 4, power = 10 ** Math.floor(Math.log10(range));
  const step = log ? 1 : [1, 2, 2.5, 5, 10].map((digit) => digit * power).find((size) => size >= range * (1 - 1e-9));
  const first = Math.ceil(from / step - 1e-9);
  const found = Array.from({ length: Math.floor(to / step + 1e-9) - first + 1 }, (_, place) => (first + place) * step);
  const all = found.length ? found : [from]; // of a figure that is the same at all layers
  return log ? all.map((exponent) => 10 ** exponent) : all;
}

function curves(name, lines, meaning) {
  const values = numbersOf(lines, name);
  if (!values.length) return null;
  const { wide, high, left, right, top, bottom } = CHART;
  const scale = scaleOf(values, name);
  const last = Math.max(1, ...lines.flatMap((line) => line.rows.map((row) => row.layer)));
  const x = (layer) => left + (layer / last) * (wide - left - right), y = (value) => high - bottom - scale.at(value) * (high - top - bottom);
  const ticks = scale.ticks.flatMap((value) => [
    svg("line", { x1: left, x2: wide - right, y1: y(value), y2: y(value), class: "grid" }),
    svg("text", { x: left - 4, y: y(value) + 4, "text-anchor": "end" }, scale.text(value).replace(" %", "")),
  ]);
  const step = Math.ceil(last / 8);
  const layers = Array.from({ length: Math.floor(last / step) + 1 }, (_, place) => place * step).map((layer) => svg("text", { x: x(layer), y: high - bottom + 15, "text-anchor": "middle" }, String(layer)));
  const told = el("figcaption", { class: "soft" }, meaning ?? "");
  const drawn = lines.flatMap((line) => curve(line, name, x, y, scale, (text) => { told.textContent = text ?? meaning ?? ""; }));
  return el(
    "figure", { class: "curve" }, el("h3", {}, name + (scale.log ? " (log scale)" : scale.share ? " (%)" : "")),
    svg("svg", { viewBox: `0 0 ${wide} ${high}`, role: "img", "aria-label": `${name} by layer` }, ...ticks, ...layers, ...drawn, svg("text", { x: (left + wide - right) / 2, y: high - 4, "text-anchor": "middle" }, "layer")),
    told,
  );
}

function curve(line, name, x, y, scale, tell) {
  const rows = line.rows.filter((row) => typeof row[name] === "number").sort((one, other) => one.layer - other.layer);
  if (!rows.length) return [];
  const points = (key, some) => some.map((row) => `${x(row.layer).toFixed(1)},${y(row[key]).toFixed(1)}`);
  const banded = rows.filter((row) => typeof row[`${name}_low`] === "number" && typeof row[`${name}_high`] === "number");
  const band = svg("polygon", { points: [...points(`${name}_high`, banded), ...points(`${name}_low`, banded).reverse()].join(" "), fill: line.colour, class: "band" });
  const path = svg("polyline", { points: points(name, rows).join(" "), stroke: line.colour, class: line.dashed ? "line-b" : "line-a" });
  const dots = rows.map((row) => {
    const range = typeof row[`${name}_low`] === "number" ? ` [${scale.text(row[`${name}_low`])}, ${scale.text(row[`${name}_high`])}]` : "";
    const text = `${line.lang}, layer ${row.layer}: ${scale.text(row[name])}${range}${line.dashed ? ` (${line.model})` : ""}`;
    const dot = svg("circle", { cx: x(row.layer), cy: y(row[name]), r: 2.5, fill: line.colour, class: "point" }, svg("title", {}, text));
    dot.addEventListener("mouseenter", () => tell(text));
    dot.addEventListener("mouseleave", () => tell(null));
    return dot;
  });
  return [...(banded.length > 1 ? [band] : []), path, ...dots];
}

// The best layer of each language with the last one beside it.
function layerTable(lines, figure, params, set) {
  const scale = scaleOf(numbersOf(lines, figure).concat(1), figure);
  const small = /^(rank|entropy)/.test(figure); // figures of which a small one is good
  const rows = lines.map((line) => {
    const there = line.rows.filter((row) => typeof row[figure] === "number");
    const best = there.reduce((found, row) => (!found || (small ? row[figure] < found[figure] : row[figure] > found[figure]) ? row : found), null);
    const last = there.reduce((found, row) => (!found || row.layer > found.layer ? row : found), null);
    return { ...line, best, last };
  }).filter((row) => row.best);
  const several = new Set(rows.map((row) => row.model)).size > 1;
  const ends = [...new Set(rows.map((row) => row.last.layer))]; // a run may have measured other layers than the model's last one
  const end = rows.every((row) => row.last.depth === 1) ? "last layer" : ends.length === 1 ? `layer ${ends[0]}` : "last measured";
  const number = (name, value, text = scale.text) => ({ name, number: true, value, text: (row) => text(value(row)), cell: (row) => text(value(row)) });
  const columns = [
    { name: "subset", value: (row) => row.lang, cell: (row) => el("span", {}, el("i", { class: "swatch", style: `background: ${row.colour}` }), link("record", { path: row.path }, {}, row.lang)) },
    ...(several ? [{ name: "model", value: (row) => row.model }] : []),
    number(small ? "least at layer" : "best layer", (row) => row.best.layer, String),
    number(figure, (row) => row.best[figure]),
    number(end, (row) => row.last[figure]),
    number("difference", (row) => row.best[figure] - row.last[figure]),
  ];
  return sortableTable({ columns, rows, sort: params.sort, file: `${set}-${figure}-by-layer`, caption: `${figure}: the ${small ? "least" : "best"} layer, and ${end === "last layer" ? "the last" : end}` });
}
