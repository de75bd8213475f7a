// Charts by uPlot, which is fetched with the first. An element [data-chart] says how one looks; [data-points] in a live
// part, whose data-for names it, what it shows: columns as uPlot has them, times first.

let library = null;
const drawn = new Map();

function load() {
  library ??= new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = new URL("uPlot.iife.min.js", import.meta.url);
    script.onload = () => done(window.uPlot);
    script.onerror = failed;
    document.head.append(script);
  });
  return library;
}

const clock = (at) => new Date(at * 1000).toLocaleTimeString([], { hourCycle: "h23" });
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function paint(name) {
  const probe = document.createElement("i");
  probe.className = `paint-${name}`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

function optionsOf(element, said) {
  const line = paint("line");
  const font = `11px ${colour("--font")}`;
  const axis = { stroke: paint("muted"), font, grid: { stroke: line, width: 1 }, ticks: { show: false } };
  const units = said.unit ? (_, values) => values.map((value) => `${value}${said.unit}`) : undefined;
  return {
    width: element.clientWidth,
    height: said.height ?? 168,
    padding: [8, 18, 0, 0],
    cursor: { points: { size: 6 }, drag: { x: false, y: false } },
    hooks: { setCursor: [(plot) => plot.cursor.left < 0 && newest(plot)] },
    legend: { markers: { width: 0, fill: (plot, at) => plot.series[at].stroke() } },
    scales: { y: { range: (_, least, most) => [0, Math.max(most * 1.15, said.least ?? 1)] } },
    axes: [{ ...axis, grid: { show: false }, space: 80, size: 28, values: (_, times) => times.map(clock) }, { ...axis, size: 52, space: 32, values: units }],
    series: [
      { label: "Time", value: (_, at) => (at === null || at === undefined ? "" : clock(at)) },
      ...said.series.map((each) => ({
        label: each.label,
        stroke: paint(each.paint),
        fill: each.fill ? paint(`${each.paint}-soft`) : undefined,
        dash: each.dash,
        width: 1.5,
        points: { show: Boolean(said.dots), size: 3 }, // a second among silent ones is a point and no line
        value: (_, value) => (value === null || value === undefined ? "–" : `${+value.toFixed(2)}${said.unit ?? ""}`),
      })),
    ],
  };
}

// Where nobody points, the legend tells the last second.
const newest = (plot) => plot.setLegend({ idx: plot.data[0].length - 1 }, false);

async function draw(element) {
  const said = JSON.parse(element.dataset.chart);
  const points = pointsFor(element.id);
  const UPlot = await load();
  drawn.get(element)?.destroy();
  const plot = new UPlot(optionsOf(element, said), points ?? [[], ...said.series.map(() => [])], element);
  drawn.set(element, plot);
  newest(plot);
}

function pointsFor(id) {
  const carrier = document.querySelector(`[data-points][data-for="${CSS.escape(id)}"]`);
  return carrier && JSON.parse(carrier.dataset.points);
}

const resized = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const plot = drawn.get(target);
    if (plot && target.clientWidth) plot.setSize({ width: target.clientWidth, height: plot.height });
  }
});

export function dress(root) {
  for (const element of root.querySelectorAll("[data-chart]")) {
    if (drawn.has(element)) continue;
    drawn.set(element, undefined);
    resized.observe(element);
    draw(element);
  }
  for (const carrier of root.querySelectorAll("[data-points]")) {
    const plot = drawn.get(document.getElementById(carrier.dataset.for));
    plot?.setData(JSON.parse(carrier.dataset.points));
    if (plot && plot.cursor.left < 0) newest(plot);
  }
}

document.addEventListener("bff:looks", () => {
  for (const element of drawn.keys()) if (element.isConnected) draw(element);
});
