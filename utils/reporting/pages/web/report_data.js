// The data of the page: an index, and records and items in parts that are unpacked on demand.
const KEPT = 12; // unpacked parts kept in memory
const report = { index: null, numbers: new Map(), parts: new Map() };

async function openIndex() {
  const index = await pageData();
  report.index = index;
  index.records.forEach((row, number) => report.numbers.set(`${index.folders[row[4]]}/${row[5]}`, number));
}

// The entry of a record in the index.
function infoOf(number) {
  const { records, places, models, folders } = report.index;
  const [place, model, k, seed, folder, file] = records[number];
  const [dataset, subset, lang, family, script] = places[place];
  return { number, dataset, subset, lang, family, script, model: models[model], k, seed, path: `${folders[folder]}/${file}` };
}

function numberOf(path) {
  return report.numbers.get(path);
}

async function textAt([part, place]) {
  if (!report.parts.has(part)) {
    report.parts.set(part, pagePart(part).then((text) => text.split("\x1e")));
    for (const old of [...report.parts.keys()].slice(0, -KEPT)) report.parts.delete(old);
  }
  return (await report.parts.get(part))[place];
}

// A record: the content of its file, and how its items are paired with those of others where the page has predictions.
async function recordOf(number) {
  const text = await textAt(report.index.records[number].slice(6, 8));
  const [body, paired] = text.split("\x1f");
  return { ...infoOf(number), body: JSON.parse(body), paired: paired ? JSON.parse(paired) : null };
}

// The files of a record's items (preds, prompts, neighbors) in the page; null for a file that cannot be parsed.
async function itemsOf(number) {
  const found = {};
  for (const [kind, ref] of Object.entries(report.index.items[number] ?? {})) {
    try {
      found[kind] = JSON.parse(await textAt(ref));
    } catch {
      found[kind] = null;
    }
  }
  return found;
}

// The metrics of a record, in the order of its file.
function metricsOf(body) {
  return Object.entries(body).filter(([name, value]) => typeof value === "number" && !report.index.counts.includes(name));
}

function mainMetric(task, dataset) {
  return own(own(report.index.main, task), dataset) ?? "acc";
}

function metricName(params, task, dataset) {
  const name = params.metric ?? "main";
  return name === "main" ? mainMetric(task, dataset) : name;
}

// The figure of one metric with its interval, null where the record has none.
function figureOf(record, metric) {
  const value = own(record.body, metric);
  if (typeof value !== "number") return null;
  const pair = own(record.body.ci95, metric);
  return { value, low: pair?.[0] ?? null, high: pair?.[1] ?? null };
}
