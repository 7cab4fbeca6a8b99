"""A web application around `redeem.many`: paste people, watch them settle, take the CSV home.

    python -m examples.webapp --sandbox

| module | one idea |
|---|---|
| `settings` | what the server allows, in one place |
| `app` | puts the parts together; the client lives as long as the application |
| `guard` | what every request and reply must keep to: host, origin, size, headers |
| `visitors` | who is asking: a random cookie, and nothing kept of it but its hash |
| `routes` | the HTTP interface, each route a few lines |
| `order` | a form becomes an order, or one sentence that says why not |
| `intake` | pasted lines or a file become rows |
| `job` | one run of `redeem.many`, and what is known of it |
| `records` | what of a job is on disk, private and whole |
| `store` | all jobs: who owns them, how many there may be, when they are forgotten |
| `bell` | tells any number of listeners that something has changed |
| `feed` | server-sent events; a listener is a cursor, not a queue |
| `demo_api` | the stand-in for the API, which remembers across restarts |
"""
