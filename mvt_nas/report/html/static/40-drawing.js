// Shared by all charts: colours of the theme, axes, and drawing on entry into the viewport.

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const hasWebGL = (() => {
  try {
    return Boolean(document.createElement("canvas").getContext("webgl"));
  } catch {
    return false;
  }
})();
const CONFIG = { displayModeBar: false, responsive: true, doubleClick: "reset", scrollZoom: false };
const SCALE = "Cividis"; // perceptually uniform, also for people who cannot tell red from green

function layout(more) {
  const font = { family: "system-ui, sans-serif", size: 13, color: css("--ink") };
  return { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font, margin: { l: 70, r: 15, t: 15, b: 55 }, hovermode: "closest", showlegend: true, legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 }, ...more };
}

// Ticks at one, two and five of each decade.
const TICKED = Array.from({ length: 16 }, (_, power) => [1, 2, 5].map((digit) => digit * 10 ** (power - 3))).flat();
const TICKS = { tickmode: "array", tickvals: TICKED, ticktext: TICKED.map(brief) };

function axis(title, logarithmic = false, more = {}) {
  const line = { gridcolor: css("--line"), zerolinecolor: css("--line"), linecolor: css("--soft") };
  return { title: { text: plain(title), standoff: 8 }, type: logarithmic ? "log" : "linear", exponentformat: "SI", minexponent: 4, ...(logarithmic ? TICKS : {}), ...line, ...more };
}

const pending = new Map();
const watcher = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) if (entry.isIntersecting) drawNow(entry.target.id);
  },
  { rootMargin: "300px" },
);

function drawNow(id) {
  const draw = pending.get(id);
  if (!draw) return;
  watcher.unobserve(byId(id));
  pending.delete(id);
  draw();
}

// Draw a chart when it enters the viewport, and again when the theme changes.
function whenSeen(id, draw) {
  const wait = () => {
    pending.set(id, draw);
    watcher.observe(byId(id));
  };
  wait();
  on("theme", wait);
}

addEventListener("beforeprint", () => {
  for (const id of [...pending.keys()]) drawNow(id);
  for (const details of document.querySelectorAll("details")) details.open = true;
});
