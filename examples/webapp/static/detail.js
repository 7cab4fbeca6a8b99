// The job that is looked at: how far it is, what it costs, what can be done with it.

import { resultsOf } from "./api.js";
import { by, tell } from "./dom.js";
import { count, NOTICES, people, STATES, TYPES } from "./words.js";

const SPEAK_MS = 4000;
let lastSpoken = 0;
let lastState = "";

export function show(job) {
  by("welcome").hidden = Boolean(job);
  by("job").hidden = !job;
  document.title = job ? `${progressWord(job)} · ${job.title}` : "Contacts";
  if (!job) return;
  tell(by("detail-title"), job.title);
  by("state").textContent = STATES[job.state] ?? job.state;
  by("state").className = `state ${job.state}`;
  tell(by("about"), `${people(job.rows)}, ${job.types.map((name) => TYPES[name] ?? name).join(", ")}`);
  tell(by("notice"), [job.notice, NOTICES[job.state]].filter(Boolean).join(" "));
  by("notice").dataset.kind = job.state === "failed" ? "bad" : "plain";
  progress(job);
  credits(job);
  actions(job);
  speak(job);
}

export function groups(job) {
  const found = job.counts.found ?? 0;
  const empty = job.counts.empty ?? 0;
  return { all: job.settled, found, empty, trouble: job.settled - found - empty };
}

function progressWord(job) {
  return isRunning(job) ? `${Math.floor((100 * job.settled) / Math.max(job.rows, 1))}%` : STATES[job.state];
}

export const isRunning = (job) => job.state === "running" || job.state === "stopping";

function progress(job) {
  const bar = by("progress");
  const sizes = groups(job);
  for (const part of bar.children) {
    const name = ["found", "empty", "trouble"].find((each) => part.classList.contains(each));
    part.style.width = `${(100 * sizes[name]) / Math.max(job.rows, 1)}%`;
  }
  bar.setAttribute("aria-valuemax", job.rows);
  bar.setAttribute("aria-valuenow", job.settled);
  bar.setAttribute("aria-valuetext", `${count(job.settled)} of ${people(job.rows)}`);
  bar.classList.toggle("busy", isRunning(job));
  by("progress-text").textContent = `${count(job.settled)} of ${count(job.rows)}`;
  for (const label of document.querySelectorAll("#filter [data-of]")) label.textContent = count(sizes[label.dataset.of]);
  const left = job.rows - job.settled;
  tell(by("waiting"), isRunning(job) && left > 0 ? `Waiting for ${people(left)}…` : "");
}

function credits(job) {
  const share = (part) => `${Math.min(100, (100 * part) / Math.max(job.max_credits, 1))}%`;
  const [spent, reserved] = by("credits").children;
  spent.style.width = share(job.spent);
  reserved.style.width = share(Math.min(job.reserved, job.max_credits - job.spent));
  by("charged").textContent = count(job.charged);
  by("reserved").textContent = count(job.reserved);
  by("limit").textContent = count(job.max_credits);
  by("credits").setAttribute(
    "aria-label",
    `${count(job.charged)} credits charged, ${count(job.reserved)} set aside, limit ${count(job.max_credits)}`,
  );
}

function actions(job) {
  const running = isRunning(job);
  by("cancel").hidden = !running;
  by("cancel").disabled = job.state === "stopping";
  by("download").hidden = !job.downloadable;
  by("download").href = resultsOf(job.id);
  by("remove").hidden = running;
  const resume = by("resume");
  if (resume.hidden && job.resumable) {
    by("resume-credits").value = Math.max(1, job.max_credits - (job.state === "limited" ? 0 : job.spent));
  }
  resume.hidden = !job.resumable;
}

/** Says how it goes to those who listen: now and then while it runs, and once when it ends. */
function speak(job) {
  const state = `${job.id} ${job.state}`;
  const now = Date.now();
  if (state === lastState && (!isRunning(job) || now - lastSpoken < SPEAK_MS)) return;
  lastState = state;
  lastSpoken = now;
  const found = people(job.counts.found ?? 0);
  by("spoken").textContent =
    `${STATES[job.state]}: ${count(job.settled)} of ${people(job.rows)} settled, contacts of ${found} found, ` +
    `${count(job.charged)} credits charged.`;
}
