// Up to four candidates side by side: scores, then stage by stage; differing values are marked.

const row = (name, cells, mark = true) => {
  const differs = mark && new Set(cells).size > 1;
  return make("tr", {}, make("th", { scope: "row" }, name), ...cells.map((cell) => make("td", { class: [typeof cell === "number" && "number", differs && "differs"].filter(Boolean).join(" ") || null }, whole(cell))));
};

function scoreRows(places) {
  const names = [...metrics.keys()].filter((name) => places.some((place) => candidates.score(name, place) !== null));
  return names.map((name) => row(label(name), places.map((place) => (candidates.star(name, place) ? `${whole(candidates.score(name, place))}*` : candidates.score(name, place))), false));
}

function fieldRows(places, names) {
  return names
    .map((name) => [name, places.map((place) => candidates.part(name, place))])
    .filter(([, cells]) => cells.some((cell) => cell !== null))
    .map(([name, cells]) => row(name.replace(/^stage\d+\./, "").replaceAll("_", " "), cells));
}

function group(title, rows, places) {
  return make("tbody", {}, make("tr", {}, make("th", { scope: "rowgroup", colspan: places.length + 1 }, title)), ...rows);
}

function headCell(place, number) {
  const unpin = make("button", { type: "button", onclick: () => pin(place), "aria-label": `Unpin ${candidates.title(place)}` }, "Unpin");
  return make("th", { scope: "col" }, `${LETTERS[number]}: ${candidates.title(place)}`, make("br"), unpin);
}

function showPins() {
  const places = state.pins;
  byId("pins").hidden = !places.length;
  const diagrams = make("tr", {}, make("th", { scope: "row" }, "stages"), ...places.map((place) => make("td", {}, diagram(place))));
  const commands = make("tr", {}, make("th", { scope: "row" }, "export"), ...places.map((place) => make("td", {}, command(candidates.exportCommand(place)))));
  const names = Object.keys(candidates.parts);
  const stages = [...new Set(names.map((name) => name.match(/^stage\d+/)?.[0]).filter(Boolean))];
  fill(
    "pins-table",
    make("caption", {}, "Differing values are highlighted. ", diagramKey()),
    make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "field"), ...places.map(headCell))),
    make("tbody", {}, diagrams, commands),
    group("scores", scoreRows(places), places),
    group("input, stem and head", fieldRows(places, names.filter((name) => !name.startsWith("stage"))), places),
    ...stages.map((stage) => group(stage.replace("stage", "stage "), fieldRows(places, names.filter((name) => name.startsWith(`${stage}.`))), places)),
  );
}
