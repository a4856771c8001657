// The data of the page: gzip in base64, which the browser unpacks.
async function pageData() {
  return JSON.parse(await unpacked("data"));
}

// The text of a part of the page; parts stand after the script and may not be loaded yet.
async function pagePart(number) {
  if (document.readyState === "loading") await new Promise((go) => document.addEventListener("DOMContentLoaded", go, { once: true }));
  return unpacked(`part-${number}`);
}

async function unpacked(id) {
  const bytes = Uint8Array.from(atob(document.getElementById(id).textContent.trim()), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

// An element with attributes and children; strings become text, never markup.
function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// A fraction as a percentage with two digits, rounded as Python does: a tie, possible for eighths only, to the even digit.
function percent(value) {
  if (value === null || value === undefined) return "-";
  const shown = 100 * value;
  if (Math.abs((shown * 8) % 2) !== 1) return shown.toFixed(2);
  const below = Math.floor(100 * shown);
  return ((below % 2 === 0 ? below : below + 1) / 100).toFixed(2);
}
