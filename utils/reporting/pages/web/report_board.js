// The leaderboard: models by data sets, with the figures of script/aggregate.
function showBoard(params) {
  const board = pickBoard(params);
  const place = el("div");
  const filters = { q: params.q ?? "", sets: params.sets ?? "" };
  const redraw = (name) => (value) => {
    filters[name] = value;
    keep({ [name]: value });
    place.replaceChildren(boardTable(board, stateParams(), filters)); // keeps the present order
  };
  const controls = boardControls(board, params, "board");
  controls.push(textField("q", "models with", filters.q, redraw("q")), textField("sets", "data sets with", filters.sets, redraw("sets")));
  place.append(boardTable(board, params, filters));
  const words = settingWords(board);
  return el(
    "section", {},
    el("div", { class: "controls" }, ...controls),
    el(
      "p", { class: "soft" },
      `Percentages${words ? `; ${words}` : ""}. A figure links to its languages; (n/N): only n of the data set's N subsets are logged, so means over data sets leave it out. `, link("compare", boardParams(board), {}, "Compare two of these models."),
    ),
    place,
  );
}

function boardTable(board, params, filters) {
  const metric = Object.hasOwn(board.cells, params.metric) ? params.metric : "main";
  const cells = board.cells[metric];
  const wanted = filters.sets.toLowerCase().split(/[\s,]+/).filter(Boolean);
  const means = new Set([...Object.keys(board.groups), "avg"]);
  const shown = board.columns.map((name, place) => ({ name, place })).filter(({ name }) => !wanted.length || wanted.some((part) => name.toLowerCase().includes(part)));
  const rows = board.rows.map((model, place) => ({ model, cells: cells[place], records: board.records[place] }));
  const parts = filters.q.toLowerCase().split(/\s+/).filter(Boolean);
  const fitting = rows.filter((row) => parts.every((part) => row.model.toLowerCase().includes(part)));
  const best = Object.fromEntries(shown.map(({ name, place }) => [name, percent(Math.max(...rows.map((row) => (complete(row.cells[place]) ? row.cells[place][0] : -1))))])); // compared as shown, so that equal figures are all marked
  const columns = [
    { name: "model", value: (row) => row.model, cell: (row) => modelCell(row, board, params) },
    ...shown.map(({ name, place }) => ({
      name, number: true, title: means.has(name) ? meaning(board, name) : null,
      value: (row) => row.cells[place]?.[0] ?? null,
      text: (row) => cellText(row.cells[place]),
      cell: (row) => boardCell(row, place, name, { board, params, means, best: best[name] }),
    })),
  ];
  return sortableTable({ columns, rows: fitting, sort: params.sort, file: `${board.view}-${metric}`, caption: `${board.view}, ${metric === "main" ? `each data set's main metric${mainWords(board, shown)}` : metric}` });
}

// The main metric of the data sets shown, and of which ones each is where they differ.
function mainWords(board, shown) {
  const sets = new Map();
  for (const { name } of shown.filter(({ name }) => own(own(report.index.main, board.task), name))) {
    const metric = measureName(mainMetric(board.task, name));
    sets.set(metric, [...(sets.get(metric) ?? []), name]);
  }
  if (sets.size === 1) return `: ${[...sets.keys()][0]}`;
  return sets.size ? `: ${[...sets].map(([metric, names]) => `${metric} of ${names.join(", ")}`).join("; ")}` : "";
}

function complete(cell) {
  return cell && cell[1] === cell[2];
}

function meaning(board, name) {
  return `mean of ${(own(board.groups, name) ?? Object.keys(board.groups)).join(", ")}`;
}

function cellText(cell) {
  if (!cell) return "-";
  return percent(cell[0]) + (cell[1] === cell[2] ? "" : ` (${cell[1]}/${cell[2]})`);
}

function modelCell(row, board, params) {
  const sets = board.columns.filter((_, place) => row.records[place]);
  return link("cell", { ...boardParams(board), metric: params.metric, dataset: sets, model: row.model }, { class: "quiet" }, row.model);
}

// A figure links to the records of its mean; a mean over data sets to the records of its data sets.
function boardCell(row, place, name, { board, params, means, best }) {
  const cell = row.cells[place];
  const numbers = row.records[place];
  const partly = !cell ? ` (other subsets: ${numbers?.[1].length})` : cell[1] === cell[2] ? null : ` (${cell[1]}/${cell[2]})`;
  if (!cell && !numbers) return "-";
  const members = means.has(name) ? (own(board.groups, name) ?? Object.values(board.groups).flat()) : [name];
  const to = { ...boardParams(board), metric: params.metric, dataset: members, model: row.model };
  const made = link("cell", to, { class: complete(cell) && percent(cell[0]) === best ? "best" : "" }, cell ? percent(cell[0]) : "-");
  return partly ? el("span", {}, made, el("small", { class: "soft" }, partly)) : made;
}
