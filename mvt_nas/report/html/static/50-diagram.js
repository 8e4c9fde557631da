// Diagram of a network as a row of stages: the height is the width in channels, lines are transformer layers.

const SVG = "http://www.w3.org/2000/svg";

function draw(tag, attributes, text) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

const kindOf = (stage) => (stage.block === "conv" ? "conv" : (stage.attention ?? "multi_head"));
const BLOCK_NAMES = { conv: "convolution", multi_head: "multi-head attention", separable: "separable attention" };

// Return the description of a stage: width, block and its fields.
function describeStage(stage) {
  if (stage.block === "conv") return `${stage.width} channels, ${stage.depth} × inverted residual`;
  const patch = stage.patch === null || stage.patch === undefined ? "" : `, patch ${stage.patch}`;
  return `${stage.width} channels, ${BLOCK_NAMES[kindOf(stage)] ?? stage.block}, ${stage.transformer_depth} layers of ${stage.dim}${patch}`;
}

function diagram(place) {
  const stages = candidates.stages(place);
  const wide = 320 / Math.max(stages.length, 1);
  const most = Math.max(...stages.map((stage) => stage.width));
  const description = stages.map((stage, number) => `stage ${number + 1}: ${describeStage(stage)}`).join("; ");
  const svg = draw("svg", { viewBox: "0 0 320 96", class: "diagram", role: "img", "aria-label": description });
  stages.forEach((stage, number) => {
    const high = 12 + 58 * Math.sqrt(stage.width / most);
    const left = number * wide + 4;
    svg.append(draw("rect", { x: left, y: 78 - high, width: wide - 8, height: high, rx: 3, class: kindOf(stage) }));
    const layers = stage.block === "conv" ? 0 : stage.transformer_depth;
    for (let layer = 1; layer <= layers; layer++) {
      const y = 78 - (high * layer) / (layers + 1);
      svg.append(draw("line", { x1: left + 3, x2: left + wide - 11, y1: y, y2: y, class: "layer" }));
    }
    svg.append(draw("text", { x: left + wide / 2 - 4, y: 90 }, stage.width));
  });
  return svg;
}

// Return the legend of the diagrams.
function diagramKey() {
  const entry = ([kind, name]) => [make("span", { class: "key", style: `background: var(--${kind.replace("_", "-")})`, "aria-hidden": "true" }), name];
  return make("p", { class: "small" }, "Height: channels; lines: transformer layers.", ...Object.entries(BLOCK_NAMES).flatMap(entry));
}

const fact = (name, value) => make("div", {}, make("dt", {}, name), make("dd", {}, value));

// Return the scores of a candidate as a list; objectives first, accuracy with its interval.
function scoreList(place, names) {
  const list = make("dl");
  for (const name of names) {
    if (candidates.column(name)) list.append(fact(short(name), withInterval(name, place)));
  }
  return list;
}

function withInterval(name, place) {
  return brief(candidates.score(name, place)) + candidates.star(name, place) + interval(name, place);
}

// Return the interval of a score in brackets; nothing if the score has none.
function interval(name, place) {
  const [low, high] = [`${name}_low`, `${name}_high`].map((end) => candidates.column(end)?.[place]);
  return low === undefined || low === null ? "" : ` (${brief(low)} to ${brief(high)})`;
}
