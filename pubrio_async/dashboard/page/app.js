"use strict";
// Draws what the run tells. Text is always set as text: nothing that arrives becomes markup.

const $ = (id) => document.getElementById(id);
const MOST_RECENT = 600;
const TABLE_ROWS = 12;
const STATUSES = [
  ["found", "Found", "--green"], ["empty", "Empty", "--grey"], ["rejected", "Rejected", "--violet"],
  ["failed", "Failed", "--red"], ["pending", "Pending", "--amber"],
  ["unsettled", "Unsettled", "--red"], ["skipped", "Skipped", "--grey"],
];

let facts = null;
let column = {};
let now = null;
let recent = [];
let whole = [];
let onlyRecent = false;
let frozen = false;
let scheduled = false;

// ---- words ---------------------------------------------------------------------------------

const plain = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const number = (value) => (value === null || value === undefined ? "–" : plain.format(value));
const percent = (share) => `${share > 0 && share < 0.01 ? "<1" : Math.floor(share * 100)} %`;
const part = (share) => `${share > 0 && share < 0.005 ? "<1" : Math.round(share * 100)} %`;

function span(seconds) {
  const all = Math.round(seconds);
  const days = Math.floor(all / 86400), hours = Math.floor(all / 3600) % 24;
  const two = (value) => String(value).padStart(2, "0");
  const clock = `${two(Math.floor(all / 60) % 60)}:${two(all % 60)}`;
  if (days) return `${days} d ${hours} h`;
  return hours ? `${hours}:${clock}` : clock.replace(/^0(?=\d)/, "");
}

function short(seconds) {
  if (seconds >= 120) return span(seconds);
  const digits = seconds < 0.1 ? 3 : seconds < 10 ? 2 : seconds < 100 ? 1 : 0;
  return `${Number(seconds.toFixed(digits))} s`;
}

function stretch(seconds) {
  return seconds < 3600 ? `${number(seconds / 60)} min` : `${number(seconds / 3600)} h`;
}

function period(seconds) {
  return { 60: "minute", 3600: "hour", 86400: "day" }[seconds] || short(seconds);
}

function wallclock(seconds) {
  const at = new Date(Date.now() + seconds * 1000);
  const options = { hour: "2-digit", minute: "2-digit" };
  if (seconds > 72000) Object.assign(options, { weekday: "short", day: "numeric" });
  return at.toLocaleString("en-GB", options);
}

// ---- small parts of the page ----------------------------------------------------------------

function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === "text") element.textContent = value;
    else if (name === "class") element.className = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function bars(list, entries) {
  const most = Math.max(1, ...entries.map((entry) => entry.most ?? entry.value));
  while (list.children.length > entries.length) list.lastChild.remove();
  entries.forEach((entry, index) => {
    const item = list.children[index] || list.appendChild(make("li", {}, make("span"),
      make("b"), make("span", { class: "track", "aria-hidden": "true" }, make("span"))));
    const [label, figure, track] = item.children;
    say(label, entry.label);
    say(figure, entry.text ?? number(entry.value));
    track.firstChild.style.width = `${Math.min(100, (100 * entry.value) / (entry.most ?? most))}%`;
    track.firstChild.style.background = `var(${entry.colour || "--blue"})`;
  });
}

function table(details, heads, rows) {
  const body = make("tbody");
  for (const row of rows) body.append(make("tr", {}, ...row.map((text) => make("td", { text }))));
  const head = make("tr", {}, ...heads.map((text) => make("th", { scope: "col", text })));
  details.querySelector(".scroll").replaceChildren(make("table", {}, make("thead", {}, head), body));
}

class Card {
  constructor(name, title, size) {
    this.said = make("p", { class: "said", id: `${name}-said` });
    this.details = make("details", {}, make("summary", { text: `Figures: ${title.toLowerCase()}` }),
      make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `${title}, table` }));
    this.details.addEventListener("toggle", () => draw());
    this.body = make("div", {});
    this.element = make("figure", { class: `card ${size}`, id: name },
      make("figcaption", {}, make("h2", { text: title }), this.said), this.body, this.details);
    $("plots").append(this.element);
  }
}

// ---- plots over time --------------------------------------------------------------------------

const TICKS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200,
  86400, 172800, 432800, 864000];

class Plot extends Card {
  // A series: label, colour, value (as told), at (as drawn, where that differs), area, dashed, also.
  constructor(name, title, series, sentence) {
    super(name, title, "large");
    this.series = series;
    this.sentence = sentence;
    this.key = make("ul", { class: "key", "aria-hidden": "true" });
    this.box = make("div", { class: "plot", role: "img", "aria-describedby": `${name}-said` });
    this.box.setAttribute("aria-label", `${title} over time; the figures are in the table below`);
    this.body.append(this.key, this.box);
    this.plot = null;
    new ResizeObserver(() => this.fit()).observe(this.box);
  }

  size() {
    return { width: Math.max(120, this.box.clientWidth), height: 220 };
  }

  fit() {
    const size = this.size();
    if (this.plot && this.plot.width !== size.width) this.plot.setSize(size);
  }

  shown() {
    return this.series().filter((one) => one !== null);
  }

  rebuild() {
    if (this.plot) this.plot.destroy();
    this.plot = null;
  }

  build() {
    const series = this.shown();
    const axis = { stroke: colour("--muted"), grid: { stroke: colour("--grid"), width: 1 },
      ticks: { stroke: colour("--grid"), width: 1 }, font: "12px system-ui, sans-serif" };
    this.drawn = series;
    this.labels = [...series, { label: "Paused", colour: "--pause", area: true }].map((one) => {
      const mark = make("i", { class: one.area ? "area" : one.dashed ? "dashed" : "" });
      mark.style[one.area ? "background" : "borderColor"] = `var(${one.colour})`;
      const text = make("span", { text: one.label });
      return { item: make("li", {}, mark, text), text };
    });
    this.key.replaceChildren(...this.labels.map((one) => one.item));
    this.plot = new uPlot({
      ...this.size(),
      legend: { show: false },
      cursor: { sync: { key: "run" }, y: false, points: { size: 7 } },
      scales: { x: { time: false }, y: { range: (plot, low, high) => [0, Math.max(1, high * 1.08)] } },
      axes: [
        { ...axis, incrs: TICKS, space: 64, size: 36, values: (plot, ticks) => ticks.map(span) },
        { ...axis, size: 54, values: (plot, ticks) => ticks.map((tick) =>
          (Number.isInteger(tick) ? compact.format(tick) : "")) },
      ],
      series: [{}, ...series.map((one) => ({
        stroke: colour(one.colour), width: one.dashed ? 1.5 : 2, spanGaps: true,
        dash: one.dashed ? [6, 5] : undefined, points: { show: false },
        fill: one.area ? `${colour(one.colour)}${one.solid ? "d8" : "38"}` : undefined,
      }))],
      hooks: {
        drawClear: [(plot) => this.pauses(plot)],
        setCursor: [(plot) => this.read(plot.cursor.idx)],
      },
    }, this.data, this.box);
  }

  pauses(plot) {
    const rows = this.rows, at = column.t, paused = column.paused_s, context = plot.ctx;
    context.save();
    context.fillStyle = colour("--pause");
    const waits = (index) => index < rows.length && rows[index][paused] > rows[index - 1][paused];
    for (let index = 1; index < rows.length; index++) {
      if (!waits(index)) continue;
      const from = plot.valToPos(rows[index - 1][at], "x", true);
      while (waits(index + 1)) index++;
      const to = plot.valToPos(rows[index][at], "x", true);
      context.fillRect(from, plot.bbox.top, Math.max(1, to - from), plot.bbox.height);
    }
    context.restore();
  }

  read(index) {
    const row = this.rows[index ?? this.rows.length - 1];
    if (!row) return;
    this.drawn.forEach((one, place) =>
      say(this.labels[place].text, `${one.label} ${number(one.value(row))}`));
    const paused = this.rows.at(-1)[column.paused_s] > this.rows[0][column.paused_s];
    this.labels.at(-1).item.hidden = !paused;
  }

  draw(rows) {
    this.rows = rows;
    const series = this.shown();
    this.data = [rows.map((row) => row[column.t]),
      ...series.map((one) => rows.map((row) => (one.at || one.value)(row)))];
    say(this.said, this.sentence());
    if (this.plot) this.plot.setData(this.data);
    else if (rows.length) this.build();
    if (rows.length) this.read(this.plot.cursor.idx);
    if (!this.details.open) return;
    const every = Math.max(1, Math.ceil(rows.length / TABLE_ROWS));
    const few = rows.filter((row, index) => (rows.length - 1 - index) % every === 0).reverse();
    table(this.details, ["Time", ...series.map((one) => one.label)],
      few.map((row) => [span(row[column.t]), ...series.map((one) => number(one.value(row)))]));
  }
}

const of = (name) => (row) => row[column[name]];
const constant = (value) => () => value;

function plots() {
  const others = (row) => of("settled")(row) - of("found")(row) - of("empty")(row);
  const rows = new Plot("rows", "Rows settled", () => [
    { label: "Read", colour: "--blue", value: of("read"), dashed: true },
    { label: "Other", colour: "--amber", value: others, at: of("settled"), area: true, solid: true },
    { label: "Empty", colour: "--grey", value: of("empty"), area: true, solid: true,
      at: (row) => of("found")(row) + of("empty")(row) },
    { label: "Found", colour: "--green", value: of("found"), area: true, solid: true },
  ], () => {
    const settled = now.report.rows, total = facts.total;
    const done = total ? `${number(settled)} of ${number(total)} rows (${percent(settled / total)})`
      : `${number(settled)} rows`;
    const pace = now.pace === null ? "" : `, ${number(Number(now.pace.toPrecision(3)))} a second of late`;
    return `${done} settled, ${number(now.report.unique)} distinct people${pace}.`;
  });
  const requests = new Plot("requests", "Requests and the limit", () => {
    const limit = facts.limits[0];
    if (!limit) return [{ label: "In flight", colour: "--blue", value: of("in_flight"), area: true }];
    return [
      { label: `In the last ${period(limit.period_s)}`, colour: "--blue", value: of("used"), area: true },
      { label: "Left to send now", colour: "--green", value: of("left") },
      { label: "Limit", colour: "--red", value: constant(limit.limit), dashed: true },
    ];
  }, () => {
    const limit = facts.limits[0];
    const sent = `${number(now.report.requests)} requests sent, ${number(now.in_flight)} in flight, `
      + `${number(now.report.rate_limited)} refused by the rate limit.`;
    return limit ? `${sent} The limit is ${limit.name}.` : `${sent} No rate limit is set.`;
  });
  const credits = new Plot("credits", "Credits", () => [
    { label: "Reserved", colour: "--violet", value: of("reserved"), area: true, solid: true,
      at: (row) => of("charged")(row) + of("reserved")(row) },
    { label: "Charged", colour: "--blue", value: of("charged"), area: true, solid: true },
    facts.budget === null ? null
      : { label: "Budget", colour: "--red", value: constant(facts.budget), dashed: true },
  ], () => {
    const budget = facts.budget === null ? "No budget is set"
      : `${number(now.reserved)} reserved for what is open, of a budget of ${number(facts.budget)}`;
    const balance = now.report.credit_balance === null ? ""
      : ` ${number(now.report.credit_balance)} plan credits left.`;
    return `${number(now.report.credits_charged)} charged, as reported. ${budget}.${balance}`;
  });
  const batches = new Plot("batches", "Batches", () => [
    { label: "Open", colour: "--blue", value: of("batches_open"), area: true },
    { label: "Ready", colour: "--amber", value: of("batches_ready") },
    { label: "Requests in flight", colour: "--green", value: of("in_flight"), dashed: true },
  ], () => `${number(now.report.batches)} accepted; ${number(now.batches_open)} open at the API, `
    + `${number(now.batches_ready)} ready to be sent; ${number(now.report.polls_per_batch)} polls for each.`);
  return [rows, requests, credits, batches];
}

// ---- the other cards ----------------------------------------------------------------------------

class Outcomes extends Card {
  constructor() {
    super("outcomes", "Outcomes", "small");
    this.list = this.body.appendChild(make("ul", { class: "bars" }));
  }

  draw() {
    const report = now.report, all = Math.max(1, report.rows);
    const well = report.found + report.empty + report.rejected;
    say(this.said, `${number(well)} settled for good, ${number(report.rows - well)} not.`);
    const entries = STATUSES.filter(([name], index) => index < 3 || report[name]);
    bars(this.list, entries.map(([name, label, tint]) => ({ label, value: report[name], colour: tint,
      most: all, text: `${number(report[name])} · ${part(report[name] / all)}` })));
    if (this.details.open) {
      table(this.details, ["Status", "Rows", "Share"], STATUSES.map(([name, label]) =>
        [label, number(report[name]), part(report[name] / all)]));
    }
  }
}

class Limits extends Card {
  constructor() {
    super("limits", "Rate limits", "small");
    this.none = this.body.appendChild(make("p", { class: "none", text: "No rate limit is set." }));
    this.list = this.body.appendChild(make("ul", { class: "bars" }));
  }

  draw() {
    const left = now.left === null ? "" : `${number(now.left)} could leave at once. `;
    say(this.said, `${left}What this run has sent within the window of each limit.`);
    const used = facts.limits.map((limit, index) => now.used[index] ?? 0);
    this.none.hidden = used.length > 0;
    this.list.hidden = this.details.hidden = used.length === 0;
    bars(this.list, facts.limits.map((limit, index) => ({ label: limit.name, value: used[index],
      most: limit.limit, text: `${number(used[index])} · ${part(used[index] / limit.limit)}` })));
    if (this.details.open) {
      table(this.details, ["Limit", "Sent", "Of"], facts.limits.map((limit, index) =>
        [limit.name, number(used[index]), number(limit.limit)]));
    }
  }
}

class Results extends Card {
  constructor() {
    super("results", "Time to result", "small");
    this.none = this.body.appendChild(make("p", { class: "none" }));
    this.columns = this.body.appendChild(make("div", { class: "columns", role: "img",
      "aria-label": "How many batches took how long; the figures are in the table below" }));
    this.scale = this.body.appendChild(make("p", { class: "scale", "aria-hidden": "true" }));
  }

  draw() {
    const times = now.results;
    this.none.hidden = times !== null;
    this.columns.hidden = this.scale.hidden = this.details.hidden = times === null;
    if (times === null) {
      const untold = now.replies === null && now.report.requests > 0 && !Object.keys(now.errors).length;
      say(this.none, untold ? "Shown if the dashboard is among the client’s observers." : "No result yet.");
      say(this.said, "From submitting a batch to its result.");
      return;
    }
    say(this.said, `Half of ${number(times.count)} batches took ${short(times.p50)} or less, nine in ten `
      + `${short(times.p90)}, ninety-nine in a hundred ${short(times.p99)}; the longest ${short(times.longest)}.`);
    let bins = times.bins;
    while (bins.length > 32) {
      bins = bins.reduce((pairs, bin, index) => {
        if (index % 2) pairs.push([pairs.pop()[0], bin[1], bins[index - 1][2] + bin[2]]);
        else pairs.push(bin);
        return pairs;
      }, []);
    }
    const most = Math.max(...bins.map((bin) => bin[2]));
    while (this.columns.children.length > bins.length) this.columns.lastChild.remove();
    while (this.columns.children.length < bins.length) this.columns.append(make("span"));
    bins.forEach(([low, high, count], index) => {
      const bar = this.columns.children[index];
      bar.style.height = count ? `${Math.max(1.5, (100 * count) / most)}%` : "0";
      bar.title = `${short(low)} to ${short(high)}: ${number(count)}`;
    });
    const middle = bins[Math.floor(bins.length / 2)];
    const marks = bins.length > 2 ? [bins[0][0], middle[0], bins.at(-1)[1]] : [bins[0][0], bins.at(-1)[1]];
    if (this.scale.children.length !== marks.length) this.scale.replaceChildren(...marks.map(() => make("span")));
    marks.forEach((mark, index) => say(this.scale.children[index], short(mark)));
    if (this.details.open) {
      table(this.details, ["From", "To", "Batches"], bins.filter((bin) => bin[2]).map(([low, high, count]) =>
        [short(low), short(high), number(count)]));
    }
  }
}

class Errors extends Card {
  constructor() {
    super("errors", "Requests that failed", "small");
    this.none = this.body.appendChild(make("p", { class: "none" }));
    this.list = this.body.appendChild(make("ul", { class: "bars" }));
  }

  draw() {
    const errors = Object.entries(now.errors).sort((one, other) => other[1] - one[1]);
    const replies = now.replies;
    const quick = replies === null ? "" : ` Half of the replies came within ${short(replies.p50)}, `
      + `ninety-nine in a hundred within ${short(replies.p99)}.`;
    say(this.said, `${number(now.report.retries)} sent again.${quick}`);
    this.none.hidden = errors.length > 0;
    this.list.hidden = this.details.hidden = errors.length === 0;
    const untold = replies === null && now.report.requests > 0;
    say(this.none, untold ? "Shown if the dashboard is among the client’s observers." : "None.");
    bars(this.list, errors.map(([label, value]) => ({ label, value, colour: "--red" })));
    if (this.details.open) {
      table(this.details, ["Class of the error", "Requests"], errors.map(([name, count]) => [name, number(count)]));
    }
  }
}

// ---- head, tiles, end ---------------------------------------------------------------------------

function tiles() {
  const report = now.report, limit = facts.limits[0];
  const budget = facts.budget === null ? "" : ` of ${number(facts.budget)}`;
  const figures = [
    ["Rows settled", number(report.rows), facts.total ? `of ${number(facts.total)}` : `${number(now.read)} read`],
    ["Time left", now.end ? "none" : now.eta_s === null ? "–" : span(now.eta_s),
      now.end ? `took ${span(report.elapsed_s)}` : now.eta_s === null ? "not known yet" : `until about ${wallclock(now.eta_s)}`],
    ["Credits charged", number(report.credits_charged), budget
      ? `${number(now.reserved)} reserved${budget}` : "no budget set"],
    ["Requests left", limit ? number(now.left) : "no limit", limit ? `of ${limit.name}` : `${number(report.requests)} sent`],
    ["Batches open", number(now.batches_open), `${number(now.batches_ready)} ready`],
    ["Time to result", now.results ? short(now.results.p50) : "–",
      now.results ? `nine in ten ${short(now.results.p90)}` : "half of the batches"],
    ["Paused", span(recent.at(-1)?.[column.paused_s] ?? 0),
      now.paused_s > 0 ? `by the API, ${span(now.paused_s)} to go` : "by the API, in all"],
    ["Refused (429)", number(report.rate_limited), `${number(report.retries)} sent again`],
  ];
  const list = $("tiles");
  figures.forEach(([label, value, note], index) => {
    const tile = list.children[index] || list.appendChild(
      make("div", {}, make("dt"), make("dd"), make("dd", { class: "note" })));
    say(tile.children[0], label);
    say(tile.children[1], value);
    say(tile.children[2], note);
  });
}

const STATES = { starting: ["Starting", "live"], running: ["Running", "live"],
  paused: ["Paused by the API", "warn"], stopping: ["Stopping", "warn"] };
const MOODS = { done: "good", rest: "warn", stopped: "warn", failed: "bad" };

function pill(text, mood) {
  say($("state"), text);
  $("state").dataset.mood = mood;
}

function head() {
  if (link !== "lost") pill(...(now.end ? [now.end.headline, MOODS[now.end.mood]] : STATES[now.state]));
  const parts = [`${now.end ? "Took" : "For"} ${span(now.report.elapsed_s)}`];
  if (now.paused_s > 0) parts.push(`everyone waits ${span(now.paused_s)} more`);
  else if (now.eta_s !== null && !now.end) parts.push(`about ${span(now.eta_s)} left`);
  if (now.state === "starting") parts.length = 0;
  say($("times"), parts.join(" · "));
  const share = facts.total ? Math.min(1, now.report.rows / facts.total) : now.end ? 1 : null;
  const bar = $("progress");
  if (share === null) bar.removeAttribute("aria-valuenow");
  else bar.setAttribute("aria-valuenow", String(Math.floor(share * 100)));
  bar.setAttribute("aria-valuetext", facts.total
    ? `${number(now.report.rows)} of ${number(facts.total)} rows` : `${number(now.report.rows)} rows`);
  bar.dataset.mood = now.end ? MOODS[now.end.mood] : "live";
  $("done").style.width = `${100 * (share ?? 0)}%`;
  document.title = `${now.end ? now.end.headline : share === null ? number(now.report.rows) : percent(share)} · ${facts.title}`;
}

function ending() {
  $("end").hidden = !now.end;
  if (!now.end || $("end").dataset.done === now.end.headline) return;
  $("end").dataset.done = now.end.headline;
  $("end").dataset.mood = now.end.mood;
  say($("end-headline"), now.end.headline);
  $("end-advice").replaceChildren(...now.end.advice.map((text) => make("li", { text })));
  $("end-report").replaceChildren(...Object.entries(now.report).map(([name, value]) => make("div", {},
    make("dt", { text: name.replace(/_s$/, ", seconds").replaceAll("_", " ") }), make("dd", { text: number(value) }))));
}

// ---- drawing -------------------------------------------------------------------------------------

let cards = [];

function draw() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    if (!facts || !now || frozen) return;
    tiles();
    const last = whole.length ? whole.at(-1)[column.t] : -1;
    const rows = onlyRecent ? recent : whole.concat(recent.filter((row) => row[column.t] > last));
    for (const card of cards) card.draw(rows);
  });
}

function take(message) {
  if (message.facts) {
    facts = message.facts;
    facts.columns.forEach((name, index) => { column[name] = index; });
    say($("title"), facts.title);
    say($("version"), `pubrio-async ${facts.version}`);
    say($("range"), `Last ${stretch(facts.interval_s * MOST_RECENT)}`);
    for (const card of cards) card.rebuild?.();
  }
  now = message.now;
  const news = message.news;
  if (news.fresh) recent = [];
  if (news.rebuilt) whole = [];
  recent.push(...news.recent);
  recent.splice(0, recent.length - MOST_RECENT);
  whole.push(...news.whole);
  // At once, for a tab in the background, where nothing is drawn.
  head();
  ending();
  draw();
}

// ---- the line to the process ----------------------------------------------------------------------

let link = "new";
let tries = 0;
let heard = 0;

function tell(text, mood = "warn") {
  $("notice").hidden = !text;
  $("notice").dataset.mood = mood;
  say($("notice"), text);
}

function connect() {
  const source = new EventSource("events");
  source.onmessage = (event) => {
    tries = 0;
    heard = Date.now();
    if (link !== "live") tell("");
    link = "live";
    take(JSON.parse(event.data));
  };
  source.addEventListener("bye", () => {
    link = "over";
    source.close();
    tell("The process has ended, or serves this page no longer. These are its last figures; the page cannot be loaded again.", "over");
  });
  source.onerror = () => {
    source.close();
    if (link === "over") return;
    link = "lost";
    tries += 1;
    pill("Connection lost", "bad");
    tell(tries < 3 ? "The connection to the process is lost. Trying again."
      : "The process is gone, or cannot be reached. The figures are the last it told. If it was killed: running again with the "
        + "same journal goes on from what is in it. Still trying.");
    setTimeout(connect, Math.min(10000, 500 * 2 ** (tries - 1)));
  };
}

setInterval(() => {
  if (link !== "live" || !facts) return;
  const silent = (Date.now() - heard) / 1000;
  if (silent > Math.max(10, 5 * facts.interval_s)) {
    tell("No news for a while: the process is suspended, or very busy.");
  }
  else if (!$("notice").hidden) tell("");
}, 1000);

function toggle(id, change) {
  $(id).addEventListener("click", () => {
    const pressed = $(id).getAttribute("aria-pressed") !== "true";
    $(id).setAttribute("aria-pressed", String(pressed));
    change(pressed);
    draw();
  });
}

toggle("range", (pressed) => { onlyRecent = pressed; });
toggle("freeze", (pressed) => { frozen = pressed; });
toggle("tables", (pressed) => {
  for (const details of document.querySelectorAll(".card details")) details.open = pressed;
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const card of cards) card.rebuild?.();
  draw();
});

const [rowsPlot, requestsPlot, creditsPlot, batchesPlot] = plots();
cards = [rowsPlot, requestsPlot, creditsPlot, batchesPlot, new Outcomes(), new Results(),
  new Limits(), new Errors()];
connect();
