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
    -- Seconds after which a result is bought again; NULL for never.
    max_age double precision,
    -- The budget: its bound, NULL for none, and what a person costs at most.
    max_credits numeric,
    worst_case numeric,
    -- The input as far as it was read; is_whole once it was read to its end.
    blocks integer NOT NULL DEFAULT 0,
    rows bigint NOT NULL DEFAULT 0,
    -- Rows that name nobody, and rows that name somebody another run has claimed.
    malformed bigint NOT NULL DEFAULT 0,
    known bigint NOT NULL DEFAULT 0,
    is_whole boolean NOT NULL DEFAULT false,
    stopped text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The input as it was given, some thousand rows at a time.
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
-- worker checks it, so that one that was taken for dead can write nothing more. One that is being
-- filled gets no job before it is full, or the input at its end.
CREATE TABLE chunks (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    run_id bigint NOT NULL REFERENCES runs ON DELETE CASCADE,
    number integer NOT NULL,
    people integer NOT NULL,
    keys bytea NOT NULL,
    state text NOT NULL DEFAULT 'filling'
        CHECK (state IN ('filling', 'todo', 'doing', 'done', 'stopped')),
    token uuid,
    attempts integer NOT NULL DEFAULT 0,
    -- Credits of the run's budget that are set aside for it while a worker has it.
    reserved numeric NOT NULL DEFAULT 0,
    reason text,
    -- What a limiter of its own has seen, see Journal.save_usage.
    usage bytea,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (run_id, number)
);
CREATE INDEX chunks_unfinished ON chunks (run_id, state) WHERE state <> 'done';
-- Not while a chunk is filled by one: two processes with the same run get in each other's way.
CREATE UNIQUE INDEX chunks_filling ON chunks (run_id) WHERE state = 'filling';

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
    -- How its people ended.
    found integer NOT NULL DEFAULT 0,
    empty integer NOT NULL DEFAULT 0,
    rejected integer NOT NULL DEFAULT 0,
    reason text,
    intended_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    accepted_at timestamptz,
    ended_at timestamptz
);
CREATE INDEX batches_of_chunk ON batches (chunk_id);

-- Who is claimed by which chunk, and the batch that tells their end (NULL: none yet). A UUID is 16
-- bytes, a URL its text in UTF-8. The batch is not a foreign key: each batch that is withdrawn
-- would have all people searched for it.
CREATE TABLE people (
    scope_id bigint NOT NULL REFERENCES scopes,
    key bytea NOT NULL,
    chunk_id bigint NOT NULL REFERENCES chunks ON DELETE CASCADE,
    batch_id bigint,
    -- Why nothing was bought, where a chunk was done without: refused, or never sent.
    failure text,
    PRIMARY KEY (scope_id, key)
);
CREATE INDEX people_failed ON people (chunk_id) WHERE failure IS NOT NULL;

-- N requests in P seconds, shared by all who name the limit. A permit of it that was used comes back
-- `hold` after its request ended; the times of several are rounded up together to one `grain`.
CREATE TABLE limits (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL,
    spec text NOT NULL,
    requests bigint NOT NULL CHECK (requests > 0),
    period interval NOT NULL,
    hold interval NOT NULL GENERATED ALWAYS AS (period * 1.0005 + interval '1 ms') STORED,
    grain interval NOT NULL GENERATED ALWAYS AS (period / 512) STORED,
    UNIQUE (name, spec)
);

-- What all limits of a name have in common, and the row that every exchange of permits locks: a
-- refusal makes everyone wait.
CREATE TABLE pauses (
    name text PRIMARY KEY,
    until timestamptz NOT NULL DEFAULT 'epoch',
    generation bigint NOT NULL DEFAULT 0,
    refusals integer NOT NULL DEFAULT 0,
    -- After a pause one request goes ahead; whose it is.
    must_probe boolean NOT NULL DEFAULT false,
    probe uuid
);

-- The permits that are with a holder, each of which counts in all limits of the name.
CREATE TABLE leases (
    name text NOT NULL REFERENCES pauses ON DELETE CASCADE,
    holder uuid NOT NULL,
    -- The last question, and the last report, of this holder that was dealt with.
    attempt bigint NOT NULL,
    reported bigint NOT NULL,
    held integer NOT NULL CHECK (held >= 0),
    wants integer NOT NULL,
    waits_since timestamptz,
    rests boolean NOT NULL,
    -- No request begins on them after the first, and none is under way after the second.
    ends_at timestamptz NOT NULL,
    over_at timestamptz NOT NULL,
    PRIMARY KEY (name, holder)
);

-- The permits that were used and are not back yet; `at` is when the last of these requests had ended.
CREATE TABLE spent (
    limit_id bigint NOT NULL REFERENCES limits ON DELETE CASCADE,
    at timestamptz NOT NULL,
    count bigint NOT NULL CHECK (count > 0),
    PRIMARY KEY (limit_id, at)
);

-- Says what the limits of a name are. Returns NULL, or, where a holder goes by others, these.
CREATE FUNCTION define_limits(of_name text, wanted jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    known text[];
    asked text[];
    like_this bigint;
BEGIN
    INSERT INTO pauses (name) VALUES (of_name) ON CONFLICT DO NOTHING;
    PERFORM FROM pauses WHERE name = of_name FOR UPDATE;
    SELECT array_agg(spec ORDER BY spec) INTO known FROM limits WHERE name = of_name;
    SELECT array_agg(w->>'spec' ORDER BY w->>'spec') INTO asked FROM jsonb_array_elements(wanted) w;
    IF known = asked THEN
        RETURN NULL;
    END IF;
    IF EXISTS (SELECT FROM leases WHERE name = of_name AND ends_at > clock_timestamp()) THEN
        RETURN array_to_string(known, '; ');
    END IF;
    -- What is known to have been sent counts in the new ones, too.
    SELECT id INTO like_this FROM limits WHERE name = of_name ORDER BY period DESC LIMIT 1;
    WITH made AS (
        INSERT INTO limits (name, spec, requests, period)
        SELECT of_name, w->>'spec', (w->>'requests')::bigint,
            make_interval(secs => (w->>'seconds')::double precision)
        FROM jsonb_array_elements(wanted) w
        ON CONFLICT DO NOTHING RETURNING id
    )
    INSERT INTO spent SELECT made.id, s.at, s.count FROM made, spent s WHERE s.limit_id = like_this;
    DELETE FROM limits WHERE name = of_name AND spec <> ALL (asked);
    RETURN NULL;
END $$;

-- What a holder has done with its permits, and what it gets: one round trip. See leases.Ask, Reply.
CREATE FUNCTION exchange_permits(ask jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    of_name text := ask->>'name';
    me uuid := ask->>'holder';
    keeps integer := ask->>'keeps';
    needs integer := ask->>'needs';
    probing text := ask->>'probe';
    lease interval := make_interval(secs => (ask->>'lease_s')::double precision);
    longest interval := make_interval(secs => (ask->>'longest_s')::double precision);
    moment timestamptz;
    pause pauses;
    mine leases;
    is_renewed boolean;
    news boolean := false;
    used bigint;
    last_report bigint;
    others bigint;
    out bigint;
    alive integer;
    rivals integer;
    ahead integer;
    free bigint;
    smallest bigint;
    granted bigint := 0;
    next_at timestamptz;
BEGIN
    IF current_setting('synchronous_commit') = 'off' THEN
        -- A crash must not forget a permit that is out.
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    -- All others wait for this one: who is stopped before it commits has its connection closed.
    PERFORM set_config('idle_in_transaction_session_timeout', '2s', true);
    SELECT * INTO pause FROM pauses WHERE name = of_name FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no limits are called %', of_name;
    END IF;
    moment := clock_timestamp();  -- looked at when nobody else is at work
    SELECT * INTO mine FROM leases WHERE name = of_name AND holder = me;
    IF mine.attempt >= (ask->>'attempt')::bigint THEN
        RETURN NULL;  -- it was under way for so long that a later one has overtaken it
    END IF;
    is_renewed := coalesce(mine.ends_at > moment, false);

    -- Permits of those who were not heard of again count as used when they can be in use no more.
    WITH dead AS (
        DELETE FROM leases WHERE name = of_name AND holder <> me AND over_at <= moment
        RETURNING held, over_at
    )
    INSERT INTO spent SELECT l.id, date_bin(l.grain, d.over_at, 'epoch') + l.grain, sum(d.held)
    FROM dead d JOIN limits l ON l.name = of_name WHERE d.held > 0 GROUP BY 1, 2
    ON CONFLICT (limit_id, at) DO UPDATE SET count = spent.count + EXCLUDED.count;

    SELECT coalesce(sum((r->>'count')::bigint), 0), max((r->>'number')::bigint)
    INTO used, last_report FROM jsonb_array_elements(ask->'reports') r
    WHERE (r->>'number')::bigint > coalesce(mine.reported, 0);
    INSERT INTO spent
    SELECT l.id, date_bin(
            l.grain, moment - make_interval(secs => (r->>'age_s')::double precision), 'epoch'
        ) + l.grain, sum((r->>'count')::bigint)
    FROM jsonb_array_elements(ask->'reports') r JOIN limits l ON l.name = of_name
    WHERE (r->>'number')::bigint > coalesce(mine.reported, 0) GROUP BY 1, 2
    ON CONFLICT (limit_id, at) DO UPDATE SET count = spent.count + EXCLUDED.count;

    DELETE FROM spent s USING limits l
    WHERE l.name = of_name AND s.limit_id = l.id AND s.at <= moment - l.hold;

    -- Refusals of one generation are one refusal; a late one only makes the pause longer.
    IF ask->>'refused_in' IS NOT NULL THEN
        news := true;
        IF (ask->>'refused_in')::bigint >= pause.generation THEN
            pause.generation := (ask->>'refused_in')::bigint + 1;
            pause.refusals := pause.refusals + 1;
            pause.must_probe := true;
            pause.probe := NULL;
        END IF;
        pause.until := greatest(
            pause.until, moment + make_interval(secs => (ask->>'wait_s')::double precision)
        );
    END IF;
    IF pause.must_probe AND probing = 'done'
        AND (ask->>'generation')::bigint = pause.generation
    THEN
        news := true;
        pause.must_probe := false;
        pause.probe := NULL;
        pause.refusals := 0;
    ELSIF pause.probe = me AND probing <> 'yes' THEN
        news := true;
        pause.probe := NULL;
    ELSIF pause.probe <> me AND NOT EXISTS (
        SELECT FROM leases WHERE name = of_name AND holder = pause.probe AND ends_at > moment
    ) THEN
        pause.probe := NULL;  -- its holder is dead
    END IF;

    SELECT coalesce(sum(held), 0), count(*) FILTER (WHERE ends_at > moment AND NOT rests),
        count(*) FILTER (WHERE ends_at > moment AND wants > 0),
        count(*) FILTER (WHERE ends_at > moment AND wants > 0
            AND (waits_since, holder) < (coalesce(mine.waits_since, moment), me))
    INTO out, alive, rivals, ahead FROM leases WHERE name = of_name AND holder <> me;
    IF ask->>'heard_spec' IS NOT NULL THEN
        -- The API has counted more than all of us have sent.
        SELECT l.requests - (ask->>'heard_remaining')::bigint
            - out - keeps + (ask->>'unused')::integer - coalesce(sum(s.count), 0)
        INTO others FROM limits l LEFT JOIN spent s ON s.limit_id = l.id
        WHERE l.name = of_name AND l.spec = ask->>'heard_spec' GROUP BY l.id;
        INSERT INTO spent SELECT l.id, date_bin(l.grain, moment, 'epoch') + l.grain, others
        FROM limits l WHERE l.name = of_name AND l.spec = ask->>'heard_spec' AND others > 0
        ON CONFLICT (limit_id, at) DO UPDATE SET count = spent.count + EXCLUDED.count;
    END IF;
    SELECT min(l.requests - coalesce(s.count, 0)) - out - keeps, min(l.requests)
    INTO free, smallest FROM limits l
    LEFT JOIN (SELECT limit_id, sum(count) AS count FROM spent GROUP BY limit_id) s
        ON s.limit_id = l.id
    WHERE l.name = of_name;

    IF moment < pause.until THEN
        granted := 0;
    ELSIF pause.must_probe THEN
        IF pause.probe IS NULL AND needs > 0 AND free > 0 THEN
            granted := 1;
            pause.probe := me;
        END IF;
    ELSE
        -- Small blocks, so that everybody gets some; a little in advance where there is plenty.
        granted := greatest(0, least(
            CASE WHEN needs > 0 AND rivals = 0 AND free > smallest / 2
                THEN needs + (ask->>'spare')::integer ELSE needs END,
            free, greatest(1, smallest / 20), greatest(1, free / (rivals + 1))
        ));
    END IF;

    -- When it is this one's turn: as many of each limit are back as wait longer than it does.
    IF moment < pause.until THEN
        next_at := pause.until;
    ELSIF pause.must_probe AND pause.probe IS NOT NULL THEN
        next_at := moment + interval '1 s';
    ELSIF free > granted THEN
        next_at := moment;
    ELSE
        -- Those that are out and unused come back with a notification, the used ones not before.
        SELECT max(coalesce(b.back, moment + least(l.hold, interval '2 s'))) INTO next_at
        FROM limits l
        CROSS JOIN LATERAL (
            SELECT 1 + ahead + out + keeps + granted - l.requests + coalesce(sum(s.count), 0) AS lack
            FROM spent s WHERE s.limit_id = l.id
        ) u
        LEFT JOIN LATERAL (
            SELECT t.at + l.hold AS back FROM (
                SELECT at, sum(count) OVER (ORDER BY at) AS total FROM spent WHERE limit_id = l.id
            ) t WHERE t.total >= u.lack ORDER BY t.at LIMIT 1
        ) b ON true
        WHERE l.name = of_name AND u.lack > 0;
    END IF;

    IF (ask->>'leaves')::boolean AND keeps = 0 THEN
        DELETE FROM leases WHERE name = of_name AND holder = me;
    ELSE
        INSERT INTO leases VALUES (
            of_name, me, (ask->>'attempt')::bigint,
            greatest(coalesce(mine.reported, 0), coalesce(last_report, 0)), keeps + granted,
            greatest(0, needs - granted),
            CASE WHEN needs <= granted THEN NULL WHEN granted > 0 THEN moment
                ELSE coalesce(mine.waits_since, moment) END,
            (ask->>'rests')::boolean, moment + lease, moment + lease + longest
        )
        ON CONFLICT (name, holder) DO UPDATE SET attempt = EXCLUDED.attempt,
            reported = EXCLUDED.reported, held = EXCLUDED.held, wants = EXCLUDED.wants,
            waits_since = EXCLUDED.waits_since, rests = EXCLUDED.rests, ends_at = EXCLUDED.ends_at,
            over_at = EXCLUDED.over_at;
    END IF;
    -- Written even where nothing has changed: whoever looked before this, and in a transaction that
    -- keeps what it saw, must fail and look again.
    UPDATE pauses SET until = pause.until, generation = pause.generation, refusals = pause.refusals,
        must_probe = pause.must_probe, probe = pause.probe
    WHERE name = of_name;
    -- Others have something to know, or to get.
    IF news OR (rivals > 0 AND coalesce(mine.held, 0) - keeps - used > 0) THEN
        PERFORM pg_notify('pubrio_async_limits', jsonb_build_object(
            'name', of_name, 'generation', pause.generation, 'must_probe', pause.must_probe,
            'paused_s', greatest(0, extract(epoch FROM pause.until - moment))
        )::text);
    END IF;
    RETURN jsonb_build_object(
        'granted', granted, 'renewed', is_renewed, 'probe', coalesce(pause.probe = me, false),
        'generation', pause.generation, 'must_probe', pause.must_probe,
        'paused_s', greatest(0, extract(epoch FROM pause.until - moment)),
        'refusals', pause.refusals, 'free', greatest(0, free - granted), 'holders', alive + 1,
        'next_s', greatest(0, extract(epoch FROM next_at - moment))
    );
END $$;
