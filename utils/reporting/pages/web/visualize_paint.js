// Paint the points, the axes and the point under the pointer.
let waiting = false, stale = true;
function redraw(points = true) {  // without points: only the point under the pointer changes
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
  for (const [some, r] of [[weak, radius(n)], [strong, radius(strong.length)]]) {  // fewer points are drawn larger
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
  for (const i of query && strong.length <= RINGED ? strong : []) {  // rings, so that a few matches stand out among thousands
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
