// The settings of the reader, and the listeners to their changes.

const LETTERS = ["A", "B", "C", "D"];

const state = {
  axes: {}, // x, y, z: metrics
  logs: {}, // x, y, z: whether logarithmic
  three: false,
  colour: "",
  others: true,
  limits: new Map(), // metric to bound
  brushed: null, // whether each candidate passes the brushes, one byte each; null without brushes
  cursor: null, // index of the candidate at the keyboard cursor
  pins: [],
};

const listeners = new Map();

// Call a function after each change of one of some settings: view, limits, cursor, pins, theme.
function on(names, react) {
  for (const name of names.split(" ")) listeners.set(name, [...(listeners.get(name) ?? []), react]);
}

function changed(name) {
  for (const react of listeners.get(name) ?? []) react();
}

const kept = (metric, bound, value) => value === null || (metrics.get(metric).direction === "max" ? value >= bound : value <= bound);

// Return whether each candidate meets the limits and passes the brushes, one byte each.
function within(withBrushes = true) {
  const mask = new Uint8Array(candidates.length).fill(1);
  for (const [metric, bound] of state.limits) {
    const values = candidates.column(metric);
    for (let place = 0; place < mask.length; place++) if (!kept(metric, bound, values[place])) mask[place] = 0;
  }
  if (withBrushes && state.brushed) for (let place = 0; place < mask.length; place++) mask[place] &= state.brushed[place];
  return mask;
}

// Return the indices of the candidates on the front that are within the limits.
function visibleFront() {
  const mask = within();
  return candidates.front.filter((place) => mask[place]);
}

function pin(place) {
  if (state.pins.includes(place)) {
    state.pins = state.pins.filter((other) => other !== place);
    announce(`${candidates.title(place)} is no longer pinned.`);
  } else if (state.pins.length === LETTERS.length) {
    announce("Four candidates are pinned; remove one first.");
    return;
  } else {
    state.pins = [...state.pins, place];
    announce(`${candidates.title(place)} is pinned as ${LETTERS[state.pins.length - 1]}.`);
  }
  changed("pins");
}

// The theme: light, dark, or that of the system.
const dark = matchMedia("(prefers-color-scheme: dark)");
const themes = ["as the system", "light", "dark"];

function applyTheme(name) {
  const shade = name === "as the system" ? (dark.matches ? "dark" : "light") : name;
  document.documentElement.dataset.theme = shade;
  byId("theme").textContent = `Theme: ${name}`;
  byId("theme").dataset.name = name;
}

function setUpTheme() {
  let stored = null;
  try {
    stored = localStorage.getItem("mvt-nas theme");
  } catch {
    // A page from disk may have no storage; then the choice lasts as long as the page.
  }
  applyTheme(themes.includes(stored) ? stored : themes[0]);
  byId("theme").addEventListener("click", () => {
    const next = themes[(themes.indexOf(byId("theme").dataset.name) + 1) % themes.length];
    applyTheme(next);
    try {
      localStorage.setItem("mvt-nas theme", next);
    } catch {
      // See above.
    }
    changed("theme");
  });
  dark.addEventListener("change", () => {
    applyTheme(byId("theme").dataset.name);
    changed("theme");
  });
}
