// Entry point.

if (typeof DecompressionStream === "undefined") {
  byId("trouble").hidden = false;
  byId("trouble").textContent = "This browser is too old for the page (it has no DecompressionStream): one of 2023 or later shows it.";
  return;
}

const content = JSON.parse(await unpacked("packed-content"));
const library = make("script");
library.textContent = await unpacked("packed-plotly");
document.head.append(library);

const candidates = new Candidates(content);
const objectives = content.objectives;
const metrics = new Map(
  content.metrics.map((metric) => {
    let [low, high] = [Infinity, -Infinity];
    for (const value of candidates.column(metric.name)) if (value !== null) [low, high] = [Math.min(low, value), Math.max(high, value)];
    return [metric.name, { ...metric, low, high }];
  }),
);

setUpTheme();
showSummary();
setUpAxes();
setUpView();
setUpLimits();
setUpTable();
await drawFront();
followPointer();
followKeys();
on("view cursor pins theme limits brush", drawFront);
on("limits brush pins", showFront);
on("limits brush", showWithin);
on("pins", showPins);
addEventListener("resize", placeNames);
addEventListener("beforeprint", () => {
  shapes = true;
  drawFront();
});
addEventListener("afterprint", () => {
  shapes = !hasWebGL;
  drawFront();
});
showWithin();
showChoices();
showMatters();
showCommonChoices();
showPublished();
showBaselines();
showFailures();
showOrigin();
describeGrowth();
whenSeen("growth", drawGrowth);
setUpParallel();
setUpMeasured();
document.documentElement.dataset.ready = "true";
