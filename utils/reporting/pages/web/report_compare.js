// The comparison of two rows of a leaderboard, item by item, with paired tests.
const SIGNIFICANT = 0.05;

async function showCompare(params) {
  const board = pickBoard(params);
  const a = board.rows.includes(params.a) ? params.a : board.rows[0];
  const b = board.rows.includes(params.b) ? params.b : board.rows.find((row) => row !== a) ?? a;
  const change = (changes) => go("compare", { ...stateParams(), ...boardParams(board), a, b, ...changes });
  const models = board.rows.map((row) => [row]);
  const controls = [
    ...boardControls(board, params, "compare").slice(0, -1), // the metric is accuracy
    select("a", "A", models, a, (value) => change({ a: value })),
    select("b", "B", models, b, (value) => change({ b: value })),
    el("button", { type: "button", onclick: () => change({ a: b, b: a }) }, "swap"),
  ];
  const head = [el("h2", { tabindex: "-1" }, "Two models on the same items"), el("div", { class: "controls" }, ...controls)];
  if (a === b) return el("section", {}, ...head, el("p", {}, "This leaderboard has only one model: choose another task or setting."));
  const { lines, notes } = await comparedLines(board, a, b);
  const said = notes.map((note) => el("p", { class: "note" }, note));
  if (!lines.length) return el("section", {}, ...head, ...said, el("p", {}, "No subset can be compared."));
  return el("section", {}, ...head, ...said, ...comparison(board, lines, a, b, params));
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
    if (why) notes.push(`${line.column} ${line.subset}: ${why}`);
    else lines.push(testedLine(line));
  }
  ["A", "B"].forEach((name, side) => alone[side] && notes.push(`Only ${name} has ${alone[side]} further subsets.`));
  holm(lines.map((line) => line.p)).forEach((p, place) => { lines[place].pHolm = p; });
  return { lines, notes: notes.length > 6 ? [...notes.slice(0, 5), `... and ${notes.length - 5} more`] : notes };
}

function order(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}

// Why two records cannot be compared, null where they can.
function unlike(one, other) {
  if (!one.right || !other.right) return report.index.args.no_items ? "the page was written with --no_items" : "the records have no predictions";
  if (one.right.gold !== other.right.gold || one.right.n !== other.right.n) return "A and B were run on different data or pools";
  const sources = [one, other].map((record) => JSON.stringify(record.body.run?.source));
  if (sources[0] && sources[1] && sources[0] !== sources[1]) return "A and B are from different sources";
  const counts = pairedCounts(one.right, other.right);
  const logged = [one, other].map((record) => record.body.acc);
  const told = [counts.both + counts.onlyA, counts.both + counts.onlyB].map((hits) => hits / one.right.n);
  const wrong = logged.some((acc, side) => typeof acc === "number" && Math.abs(acc - told[side]) > 1e-6);
  return wrong ? "the predictions of a record do not give its figure" : null;
}

function testedLine({ column, subset, one, other }) {
  const counts = pairedCounts(one.right, other.right);
  const n = one.right.n;
  const [low, high] = pairedInterval(counts);
  return {
    dataset: column, subset, n, a: (counts.both + counts.onlyA) / n, b: (counts.both + counts.onlyB) / n,
    difference: (counts.both + counts.onlyA) / n - (counts.both + counts.onlyB) / n, low, high, p: mcnemar(counts.onlyA, counts.onlyB),
    odds: (counts.onlyA + 0.5) / (counts.onlyB + 0.5), smallest: smallestDifference(n, (counts.onlyA + counts.onlyB) / n),
    pathA: one.path, pathB: other.path, lang: one.lang, family: one.family,
  };
}

function comparison(board, lines, a, b, params) {
  const count = (test) => lines.filter(test).length;
  const sure = (line) => line.pHolm < SIGNIFICANT;
  const wins = `A wins ${count((line) => line.difference > 0)} (${count((line) => line.difference > 0 && sure(line))} significant), `
    + `ties ${count((line) => line.difference === 0)}, loses ${count((line) => line.difference < 0)} (${count((line) => line.difference < 0 && sure(line))} significant).`;
  const middle = mean(lines.map((line) => line.difference));
  return [
    el("p", { id: "wins" }, wins, " ", `Mean difference ${signed(middle)} (A ${percent(mean(lines.map((line) => line.a)))}, B ${percent(mean(lines.map((line) => line.b)))}).`),
    el("div", { class: "sides" }, scatter(lines, a, b), el("div", {}, compareTable(lines, params, a, b), compareCommand(board, a, b))),
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
  const reach = Math.max(...lines.flatMap((line) => [Math.abs(line.low), Math.abs(line.high)]), 0.01);
  const several = new Set(lines.map((line) => line.dataset)).size > 1;
  const columns = [
    { name: "subset", value: (row) => (several ? `${row.dataset} ${row.subset}` : row.subset) },
    { name: "n", number: true, value: (row) => row.n },
    number("A", (row) => row.a, percent, { cell: (row) => link("record", { path: row.pathA }, {}, percent(row.a)), title: a }),
    number("B", (row) => row.b, percent, { cell: (row) => link("record", { path: row.pathB }, {}, percent(row.b)), title: b }),
    number("A - B", (row) => row.difference, signed, { cell: (row) => el("b", { class: row.pHolm < SIGNIFICANT ? (row.difference > 0 ? "good" : "bad") : "" }, signed(row.difference)) }),
    {
      name: "95 % interval", number: true, value: (row) => row.low, text: (row) => `[${signed(row.low)}, ${signed(row.high)}]`,
      cell: (row) => el("span", { class: "figure" }, `[${signed(row.low)}, ${signed(row.high)}]`, intervalBar({ ...row, value: row.difference }, -reach, reach)),
    },
    number("p", (row) => row.p, shownP),
    number("p (Holm)", (row) => row.pHolm, shownP),
    number("odds ratio", (row) => row.odds, (value) => value.toFixed(2)),
    number("detectable", (row) => row.smallest, (value) => (value === null ? "-" : percent(value))),
  ];
  return sortableTable({ columns, rows: lines, sort: params.sort, file: "comparison", caption: "accuracy in %, McNemar's exact p" });
}

// A scatter plot of A against B: one dot per subset; on the diagonal they are equal.
function scatter(lines, a, b) {
  const size = 340, edge = 44;
  const values = lines.flatMap((line) => [line.a, line.b]);
  const from = Math.max(0, Math.floor(Math.min(...values) * 10) / 10), to = Math.min(1, Math.max(Math.ceil(Math.max(...values) * 10) / 10, from + 0.1));
  const at = (share) => ((share - from) / (to - from)) * (size - edge - 12);
  const x = (share) => edge + at(share), y = (share) => size - edge - at(share);
  const steps = Math.round((to - from) * 10);
  const ticks = Array.from({ length: steps + 1 }, (_, step) => from + step / 10).filter((_, step) => steps <= 5 || step % 2 === 0).flatMap((share) => [
    svg("line", { x1: x(share), x2: x(share), y1: y(from), y2: y(to), class: "grid" }), svg("line", { x1: x(from), x2: x(to), y1: y(share), y2: y(share), class: "grid" }),
    svg("text", { x: x(share), y: y(from) + 16, "text-anchor": "middle" }, String(Math.round(100 * share))), svg("text", { x: x(from) - 6, y: y(share) + 4, "text-anchor": "end" }, String(Math.round(100 * share))),
  ]);
  const dots = lines.map((line) => {
    const name = `${line.subset}${line.family ? `, ${line.family}` : ""}: A ${percent(line.a)}, B ${percent(line.b)}, p ${shownP(line.p)} (Holm ${shownP(line.pHolm)})`;
    const side = line.pHolm < SIGNIFICANT ? (line.difference > 0 ? "for-a" : "for-b") : "open";
    const dot = svg("circle", { cx: x(line.b), cy: y(line.a), r: 4.5, class: `dot ${side}`, tabindex: 0, role: "img", "aria-label": name }, svg("title", {}, name));
    dot.addEventListener("focus", () => { told.textContent = name; });
    dot.addEventListener("mouseenter", () => { told.textContent = name; });
    return dot;
  });
  const told = el("figcaption", { class: "soft" }, "Filled: significant after Holm. Point at a dot to read its name.");
  return el("figure", { class: "scatter" }, svg(
    "svg", { viewBox: `0 0 ${size} ${size}`, role: "group", "aria-label": `accuracy of ${a} against ${b}` }, ...ticks,
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

// The command that computes the interval and the tests of the mean, which need resamples of all items.
function compareCommand(board, a, b) {
  if (!board.by_datasets) return null; // columns are not data sets
  const models = [a, b], settings = departuresOf(board);
  const k = board.k === null ? [] : ["--k", board.k];
  const flags = ["--task", board.task, ...k, "--seed", board.seed, "--logs", report.index.logs];
  if (settings.length) flags.push("--setting", ...settings);
  const parts = models.some((name) => name.startsWith("-")) ? [...flags, "--", ...models] : [...models, ...flags];
  const text = ["python", "script/aggregate/compare.py", ...parts.map((part) => quoted(String(part)))].join(" ");
  return el("div", {}, el("p", { class: "soft" }, "The interval and the tests of the mean, over languages and items:"), el("div", { class: "command" }, el("pre", { id: "command" }, text), el("button", { type: "button", onclick: () => copy(text) }, "copy")));
}
