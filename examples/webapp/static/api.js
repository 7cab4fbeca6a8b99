// Requests to the server; an error is one sentence for the visitor.

async function ask(method, path, body) {
  let reply;
  try {
    reply = await fetch(path, { method, body });
  } catch {
    throw new Error("The server cannot be reached. Try again in a moment.");
  }
  const answer = reply.status === 204 ? null : await reply.json().catch(() => null);
  if (!reply.ok) throw new Error(answer?.message ?? `The server answered ${reply.status}.`);
  return answer;
}

const job = (id) => `/api/jobs/${encodeURIComponent(id)}`;

export const account = () => ask("GET", "/api/account");
export const create = (form) => ask("POST", "/api/jobs", form);
export const cancel = (id) => ask("POST", `${job(id)}/cancel`);
export const resume = (id, form) => ask("POST", `${job(id)}/resume`, form);
export const remove = (id) => ask("DELETE", job(id));
export const resultsOf = (id) => `${job(id)}/results.csv`;
