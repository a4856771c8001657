// The state of the page in the hash of its address, `#view?name=value&...`, so that links and the back button work.
function readState() {
  const [name, query = ""] = location.hash.slice(1).split("?");
  return { name: name || "board", params: new URLSearchParams(query) };
}

// The property of an object itself; names come from the address or the data and may be those of inherited ones.
function own(object, name) {
  return object !== null && object !== undefined && Object.hasOwn(object, name) ? object[name] : undefined;
}

// The hash of a view; a list repeats its name; null, false and empty values are left out.
function address(name, params = {}) {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(params)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== null && one !== undefined && one !== false && one !== "") query.append(key, one === true ? "1" : one);
    }
  }
  const text = query.toString();
  return `#${name}${text ? `?${text}` : ""}`;
}

// The parameters of the present view; a list where a name is repeated.
function stateParams() {
  const found = {};
  for (const [key, value] of readState().params) {
    found[key] = Object.hasOwn(found, key) ? [].concat(found[key], value) : value;
  }
  return found;
}

// Go to a view, as a step that the back button undoes.
function go(name, params) {
  location.hash = address(name, params);
}

// Change parameters without a step in the history, for sorting and filters.
function keep(changes) {
  history.replaceState(null, "", address(readState().name, { ...stateParams(), ...changes }));
}

function link(name, params, attributes, ...children) {
  return el("a", { href: address(name, params), ...attributes }, ...children);
}

function say(text) {
  document.getElementById("said").textContent = text;
}
