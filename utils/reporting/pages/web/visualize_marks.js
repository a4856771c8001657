// Markers of the scatter plot, by matplotlib's names.
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
