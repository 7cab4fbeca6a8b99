-- Version 1. Everything is in the schema pubrio_async, which comes first in the search path; the
-- tables of the queue (procrastinate_*) are there already. Times are those of the database.

CREATE TABLE layout (
    version integer PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- People are bought once in a scope: at one API, for one set of contact types.
CREATE TABLE scopes (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    origin text NOT NULL,
    contact_types text[] NOT NULL,
    UNIQUE (origin, contact_types)
);

-- One list of people that somebody wants redeemed.
CREATE TABLE runs (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL UNIQUE,
    scope_id bigint NOT NULL REFERENCES scopes,
    -- Which input it is: the same name must not stand for another one.
    fingerprint text NOT NULL,
    -- How the columns of the input are called and written, for the output.
    form jsonb NOT NULL,
    batch_size integer NOT NULL,
    sequence text NOT NULL CHECK (sequence IN ('results', 'makespan')),
    priority integer NOT NULL DEFAULT 0,
    -- The budget: its bound, NULL for none, and what a person costs at most.
    max_credits numeric,
    worst_case numeric,
    -- The input as far as it was read; is_whole once it was read to its end.
    blocks integer NOT NULL DEFAULT 0,
    rows bigint NOT NULL DEFAULT 0,
    is_whole boolean NOT NULL DEFAULT false,
    stopped text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The input as it was given, some hundred rows at a time.
CREATE TABLE blocks (
    run_id bigint NOT NULL REFERENCES runs ON DELETE CASCADE,
    number integer NOT NULL,
    first_row bigint NOT NULL,
    rows integer NOT NULL,
    people bytea NOT NULL,
    cells bytea,
    PRIMARY KEY (run_id, number)
);

-- The people of one job of the queue. A worker that has it holds its token; every write of the
-- worker checks it, so that one that was taken for dead can write nothing more.
CREATE TABLE chunks (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    run_id bigint NOT NULL REFERENCES runs ON DELETE CASCADE,
    number integer NOT NULL,
    people integer NOT NULL,
    keys bytea NOT NULL,
    state text NOT NULL DEFAULT 'todo' CHECK (state IN ('todo', 'doing', 'done', 'stopped')),
    token uuid,
    attempts integer NOT NULL DEFAULT 0,
    -- Credits of the run's budget that are set aside for it while a worker has it.
    reserved numeric NOT NULL DEFAULT 0,
    reason text,
    -- What a limiter of its own has seen, see Journal.save_usage.
    usage bytea,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (run_id, number)
);
CREATE INDEX chunks_unfinished ON chunks (run_id, state) WHERE state <> 'done';

-- One request, from its intent to its end; `keys`, `job` and `results` as in a journal file.
CREATE TABLE batches (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    batch_id text NOT NULL UNIQUE,
    chunk_id bigint NOT NULL REFERENCES chunks ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('batch', 'single')),
    keys bytea NOT NULL,
    people integer NOT NULL,
    state text NOT NULL DEFAULT 'open'
        CHECK (state IN ('open', 'settled', 'unsettled')),
    job bytea,
    redeem_query_id text,
    results bytea,
    -- The CRC-32 of keys and what is known of them: what was damaged is not taken for bought.
    seal bigint NOT NULL,
    charged numeric,
    reason text,
    intended_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    accepted_at timestamptz,
    ended_at timestamptz
);
CREATE INDEX batches_of_chunk ON batches (chunk_id);

-- Who is claimed by which chunk, and the batch that tells their end (NULL: none yet). A UUID is 16
-- bytes, a URL its text in UTF-8.
CREATE TABLE people (
    scope_id bigint NOT NULL REFERENCES scopes,
    key bytea NOT NULL,
    chunk_id bigint NOT NULL REFERENCES chunks ON DELETE CASCADE,
    batch_id bigint REFERENCES batches ON DELETE SET NULL,
    -- Why nothing was bought, where a chunk was done without: refused, or never sent.
    failure text,
    PRIMARY KEY (scope_id, key)
);

-- N requests in P seconds, shared by all who name the limit.
CREATE TABLE limits (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL,
    spec text NOT NULL,
    requests bigint NOT NULL CHECK (requests > 0),
    period interval NOT NULL,
    UNIQUE (name, spec)
);

-- What all limits of a name have in common: a refusal makes everyone wait.
CREATE TABLE pauses (
    name text PRIMARY KEY,
    until timestamptz NOT NULL DEFAULT '-infinity',
    generation bigint NOT NULL DEFAULT 0,
    refusals integer NOT NULL DEFAULT 0,
    -- After a pause one request goes ahead; whose lease it is.
    probe uuid
);

-- Permits that are out: leased by a worker until `ends_at`, or used and coming back at `back_at`.
CREATE TABLE permits (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL,
    holder uuid NOT NULL,
    count integer NOT NULL CHECK (count > 0),
    ends_at timestamptz,
    used_at timestamptz,
    CHECK ((ends_at IS NULL) <> (used_at IS NULL))
);
CREATE INDEX permits_leased ON permits (name, holder) WHERE ends_at IS NOT NULL;
CREATE INDEX permits_used ON permits (name, used_at) WHERE used_at IS NOT NULL;
