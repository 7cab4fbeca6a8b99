// The visitor's jobs, the newest first.

import { by, make } from "./dom.js";
import { groups, isRunning } from "./detail.js";
import { count, STATES } from "./words.js";

const TIME = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

export function list(jobs, chosen) {
  by("jobs-card").hidden = jobs.length === 0;
  const items = by("jobs");
  // Changed in place and not made anew, or the focus would be lost several times a second.
  const known = new Map([...items.children].map((item) => [item.dataset.id, item]));
  jobs.forEach((job, place) => {
    const item = known.get(job.id) ?? blank(job);
    known.delete(job.id);
    if (items.children[place] !== item) items.insertBefore(item, items.children[place] ?? null);
    fill(item, job, job.id === chosen);
  });
  for (const item of known.values()) item.remove();
}

function blank(job) {
  const link = make(
    "a",
    { href: `#job=${job.id}` },
    make("span", { className: "name" }, job.title),
    make("span", { className: "state" }),
    make("span", { className: "when" }),
  );
  const item = make("li", {}, link);
  item.dataset.id = job.id;
  return item;
}

function fill(item, job, isChosen) {
  const link = item.firstChild;
  if (isChosen) link.setAttribute("aria-current", "true");
  else link.removeAttribute("aria-current");
  const [, state, when] = link.children;
  state.className = `state ${job.state}`;
  state.textContent = isRunning(job) ? `${count(job.settled)} of ${count(job.rows)}` : STATES[job.state];
  when.textContent = `${TIME.format(job.created_at * 1000)} · ${count(groups(job).found)} found · ${count(job.charged)} credits`;
}
