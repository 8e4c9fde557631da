// Growth of the fronts, and predicted against measured latencies.

const LINES = ["solid", "dash", "dot", "dashdot", "longdash"];

function drawGrowth() {
  const colours = ["--front-mark", "--model", "--separable", "--budget", "--own"].map(css);
  const several = content.runs.length > 1;
  const traces = content.runs.map((run, number) => ({
    x: run.growth.after, y: run.growth.own, name: several ? plain(run.name) : "this search", mode: "lines", line: { color: colours[number % 5], width: 2.5, dash: several ? LINES[number % 5] : "solid" },
  }));
  const { after, random } = content.runs[0].growth;
  if (random) traces.push({ x: after, y: random, name: "as many at random", mode: "lines", line: { color: css("--soft"), width: 2, dash: "dash" } });
  Plotly.react(byId("growth"), traces, layout({ xaxis: axis("candidates"), yaxis: axis("share of the box", false, { rangemode: "tozero" }), hovermode: "x" }), CONFIG);
}

function describeGrowth() {
  const lines = content.runs.map((run) => {
    const [own, random] = [run.growth.own.at(-1), run.growth.random?.at(-1)];
    return `${content.runs.length > 1 ? run.name : "This search"} ends at ${four.format(own)}${random === undefined ? "" : `, as many candidates at random at ${four.format(random)}`}.`;
  });
  byId("growth-summary").textContent = lines.join(" ");
  byId("growth").setAttribute("aria-label", `Curve of the hypervolume. ${lines.join(" ")}`);
}

const measuredNames = () => [...metrics.keys()].filter((name) => name.startsWith("measured "));

function pairs(name) {
  const [measured, predicted] = [candidates.column(name), candidates.column(name.replace("measured ", ""))];
  return measured.flatMap((value, place) => (value === null || !Number.isFinite(predicted?.[place]) ? [] : [{ place, measured: value, predicted: predicted[place] }]));
}

function drawMeasured(id, name) {
  const found = pairs(name);
  const ends = [Math.min(...found.flatMap((one) => [one.measured, one.predicted])), Math.max(...found.flatMap((one) => [one.measured, one.predicted]))];
  const same = { x: ends, y: ends, mode: "lines", name: "equal", line: { color: css("--soft"), dash: "dash" }, hoverinfo: "skip" };
  const marker = { color: css("--front-mark"), symbol: "diamond", size: 9 };
  const text = found.map((one) => plain(`${candidates.title(one.place)}: predicted ${brief(one.predicted)}, measured ${brief(one.measured)}`));
  const dots = { x: found.map((one) => one.predicted), y: found.map((one) => one.measured), text, hoverinfo: "text", mode: "markers", name: "candidates", marker };
  Plotly.react(byId(id), [same, dots], layout({ xaxis: axis(label(name.replace("measured ", ""))), yaxis: axis(label(name)) }), CONFIG);
}

function setUpMeasured() {
  const names = measuredNames().filter((name) => pairs(name).length);
  if (!names.length) {
    fill("measured", make("p", {}, "Nothing was measured. On the device, this measures the front:"), ...content.runs.map((run) => command(run.measure)));
    return;
  }
  names.forEach((name, number) => {
    const found = pairs(name);
    const off = found.map((one) => Math.abs(one.predicted / one.measured - 1)).sort((a, b) => a - b);
    const summary = `${found.length} measured; half of the predictions are within ${four.format(100 * off[Math.floor(off.length / 2)])} %, the worst is ${four.format(100 * off.at(-1))} % off.`;
    const id = `measured-${number}`;
    byId("measured").append(make("p", { class: "small" }, summary), make("div", { class: "chart", id, role: "img", "aria-label": `${label(name)} against the predicted one. ${summary}` }));
    whenSeen(id, () => drawMeasured(id, name));
  });
}
