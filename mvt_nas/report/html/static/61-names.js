// Placement of the names of published models in the chart; a name without room is left out.

const PLACES = ["top center", "bottom center", "middle right", "middle left", "top right", "top left", "bottom right", "bottom left"];
const LETTER_PX = 6;
const LINE_PX = 13;

// Return the box of a text next to a point, in pixels: left, top, right, bottom.
function boxOf(x, y, text, place) {
  const [vertical, horizontal] = place.split(" ");
  const wide = text.length * LETTER_PX;
  const left = { left: x - wide - 8, center: x - wide / 2, right: x + 8 }[horizontal];
  const top = { top: y - LINE_PX - 7, middle: y - LINE_PX / 2, bottom: y + 7 }[vertical];
  return [left, top, left + wide, top + LINE_PX];
}

const overlap = (a, b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];

// Return a position for each text without overlap with texts, points or borders; null if there is none.
function placed(texts, size) {
  const taken = texts.map(([x, y]) => [x - 5, y - 5, x + 5, y + 5]);
  return texts.map(([x, y, text], own) => {
    const free = PLACES.find((place) => {
      const box = boxOf(x, y, text, place);
      const inside = box[0] >= 0 && box[1] >= 0 && box[2] <= size[0] && box[3] <= size[1];
      return inside && !taken.some((other, number) => number !== own && overlap(box, other));
    });
    if (free) taken.push(boxOf(x, y, text, free));
    return free ?? null;
  });
}

// Return the position of a value along an axis, 0 to 1.
function fraction(name, value) {
  const { range, type } = chart.layout[`${name}axis`];
  return ((type === "log" ? Math.log10(value) : value) - range[0]) / (range[1] - range[0]);
}

function placeNames() {
  const number = chart.data.findIndex((trace) => trace.name === "published models");
  if (number < 0 || state.three || !chart.layout.xaxis.range) return;
  const trace = chart.data[number];
  const margin = chart.layout.margin;
  const size = [chart.clientWidth - margin.l - margin.r, chart.clientHeight - margin.t - margin.b];
  const names = trace.meta.map((one) => one.short);
  const texts = names.map((name, place) => [fraction("x", trace.x[place]) * size[0], (1 - fraction("y", trace.y[place])) * size[1], name]);
  const found = placed(texts, size);
  const shown = names.map((name, place) => (found[place] ? plain(name) : ""));
  Plotly.restyle(chart, { text: [shown], textposition: [found.map((place) => place ?? "top center")] }, [number]);
}
