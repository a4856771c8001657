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
  const filters = { wrong: params.wrong === "1", label: params.label ?? "", by: params.by ?? "", q: params.q ?? "", page: Number(params.page ?? 1), item: params.item };
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
  if (!hasItems(record)) return `The records of ${task} have figures of all items together, and none that are right or wrong or measured one by one.`;
  if (report.index.items[number]) return "The file of predictions cannot be read.";
  const left = without.find((one) => one.dataset === record.dataset && one.task === task);
  if (left) return `These items exceed --max_mb ${args.max_mb}. To see them: python script/report.py --task ${task} --dataset ${quoted(record.dataset)}, or a larger --max_mb.`;
  return "The record has no file of predictions.";
}

// Whether items of a record are shown one by one: those of layers and of judged pairs of sentences are not.
function hasItems(record) {
  const task = own(report.index.tasks, taskOf(record));
  return !task || !(task.by_layer || task.data === "sts");
}

function isIndexed(record) {
  return own(report.index.tasks, record.body.run?.task)?.indexed ?? false;
}

function taskOf(record) {
  return record.body.run?.task ?? report.index.boards.find((board) => board.records.flat().some((refs) => refs?.flat().includes(record.number)))?.task;
}

// Items as {item, gold, hyp, right, figures, options, neighbors, prompt, ...}; null where there are no predictions.
function itemList(record, { preds, prompts, neighbors }, side, texts) {
  const chosen = own(preds, side) ?? preds; // the first direction's are at the top level
  if (!Array.isArray(chosen?.gold) || !Array.isArray(chosen?.hyp) || !chosen.gold.length) return null;
  const near = sameSettings(record, neighbors) ? own(neighbors, side) ?? neighbors.forward : undefined;
  const { queries, candidates } = texts;
  const labels = ["label", "pair"].includes(answerKind(record)) ? texts.labels : undefined; // other items share no label
  const named = isIndexed(record) ? (index) => candidates?.[index] : () => undefined;
  const isGold = isIndexed(record)
    ? (index, gold) => index === gold || (candidates !== undefined && candidates[index] === candidates[gold])
    : (index, gold) => labels?.[index] === gold;
  const stored = (item) => (Array.isArray(near?.indices?.[item]) ? near.indices[item].filter((index) => index >= 0) : []);
  const figures = itemFigures(chosen), measure = itemMeasure(record, figures), written = isWritten(record);
  return chosen.gold.map((gold, item) => ({
    item, gold, hyp: chosen.hyp[item], right: rightness(record, chosen, figures, item), k: record.k, written, measure,
    figures: Object.fromEntries(Object.entries(figures).map(([name, values]) => [name, values[item]])),
    references: written ? [].concat(chosen.references?.[item] ?? gold) : [],
    options: written || isIndexed(record) ? [] : optionsOf(record, prompts, item, texts.choices), isChoice: answerKind(record) === "choice",
    neighbors: stored(item).slice(0, Math.max(record.k, SHOWN_NEIGHBORS)).map((index, rank) => ({ index, score: near.scores?.[item]?.[rank], isGold: isGold(index, gold) })),
    goldRank: isIndexed(record) || labels ? rankIn(record, stored(item), (index) => isGold(index, gold), gold === chosen.hyp[item]) : null,
    prompt: prompts?.prompts?.[item], demonstrations: prompts?.demonstrations?.[item], output: prompts?.outputs?.[item],
    failure: prompts?.failures?.[item], answers: answersOf(prompts, item),
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
// Of the passages that answer a question the predictions name one, which need not be the one that makes it right.
function rankIn(record, stored, isGold, right) {
  if (!stored.length) return null;
  const rank = stored.findIndex(isGold) + 1;
  const what = isIndexed(record) ? "" : "nearest text of its label: ";
  const other = own(report.index.tasks, taskOf(record))?.data === "retrieval" && right && !(rank && rank <= record.k);
  return what + (rank ? `${rank} of ${stored.length} stored neighbours` : `not among the ${stored.length} stored neighbours`)
    + (other ? `; another passage that answers is among the first ${record.k}` : "");
}

function itemControls(items, files, filters, redraw, params) {
  const made = [];
  const [{ measure, written }] = items;
  if (items.some((item) => item.right !== null)) {
    const wrong = el("input", { type: "checkbox", id: "wrong", checked: filters.wrong, onchange: (event) => redraw({ wrong: event.target.checked }) });
    made.push(el("label", { class: "box" }, wrong, written ? "only without an exact match" : "only wrong"));
  }
  if (files.preds.backward) made.push(select("side", "queries", [["forward", "sources"], ["backward", "targets"]], params.side ?? "forward", (side) => go("items", { ...stateParams(), side, page: null, item: null })));
  const labels = [...new Set(items.map((item) => item.gold))];
  if (!written && labels.length > 1 && labels.some((label) => typeof label === "string")) made.push(select("label", "gold", [["", "any label"], ...labels.sort().map((label) => [String(label)])], filters.label, (label) => redraw({ label })));
  if (measure) made.push(select("by", "order", [["", "of the data"], ["low", `lowest ${measureName(measure)} first`], ["high", `highest ${measureName(measure)} first`]], filters.by, (by) => redraw({ by })));
  made.push(textField("q", "search", filters.q, (q) => redraw({ q })));
  return made;
}

function fits(item, { wrong, label, q }) {
  if ((wrong && item.right) || (label && item.gold !== label)) return false;
  if (!q) return true;
  const where = [`#${item.item}`, item.gold, item.hyp, item.prompt, item.output, item.text, item.goldText, item.hypText, ...item.references, ...item.options.map(({ text }) => text), ...(item.answers ?? []).map((one) => one.text)];
  return where.some((text) => text !== undefined && text !== null && String(text).toLowerCase().includes(q.toLowerCase()));
}

// How many items there are, how many of them are right, and the mean of their figure.
function countText(fitting, items) {
  const [{ measure, written }] = items;
  const right = fitting.filter((item) => item.right).length;
  const values = fitting.map((item) => item.figures[measure]).filter(Number.isFinite);
  return [
    `${fitting.length} of ${items.length} items`,
    items.some((item) => item.right !== null) ? `${right} ${written ? "exact" : "right"}` : null,
    values.length ? `mean ${measureName(measure)}${measure === "chrf" ? " of single sentences" : ""} ${percent(mean(values))}` : null,
  ].filter(Boolean).join(", ");
}

function itemPage(items, filters, change) {
  const fitting = items.filter((item) => fits(item, filters));
  const ordered = filters.by && items[0].measure ? sortRows(fitting, { value: (item) => item.figures[item.measure] }, filters.by === "high") : fitting;
  const pages = Math.max(1, Math.ceil(fitting.length / PER_PAGE));
  const page = Math.min(Math.max(1, filters.page || 1), pages);
  const shown = ordered.slice((page - 1) * PER_PAGE, page * PER_PAGE);
  const step = (label, to) => el("button", { type: "button", disabled: to < 1 || to > pages, onclick: () => change({ page: to, item: null }) }, label);
  return [
    el("p", { class: "soft", id: "count" }, countText(fitting, items)),
    el("div", { class: "items" }, ...shown.map((item) => itemView(item, filters, change))),
    pages > 1 ? el("p", { class: "controls" }, step("previous", page - 1), `page ${page} of ${pages}`, step("next", page + 1)) : null,
  ].filter(Boolean);
}

// What a line says of an item: whether it is right or its figure, then its answer.
function verdict(item) {
  const value = item.measure ? item.figures[item.measure] : null;
  const figure = item.measure ? `${measureName(item.measure)} ${percent(value)} ` : null;
  const words = item.written ? ["exact ", "not exact "] : ["right ", "wrong "];
  const mark = item.right === null ? null : el("b", { class: item.right ? "good" : "bad" }, words[item.right ? 0 : 1]);
  return [mark, figure && (mark ? el("span", { class: "soft" }, figure) : el("b", {}, figure)), answerText(item)];
}

function answerText(item) {
  if (item.answers) return null; // each has its own language and judgement
  const said = item.hyp === null ? "(no label)" : item.written ? item.hyp || "(empty)" : labelText(item.hyp, item.options);
  if (item.right === null) return said;
  const gold = item.written ? item.references.join(" / ") : labelText(item.gold, item.options);
  return item.right && !item.written ? gold : item.right ? said : `gold ${gold}, predicted ${said}`;
}

function itemView(item, filters, change) {
  const open = String(item.item) === filters.item;
  const text = item.text ?? (item.answers ? item.prompt : null);
  const head = el(
    "summary", {},
    el("span", { class: "soft" }, `#${item.item} `), ...verdict(item),
    text ? el("span", { class: "text" }, ...text.split("\n").map((field) => el("span", { class: "field", dir: "auto" }, field))) : null,
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
  const scored = item.options.some(({ score }) => score !== undefined);
  return el(
    "div", { class: "details" },
    item.goldText !== undefined ? line("gold", item.goldText) : null,
    item.goldRank ? line("gold's rank", item.goldRank) : null,
    item.hypText !== undefined && !item.right ? line("predicted", item.hypText) : null,
    item.written ? line(item.references.length > 1 ? "references" : "reference", ...item.references.map((text) => el("div", { dir: "auto" }, text))) : null,
    item.written ? line("answer", item.hyp || "(empty)") : null,
    Object.keys(item.figures).length ? line("figures", figuresText(item.figures)) : null,
    item.options.length && (scored || item.isChoice) ? line(scored ? "scores" : "options", optionTable(item)) : null,
    item.prompt !== undefined && item.prompt !== null ? line("prompt", el("pre", { class: "prompt" }, item.prompt)) : null,
    item.demonstrations ? line("demonstrations", demonstrationList(item)) : null,
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
  if (own(report.index.tasks, taskOf(record))?.data === "chat") return {}; // the prompts have the instructions
  const { split = "test", legacy, train_lang: train, source, answer_kind: kind } = record.body.run ?? {};
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
  const lang = train || record.subset;
  const apart = `${kind && lang !== record.subset ? ` without ${record.subset}` : ""}${kind && split !== "test" ? ` beside ${split}` : ""}`;
  const [test, training] = [await read(key(record.subset, split)), await read(key(lang, `train${apart}`))];
  return {
    queries: test?.texts, choices: test?.choices, labels: training?.labels, why: why(),
    candidates: training?.texts.map((text, index) => `${text} (${training.labels[index]})`),
  };
}
