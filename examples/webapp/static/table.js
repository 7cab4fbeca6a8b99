// The rows, in the order they settle. The page holds the first thousand, the CSV all of them.

import { by, make, tell } from "./dom.js";
import { count, groupOf, STATUSES } from "./words.js";

const MOST = 1000;
let held = 0;
let told = 0;

export function clear() {
  by("rows").replaceChildren();
  held = told = 0;
  tell(by("more"), "");
}

export function add(rows) {
  const part = document.createDocumentFragment();
  for (const row of rows.slice(0, Math.max(0, MOST - held))) part.append(line(row));
  held += part.childElementCount;
  told += rows.length;
  by("rows").append(part);
  tell(by("more"), told > held ? `The first ${count(held)} rows are shown; the CSV holds all ${count(told)}.` : "");
}

export function filter(show) {
  by("table").dataset.show = show;
}

function line(row) {
  const group = groupOf(row.status);
  const person = make("td", { className: "person" });
  if (row.name) person.append(make("span", { className: "name" }, row.name));
  person.append(make("span", { className: row.name ? "id" : "id alone", title: row.person }, short(row.person)));
  const result = make("td", {}, make("span", { className: `result ${group}` }, STATUSES[row.status] ?? row.status));
  const tr = make("tr", {}, make("td", { className: "number" }, count(row.row + 1)), person, result);
  tr.dataset.group = group;
  if (row.error && row.emails.length + row.phones.length === 0) {
    tr.append(make("td", { className: "why", colSpan: 2 }, row.error));
  } else {
    tr.append(contacts(row.emails), contacts(row.phones));
  }
  return tr;
}

/** A long address is broken before its domain, if anywhere. */
function breakable(address) {
  const at = address.lastIndexOf("@");
  return at < 0 ? make("span", {}, address) : make("span", {}, address.slice(0, at), make("wbr"), address.slice(at));
}

const short = (person) => person.replace(/^https?:\/\/(www\.)?/i, "").replace(/\/$/, "") || "(empty)";

function contacts(list) {
  const cell = make("td", { className: "contacts" });
  for (const each of list) {
    const verified = each.status === "Verified";
    cell.append(
      make(
        "span",
        { className: "contact" },
        breakable(each.value),
        each.status ? make("small", { className: verified ? "verified" : "" }, each.status) : "",
      ),
    );
  }
  return cell;
}
