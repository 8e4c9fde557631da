// Parallel coordinates of scores and the most important choices; brushes also filter the chart of the front.

let brushable = []; // the drawn candidates
let brushes = new Map(); // name of an axis to its brushed intervals
const parallel = byId("parallel");

// Return an axis of scores; costs are logarithms, because Plotly has no logarithmic axis here.
function scoreAxis(name, places) {
  const values = places.map((place) => candidates.score(name, place) ?? NaN);
  const { log, low, high } = metrics.get(name);
  if (!log || low <= 0) return { label: plain(short(name)), values, name };
  const ticks = TICKED.filter((tick) => tick >= low && tick <= high);
  const few = ticks.length > 1 ? ticks : [low, high];
  return { label: plain(short(name)), values: values.map(Math.log10), tickvals: few.map(Math.log10), ticktext: few.map(brief), name };
}

function choiceAxis(name, places) {
  const codes = candidates.codes("choices", name);
  const values = candidates.choices[name].values;
  return { label: plain(name), values: places.map((place) => codes[place]), tickvals: values.map((_, code) => code), ticktext: values.map((value) => plain(whole(value))), range: [0, Math.max(values.length - 1, 1)], name };
}

function drawParallel() {
  const mask = within(false);
  const all = Array.from({ length: candidates.length }, (_, place) => place);
  brushable = (byId("parallel-all").checked ? all : candidates.front).filter((place) => mask[place]);
  const scored = [...new Set([...objectives, ...[...metrics.values()].filter((metric) => metric.log && !metric.name.startsWith("measured ")).map((metric) => metric.name)])];
  const dimensions = [...scored.map((name) => scoreAxis(name, brushable)), ...Object.keys(candidates.choices).map((name) => choiceAxis(name, brushable))];
  for (const one of dimensions) if (brushes.has(one.name)) one.constraintrange = brushes.get(one.name);
  const color = brushable.map((place) => candidates.score(objectives[0], place));
  const line = { color, colorscale: SCALE, showscale: true, colorbar: { title: { text: plain(label(objectives[0])), side: "right" }, thickness: 12 } };
  const trace = { type: "parcoords", dimensions, line, labelangle: -15, labelside: "top", tickfont: { size: 11, color: css("--ink") }, unselected: { line: { opacity: 0.06 } } };
  parallel.style.minWidth = `${112 * dimensions.length}px`;
  Plotly.react(parallel, [trace], layout({ margin: { l: 60, r: 20, t: 110, b: 25 } }), CONFIG);
}

const passes = (value, intervals) => intervals.some(([low, high]) => value >= low && value <= high);

function readBrushes() {
  const kept = parallel.data[0].dimensions.filter((one) => one.constraintrange);
  brushes = new Map(kept.map((one) => [one.name, Array.isArray(one.constraintrange[0]) ? one.constraintrange : [one.constraintrange]]));
  state.brushed = null;
  if (brushes.size) {
    state.brushed = new Uint8Array(candidates.length);
    brushable.forEach((place, row) => {
      state.brushed[place] = Number(kept.every((one) => passes(one.values[row], brushes.get(one.name))));
    });
  }
  const left = state.brushed ? state.brushed.reduce((sum, one) => sum + one, 0) : brushable.length;
  byId("brushed").textContent = state.brushed ? `${exact.format(left)} of ${exact.format(brushable.length)} pass the brushes.` : "";
  changed("brush");
}

function setUpParallel() {
  if (!hasWebGL) {
    fill("parallel", make("p", { class: "notice" }, "This browser has no WebGL, which parallel coordinates and 3-D need."));
    return;
  }
  const again = () => (pending.has("parallel") ? null : drawParallel());
  whenSeen("parallel", () => {
    drawParallel();
    parallel.removeAllListeners("plotly_restyle");
    parallel.on("plotly_restyle", readBrushes);
  });
  on("limits", again);
  byId("parallel-all").addEventListener("change", unbrush);
  byId("unbrush").addEventListener("click", unbrush);
}

function unbrush() {
  brushes = new Map();
  state.brushed = null;
  byId("brushed").textContent = "";
  drawParallel();
  changed("brush");
}
