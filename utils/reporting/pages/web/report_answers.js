// The free answers to an instruction, and what a judge says of each.

// Answers to an item as {seed, lang, text, judgement, second, translation, ofTranslation}; null where there are none.
function answersOf(prompts, item) {
  const texts = prompts?.answers?.[item];
  if (!Array.isArray(texts)) return null;
  const at = (name, place) => prompts[name]?.[item]?.[place];
  return texts.map((text, place) => ({
    text: String(text), seed: prompts.seeds?.[place], lang: at("answered_in", place), judgement: at("judgements", place),
    second: at("second_judgements", place), translation: at("translations", place), ofTranslation: at("translated_judgements", place),
    failure: prompts.failures?.[`${item} ${place}`],
  }));
}

function answersTable(answers) {
  const judged = answers.some((one) => one.judgement), translated = answers.some((one) => one.translation !== undefined);
  const heads = ["seed", "language", "answer", ...(judged ? ["judge"] : []), ...(translated ? ["in English", "judge"] : [])];
  const rows = answers.map((one) => el(
    "tr", {},
    el("td", { class: "number" }, String(one.seed ?? "")),
    el("td", {}, one.lang || "not told"),
    el("td", { dir: "auto" }, one.failure ? `missing: ${one.failure}` : el("pre", { class: "prompt" }, one.text || "(empty)")),
    judged ? el("td", { dir: "auto" }, judgementText(one.judgement), one.second ? el("div", { class: "soft" }, "second: ", judgementText(one.second)) : null) : null,
    translated ? el("td", {}, el("pre", { class: "prompt" }, String(one.translation ?? ""))) : null,
    translated ? el("td", { dir: "auto" }, judgementText(one.ofTranslation)) : null,
  ));
  return el("div", { class: "scroll" }, el("table", { class: "answers" }, el("thead", {}, el("tr", {}, ...heads.map((name) => el("th", { scope: "col" }, name)))), el("tbody", {}, ...rows)));
}

function judgementText(said) {
  if (!said) return "";
  const level = said.level === null || said.level === undefined ? "unread" : `level ${said.level}`;
  const how = said.held ? " (the most probable one: what it wrote cannot be read)" : said.again ? " (asked again)" : "";
  return `${level}${how}: ${said.reasoning ?? ""}`;
}
