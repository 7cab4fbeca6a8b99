// The live connection: one for a tab, none while the tab is hidden.
// A browser opens six connections to a server at most, so tabs nobody looks at give theirs back.
// `after` is how far this tab has come; the server goes on behind it.

const AGAIN_MS = 2000;

export class Feed {
  #source = null;
  #timer = 0;
  #job = null;
  #after = "";
  #hear;

  /** @param hear {{jobs, reset, rows, online}}: a function for each thing that is heard. */
  constructor(hear) {
    this.#hear = hear;
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#close() : this.#open()));
    window.addEventListener("pagehide", () => this.#close());
    window.addEventListener("pageshow", (event) => event.persisted && this.#open());
  }

  /** Listens to a job, from its beginning; null for none. */
  follow(job) {
    this.#job = job;
    this.#after = "";
    this.#open();
  }

  #open() {
    this.#close();
    if (document.hidden) return;
    const query = new URLSearchParams();
    if (this.#job) query.set("job", this.#job);
    if (this.#after) query.set("after", this.#after);
    const source = (this.#source = new EventSource(`/api/events?${query}`));
    source.onopen = () => this.#hear.online(true);
    source.onerror = () => {
      this.#hear.online(false);
      // Refused, not cut off: the browser does not try again by itself.
      if (source.readyState === EventSource.CLOSED) this.#timer = setTimeout(() => this.#open(), AGAIN_MS);
    };
    for (const name of ["jobs", "reset", "rows"]) {
      source.addEventListener(name, (event) => {
        if (name !== "jobs") this.#after = event.lastEventId;
        this.#hear[name](JSON.parse(event.data));
      });
    }
  }

  #close() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
  }
}
