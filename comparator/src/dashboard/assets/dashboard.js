// Moves the figures of the overview as they change, and draws the charts. The page says all of it without this, as of when it was
// loaded.

const base = document.documentElement.dataset.base;

/** How often the charts are drawn anew, in milliseconds: as often as points are noted, and somewhat more. */
const CHARTS_EVERY_MS = 10_000;

const LINES = ["--line-1", "--line-2", "--line-3", "--line-4"];

/** A line beyond the colours there are is dashed, so that no two look alike. */
const DASHES = [[], [8, 4]];

const place = (id) => document.getElementById(id);

/** Sets a text only if it is another one, so that nobody is told what did not change. */
function say(element, text) {
  if (element && element.textContent !== text) {
    element.textContent = text;
    return true;
  }
  return false;
}

function setFigure(id, [text, more, tone]) {
  const figure = place(id);
  if (!figure) return;
  const first = figure.classList.item(0);
  figure.className = `${first} ${tone}`;
  // An age is another one at each tick, which is no news.
  if (say(figure.querySelector(".text"), text) && !id.endsWith("-verified")) {
    // Begins the animation anew.
    void figure.offsetWidth;
    figure.classList.add("changed");
  }
  say(figure.querySelector(".more"), more);
}

function setLive(is_live) {
  const badge = place("live");
  badge.className = is_live ? "badge good" : "badge doubt";
  say(badge, is_live ? "live" : "not connected");
}

let events = null;

function watch() {
  events = new EventSource(`${base}/dashboard/live`);
  events.onmessage = ({ data }) => {
    const { at, sentence, figures } = JSON.parse(data);
    setLive(true);
    say(place("at"), at);
    say(place("sentence"), sentence);
    Object.entries(figures).forEach(([id, figure]) => setFigure(id, figure));
  };
  events.onerror = () => setLive(false);
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** The time of day, in UTC, of seconds since 1970. */
const clock = (seconds) => new Date(seconds * 1e3).toISOString().slice(11, 19);

/** A chart of one value of each line. */
function chart(element, past, value, unit) {
  const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") } };
  const lines = past.lines.map(({ name }, at) => ({
    label: name,
    stroke: colour(LINES[at % LINES.length]),
    dash: DASHES[Math.floor(at / LINES.length) % DASHES.length],
    width: 2,
    points: { show: past.at_s.length < 30, size: 5 },
    value: (_, number) => (number == null ? "–" : `${number.toPrecision(3)} ${unit}`),
  }));
  const options = {
    width: element.clientWidth,
    height: 200,
    series: [{ value: (_, seconds) => (seconds == null ? "–" : clock(seconds)) }, ...lines],
    axes: [{ ...axis, space: 80, values: (_, ticks) => ticks.map(clock) }, { ...axis, size: 56, values: (_, ticks) => ticks.map((tick) => `${tick} ${unit}`) }],
    scales: { y: { range: (_, min, max) => [0, Math.max(max ?? 0, 1e-3) * 1.1] } },
  };
  element.replaceChildren();
  new uPlot(options, [past.at_s, ...past.lines.map((line) => line[value])], element);
}

let past = null;

function draw() {
  if (!past || past.at_s.length < 2) return;
  place("charts").hidden = false;
  chart(place("chart-diverging"), past, "diverging_percent", "%");
  chart(place("chart-behind"), past, "behind_s", "s");
}

async function drawAgain() {
  try {
    const answer = await fetch(`${base}/dashboard/past`);
    if (answer.ok) {
      past = await answer.json();
      draw();
    }
  } catch {
    // The badge says that nothing is connected.
  }
}

/** What nobody sees is not asked for: a browser has few connections to one address, and this would hold one. */
function begin() {
  if (document.hidden) {
    events?.close();
    setLive(false);
  } else {
    watch();
    drawAgain();
  }
}

begin();
document.addEventListener("visibilitychange", begin);
setInterval(() => document.hidden || drawAgain(), CHARTS_EVERY_MS);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
let resized;
addEventListener("resize", () => {
  clearTimeout(resized);
  resized = setTimeout(draw, 150);
});
