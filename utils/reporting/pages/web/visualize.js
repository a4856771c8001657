// A scatter plot of texts on a canvas: zoom, pan, hover, filters, search, lines to translations.
const GRID = 65535, HOVER = 12, FADED = .08, GREY = .18, RINGED = 300;
const by = (id) => document.getElementById(id);
const plot = by("plot"), pen = plot.getContext("2d");
const ground = document.createElement("canvas");  // the points, without what the pointer is on
let data, fields, field, sample, n;
let view = {x: 0, y: 0, scale: 1};  // the middle, in grid units from 0 to 1, and the zoom
let wide = 0, high = 0, ratio = 1;
let visible, matches, query = "", hovered = -1, held = -1;
let xs, ys, order, mates = new Map();

const PATHS = {
  o: (p, r) => p.arc(0, 0, r, 0, 2 * Math.PI),
  s: (p, r) => p.rect(-.86 * r, -.86 * r, 1.72 * r, 1.72 * r),
  D: (p, r) => corners(p, [[0, -1.15], [1.15, 0], [0, 1.15], [-1.15, 0]], r),
  "^": (p, r) => corners(p, [[0, -1.1], [1.05, .8], [-1.05, .8]], r),
  v: (p, r) => corners(p, [[0, 1.1], [1.05, -.8], [-1.05, -.8]], r),
  "<": (p, r) => corners(p, [[-1.1, 0], [.8, 1.05], [.8, -1.05]], r),
  ">": (p, r) => corners(p, [[1.1, 0], [-.8, 1.05], [-.8, -1.05]], r),
  P: (p, r) => { p.rect(-.4 * r, -1.1 * r, .8 * r, 2.2 * r); p.rect(-1.1 * r, -.4 * r, 2.2 * r, .8 * r); },
  X: (p, r) => { for (const a of [Math.PI / 4, -Math.PI / 4]) { p.rotate(a); p.rect(-.38 * r, -1.2 * r, .76 * r, 2.4 * r); p.rotate(-a); } },
  p: (p, r) => corners(p, ring(5, 1.1), r),
  h: (p, r) => corners(p, ring(6, 1.1), r),
  "*": (p, r) => corners(p, ring(10, 1).map(([x, y], i) => i % 2 ? [.5 * x, .5 * y] : [1.35 * x, 1.35 * y]), r),
};
function corners(p, points, r) { points.forEach(([x, y], i) => i ? p.lineTo(x * r, y * r) : p.moveTo(x * r, y * r)); p.closePath(); }
function ring(count, r) { return Array.from({length: count}, (_, i) => [r * Math.sin(2 * Math.PI * i / count), -r * Math.cos(2 * Math.PI * i / count)]); }

const sprites = new Map();
function sprite(colour, marker, r) {
  const key = colour + marker + r + "/" + ratio;
  if (!sprites.has(key)) {
    const size = Math.ceil(3 * r * ratio) + 2, made = el("canvas", {width: size, height: size}), ink = made.getContext("2d");
    ink.translate(size / 2, size / 2); ink.scale(ratio, ratio); ink.fillStyle = colour;
    ink.beginPath(); PATHS[marker](ink, r); ink.fill();
    sprites.set(key, made);
  }
  return sprites.get(key);
}

const colourOf = (f, i) => f.colours[f.codes[i]];
const radius = (count) => Math.min(9, Math.max(1.6, Math.min(4.5, 260 / Math.sqrt(count))) * Math.sqrt(Math.min(view.scale, 6)));
const faint = (i) => query ? !matches[i] : field.codes[i] >= field.colored;
const side = () => Math.min(wide, high) - 24;
const px = (i) => wide / 2 + (xs[i] - view.x) * side() * view.scale;
const py = (i) => high / 2 - (ys[i] - view.y) * side() * view.scale;

let waiting = false, stale = true;
function redraw(points = true) {  // the pointer alone leaves the points as they are
  stale ||= points;
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; paint(); });
}

function paintPoints(style) {
  ground.width = plot.width; ground.height = plot.height;
  const ink = ground.getContext("2d");
  ink.fillStyle = style.getPropertyValue("--ground"); ink.fillRect(0, 0, ground.width, ground.height);
  const strong = order.filter((i) => visible[i] && !faint(i)), weak = order.filter((i) => visible[i] && faint(i));
  for (const [some, r] of [[weak, radius(n)], [strong, radius(strong.length)]]) {  // the fewer, the larger
    const stamps = field.colours.map((colour, code) => sprite(colour, field.markers[code], r));
    for (const i of some) {
      const drawn = stamps[field.codes[i]];
      ink.globalAlpha = some === strong ? (strong.length > 6000 ? .75 : .9) : query ? FADED : GREY;
      ink.drawImage(drawn, Math.round(px(i) * ratio - drawn.width / 2), Math.round(py(i) * ratio - drawn.height / 2));
    }
  }
  ink.globalAlpha = 1;
  ink.setTransform(ratio, 0, 0, ratio, 0, 0);
  ink.strokeStyle = style.getPropertyValue("--ink");
  for (const i of query && strong.length <= RINGED ? strong : []) {  // a few found among thousands
    ink.beginPath(); ink.arc(px(i), py(i), radius(strong.length) + 4, 0, 2 * Math.PI); ink.stroke();
  }
  stale = false;
}

function paint() {
  const style = getComputedStyle(document.body);
  if (stale) paintPoints(style);
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.drawImage(ground, 0, 0);
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  const told = hovered >= 0 ? hovered : held;
  if (told >= 0 && visible[told]) emphasise(told, radius(n), style);
  pen.fillStyle = style.getPropertyValue("--soft"); pen.font = "12px system-ui, sans-serif";
  pen.fillText(data.axes[0], 10, high - 8);
  pen.save(); pen.translate(14, high - 26); pen.rotate(-Math.PI / 2); pen.fillText(data.axes[1], 0, 0); pen.restore();
}

function emphasise(told, r, style) {
  const others = translations(told).filter((i) => visible[i]);
  pen.strokeStyle = style.getPropertyValue("--ink"); pen.lineWidth = 1;
  pen.globalAlpha = others.length > 40 ? .35 : .7;
  pen.beginPath();
  for (const i of others) { pen.moveTo(px(told), py(told)); pen.lineTo(px(i), py(i)); }
  pen.stroke();
  pen.globalAlpha = 1;
  for (const i of [...others, told]) {
    pen.save(); pen.translate(px(i), py(i)); pen.beginPath();
    PATHS[field.markers[field.codes[i]]](pen, i === told ? r + 3 : r + 1);
    pen.fillStyle = colourOf(field, i); pen.fill(); pen.lineWidth = i === told ? 2 : 1; pen.stroke(); pen.restore();
  }
}

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
  if (i < 0) { place.replaceChildren(el("p", {class: "soft"}, "Point at a text to read it; click to hold it.")); return; }
  const others = translations(i), language = fields.find((f) => f.key === "language");
  place.replaceChildren(
    el("h2", {}, i === held ? "Held" : "Text"),
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

function solo(f, code) {  // once: only this name; again: all; names left out one by one are put back too
  const alone = f.hidden.size === f.names.length - 1 && !f.hidden.has(code);
  f.hidden = new Set(alone ? [] : [...f.names.keys()].filter((other) => other !== code));
  refresh();
}

function headed(f, codes, make) {
  const parts = [];
  let group = "";
  for (const code of codes) {
    if (f.groups[code] !== group) { group = f.groups[code]; parts.push(el("h3", {}, group)); }
    parts.push(make(code));
  }
  return parts;
}

function legend() {
  const codes = [...field.names.keys()].slice(0, field.colored), grey = field.names.length - field.colored;
  const make = (code) => {
    const swatch = el("canvas", {width: 28, height: 28}), ink = swatch.getContext("2d");
    ink.translate(14, 14); ink.fillStyle = field.colours[code]; ink.beginPath(); PATHS[field.markers[code]](ink, 9); ink.fill();
    return el("button", {"data-code": code, title: `only ${field.shown[code]}; again: all; with Ctrl: in or out`, onclick: (event) => {
      if (!event.ctrlKey && !event.metaKey) return solo(field, code);
      field.hidden.has(code) ? field.hidden.delete(code) : field.hidden.add(code);
      refresh();
    }}, swatch, el("span", {dir: "auto"}, field.shown[code]), el("span", {class: "soft"}, field.counts[code].toLocaleString("en")));
  };
  by("legend").replaceChildren(el("h2", {}, "Colours: " + field.key),
    el("div", {class: "names"}, ...headed(field, codes, make), grey ? el("p", {class: "soft"}, `${grey.toLocaleString("en")} others are grey`) : null));
}

function filterPanel(f) {
  const lines = [];
  const set = (hide) => {
    for (const {line, code} of lines) if (!line.hidden) hide ? f.hidden.add(code) : f.hidden.delete(code);
    refresh();
  };
  const make = (code) => {
    const box = el("input", {type: "checkbox", value: code, checked: true, onchange: () => {
      box.checked ? f.hidden.delete(code) : f.hidden.add(code);
      refresh();
    }});
    const line = el("label", {}, box, el("span", {}, f.names[code]), el("span", {class: "soft"}, f.counts[code].toLocaleString("en")));
    f.boxes.push(box); lines.push({line, code});
    return line;
  };
  const names = el("div", {class: "names"}, ...headed(f, f.names.keys(), make));
  const narrow = (event) => {
    const part = event.target.value.toLowerCase();
    for (const {line, code} of lines) line.hidden = !(f.names[code] + " " + f.groups[code]).toLowerCase().includes(part);
    for (const head of names.querySelectorAll("h3")) head.hidden = part !== "";
  };
  return el("details", {"data-field": f.key}, el("summary", {}, `Filter by ${f.key} (${f.names.length})`),
    el("div", {class: "row"}, el("input", {type: "search", placeholder: "find", "aria-label": `find a ${f.key}`, oninput: narrow}),
      el("button", {onclick: () => set(false)}, "all"), el("button", {onclick: () => set(true)}, "none")), names);
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

function walk(step) {  // through the texts in view, from left to right
  const there = [...Array(n).keys()].filter((i) => visible[i] && (!query || matches[i]) && px(i) >= 0 && px(i) <= wide && py(i) >= 0 && py(i) <= high);
  if (!there.length) return;
  there.sort((a, b) => px(a) - px(b) || a - b);
  const at = there.indexOf(hovered >= 0 ? hovered : held);
  const next = there[(at < 0 ? (step > 0 ? 0 : there.length - 1) : at + step + there.length) % there.length];
  hover(next, px(next), py(next));
}

function resize() {
  const other = plot.clientWidth !== wide || Math.abs(plot.clientHeight - high) > 60;  // not a line more in the header
  ratio = window.devicePixelRatio || 1;
  wide = plot.clientWidth; high = plot.clientHeight;
  plot.width = Math.round(wide * ratio); plot.height = Math.round(high * ratio);
  other ? home() : redraw();  // what was in view may lie outside of the new size
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
  const keys = {
    "+": () => zoom(1.4), "=": () => zoom(1.4), "-": () => zoom(1 / 1.4), "0": home,
    ArrowLeft: () => pan(60, 0), ArrowRight: () => pan(-60, 0), ArrowUp: () => pan(0, 60), ArrowDown: () => pan(0, -60),
    n: () => walk(1), p: () => walk(-1), Enter: () => { held = hovered === held ? -1 : hovered; detail(held); redraw(false); },
    Escape: () => { held = -1; hover(-1, 0, 0); },
  };
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
  for (let i = n - 1, state = 1; i > 0; i--) {  // mixed, the same each time: no language lies over the others
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const j = state % (i + 1); [order[i], order[j]] = [order[j], order[i]];
  }
  if (sample) sample.codes.forEach((code, i) => mates.set(code, [...(mates.get(code) || []), i]));
  by("title").textContent = document.title;
  by("colour").append(...fields.filter((f) => data.offered.includes(f.key)).map((f) => el("option", {value: f.key, selected: f === field}, f.key)));
  by("filters").append(...fields.filter((f) => f !== sample && f.names.length > 1).map(filterPanel));
  by("nearest").append(el("h2", {}, `Of the ${data.k} nearest texts, in all dimensions`), el("table", {},
    el("thead", {}, el("tr", {}, el("th"), el("th", {class: "number"}, "%"), el("th", {class: "number"}, "by chance"))),
    el("tbody", {}, ...data.nearest.map((row) => el("tr", {}, el("td", {}, row.what),
      el("td", {class: "number"}, percent(row.share)), el("td", {class: "number"}, percent(row.chance)))))));
  home(); legend(); listen(); resize(); refresh(); detail(-1);
});
