// The sections of the page with text and tables.

const sections = (build) => content.runs.flatMap((run) => (content.runs.length > 1 ? [make("h3", {}, run.name), ...build(run)] : build(run)));
const nothing = (message) => [make("p", {}, message)];

function showSummary() {
  const runs = content.runs.map((run) => {
    const counts = Object.entries(run.candidates).map(([status, count]) => `${exact.format(count)} ${status}`);
    return `${content.runs.length > 1 ? `${run.name}: ` : ""}${counts.join(", ")}; ${exact.format(run.front)} on the front.`;
  });
  const total = content.runs.reduce((sum, run) => sum + (run.candidates.complete ?? 0), 0);
  const thin = total > candidates.length ? [`${exact.format(candidates.length)} candidates are shown, all of the front among them.`] : [];
  const budgets = content.budgets.map((budget) => `${label(budget.metric)} ${budget.at_most ? "≤" : "≥"} ${brief(budget.bound)}`);
  byId("title").textContent = content.title;
  byId("summary").textContent = [...runs, ...thin, `Objectives: ${content.runs[0].objectives.join(", ")}.`, `Budgets: ${budgets.join(", ") || "none"}.`].join(" ");
}

function placeOf(run, number) {
  return candidates.ids.findIndex((id, place) => id === number && candidates.run[place] === run);
}

function choiceCards(run, number) {
  const reasons = new Map(); // a candidate may be recommended for several reasons
  for (const one of run.chosen) reasons.set(one.number, [...(reasons.get(one.number) ?? []), one.why]);
  return [...reasons].map(([id, why]) => {
    const place = placeOf(number, id);
    const button = make("button", { type: "button", onclick: () => pin(place), "aria-label": `Pin ${candidates.title(place)}` }, "Pin");
    return make("article", { class: "card" }, make("h3", {}, candidates.title(place), button), make("p", { class: "small" }, why.join("; ")), scoreList(place, objectives), diagram(place), command(candidates.exportCommand(place)));
  });
}

function showChoices() {
  fill("choose", ...content.runs.flatMap(choiceCards));
  byId("choose").after(diagramKey());
  fill("notes", ...content.notes.map((note) => make("p", { class: "small" }, note)));
  if (content.compared.length) byId("choose").before(comparison());
}

function comparison() {
  const header = ["run", "sampler", "seed", "candidates", "on its front", "share of the joint hypervolume", "on the joint front", "of its front dominated by others"];
  const rows = content.compared.map((one) => [one.run, one.sampler, one.seed, one.candidates, one.front, shareCell(one.share), one.joint, shareCell(one.covered)]);
  return make("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "The runs side by side" }, table("The runs side by side.", header, rows));
}

function showMatters() {
  fill("matters", ...sections((run) => {
    const names = Object.keys(run.importance);
    if (!names.length) return nothing("There are too few candidates.");
    const most = (name) => Math.max(...names.map((metric) => run.importance[metric][name]));
    const dimensions = Object.keys(run.importance[names[0]]).sort((a, b) => most(b) - most(a)).slice(0, 12);
    const rows = dimensions.map((name) => [name, ...names.map((metric) => shareCell(run.importance[metric][name]))]);
    const over = run.sampled === null ? "" : `, by ${exact.format(run.sampled)} of the candidates, evenly drawn`;
    return [make("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "What matters" }, table(`The twelve choices that explain most of any objective${over}.`, ["choice", ...names.map(short)], rows))];
  }));
}

function showCommonChoices() {
  fill("habits", ...sections((run) => {
    if (!run.common_choices.length) return nothing("The front is empty.");
    const rows = run.common_choices.map((one) => [one.dimension, whole(one.value), shareCell(one.on_front), shareCell(one.elsewhere)]);
    return [make("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "What the front agrees on" }, table("The largest differences come first.", ["choice", "value", "on the front", "among the others"], rows))];
  }));
}

function gainText(metric, gain) {
  const direction = metrics.get(metric)?.direction === "max" ? "+" : "−";
  return gain ? `${direction}${brief(gain)}` : "equal";
}

function showPublished() {
  fill("published", ...sections((run) => {
    if (!run.published) return nothing("No published model is among the candidates.");
    const summary = run.dominance;
    const names = run.objectives.map((text) => text.slice(0, text.lastIndexOf(":")));
    const rows = run.dominated.map((one) => [one.model, one.by, one.confident ? "better with 90 %" : "about equal", ...names.map((name) => gainText(name, one.gains[name]))]);
    const header = ["model", "dominated by", "accuracy", ...names.map((name) => `${short(name)}, gain`)];
    return rows.length ? [make("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Published models" }, table(summary, header, rows))] : nothing(summary);
  }));
}

// The baselines: known values, and the comparison with the front.
function showBaselines() {
  byId("baseline-section").hidden = !content.baselines.length;
  fill("baseline", ...content.baselines.flatMap((one) => {
    const rows = Object.entries(one.scores).map(([metric, value]) => [one.labels[metric], value, one.origins[metric]]);
    const gains = one.gains && `Candidate ${one.gains.by} is better by ${Object.entries(one.gains.gains).map(([metric, gain]) => `${short(metric)} ${gainText(metric, gain)}`).join(", ")}.`;
    const notes = [`${one.summary}.`, gains, ...one.notes].filter(Boolean).map((text) => make("p", { class: "small" }, text));
    return [make("h3", {}, one.name), make("p", { class: "small" }, `${one.source}, ${one.resolution_px} px`), table("Known values.", ["metric", "value", "from"], rows), ...notes];
  }));
}

function showFailures() {
  fill("failures", ...sections((run) => (run.failures.length ? [table("Candidates that failed, by reason.", ["reason", "candidates"], run.failures.map((one) => [one.reason, one.count]))] : nothing("None."))));
}

function showOrigin() {
  fill("origin", ...sections((run) => {
    const facts = Object.entries(run.provenance).flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]);
    return [make("dl", { class: "facts" }, ...facts), make("p", { class: "small" }, "Repeat the run, and compare the results:"), command(run.reproduce)];
  }));
}
