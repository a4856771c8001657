// The legend and the filters.
function solo(f, code) {  // shows only this name; if it already is alone, shows all names again
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
    return el("button", {"data-code": code, title: `show only ${field.shown[code]}; click again for all; Ctrl+click hides or shows it`, onclick: (event) => {
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
