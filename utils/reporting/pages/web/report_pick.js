// The leaderboard that the address chooses, and the controls that change the choice.
const PREFERRED = { seed: "42", k: "1" };

function choicesOf(board) {
  return { ...Object.fromEntries(Object.entries(board.settings).map(([name, value]) => [name, String(value)])), seed: String(board.seed), k: String(board.k) };
}

// The leaderboard that fits the choices best: the last change counts most, then the address, then the plain settings.
function pickBoard(params) {
  const { boards, plain } = report.index;
  const view = boards.some((board) => board.view === params.view) ? params.view : boards[0].view;
  let left = boards.filter((board) => board.view === view);
  const names = Object.keys(choicesOf(left[0]));
  names.sort((a, b) => (a === params.last ? -1 : 0) - (b === params.last ? -1 : 0));
  for (const wanted of [params, { ...plain[left[0].task], ...PREFERRED }]) {
    for (const name of names) {
      const fitting = left.filter((board) => choicesOf(board)[name] === String(own(wanted, name)));
      if (fitting.length) left = fitting;
    }
  }
  return left[0];
}

// The parameters of the address that choose a leaderboard.
function boardParams(board) {
  const of_view = report.index.boards.filter((other) => other.view === board.view);
  const choices = choicesOf(board);
  const told = Object.entries(choices).filter(([name, value]) => of_view.some((other) => choicesOf(other)[name] !== value));
  return { view: board.view, ...Object.fromEntries(told) };
}

// The leaderboards that differ from this one in k only, itself included.
function otherKs(board) {
  const same = ({ k, ...rest }) => JSON.stringify(rest);
  const own = same(choicesOf(board));
  return report.index.boards.filter((other) => other.view === board.view && same(choicesOf(other)) === own);
}

function select(id, label, values, chosen, onchange) {
  const options = values.map(([value, shown]) => el("option", { value, selected: value === chosen }, shown ?? value));
  return el("label", {}, el("span", {}, label), el("select", { id, onchange: (event) => onchange(event.target.value) }, ...options));
}

function textField(id, label, value, oninput) {
  return el("label", {}, el("span", {}, label), el("input", { id, type: "search", value: value ?? "", size: 14, oninput: (event) => oninput(event.target.value) }));
}

// Controls for the task, for each setting with several values, k and seed.
function boardControls(board, params, page) {
  const { boards } = report.index;
  const views = [...new Set(boards.map((other) => other.view))];
  const of_view = boards.filter((other) => other.view === board.view);
  const choices = choicesOf(board);
  const change = (name) => (value) => go(page, { ...keptParams(stateParams()), ...boardParams(board), [name]: value, last: name });
  const made = [select("view", "task", views.map((view) => [view]), board.view, (view) => go(page, { view, metric: params.metric }))];
  for (const name of Object.keys(choices)) {
    const values = [...new Set(of_view.map((other) => choicesOf(other)[name]))].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
    if (values.length > 1) made.push(select(`set-${name}`, name, values.map((value) => [value, name === "src_lang" && value === "null" ? "the pivot" : value]), choices[name], change(name)));
  }
  const metrics = Object.keys(board.cells);
  made.push(select("metric", "metric", metrics.map((name) => [name, name === "main" ? "each data set's main one" : name]), params.metric ?? "main", (metric) => go(page, { ...stateParams(), metric })));
  return made;
}

function keptParams({ metric, q, sets, sort, a, b }) {
  return { metric, q, sets, sort, a, b };
}

// The settings that have one value in all records of the view, in words.
function settingWords(board) {
  const chosen = boardParams(board);
  return inWords(Object.entries(choicesOf(board)).filter(([name, value]) => !(name in chosen) && value !== "null" && value !== "false"));
}

// The description of a leaderboard, without k.
function boardWords(board) {
  const { view, k, ...chosen } = boardParams(board);
  return [view, inWords(Object.entries(chosen)), settingWords(board)].filter(Boolean).join(", ");
}

function inWords(settings) {
  return settings.map(([name, value]) => `${name} ${own({ true: "yes", false: "no", null: "none" }, value) ?? value}`).join(", ");
}
