// Pointer and keyboard: tooltips, pins, and moving along the front.

const tip = byId("tip");

function showTip(place, x, y) {
  showAt(x, y, make("strong", {}, candidates.title(place)), scoreList(place, objectives), diagram(place));
}

// Show a network that is not a candidate: a published model beyond the budgets, or a baseline.
function showOther(one, x, y) {
  const facts = objectives.filter((name) => Number.isFinite(one.scores[name])).map((name) => fact(short(name), brief(one.scores[name])));
  showAt(x, y, make("strong", {}, one.name), make("p", { class: "small" }, "not a candidate, for comparison"), make("dl", {}, ...facts));
}

function showAt(x, y, ...parts) {
  tip.replaceChildren(...parts);
  tip.hidden = false;
  const left = Math.min(x + 16, scrollX + document.documentElement.clientWidth - tip.offsetWidth - 8);
  const above = y - scrollY > innerHeight / 2;
  tip.style.left = `${Math.max(left, 8)}px`;
  tip.style.top = `${above ? y - tip.offsetHeight - 16 : y + 16}px`;
}

function hideTip() {
  tip.hidden = true;
}

const pointed = (event) => event.points.map((point) => point.customdata).find((place) => Number.isInteger(place));

function followPointer() {
  chart.on("plotly_hover", (event) => {
    const place = pointed(event);
    const mouse = event.event ?? { pageX: chart.offsetLeft, pageY: chart.offsetTop };
    const other = event.points.map((point) => point.data.meta?.[point.pointNumber]).find((one) => one?.scores);
    if (place !== undefined) showTip(place, mouse.pageX, mouse.pageY);
    else if (other) showOther(other, mouse.pageX, mouse.pageY);
  });
  chart.on("plotly_unhover", hideTip);
  chart.on("plotly_click", (event) => {
    const place = pointed(event);
    if (place !== undefined) pin(place);
  });
  chart.on("plotly_relayout", (change) => {
    if (Object.keys(change).some((name) => name.includes("range"))) placeNames();
  });
  chart.addEventListener("mouseleave", hideTip);
}

// Return the front from left to right.
function frontFromLeft() {
  const across = candidates.column(state.axes.x);
  return visibleFront().filter(drawable).sort((a, b) => across[a] - across[b] || a - b);
}

const STEPS = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity };

function moved(key) {
  const path = frontFromLeft();
  if (!path.length) return null;
  const from = path.indexOf(state.cursor);
  const step = STEPS[key];
  const start = step > 0 ? -1 : path.length;
  const to = (from < 0 && Number.isFinite(step) ? start : from) + step;
  return path[Math.max(0, Math.min(path.length - 1, to))];
}

function followKeys() {
  chart.addEventListener("keydown", (event) => {
    if (event.key in STEPS) {
      state.cursor = moved(event.key);
      changed("cursor");
      if (state.cursor !== null) announceCandidate(state.cursor);
    } else if ((event.key === "Enter" || event.key === " ") && state.cursor !== null) {
      pin(state.cursor);
    } else if (event.key === "Escape") {
      state.cursor = null;
      hideTip();
      changed("cursor");
    } else {
      return;
    }
    event.preventDefault();
  });
  chart.addEventListener("blur", hideTip);
}

function announceCandidate(place) {
  const values = objectives.map((name) => `${label(name)} ${withInterval(name, place)}`);
  announce(`${candidates.title(place)}: ${values.join(", ")}.`);
  const box = chart.getBoundingClientRect();
  const [across, up] = state.three ? [0.5, 0.5] : [fraction("x", candidates.score(state.axes.x, place)), fraction("y", candidates.score(state.axes.y, place))];
  const { l, r, t, b } = chart.layout.margin;
  showTip(place, scrollX + box.left + l + across * (box.width - l - r), scrollY + box.top + t + (1 - up) * (box.height - t - b));
}
