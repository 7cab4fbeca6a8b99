// The order: what it may cost, said before anything is sent.

import * as api from "./api.js";
import { by, tell } from "./dom.js";
import { count, people } from "./words.js";

const EXAMPLE_IDS = 74;
const EXAMPLE_URLS = 6;
let account = null;

/** @param started {(job) => void}: called with a job that has begun. */
export function setUp(known, started) {
  account = known;
  const form = by("order");
  const file = by("file");
  by("example").hidden = !account?.is_sandbox;
  by("example").addEventListener("click", () => {
    by("people").value = example();
    estimate();
    by("people").focus();
  });
  by("no-file").addEventListener("click", () => {
    file.value = "";
    estimate();
    file.focus();
  });
  form.addEventListener("input", estimate);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    tell(by("problem"), "");
    const problem = complaint();
    if (problem) return tell(by("problem"), problem);
    by("start").disabled = true;
    try {
      const job = await api.create(new FormData(form));
      form.reset();
      estimate();
      started(job);
    } catch (error) {
      tell(by("problem"), error.message);
    } finally {
      by("start").disabled = false;
    }
  });
  estimate();
}

function complaint() {
  const file = by("file").files[0];
  if (!file && lines() === 0) return "Paste some people, one a line, or choose a file.";
  if (file && account && file.size > account.max_upload) return `The file is too large: ${count(Math.floor(account.max_upload / 1024))} KiB at most.`;
  if (chosen().length === 0) return "Choose at least one type of contact.";
  if (!by("max-credits").checkValidity()) return "The most to spend is a whole number of credits, at least 1.";
  return "";
}

const chosen = () => [...document.querySelectorAll("#order [name=types]:checked")].map((box) => box.value);
const lines = () => by("people").value.split("\n").filter((line) => line.trim()).length;

function estimate() {
  const file = by("file").files[0];
  by("no-file").hidden = !file;
  by("people").disabled = Boolean(file);
  const each = chosen().reduce((sum, name) => sum + (account?.prices[name] ?? 0), 0);
  const limit = Number(by("max-credits").value);
  let text = each ? `At most ${count(each)} credits for each person; only what is found costs.` : "";
  if (!file && each && lines() > 0) {
    const worst = each * lines();
    text = `${people(lines())}: at most ${count(worst)} credits.`;
    if (limit && worst > limit) text += ` The limit may end it before all are looked for.`;
  }
  by("estimate").textContent = text;
}

/** Made-up people: some by a LinkedIn URL, who are answered at once, the rest by an id. */
function example() {
  const urls = Array.from({ length: EXAMPLE_URLS }, (_, at) => `https://www.linkedin.com/in/made-up-person-${at + 1}`);
  return [...urls, ...Array.from({ length: EXAMPLE_IDS }, () => crypto.randomUUID())].join("\n");
}
