// The items of a record: gold, prediction, prompt and neighbours.
const PER_PAGE = 50;
const SHOWN_NEIGHBORS = 10;

async function showItems(params) {
  const number = numberOf(params.path);
  if (number === undefined) return missing(`No record ${params.path ?? ""} in this page.`);
  const record = await recordOf(number);
  const files = await itemsOf(number);
  const side = params.side ?? (record.body.run?.direction === "backward" ? "backward" : "forward");
  const texts = await textsOf(record, side);
  const items = itemList(record, files, side, texts);
  const head = [
    el("h2", { tabindex: "-1" }, `Items of ${record.dataset} ${record.subset}, k ${record.k}: ${record.model}`),
    el("p", {}, link("record", { path: record.path }, {}, record.path)),
  ];
  if (!items) return el("section", {}, ...head, el("p", {}, whyNone(number, record)));
  const place = el("div");
  const filters = { wrong: params.wrong === "1", label: params.label ?? "", q: params.q ?? "", page: Number(params.page ?? 1), item: params.item };
  const draw = () => place.replaceChildren(...itemPage(items, filters, (changes) => { Object.assign(filters, changes); keep(changes); draw(); }));
  const redraw = (changes) => { Object.assign(filters, changes, { page: 1, item: null }); keep({ ...changes, page: null, item: null }); draw(); };
  draw();
  const why = texts.why ? el("p", { class: "soft", id: "no-texts" }, `The texts are not shown: ${texts.why}.`) : null;
  return el("section", {}, ...head, ...(why ? [why] : []), el("div", { class: "controls" }, ...itemControls(items, files, filters, redraw, params)), place);
}

function whyNone(number, record) {
  const { args, without } = report.index;
  const task = taskOf(record);
  if (args.no_items) return "The page was written with --no_items: write it again without this flag.";
  if (report.index.items[number]) return "The file of predictions cannot be read.";
  const left = without.find((one) => one.dataset === record.dataset && one.task === task);
  if (left) return `These items exceed --max_mb ${args.max_mb}. To see them: python script/report.py --task ${task} --dataset ${quoted(record.dataset)}, or a larger --max_mb.`;
  return "The record has no file of predictions.";
}

function isIndexed(record) {
  return own(report.index.tasks, record.body.run?.task)?.indexed ?? false;
}

function taskOf(record) {
  return record.body.run?.task ?? report.index.boards.find((board) => board.records.flat().some((refs) => refs?.flat().includes(record.number)))?.task;
}

// Items as {item, gold, hyp, right, neighbors, prompt, ...}; null where there are no predictions.
function itemList(record, { preds, prompts, neighbors }, side, { queries, candidates, labels }) {
  const chosen = own(preds, side) ?? preds; // the first direction's are at the top level
  if (!Array.isArray(chosen?.gold) || !Array.isArray(chosen?.hyp)) return null;
  const near = sameSettings(record, neighbors) ? own(neighbors, side) ?? neighbors.forward : undefined;
  const named = isIndexed(record) ? (index) => candidates?.[index] : () => undefined;
  const isGold = isIndexed(record)
    ? (index, gold) => index === gold || (candidates !== undefined && candidates[index] === candidates[gold])
    : (index, gold) => labels?.[index] === gold;
  const stored = (item) => (Array.isArray(near?.indices?.[item]) ? near.indices[item].filter((index) => index >= 0) : []);
  return chosen.gold.map((gold, item) => ({
    item, gold, hyp: chosen.hyp[item], right: chosen.values?.em ? chosen.values.em[item] === 1 : gold === chosen.hyp[item], k: record.k,
    neighbors: stored(item).slice(0, Math.max(record.k, SHOWN_NEIGHBORS)).map((index, rank) => ({ index, score: near.scores?.[item]?.[rank], isGold: isGold(index, gold) })),
    goldRank: isIndexed(record) || labels ? rankIn(stored(item), (index) => isGold(index, gold), isIndexed(record)) : null,
    prompt: prompts?.prompts?.[item], demonstrations: prompts?.demonstrations?.[item], output: prompts?.outputs?.[item],
    failure: prompts?.failures?.[item], scores: prompts?.scores?.[item], labels: prompts?.labels,
    answers: answersOf(prompts, item),
    text: queries?.[item], candidates, goldText: named(gold), hypText: named(chosen.hyp[item]),
  }));
}

// Whether the file of neighbours belongs to the record; those of earlier versions do not say what they belong to.
function sameSettings(record, neighbors) {
  const same = (found, expected) => {
    if (expected === null || typeof expected !== "object") return (found ?? null) === expected;
    if (found === null || typeof found !== "object" || (Array.isArray(expected) && found.length !== expected.length)) return false;
    return Object.keys(expected).every((key) => same(own(found, key), expected[key]));
  };
  return neighbors !== undefined && neighbors !== null && same(record.body.run ?? {}, neighbors.of ?? {});
}

// Where the gold candidate, or the first one of the gold label, is among the stored neighbours; null where none is stored.
function rankIn(stored, isGold, ofPair) {
  if (!stored.length) return null;
  const rank = stored.findIndex(isGold) + 1;
  const what = ofPair ? "" : "nearest text of its label: ";
  return what + (rank ? `${rank} of ${stored.length} stored neighbours` : `not among the ${stored.length} stored neighbours`);
}

function itemControls(items, files, filters, redraw, params) {
  const wrong = el("input", { type: "checkbox", id: "wrong", checked: filters.wrong, onchange: (event) => redraw({ wrong: event.target.checked }) });
  const made = [el("label", { class: "box" }, wrong, "only wrong")];
  if (files.preds.backward) made.push(select("side", "queries", [["forward", "sources"], ["backward", "targets"]], params.side ?? "forward", (side) => go("items", { ...stateParams(), side, page: null, item: null })));
  const labels = [...new Set(items.map((item) => item.gold))];
  const written = files.preds.values?.em || files.preds.statistics; // answers that are texts, not labels
  if (!written && labels.some((label) => typeof label === "string")) made.push(select("label", "gold", [["", "any label"], ...labels.sort().map((label) => [String(label)])], filters.label, (label) => redraw({ label })));
  made.push(textField("q", "search", filters.q, (q) => redraw({ q })));
  return made;
}

function fits(item, { wrong, label, q }) {
  if ((wrong && item.right) || (label && item.gold !== label)) return false;
  if (!q) return true;
  const where = [`#${item.item}`, item.gold, item.hyp, item.prompt, item.output, item.text, item.goldText, item.hypText, ...(item.answers ?? []).map((one) => one.text)];
  return where.some((text) => text !== undefined && text !== null && String(text).toLowerCase().includes(q.toLowerCase()));
}

function itemPage(items, filters, change) {
  const fitting = items.filter((item) => fits(item, filters));
  const pages = Math.max(1, Math.ceil(fitting.length / PER_PAGE));
  const page = Math.min(Math.max(1, filters.page || 1), pages);
  const shown = fitting.slice((page - 1) * PER_PAGE, page * PER_PAGE);
  const right = fitting.filter((item) => item.right).length;
  const step = (label, to) => el("button", { type: "button", disabled: to < 1 || to > pages, onclick: () => change({ page: to, item: null }) }, label);
  return [
    el("p", { class: "soft", id: "count" }, `${fitting.length} of ${items.length} items, ${right} right`),
    el("div", { class: "items" }, ...shown.map((item) => itemView(item, filters, change))),
    pages > 1 ? el("p", { class: "controls" }, step("previous", page - 1), `page ${page} of ${pages}`, step("next", page + 1)) : null,
  ].filter(Boolean);
}

function itemView(item, filters, change) {
  const open = String(item.item) === filters.item;
  const said = item.hyp === null ? "(no label)" : String(item.hyp);
  const head = el(
    "summary", {},
    el("span", { class: "soft" }, `#${item.item} `),
    el("b", { class: item.right ? "good" : "bad" }, item.right ? "right " : "wrong "),
    item.right ? `${item.gold}` : `gold ${item.gold}, predicted ${said}`,
    item.text ? el("span", { class: "text", dir: "auto" }, item.text) : null,
  );
  const view = el("details", { open, class: "item", "data-item": item.item }, head);
  const fill = () => view.childElementCount === 1 && view.append(itemDetails(item));
  if (open) fill();
  view.addEventListener("toggle", () => {
    if (view.open) fill();
    if (view.open !== (String(item.item) === filters.item)) keep({ item: view.open ? String(item.item) : null });
  });
  return view;
}

function itemDetails(item) {
  const line = (name, ...shown) => el("div", { class: "line" }, el("span", { class: "soft" }, name), el("div", { dir: "auto" }, ...shown));
  return el(
    "div", { class: "details" },
    item.goldText !== undefined ? line("gold", item.goldText) : null,
    item.goldRank ? line("gold's rank", item.goldRank) : null,
    item.hypText !== undefined && !item.right ? line("predicted", item.hypText) : null,
    item.prompt !== undefined && item.prompt !== null ? line("prompt", el("pre", { class: "prompt" }, item.prompt)) : null,
    item.demonstrations ? line("demonstrations", demonstrationList(item)) : null,
    item.scores && item.labels ? line("scores", scoreBars(item)) : null,
    item.output !== undefined && item.output !== null ? line("output", el("pre", { class: "prompt" }, String(item.output))) : null,
    item.answers ? line("answers", answersTable(item.answers)) : null,
    item.failure ? line("failure", String(item.failure)) : null,
    item.neighbors.length ? line("neighbours", neighborTable(item)) : null,
  );
}

function demonstrationList({ demonstrations, candidates }) {
  if (!demonstrations.length) return "none";
  return el("ol", {}, ...demonstrations.map((index) => el("li", { dir: "auto" }, `training text #${index}${candidates?.[index] ? `: ${candidates[index]}` : ""}`)));
}

// Bars of the labels' scores; that of the least likely label is empty.
function scoreBars(item) {
  const low = Math.min(...item.scores), high = Math.max(...item.scores);
  const rows = item.labels.map((label, place) => ({ label, score: item.scores[place] })).sort((a, b) => b.score - a.score);
  return el("table", { class: "scores" }, el("tbody", {}, ...rows.map(({ label, score }) => el(
    "tr", { class: label === item.gold ? "gold" : "" },
    el("th", { scope: "row" }, label, label === item.gold ? el("small", {}, " gold") : null),
    el("td", { class: "number" }, score.toFixed(3)),
    el("td", {}, el("span", { class: "bar", style: `--share: ${high > low ? Math.round((100 * (score - low)) / (high - low)) : 100}%` })),
  ))));
}

function neighborTable(item) {
  const rows = item.neighbors.map(({ index, score, isGold }, rank) => el(
    "tr", { class: [isGold ? "gold" : "", rank < Math.max(item.k, 1) ? "" : "beyond"].join(" ").trim() },
    el("td", { class: "number" }, String(rank + 1)), el("td", { class: "number" }, `#${index}`),
    el("td", { class: "number" }, typeof score === "number" ? score.toFixed(4) : "-"),
    el("td", { dir: "auto" }, item.candidates?.[index] ?? (isGold ? "gold" : "")),
  ));
  return el("table", { class: "near" }, el("tbody", {}, ...rows));
}

// The texts of a record's items, where the page has them: queries, and candidates or training texts.
async function textsOf(record, side) {
  const { split = "test", legacy, train_lang: train, source } = record.body.run ?? {};
  const whys = new Set();
  const read = async (key) => {
    const ref = own(report.index.texts, key);
    if (!ref) whys.add(own(report.index.no_texts, key) ?? "");
    return ref ? JSON.parse(await textAt(ref)) : null;
  };
  const why = () => [...whys].filter(Boolean).join("; ");
  if (isIndexed(record)) {
    const { task, pool, pool_langs: langs } = record.body.run ?? {};
    const key = `${own(report.index.tasks, task)?.data} ${record.dataset} ${record.subset}`;
    const pair = await read(pool ? `${key} ${pool} ${langs ?? ""}`.trim() : key);
    if (!pair) return { why: why() };
    const [queries, candidates] = side === "backward" ? [pair.targets, pair.sources] : [pair.sources, pair.targets];
    return { queries, candidates };
  }
  const more = `${legacy ? " legacy" : ""}${source?.kind === "local" ? ` seed ${record.seed}` : ""}`;
  const key = (lang, part) => `labelled ${record.dataset} ${lang} ${part}${more}`;
  const [test, training] = [await read(key(record.subset, split)), await read(key(train || record.subset, "train"))];
  return {
    queries: test?.texts, labels: training?.labels, why: why(),
    candidates: training?.texts.map((text, index) => `${text} (${training.labels[index]})`),
  };
}
