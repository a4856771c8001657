// The labels and options that a prompt asks for, as the item names them.

// The options of a question, or the labels, as {key, letter, text, score}; `key` is what gold and prediction are compared by.
function optionsOf(record, prompts, item, texts) {
  const isChoice = answerKind(record) === "choice", { choices, permute } = record.body.run ?? {};
  const asked = prompts?.options?.[item] ?? prompts?.words;
  const labels = prompts?.labels ?? [], scores = prompts?.scores?.[item] ?? [];
  if (!isChoice) return labels.map((key, place) => ({ key, text: asked?.[place], score: scores[place] }));
  if (choices !== "letter") return (asked ?? texts?.[item] ?? []).map((text, place) => ({ key: labels[place], text, score: scores[place] }));
  const shown = prompts?.choices?.[item] ?? texts?.[item];
  if (prompts?.choices || !permute) return (asked ?? []).map((letter, place) => ({ key: labels[place], letter, text: shown?.[place], score: scores[place] }));
  const listed = listedLetters(prompts.prompts[item], asked ?? [], shown ?? []); // earlier versions' scores are in the order of the prompt
  if (!listed) return (asked ?? []).map((letter, place) => ({ key: null, letter, score: scores[place] }));
  return shown.map((text, place) => ({ key: labels[place], letter: listed[place], text, score: scores[asked.indexOf(listed[place])] }));
}

// The letter with which a prompt lists each of these texts last, null where one is not listed or two are equal.
function listedLetters(prompt, letters, texts) {
  const isAt = (letter, text) => `${prompt.slice(prompt.lastIndexOf(`\n${letter}. `) + 1)}\n`.startsWith(`${letter}. ${text}\n`);
  const found = texts.map((text) => letters.find((letter) => isAt(letter, text)));
  return found.length && found.every(Boolean) && new Set(found).size === letters.length ? found : null;
}

// A label with its word in the prompt, or the position of an option with its text.
function labelText(label, options) {
  const text = options.find(({ key }) => key === label)?.text;
  return text === undefined || text === null || text === label ? String(label) : `${label} (${text})`;
}

// A table of the options with bars of their scores, the most likely first; the bar of the least likely one is empty.
function optionTable({ options, gold, hyp }) {
  const scores = options.map(({ score }) => score).filter(Number.isFinite);
  const low = Math.min(...scores), high = Math.max(...scores);
  const share = (score) => (high > low ? Math.round((100 * (score - low)) / (high - low)) : 100);
  const rows = scores.length ? [...options].sort((a, b) => (b.score ?? -Infinity) - (a.score ?? -Infinity)) : options;
  return el("table", { class: "scores" }, el("tbody", {}, ...rows.map(({ key, letter, text, score }) => {
    const name = [letter, key === null ? null : labelText(key, options)].filter(Boolean).join(": ");
    const said = [key !== null && key === gold ? "gold" : null, key !== null && key === hyp && hyp !== gold ? "predicted" : null].filter(Boolean).join(", ");
    return el(
      "tr", { class: key !== null && key === gold ? "gold" : "" },
      el("th", { scope: "row", dir: "auto" }, name, said ? el("small", {}, ` ${said}`) : null),
      ...(scores.length ? [el("td", { class: "number" }, Number.isFinite(score) ? score.toFixed(3) : "-"), el("td", {}, el("span", { class: "bar", style: `--share: ${share(score)}%` }))] : []),
    );
  })));
}
