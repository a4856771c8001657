// The page as a whole: its header, and the view that the address names.
const VIEWS = { board: showBoard, cell: showCell, record: showRecord, items: showItems, compare: showCompare, layers: showLayers };
let drawn = 0;

async function render() {
  const mine = ++drawn;
  const { name } = readState();
  const held = document.activeElement?.id;
  const view = await viewOf(name);
  if (mine !== drawn) return; // another view was chosen meanwhile
  const main = document.getElementById("main");
  main.replaceChildren(view);
  document.body.dataset.view = name;
  for (const made of document.querySelectorAll("nav a")) made.toggleAttribute("aria-current", made.dataset.view === name);
  const field = held && document.getElementById(held);
  if (field) field.focus();
  else if (mine > 1) (main.querySelector("h2") ?? main).focus();
}

async function viewOf(name) {
  try {
    return await (own(VIEWS, name) ?? showBoard)(stateParams());
  } catch (error) {
    return missing(`This cannot be shown (${error}): the record is not as docs/logs.md describes it.`);
  }
}

function about() {
  const { logs, made, records, broken, without, args } = report.index;
  const files = broken.length === 1 ? "1 broken file" : `${broken.length} broken files`;
  const list = (summary, texts) => el("details", {}, el("summary", {}, summary), el("ul", {}, ...texts.map((text) => el("li", {}, text))));
  const left = without.map(({ task, dataset, count }) => `${task}, ${dataset}: the items of ${count} records; python script/report.py --task ${task} --dataset ${quoted(dataset)} --logs ${quoted(logs)}`);
  return el(
    "span", {}, `${records.length.toLocaleString("en")} records of ${logs}, ${made.replace("T", " ").replace("+00:00", " UTC")}${args.no_items ? "; without items" : ""}`,
    broken.length ? list(`${files} left out`, broken) : null,
    left.length ? list(`items left out: they exceed --max_mb ${args.max_mb}`, left) : null,
  );
}

async function start() {
  await openIndex();
  document.getElementById("title").textContent = document.title;
  document.getElementById("about").replaceChildren(about());
  const views = [["board", "leaderboard"], ["compare", "compare two models"], ...(layerViews().length ? [["layers", "layer by layer"]] : [])];
  document.getElementById("nav").append(...views.map(([name, label]) => link(name, {}, { "data-view": name }, label)));
  addEventListener("hashchange", render);
  await render();
  performance.mark("drawn"); // read by bench/load.py
}

start();
