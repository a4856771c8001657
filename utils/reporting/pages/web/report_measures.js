// What the items of a record are measured by: right or wrong, or figures of written answers, of questions, of free answers.
const MEASURE_NAMES = { acc: "accuracy", em: "exact match", f1: "F1", hit: "hit rate", chrf: "chrF++", bleu: "BLEU", spbleu: "spBLEU", comet: "COMET" };
const WRITTEN = ["span", "text"]; // kinds of answers that are texts, not labels

function measureName(name) {
  return own(MEASURE_NAMES, name) ?? name;
}

function answerKind(record) {
  return record.body.run?.answer_kind ?? "label";
}

function isWritten(record) {
  return WRITTEN.includes(answerKind(record));
}

// The chrF++ of a sentence from its counts; the method is that of utils/evaluation/translation.py.
function chrfOf(counts) {
  let precision = 0, recall = 0, orders = 0;
  for (let place = 0; place < counts.length; place += 3) {
    const [ofAnswer, ofReference, shared] = counts.slice(place, place + 3);
    if (!ofAnswer || !ofReference) continue;
    precision += shared / ofAnswer;
    recall += shared / ofReference;
    orders++;
  }
  return precision ? (5 * precision * recall) / (4 * precision + recall) / orders : 0;
}

// The figures of each item by their names, those of F1 and exact match of an answer in a text among them.
function itemFigures({ values, statistics }) {
  const found = Object.entries(values ?? {}).filter(([, figures]) => Array.isArray(figures));
  const chrf = own(statistics, "chrf");
  if (Array.isArray(chrf)) found.push(["chrf", chrf.map(chrfOf)]); // BLEU is no measure of a single sentence
  return Object.fromEntries(found);
}

// The name of the figure that stands for an item where it is neither right nor wrong, or not only; null without one.
function itemMeasure(record, figures) {
  if (!isWritten(record) && own(report.index.tasks, taskOf(record))?.data !== "chat") return null;
  const main = mainMetric(taskOf(record), record.dataset);
  return [main, "chrf", "f1", ...Object.keys(figures)].find((name) => Object.hasOwn(figures, name)) ?? null;
}

// Whether an item is right, null where it is neither right nor wrong; as is_right in utils/records/reader.py.
function rightness(record, chosen, figures, item) {
  if (figures.em) return figures.em[item] === 1;
  if (chosen.statistics || figures.f1 || own(report.index.tasks, taskOf(record))?.data === "chat") return null;
  return chosen.gold[item] === chosen.hyp[item];
}

function figuresText(figures) {
  return Object.entries(figures).map(([name, value]) => `${measureName(name)} ${percent(value)}`).join(", ");
}
