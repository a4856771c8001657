const LONG = 32; // characters of a column's name that is broken into lines

// A table that can be sorted by its column names and exported in its present order.
// columns: {name, label, number, value(row), cell(row), text(row)}; sorted by value, exported as text or else value.
function sortableTable({ columns, rows, sort, file, caption, group, summary, first }) {
  const state = { sort: sort ?? first ?? "" };
  const body = el("tbody");
  const heads = columns.map((column) => {
    const label = column.label ?? column.name;
    const button = el("button", { type: "button", class: label.length > LONG ? "sort long" : "sort", onclick: () => order(column) }, label);
    return el("th", { scope: "col", class: column.number ? "number" : "", title: column.title, "data-column": column.name }, button);
  });
  const table = el("table", {}, caption ? el("caption", {}, caption) : null, el("thead", {}, el("tr", {}, ...heads)), body);

  function order(column) {
    const down = state.sort === `-${column.name}`, up = state.sort === column.name;
    const start = column.number ? `-${column.name}` : column.name; // the largest figures first
    state.sort = up ? `-${column.name}` : down ? column.name : start;
    keep({ sort: state.sort });
    draw();
    say(`sorted by ${column.label ?? column.name}, ${state.sort.startsWith("-") ? "descending" : "ascending"}`);
  }

  function draw() {
    const name = state.sort.replace(/^-/, "");
    const sorted = sortRows(rows, columns.find((column) => column.name === name), state.sort.startsWith("-"));
    columns.forEach((column, place) => {
      const way = column.name !== name ? "none" : state.sort.startsWith("-") ? "descending" : "ascending";
      heads[place].setAttribute("aria-sort", way);
    });
    const shown = group ? grouped(sorted, group, columns, summary) : sorted.map((row) => bodyRow(row, columns));
    body.replaceChildren(...shown);
  }

  function content() {
    return [...body.rows].map((row) => [...row.cells].map((cell) => cell.dataset.text ?? cell.innerText.trim()));
  }

  draw();
  const labels = columns.map((column) => column.label ?? column.name);
  const tools = el(
    "div", { class: "tools" },
    el("button", { type: "button", onclick: () => download(`${file}.csv`, asCsv([labels, ...content()])) }, "CSV"),
    el("button", { type: "button", onclick: () => copy(asMarkdown(labels, content(), columns)) }, "copy Markdown"),
  );
  const view = el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption ?? file }, table);
  return el("div", { class: "tabled" }, view, tools);
}

function bodyRow(row, columns) {
  const cells = columns.map((column, place) => {
    const text = column.text ? column.text(row) : null;
    const made = column.cell ? column.cell(row) : column.value(row) ?? "-";
    const attributes = { class: column.number ? "number" : "", "data-text": text, ...(place === 0 ? { scope: "row" } : {}) };
    return el(place === 0 ? "th" : "td", attributes, made instanceof Node ? made : String(made));
  });
  return el("tr", { class: row.class }, ...cells);
}

// Rows without a value come last in either direction; equal ones keep their order.
function sortRows(rows, column, down) {
  if (!column) return [...rows];
  const empty = (value) => value === null || value === undefined;
  const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true }));
  return [...rows].sort((one, other) => {
    const a = column.value(one), b = column.value(other);
    if (empty(a) || empty(b)) return empty(a) - empty(b);
    return down ? compare(b, a) : compare(a, b);
  });
}

// The rows under a heading per group, the largest group first; `summary` fills the other cells of the heading.
function grouped(rows, group, columns, summary) {
  const groups = new Map();
  for (const row of rows) groups.set(group(row), [...(groups.get(group(row)) ?? []), row]);
  return [...groups].sort(([, a], [, b]) => b.length - a.length).flatMap(([name, members]) => [
    el("tr", { class: "group" }, ...columns.map((column, place) => {
      const shown = place === 0 ? `${name} (${members.length})` : summary?.(column, members) ?? "";
      return el(place === 0 ? "th" : "td", { class: column.number ? "number" : "" }, shown);
    })),
    ...members.map((row) => bodyRow(row, columns)),
  ]);
}

// Text that a spreadsheet would evaluate as a formula gets an apostrophe; numbers and a lone dash do not.
function inert(text) {
  return /^[=+\-@\t\r]/.test(text) && text !== "-" && Number.isNaN(Number(text)) ? `'${text}` : text;
}

function asCsv(lines) {
  const quoted = (text) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  return lines.map((line) => line.map((text) => quoted(inert(text))).join(",")).join("\n") + "\n";
}

function asMarkdown(labels, lines, columns) {
  const row = (cells) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|").replaceAll("\n", " ")).join(" | ")} |`;
  return [row(labels), row(columns.map((column) => (column.number ? "--:" : "---"))), ...lines.map(row)].join("\n") + "\n";
}

function download(name, text) {
  const made = el("a", { href: URL.createObjectURL(new Blob([text], { type: "text/csv" })), download: name.replace(/[^\w.-]+/g, "_") });
  made.click();
  setTimeout(() => URL.revokeObjectURL(made.href), 1000);
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch { // browsers may refuse the clipboard to pages opened as files
    const field = el("textarea", {}, text);
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
  say("copied");
}
