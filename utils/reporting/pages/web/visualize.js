// A scatter plot of texts on a canvas: zoom, pan, hover, filters, search, lines to translations.
const GRID = 65535, HOVER = 12, FADED = .08, GREY = .18, RINGED = 300;
const by = (id) => document.getElementById(id);
const plot = by("plot"), pen = plot.getContext("2d");
const ground = document.createElement("canvas");  // the points without the one under the pointer
let data, fields, field, sample, n;
let view = {x: 0, y: 0, scale: 1};  // the centre, in grid units from 0 to 1, and the zoom
let wide = 0, high = 0, ratio = 1;
let visible, matches, query = "", hovered = -1, held = -1;
let xs, ys, order, mates = new Map();

const colourOf = (f, i) => f.colours[f.codes[i]];
const radius = (count) => Math.min(9, Math.max(1.6, Math.min(4.5, 260 / Math.sqrt(count))) * Math.sqrt(Math.min(view.scale, 6)));
const faint = (i) => query ? !matches[i] : field.codes[i] >= field.colored;
const side = () => Math.min(wide, high) - 24;
const px = (i) => wide / 2 + (xs[i] - view.x) * side() * view.scale;
const py = (i) => high / 2 - (ys[i] - view.y) * side() * view.scale;

function translations(i) {
  return sample ? (mates.get(sample.codes[i]) || []).filter((j) => j !== i) : [];
}

function nearest(x, y) {
  let best = -1, least = HOVER * HOVER;
  for (let i = 0; i < n; i++) {
    if (!visible[i] || (query && !matches[i])) continue;
    const d = (px(i) - x) ** 2 + (py(i) - y) ** 2;
    if (d < least) { least = d; best = i; }
  }
  return best;
}

function facts(i) {
  return fields.filter((f) => f !== sample).map((f) => `${f.key}: ${f.names[f.codes[i]]}`)
    .concat(sample ? [`sample ${sample.names[sample.codes[i]]}`] : []).join(" · ");
}

function marked(text) {
  const found = query ? text.toLowerCase().indexOf(query) : -1;
  if (found < 0 || text.toLowerCase().length !== text.length) return [text];
  return [text.slice(0, found), el("mark", {}, text.slice(found, found + query.length)), text.slice(found + query.length)];
}

function hover(i, x, y) {
  const tip = by("tip");
  hovered = i;
  tip.hidden = i < 0;
  if (i >= 0) {
    tip.replaceChildren(el("div", {class: "text", dir: "auto"}, ...marked(data.texts[i])), el("div", {class: "soft"}, facts(i)));
    tip.style.left = Math.max(4, Math.min(x + 14, wide - tip.offsetWidth - 4)) + "px";
    tip.style.top = (y + 18 + tip.offsetHeight > high ? Math.max(4, y - tip.offsetHeight - 12) : y + 18) + "px";
  }
  detail(i >= 0 ? i : held);
  redraw(false);
}

function detail(i) {
  const place = by("details");
  if (i < 0) { place.replaceChildren(el("p", {class: "soft"}, "Point at a text to read it; click to keep it.")); return; }
  const others = translations(i), language = fields.find((f) => f.key === "language");
  place.replaceChildren(
    el("h2", {}, i === held ? "Kept text" : "Text"),
    el("div", {class: "text", dir: "auto"}, ...marked(data.texts[i])), el("div", {class: "soft"}, facts(i)),
    ...(others.length ? [el("h3", {}, `${others.length} translation${others.length > 1 ? "s" : ""}`),
      el("ol", {"aria-label": "translations"}, ...others.map((j) =>
        el("li", {}, el("span", {class: "soft"}, language.names[language.codes[j]]), el("div", {dir: "auto"}, data.texts[j]))))] : []));
}

function refresh() {
  let shown = 0, hits = 0;
  for (let i = 0; i < n; i++) {
    visible[i] = fields.every((f) => !f.hidden.has(f.codes[i]));
    matches[i] = !query || data.texts[i].toLowerCase().includes(query);
    shown += visible[i]; hits += visible[i] && matches[i];
  }
  if (held >= 0 && !visible[held]) held = -1;
  by("count").textContent = `${shown.toLocaleString("en")} of ${n.toLocaleString("en")} texts shown`;
  by("found").textContent = query ? `${hits.toLocaleString("en")} found` : "";
  for (const f of fields) for (const box of f.boxes) box.checked = !f.hidden.has(Number(box.value));
  for (const button of by("legend").querySelectorAll("button[data-code]"))
    button.setAttribute("aria-pressed", String(!field.hidden.has(Number(button.dataset.code))));
  detail(hovered >= 0 ? hovered : held);
  redraw();
}

function zoom(factor, x = wide / 2, y = high / 2) {
  const scale = Math.min(200, Math.max(.5, view.scale * factor)), unit = side();
  view.x += (x - wide / 2) / unit * (1 / view.scale - 1 / scale);
  view.y -= (y - high / 2) / unit * (1 / view.scale - 1 / scale);
  view.scale = scale;
  redraw();
}
function pan(dx, dy) { view.x -= dx / (side() * view.scale); view.y += dy / (side() * view.scale); redraw(); }
function home() { view = {x: data.middle[0], y: data.middle[1], scale: 1}; redraw(); }

function walk(step) {  // step through the texts in view, from left to right
  const there = [...Array(n).keys()].filter((i) => visible[i] && (!query || matches[i]) && px(i) >= 0 && px(i) <= wide && py(i) >= 0 && py(i) <= high);
  if (!there.length) return;
  there.sort((a, b) => px(a) - px(b) || a - b);
  const at = there.indexOf(hovered >= 0 ? hovered : held);
  const next = there[(at < 0 ? (step > 0 ? 0 : there.length - 1) : at + step + there.length) % there.length];
  hover(next, px(next), py(next));
}

function resize() {
  const other = plot.clientWidth !== wide || Math.abs(plot.clientHeight - high) > 60;  // ignores a line more in the header
  ratio = window.devicePixelRatio || 1;
  wide = plot.clientWidth; high = plot.clientHeight;
  plot.width = Math.round(wide * ratio); plot.height = Math.round(high * ratio);
  other ? home() : redraw();  // the present view may lie outside of the new size
}

function keyActions() {
  return {
    "+": () => zoom(1.4), "=": () => zoom(1.4), "-": () => zoom(1 / 1.4), "0": home,
    ArrowLeft: () => pan(60, 0), ArrowRight: () => pan(-60, 0), ArrowUp: () => pan(0, 60), ArrowDown: () => pan(0, -60),
    n: () => walk(1), p: () => walk(-1), Enter: () => { held = hovered === held ? -1 : hovered; detail(held); redraw(false); },
    Escape: () => { held = -1; hover(-1, 0, 0); },
  };
}

function listen() {
  let from = null, moved = false;
  plot.addEventListener("wheel", (event) => { event.preventDefault(); zoom(Math.exp(-event.deltaY / 400), event.offsetX, event.offsetY); }, {passive: false});
  plot.addEventListener("pointerdown", (event) => { from = event; moved = false; plot.setPointerCapture(event.pointerId); });
  plot.addEventListener("pointermove", (event) => {
    if (!from) return hover(nearest(event.offsetX, event.offsetY), event.offsetX, event.offsetY);
    const [dx, dy] = [event.offsetX - from.offsetX, event.offsetY - from.offsetY];
    if (!moved && Math.hypot(dx, dy) < 4) return undefined;
    moved = true; from = event;
    return pan(dx, dy);
  });
  plot.addEventListener("pointerup", (event) => {
    if (from && !moved) { const i = nearest(event.offsetX, event.offsetY); held = i === held ? -1 : i; detail(held); redraw(false); }
    from = null;
  });
  plot.addEventListener("pointercancel", () => { from = null; });
  for (const leaving of ["pointerleave", "blur"]) plot.addEventListener(leaving, () => hover(-1, 0, 0));
  const keys = keyActions();
  plot.addEventListener("keydown", (event) => {
    if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault(); keys[event.key]();
  });
  by("in").addEventListener("click", () => zoom(1.4));
  by("out").addEventListener("click", () => zoom(1 / 1.4));
  by("home").addEventListener("click", home);
  by("search").addEventListener("input", (event) => { query = event.target.value.trim().toLowerCase(); hover(-1, 0, 0); refresh(); });
  by("colour").addEventListener("change", (event) => { field = fields.find((f) => f.key === event.target.value); legend(); refresh(); });
  by("save").addEventListener("click", () => { paint(); plot.toBlob((blob) => {
    const link = el("a", {href: URL.createObjectURL(blob), download: `${document.title.replace(/[^\w.+-]+/g, "_")}_${field.key}.png`});
    link.click(); setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => redraw());
  new ResizeObserver(resize).observe(by("stage"));
}

pageData().then((loaded) => {
  data = loaded; n = data.texts.length;
  xs = Float64Array.from(data.x, (x) => x / GRID); ys = Float64Array.from(data.y, (y) => y / GRID);
  data.middle = [xs, ys].map((axis) => axis.reduce((most, one) => Math.max(most, one), 0) / 2);
  fields = data.fields.map((f) => ({...f, hidden: new Set(), boxes: []}));
  field = fields.find((f) => f.key === data.first); sample = fields.find((f) => f.key === "sample");
  visible = new Uint8Array(n); matches = new Uint8Array(n);
  order = Uint32Array.from({length: n}, (_, i) => i);
  for (let i = n - 1, state = 1; i > 0; i--) {  // a fixed shuffle, so that no language covers the others
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const j = state % (i + 1); [order[i], order[j]] = [order[j], order[i]];
  }
  if (sample) sample.codes.forEach((code, i) => mates.set(code, [...(mates.get(code) || []), i]));
  by("title").textContent = document.title;
  by("colour").append(...fields.filter((f) => data.offered.includes(f.key)).map((f) => el("option", {value: f.key, selected: f === field}, f.key)));
  by("filters").append(...fields.filter((f) => f !== sample && f.names.length > 1).map(filterPanel));
  by("nearest").append(el("h2", {}, `Of the ${data.k} nearest texts in the original space`), el("table", {},
    el("thead", {}, el("tr", {}, el("th"), el("th", {class: "number"}, "%"), el("th", {class: "number"}, "by chance"))),
    el("tbody", {}, ...data.nearest.map((row) => el("tr", {}, el("td", {}, row.what),
      el("td", {class: "number"}, percent(row.share)), el("td", {class: "number"}, percent(row.chance)))))));
  home(); legend(); listen(); resize(); refresh(); detail(-1);
});
