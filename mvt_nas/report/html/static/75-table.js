// The front as a table with sorting by any column and a button to pin each candidate.

const PAGE = 50;
const sorting = { by: null, rows: PAGE };

function sorted(places) {
  const values = candidates.column(sorting.by);
  const sign = metrics.get(sorting.by).direction === "max" ? -1 : 1;
  return [...places].sort((a, b) => sign * ((values[a] ?? Infinity) - (values[b] ?? Infinity)) || a - b);
}

function sortCell(name) {
  const sort = () => {
    sorting.by = name;
    showFront();
    byId("front-table").querySelector(`[data-metric="${CSS.escape(name)}"]`).focus();
  };
  return make("th", { scope: "col", class: "number", "aria-sort": sorting.by === name ? (metrics.get(name).direction === "max" ? "descending" : "ascending") : null }, make("button", { type: "button", onclick: sort, "data-metric": name }, label(name)));
}

function frontRow(place, names) {
  const pinned = state.pins.includes(place);
  const button = make("button", { type: "button", "aria-pressed": String(pinned), onclick: () => pin(place), "aria-label": `Pin ${candidates.title(place)}` }, pinned ? "Pinned" : "Pin");
  return make("tr", {}, make("th", { scope: "row" }, candidates.title(place)), ...names.map((name) => make("td", { class: "number" }, whole(candidates.score(name, place)) + candidates.star(name, place) + interval(name, place))), make("td", {}, button));
}

function showFront() {
  if (!byId("front-list").open) return;
  const names = [...new Set([...objectives, ...[...metrics.values()].filter((metric) => metric.log).map((metric) => metric.name)])];
  const places = sorted(visibleFront());
  const head = make("tr", {}, make("th", { scope: "col" }, "candidate"), ...names.map(sortCell), make("th", { scope: "col" }, "compare"));
  const rows = places.slice(0, sorting.rows).map((place) => frontRow(place, names));
  fill("front-table", make("caption", {}, `${exact.format(places.length)} on the front within your limits.`), make("thead", {}, head), make("tbody", {}, ...rows));
  const rest = places.length - rows.length;
  byId("more").hidden = rest <= 0;
  byId("more").textContent = `Show ${Math.min(rest, PAGE)} more of ${exact.format(rest)}`;
}

function setUpTable() {
  sorting.by = objectives[0];
  byId("front-list").addEventListener("toggle", showFront);
  byId("more").addEventListener("click", () => {
    sorting.rows += PAGE;
    showFront();
  });
}
