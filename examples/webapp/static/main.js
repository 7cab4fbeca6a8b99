// Puts the parts together. Which job is looked at stands in the address, so a reload shows it again.

import * as api from "./api.js";
import * as detail from "./detail.js";
import { by, tell } from "./dom.js";
import { Feed } from "./feed.js";
import * as form from "./form.js";
import * as list from "./jobs.js";
import * as table from "./table.js";
import { count } from "./words.js";

let jobs = [];
let followed = null;
let onTheirWay = 0;

const inAddress = () => /^#job=([0-9a-f]+)$/.exec(location.hash)?.[1] ?? null;
const looked = () => jobs.find((job) => job.id === followed) ?? null;

const feed = new Feed({
  jobs(news) {
    jobs = news;
    // With nothing chosen, the newest one is what one came for.
    if (inAddress() === null && jobs.length > 0) history.replaceState(null, "", `#job=${jobs[0].id}`);
    choose();
    draw();
  },
  reset: table.clear,
  rows: table.add,
  online: (is) => (by("offline").hidden = is),
});

function choose() {
  const wanted = inAddress();
  if (wanted === followed) return;
  followed = wanted;
  table.clear();
  tell(by("job-problem"), "");
  by("resume").hidden = true;
  feed.follow(wanted);
}

function draw() {
  const job = looked();
  list.list(jobs, followed);
  detail.show(job);
  const balance = job?.balance ?? jobs.find((each) => each.balance !== null)?.balance;
  if (balance !== undefined && balance !== null) showBalance(balance);
}

function showBalance(credits) {
  by("account").hidden = false;
  by("balance").textContent = count(credits);
}

/** Does something with the job that is looked at, and says what went wrong if it does. */
async function act(button, what) {
  if (onTheirWay || !followed) return;
  onTheirWay += 1;
  button.disabled = true;
  tell(by("job-problem"), "");
  try {
    await what(followed);
  } catch (error) {
    tell(by("job-problem"), error.message);
  } finally {
    onTheirWay -= 1;
    button.disabled = false;
  }
}

function look(id) {
  location.hash = `#job=${id}`;
  // At once: what is hidden cannot take the focus.
  choose();
  draw();
  by("detail-title").focus({ preventScroll: true });
  // Where all is in one column, the results are further down.
  if (matchMedia("(max-width: 860px)").matches) by("detail").scrollIntoView({ block: "start" });
}

window.addEventListener("hashchange", () => {
  choose();
  draw();
});
by("cancel").addEventListener("click", (event) => act(event.currentTarget, api.cancel));
by("remove").addEventListener("click", (event) =>
  act(event.currentTarget, async (id) => {
    await api.remove(id);
    location.hash = "";
    by("people").focus();
  }),
);
by("resume").addEventListener("submit", (event) => {
  event.preventDefault();
  const body = new FormData(event.currentTarget);
  act(event.submitter ?? event.currentTarget.querySelector("button"), async (id) => {
    await api.resume(id, body);
    by("detail-title").focus();
  });
});
by("filter").addEventListener("change", (event) => table.filter(event.target.value));

const account = await api.account().catch(() => null);
by("sandbox").hidden = !account?.is_sandbox;
if (account?.credit !== null && account !== null) showBalance(account.credit);
form.setUp(account, (job) => {
  jobs = [job, ...jobs.filter((each) => each.id !== job.id)];
  look(job.id);
});
followed = inAddress();
feed.follow(followed);
