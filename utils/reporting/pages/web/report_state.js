// Where the reader is, in the address's hash: `#view?name=value&...`, so that a link or the back button leads there.
function readState() {
  const [name, query = ""] = location.hash.slice(1).split("?");
  return { name: name || "board", params: new URLSearchParams(query) };
}

// What an object has under a name that the address or the data gave, not what every object has (toString).
function own(object, name) {
  return object !== null && object !== undefined && Object.hasOwn(object, name) ? object[name] : undefined;
}

// The hash of a view; lists repeat their name, what is null, false or empty is left out.
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

// The parameters of the present view as an object, lists where a name is repeated.
function stateParams() {
  const found = {};
  for (const [key, value] of readState().params) {
    found[key] = Object.hasOwn(found, key) ? [].concat(found[key], value) : value;
  }
  return found;
}

// Another view, or this one with other choices: a step that the back button undoes.
function go(name, params) {
  location.hash = address(name, params);
}

// A change too small for a step back: sorting, typing into a filter.
function keep(changes) {
  history.replaceState(null, "", address(readState().name, { ...stateParams(), ...changes }));
}

function link(name, params, attributes, ...children) {
  return el("a", { href: address(name, params), ...attributes }, ...children);
}

function say(text) {
  document.getElementById("said").textContent = text;
}
