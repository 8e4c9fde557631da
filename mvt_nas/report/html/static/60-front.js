// The chart of the front in two or three dimensions.

const NARROW_PX = 520;
const FEW = 3000; // points off the front that are drawn as shapes rather than pixels
const chart = byId("front-chart");
let shapes = !hasWebGL; // also while the page is printed
const coordinates = () => (state.three ? ["x", "y", "z"] : ["x", "y"]);

const drawable = (place) => coordinates().every((name) => Number.isFinite(candidates.score(state.axes[name], place)));

function thinned(places, most) {
  const step = places.length / most;
  return step <= 1 ? places : Array.from({ length: most }, (_, number) => places[Math.floor(number * step)]);
}

// Return a trace of candidates; the points keep the indices, so that events identify candidates.
function points(name, places, marker, more = {}) {
  const trace = { name, mode: "markers", marker, customdata: places, hoverinfo: "none", ...more };
  for (const coordinate of coordinates()) trace[coordinate] = places.map((place) => candidates.score(state.axes[coordinate], place));
  const kind = more.type ?? "scatter";
  return { ...trace, type: state.three ? "scatter3d" : kind };
}

function coloured(places, otherwise) {
  if (!state.colour) return { color: otherwise };
  const values = places.map((place) => candidates.score(state.colour, place));
  return { color: values, coloraxis: "coloraxis" };
}

function errorBars(places) {
  const [low, high] = ["_low", "_high"].map((end) => candidates.column(`${state.axes.y}${end}`));
  if (!low || !high || state.three) return {};
  const up = candidates.column(state.axes.y);
  const ends = { type: "data", symmetric: false, thickness: 1, width: 0, color: css("--interval") };
  return { error_y: { ...ends, array: places.map((place) => high[place] - up[place]), arrayminus: places.map((place) => up[place] - low[place]) } };
}

function frontTraces(front) {
  // Extrapolated scores are hollow; the outline of the others only sets them apart.
  const hollow = (place) => candidates.star(state.axes.y, place) !== "";
  const marker = (places, color, symbol = "diamond") => ({ size: state.three ? 5 : 9, symbol: places.map((place) => (hollow(place) ? `${symbol}-open` : symbol)), line: { width: 1, color: css("--paper") }, ...coloured(places, color) });
  if (content.runs.length === 1) {
    const bars = front.length <= 500 ? errorBars(front) : {};
    return [points("Pareto front", front, { ...marker(front, css("--front-mark")), opacity: 1 }, bars)];
  }
  const colours = ["--front-mark", "--model", "--separable", "--budget", "--own"].map(css);
  const symbols = state.three ? ["diamond", "circle", "square", "cross", "x"] : ["diamond", "circle", "square", "triangle-up", "x"];
  return content.runs.map((run, number) => {
    const own = front.filter((place) => candidates.run[place] === number);
    return points(`front of ${plain(run.name)}`, own, marker(own, colours[number % 5], symbols[number % 5]));
  });
}

function otherTraces(mask) {
  if (!state.others) return [];
  const others = [];
  for (let place = 0; place < candidates.length; place++) if (mask[place] && !candidates.onFront[place] && drawable(place)) others.push(place);
  const places = shapes || state.three ? thinned(others, FEW) : others;
  const marker = { size: state.three ? 2 : 5, opacity: 0.45, ...coloured(places, css("--other")) };
  const name = places.length < others.length ? `candidates (${exact.format(places.length)} of ${exact.format(others.length)})` : "candidates";
  return [points(name, places, marker, { type: shapes ? "scatter" : "scattergl" })];
}

// Return the published models: candidates, and others for comparison only.
function models() {
  const known = (place) => coordinates().map((name) => candidates.score(state.axes[name], place));
  const own = content.named.map((one) => ({ ...one, at: known(one.place) }));
  const others = content.references.map((one) => ({ ...one, place: null, at: coordinates().map((name) => one.scores[state.axes[name]]) }));
  return [...own, ...others].filter((one) => one.at.every(Number.isFinite));
}

function modelTraces() {
  const named = models();
  if (!named.length) return [];
  const marker = { symbol: "square-open", size: state.three ? 5 : 9, color: css("--model"), line: { width: 1.6, color: css("--model") } };
  const texts = { mode: state.three ? "markers" : "markers+text", textfont: { size: 11, color: css("--model") }, textposition: "top center" };
  const trace = { name: "published models", marker, ...texts, type: state.three ? "scatter3d" : "scatter", hoverinfo: "none" };
  coordinates().forEach((name, axis) => (trace[name] = named.map((one) => one.at[axis])));
  return [{ ...trace, customdata: named.map((one) => one.place), meta: named, text: named.map((one) => plain(one.short)) }];
}

// Return the baselines as points, if their values on all axes are known.
function baselineTraces() {
  const own = content.baselines.filter((one) => coordinates().every((name) => Number.isFinite(one.scores[state.axes[name]])));
  if (!own.length) return [];
  const trace = { name: "your baseline", mode: "markers+text", text: own.map((one) => plain(one.name)), textposition: "bottom center", hoverinfo: "none", meta: own };
  const marker = { symbol: state.three ? "x" : "star", size: state.three ? 6 : 14, color: css("--own"), line: { width: 1, color: css("--paper") } };
  for (const coordinate of coordinates()) trace[coordinate] = own.map((one) => one.scores[state.axes[coordinate]]);
  return [{ ...trace, marker, textfont: { size: 12, color: css("--own") }, type: state.three ? "scatter3d" : "scatter" }];
}

// Return the measured latencies as points, for the axes with predicted ones.
function measuredTraces(mask) {
  const along = coordinates().filter((name) => candidates.column(`measured ${state.axes[name]}`));
  if (!along.length || state.three) return [];
  const places = [];
  for (let place = 0; place < candidates.length; place++) if (mask[place] && along.some((name) => candidates.score(`measured ${state.axes[name]}`, place) !== null)) places.push(place);
  const trace = points("measured", places, { symbol: "x-thin", size: 8, line: { width: 2, color: css("--own") } });
  for (const name of along) trace[name] = places.map((place) => candidates.score(`measured ${state.axes[name]}`, place) ?? candidates.score(state.axes[name], place));
  return [trace];
}

function pinTraces() {
  const pinned = state.pins.filter(drawable);
  const ring = (places, more) => ({ symbol: "circle-open", size: state.three ? 12 : 18, color: css("--own"), line: { width: 2.5, color: css("--own") }, ...more });
  const text = { mode: "markers+text", text: pinned.map((place) => LETTERS[state.pins.indexOf(place)]), textposition: "middle right", textfont: { size: 15, color: css("--own") }, hoverinfo: "skip", showlegend: false };
  const cursor = state.cursor !== null && drawable(state.cursor) ? [state.cursor] : [];
  return [points("pinned", pinned, ring(pinned), text), points("here", cursor, ring(cursor, { color: css("--focus"), line: { width: 3, color: css("--focus") } }), { hoverinfo: "skip", showlegend: false })];
}

// Return lines for the budgets of the run and the limits of the reader.
function bounds() {
  const lines = [];
  for (const name of state.three ? [] : ["x", "y"]) {
    const own = content.budgets.filter((budget) => budget.metric === state.axes[name]).map((budget) => ["budget", budget.bound]);
    const limit = state.limits.has(state.axes[name]) ? [["your limit", state.limits.get(state.axes[name])]] : [];
    for (const [word, bound] of [...own, ...limit]) {
      const [across, up] = name === "x" ? [[bound, bound], [0, 1]] : [[0, 1], [bound, bound]];
      const refs = name === "x" ? { xref: "x", yref: "paper" } : { xref: "paper", yref: "y" };
      lines.push({ type: "line", x0: across[0], x1: across[1], y0: up[0], y1: up[1], ...refs, line: { color: css("--budget"), width: 2, dash: "dash" }, label: { text: word, font: { color: css("--budget"), size: 12 }, textposition: "end" } });
    }
  }
  return lines;
}

function drawFront() {
  const mask = within();
  const front = candidates.front.filter((place) => mask[place] && drawable(place));
  const traces = [...otherTraces(mask), ...frontTraces(front), ...modelTraces(), ...measuredTraces(mask), ...baselineTraces(), ...pinTraces()];
  const titled = state.three || chart.clientWidth < NARROW_PX ? short : label;
  const named = Object.fromEntries(coordinates().map((name) => [`${name}axis`, axis(titled(state.axes[name]), state.logs[name])]));
  const kept = `${coordinates().map((name) => `${state.axes[name]}${state.logs[name]}`)}`; // a zoom lasts as long as the axes
  const colour = state.colour ? { coloraxis: { colorscale: SCALE, colorbar: { title: { text: plain(label(state.colour)), side: "right" }, thickness: 12 } } } : {};
  const space = state.three ? { scene: { ...named, camera: { eye: { x: 1.6, y: 1.6, z: 0.9 } } }, margin: { l: 0, r: 0, t: 0, b: 0 } } : { ...named, shapes: bounds() };
  const drawn = Plotly.react(chart, traces, layout({ ...space, ...colour, uirevision: kept, datarevision: performance.now() }), CONFIG);
  chart.setAttribute("aria-label", `Chart of ${exact.format(front.length)} candidates on the front: ${coordinates().map((name) => label(state.axes[name])).join(" against ")}`);
  return Promise.resolve(drawn).then(placeNames);
}
