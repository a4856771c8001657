// The comparison of two rows of a leaderboard, item by item, with paired tests.
const SIGNIFICANT = 0.05;

async function showCompare(params) {
  const board = pickBoard(params);
  const a = board.rows.includes(params.a) ? params.a : board.rows[0];
  const b = board.rows.includes(params.b) ? params.b : usualOther(board, a);
  const change = (changes) => go("compare", { ...stateParams(), ...boardParams(board), a, b, ...changes });
  const models = board.rows.map((row) => [row]);
  const controls = [
    ...boardControls(board, params, "compare").slice(0, -1), // the metric is what the items tell
    select("a", "A", models, a, (value) => change({ a: value })),
    select("b", "B", models, b, (value) => change({ b: value })),
    el("button", { type: "button", onclick: () => change({ a: b, b: a }) }, "swap"),
  ];
  const head = [el("h2", { tabindex: "-1" }, "Two models on the same items"), el("div", { class: "controls" }, ...controls)];
  if (report.index.tasks[board.task].by_layer) return el("section", {}, ...head, el("p", {}, "Models of this task are compared ", link("layers", { ...boardParams(board), a, b }, {}, "layer by layer"), "."));
  if (a === b) return el("section", {}, ...head, el("p", {}, "This leaderboard has only one model: choose another task or setting."));
  const { lines, notes } = await comparedLines(board, a, b);
  const said = notes.map((note) => el("p", { class: "note" }, note));
  if (!lines.length) return el("section", {}, ...head, ...said, el("p", {}, "No subset can be compared."));
  const parts = byMetric(lines);
  const titled = (shown, metric) => (parts.length > 1 ? [el("h3", {}, measureName(metric)), ...shown] : shown);
  return el("section", {}, ...head, ...said, ...parts.flatMap((some) => titled(comparison(board, some, a, b, params), some[0].metric)));
}

// The first other row that has a subset of A, or else the first one.
function usualOther(board, a) {
  const subsets = (row) => board.records[board.rows.indexOf(row)].flatMap((refs, place) => (refs ?? []).flat().map((number) => `${place} ${infoOf(number).subset}`));
  const others = board.rows.filter((row) => row !== a), there = new Set(subsets(a));
  return others.find((row) => subsets(row).some((subset) => there.has(subset))) ?? others[0] ?? a;
}

// One line per subset that both models have, in the order of compare.py, and notes on those that cannot be compared.
async function comparedLines(board, a, b) {
  const found = [], notes = [];
  const [rowA, rowB] = [board.rows.indexOf(a), board.rows.indexOf(b)];
  const alone = [0, 0];
  for (const [place] of board.columns.entries()) {
    const [ofA, ofB] = [rowA, rowB].map((row) => new Map((board.records[row][place] ?? []).flat().map((number) => [infoOf(number).subset, number])));
    for (const [subset, number] of ofA) {
      if (!ofB.has(subset)) alone[0]++;
      else found.push({ column: board.columns[place], subset, one: await recordOf(number), other: await recordOf(ofB.get(subset)) });
    }
    alone[1] += [...ofB.keys()].filter((subset) => !ofA.has(subset)).length;
  }
  const lines = [];
  for (const line of found.sort((x, y) => order(x.column, y.column) || order(x.subset, y.subset))) {
    const why = unlike(line.one, line.other);
    const shown = why ? null : line.one.paired.right ? testedLine(line) : await plainLine(line);
    if (shown?.n) lines.push(shown);
    const without = shown ? line.one.paired.n - shown.n : 0;
    if (why || without) notes.push(`${line.column} ${line.subset}: ${why ?? `${without} of ${line.one.paired.n} items without the figure in A or B left out`}`);
  }
  ["A", "B"].forEach((name, side) => alone[side] && notes.push(`Only ${name} has ${alone[side]} further subsets.`));
  for (const some of byMetric(lines.filter((line) => line.p !== null))) {
    holm(some.map((line) => line.p)).forEach((p, place) => { some[place].pHolm = p; });
  }
  return { lines, notes: notes.length > 6 ? [...notes.slice(0, 5), `... and ${notes.length - 5} more`] : notes };
}

// The lines of each metric, which are tested and shown together.
function byMetric(lines) {
  return [...new Set(lines.map((line) => line.metric))].map((metric) => lines.filter((line) => line.metric === metric));
}

function order(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}

// Why two records cannot be compared, null where they can.
function unlike(one, other) {
  if (!one.paired || !other.paired) return report.index.args.no_items ? "the page was written with --no_items" : "the records have no predictions";
  if (one.paired.gold !== other.paired.gold || one.paired.n !== other.paired.n) return "A and B were run on different data or pools";
  const sources = [one, other].map((record) => JSON.stringify(record.body.run?.source));
  if (sources[0] && sources[1] && sources[0] !== sources[1]) return "A and B are from different sources";
  const [metric, otherMetric] = [one, other].map(comparedMetric);
  if (metric !== otherMetric) return `A has the ${measureName(metric)}, B has the ${measureName(otherMetric)}`;
  const figures = [one, other].map((record) => own(record.body, metric));
  if (!one.paired.right) return figures.every((figure) => typeof figure === "number") ? null : `A or B has no ${measureName(metric)}`;
  const counts = pairedCounts(one.paired, other.paired);
  const told = [counts.both + counts.onlyA, counts.both + counts.onlyB].map((hits) => hits / one.paired.n);
  const wrong = figures.some((figure, side) => typeof figure === "number" && Math.abs(figure - told[side]) > 1e-6);
  return wrong ? "the predictions of a record do not give its figure" : null;
}

// The metric by which a record is compared: the share of items that are right, or the main one where none is right or wrong.
function comparedMetric(record) {
  return record.paired.metric ?? mainMetric(taskOf(record), record.dataset);
}

function testedLine({ column, subset, one, other }) {
  const counts = pairedCounts(one.paired, other.paired);
  const n = one.paired.n;
  const [low, high] = pairedInterval(counts);
  return {
    dataset: column, subset, n, metric: comparedMetric(one), a: (counts.both + counts.onlyA) / n, b: (counts.both + counts.onlyB) / n,
    difference: (counts.both + counts.onlyA) / n - (counts.both + counts.onlyB) / n, low, high, p: mcnemar(counts.onlyA, counts.onlyB),
    odds: (counts.onlyA + 0.5) / (counts.onlyB + 0.5), smallest: smallestDifference(n, (counts.onlyA + counts.onlyB) / n),
    ...aboutLine(one, other),
  };
}

function aboutLine(one, other) {
  const limited = [one, other].some((record) => typeof record.body.run?.limit === "number");
  return { pathA: one.path, pathB: other.path, lang: one.lang, family: one.family, limited };
}

// A line of figures whose tests need resamples of the items. Items to which the metric does not apply in both are left out.
async function plainLine({ column, subset, one, other }) {
  const metric = comparedMetric(one);
  const values = await Promise.all([one, other].map(async ({ number }) => own((await itemsOf(number)).preds?.values, metric)));
  const stated = values.every(Array.isArray), places = stated ? [...values[0].keys()].filter((item) => values.every((of) => Number.isFinite(of[item]))) : [];
  const [a, b] = [one, other].map(({ body }, side) => (stated ? mean(places.map((item) => values[side][item])) : body[metric]));
  const n = stated ? places.length : one.paired.n;
  return { dataset: column, subset, n, metric, a, b, difference: a - b, p: null, pHolm: null, ...aboutLine(one, other) };
}

function comparison(board, lines, a, b, params) {
  const count = (test) => lines.filter(test).length;
  const tested = lines.every((line) => line.p !== null);
  const sure = (line) => line.pHolm < SIGNIFICANT;
  const some = (test) => `${count(test)}${tested ? ` (${count((line) => test(line) && sure(line))} significant)` : ""}`;
  const wins = `A wins ${some((line) => line.difference > 0)}, ties ${count((line) => line.difference === 0)}, loses ${some((line) => line.difference < 0)}.`;
  const middle = mean(lines.map((line) => line.difference));
  const untested = tested ? "" : ` ${measureName(lines[0].metric)} is not a share of right items: its interval and tests need resamples of the items.`;
  return [
    el("p", { class: "wins" }, wins, " ", `Mean difference ${signed(middle)} (A ${percent(mean(lines.map((line) => line.a)))}, B ${percent(mean(lines.map((line) => line.b)))}).`, untested),
    el("div", { class: "sides" }, scatter(lines, a, b), el("div", {}, compareTable(lines, params, a, b), compareCommands(board, a, b, lines[0]))),
  ];
}

function signed(value) {
  const shown = percent(value);
  return value < 0 || shown.startsWith("-") ? shown : `+${shown}`;
}

function shownP(p) {
  return p >= 0.00005 ? p.toFixed(4) : "<0.0001";
}

function compareTable(lines, params, a, b) {
  const number = (name, value, shown, extra = {}) => ({ name, number: true, value, text: (row) => shown(value(row)), cell: (row) => shown(value(row)), ...extra });
  const tested = lines.every((line) => line.p !== null);
  const measure = measureName(lines[0].metric);
  const several = new Set(lines.map((line) => line.dataset)).size > 1;
  const columns = [
    { name: "subset", value: (row) => (several ? `${row.dataset} ${row.subset}` : row.subset) },
    { name: "n", number: true, value: (row) => row.n },
    number("A", (row) => row.a, percent, { cell: (row) => link("record", { path: row.pathA }, {}, percent(row.a)), title: a }),
    number("B", (row) => row.b, percent, { cell: (row) => link("record", { path: row.pathB }, {}, percent(row.b)), title: b }),
    number("A - B", (row) => row.difference, signed, { cell: (row) => el("b", { class: row.p !== null && row.pHolm < SIGNIFICANT ? (row.difference > 0 ? "good" : "bad") : "" }, signed(row.difference)) }),
    ...(tested ? testColumns(lines, number) : []),
  ];
  return sortableTable({ columns, rows: lines, sort: params.sort, file: "comparison", caption: `${measure} in %${tested ? ", McNemar's exact p" : ""}` });
}

function testColumns(lines, number) {
  const reach = Math.max(...lines.flatMap((line) => [Math.abs(line.low), Math.abs(line.high)]), 0.01);
  return [
    {
      name: "95 % interval", number: true, value: (row) => row.low, text: (row) => `[${signed(row.low)}, ${signed(row.high)}]`,
      cell: (row) => el("span", { class: "figure" }, `[${signed(row.low)}, ${signed(row.high)}]`, intervalBar({ ...row, value: row.difference }, -reach, reach)),
    },
    number("p", (row) => row.p, shownP),
    number("p (Holm)", (row) => row.pHolm, shownP),
    number("odds ratio", (row) => row.odds, (value) => value.toFixed(2)),
    number("detectable", (row) => row.smallest, (value) => (value === null ? "-" : percent(value))),
  ];
}

// A scatter plot of A against B: one dot per subset; on the diagonal they are equal.
function scatter(lines, a, b) {
  const size = 340, edge = 44;
  const values = lines.flatMap((line) => [line.a, line.b]);
  const from = Math.floor(Math.min(...values) * 10) / 10, to = Math.min(1, Math.max(Math.ceil(Math.max(...values) * 10) / 10, from + 0.1));
  const at = (share) => ((share - from) / (to - from)) * (size - edge - 12);
  const x = (share) => edge + at(share), y = (share) => size - edge - at(share);
  const steps = Math.round((to - from) * 10);
  const ticks = Array.from({ length: steps + 1 }, (_, step) => from + step / 10).filter((_, step) => steps <= 5 || step % 2 === 0).flatMap((share) => [
    svg("line", { x1: x(share), x2: x(share), y1: y(from), y2: y(to), class: "grid" }), svg("line", { x1: x(from), x2: x(to), y1: y(share), y2: y(share), class: "grid" }),
    svg("text", { x: x(share), y: y(from) + 16, "text-anchor": "middle" }, String(Math.round(100 * share))), svg("text", { x: x(from) - 6, y: y(share) + 4, "text-anchor": "end" }, String(Math.round(100 * share))),
  ]);
  const dots = lines.map((line) => {
    const name = `${line.subset}${line.family ? `, ${line.family}` : ""}: A ${percent(line.a)}, B ${percent(line.b)}${line.p === null ? "" : `, p ${shownP(line.p)} (Holm ${shownP(line.pHolm)})`}`;
    const side = line.p !== null && line.pHolm < SIGNIFICANT ? (line.difference > 0 ? "for-a" : "for-b") : "open";
    const dot = svg("circle", { cx: x(line.b), cy: y(line.a), r: 4.5, class: `dot ${side}`, tabindex: 0, role: "img", "aria-label": name }, svg("title", {}, name));
    dot.addEventListener("focus", () => { told.textContent = name; });
    dot.addEventListener("mouseenter", () => { told.textContent = name; });
    return dot;
  });
  const told = el("figcaption", { class: "soft" }, `${lines.some((line) => line.p !== null) ? "Filled: significant after Holm. " : ""}Point at a dot to read its name.`);
  return el("figure", { class: "scatter" }, svg(
    "svg", { viewBox: `0 0 ${size} ${size}`, role: "group", "aria-label": `${measureName(lines[0].metric)} of ${a} against ${b}` }, ...ticks,
    svg("line", { x1: x(from), y1: y(from), x2: x(to), y2: y(to), class: "diagonal" }), ...dots,
    svg("text", { x: (x(from) + x(to)) / 2, y: size - 6, "text-anchor": "middle", class: "name" }, `B: ${short(b)}`),
    svg("text", { x: 12, y: (y(from) + y(to)) / 2, "text-anchor": "middle", class: "name", transform: `rotate(-90 12 ${(y(from) + y(to)) / 2})` }, `A: ${short(a)}`),
  ), told);
}

function short(name) {
  return name.length > 40 ? `${name.slice(0, 38)}...` : name;
}

// The settings of a leaderboard that compare.py has to be told, as NAME=VALUE.
function departuresOf(board) {
  const implied = Object.entries(report.index.tasks[board.task].implied).filter(([flag]) => board.settings[flag] === true).map(([, values]) => values);
  const plain = Object.assign({ ...report.index.plain[board.task] }, ...implied);
  const departing = Object.entries({ ...board.settings, cross: board.cross }).filter(([name, value]) => Object.hasOwn(plain, name) && value !== plain[name]);
  return departing.map(([name, value]) => `${name}=${value}`);
}

// The commands that compute the interval and the tests of the mean, which need resamples of all items.
function compareCommands(board, a, b, line) {
  const known = report.index.tasks[board.task].paired;
  const metrics = [...new Set([line.metric, mainMetric(board.task, line.dataset)])].filter((name) => known.includes(name));
  if (!board.by_datasets || !metrics.length) return null; // columns are not data sets, or nothing pairs the items
  if (line.limited) return el("p", { class: "soft" }, "compare.py leaves out the records of --limit runs, so that the mean has no tests.");
  const made = metrics.map((metric) => compareCommand(board, a, b, metric === known[0] ? [] : ["--metric", metric]));
  return el("div", {}, el("p", { class: "soft" }, "The interval and the tests of the mean, over languages and items:"), ...made);
}

function compareCommand(board, a, b, metric) {
  const models = [a, b], settings = departuresOf(board);
  const k = board.k === null ? [] : ["--k", board.k];
  const flags = ["--task", board.task, ...metric, ...k, "--seed", board.seed, "--logs", report.index.logs];
  if (settings.length) flags.push("--setting", ...settings);
  const parts = models.some((name) => name.startsWith("-")) ? [...flags, "--", ...models] : [...models, ...flags];
  const text = ["python", "script/aggregate/compare.py", ...parts.map((part) => quoted(String(part)))].join(" ");
  return el("div", { class: "command" }, el("pre", {}, text), el("button", { type: "button", onclick: () => copy(text) }, "copy"));
}
