// Controls for axes, colours and limits.

const options = (names, chosen) => names.map((name) => make("option", { value: name, selected: name === chosen }, label(name)));

function setUpAxes() {
  const names = [...metrics.keys()];
  const [y, x, z] = [objectives[0], objectives[1] ?? names.find((name) => name !== objectives[0]), objectives[2]];
  state.axes = { x, y, z: z ?? names.find((name) => name !== x && name !== y) ?? y };
  for (const name of ["x", "y", "z"]) {
    fill(`axis-${name}`, ...options(names, state.axes[name]));
    setLog(name);
    byId(`axis-${name}`).addEventListener("change", (event) => {
      state.axes[name] = event.target.value;
      setLog(name);
      changed("view");
    });
    byId(`log-${name}`).addEventListener("change", (event) => {
      state.logs[name] = event.target.checked;
      changed("view");
    });
  }
  fill("colour", make("option", { value: "" }, "front and others"), ...options(names));
}

// A logarithmic axis needs positive values.
function setLog(name) {
  const { log, low } = metrics.get(state.axes[name]);
  const box = byId(`log-${name}`);
  box.disabled = low <= 0;
  state.logs[name] = box.checked = log && low > 0;
}

function setUpView() {
  byId("colour").addEventListener("change", (event) => {
    state.colour = event.target.value;
    changed("view");
  });
  byId("with-others").addEventListener("change", (event) => {
    state.others = event.target.checked;
    changed("view");
  });
  byId("three").addEventListener("change", (event) => {
    state.three = event.target.checked;
    byId("depth").hidden = !state.three;
    changed("view");
  });
  byId("three").disabled = !hasWebGL || metrics.size < 3;
  byId("zoom-out").addEventListener("click", () => {
    const names = coordinates().map((name) => `${state.three ? "scene." : ""}${name}axis.autorange`);
    Plotly.relayout(chart, Object.fromEntries(names.map((name) => [name, true]))).then(placeNames);
  });
}

const limitable = () => [...metrics.values()].filter((metric) => metric.direction && (metric.objective || metric.log));

function setUpLimits() {
  const fields = limitable().map(({ name, direction, low, high }) => {
    const own = content.budgets.find((budget) => budget.metric === name);
    const hint = `${brief(low)} to ${brief(high)}`;
    const input = make("input", { type: "number", step: "any", name, placeholder: hint, "data-budget": own ? own.bound : null });
    input.addEventListener("input", () => setLimit(name, input));
    return make("label", {}, `${label(name)}, at ${direction === "max" ? "least" : "most"}`, input);
  });
  fill("limits", ...fields);
  byId("limits").addEventListener("submit", (event) => event.preventDefault());
}

let waiting = 0;

// Apply a limit a moment after the last key, so that typing stays fluent.
function setLimit(metric, input) {
  if (input.value === "") state.limits.delete(metric);
  else if (Number.isFinite(input.valueAsNumber)) state.limits.set(metric, input.valueAsNumber);
  clearTimeout(waiting);
  waiting = setTimeout(() => changed("limits"), 150);
}

const better = (metric, a, b) => (metrics.get(metric).direction === "max" ? a > b : a < b);

// Return the index of the best candidate in a metric within a mask; null if there is none.
function bestOf(metric, mask) {
  const values = candidates.column(metric);
  let best = null;
  for (let place = 0; place < mask.length; place++) {
    if (mask[place] && values[place] !== null && (best === null || better(metric, values[place], values[best]))) best = place;
  }
  return best;
}

function bestUnder([metric, bound]) {
  const mask = Uint8Array.from(candidates.column(metric), (value) => kept(metric, bound, value));
  return [`best ${label(objectives[0])} with ${label(metric)} ${metrics.get(metric).direction === "max" ? "≥" : "≤"} ${brief(bound)}`, bestOf(objectives[0], mask)];
}

function showWithin() {
  const mask = within();
  const left = mask.reduce((sum, one) => sum + one, 0);
  const lines = [make("p", {}, `${exact.format(left)} of ${exact.format(candidates.length)} candidates are left.`)];
  if (state.limits.size && left) lines.push(...objectives.map((name) => smallCard(`best ${label(name)} under all limits`, bestOf(name, mask))));
  if (state.limits.size > 1) lines.push(...[...state.limits].map(bestUnder).filter(([, place]) => place !== null).map(([why, place]) => smallCard(why, place)));
  fill("within", ...lines);
}

function smallCard(why, place) {
  const button = make("button", { type: "button", onclick: () => pin(place), "aria-label": `Pin ${candidates.title(place)}` }, "Pin");
  return make("div", { class: "card" }, make("h3", {}, candidates.title(place), button), make("p", { class: "small" }, why), scoreList(place, objectives), command(candidates.exportCommand(place)));
}
