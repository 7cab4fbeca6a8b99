-- Version 2.

-- Workers go on meanwhile. They begin with the row of their chunk: whoever has begun ends first, all
-- others wait there, with nothing in hand that is needed here.
LOCK TABLE chunks, batches IN EXCLUSIVE MODE;

-- Where the answer is lost to what was to replace a result: the batch with that result. NULL for
-- all others.
ALTER TABLE people ADD COLUMN older_id bigint;

-- Few are open or lost, among very many.
CREATE INDEX batches_without_result ON batches (chunk_id) WHERE state <> 'settled';

-- Who is in which batch stands in `keys`: 16 bytes each after a 0, or a list of texts after a 1.
WITH lost AS MATERIALIZED (
    SELECT p.scope_id, p.key, p.batch_id FROM people p JOIN batches b ON b.id = p.batch_id
    JOIN chunks c ON c.id = b.chunk_id JOIN runs r ON r.id = c.run_id
    WHERE b.state <> 'settled' AND r.max_age IS NOT NULL
), bought AS (
    SELECT r.scope_id, b.id, k.key FROM batches b JOIN chunks c ON c.id = b.chunk_id
    JOIN runs r ON r.id = c.run_id CROSS JOIN LATERAL (
        SELECT substring(b.keys FROM 2 + 16 * n FOR 16) AS key
        FROM generate_series(0, (length(b.keys) - 1) / 16 - 1) n WHERE get_byte(b.keys, 0) = 0
        UNION ALL
        SELECT CASE WHEN t ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
            THEN decode(replace(t, '-', ''), 'hex') ELSE convert_to(t, 'UTF8') END
        FROM jsonb_array_elements_text(CASE WHEN get_byte(b.keys, 0) = 1
            THEN convert_from(substring(b.keys FROM 2), 'UTF8')::jsonb ELSE '[]' END) t
    ) k
    WHERE b.state = 'settled' AND r.scope_id IN (SELECT scope_id FROM lost)
), newest AS (
    SELECT l.scope_id, l.key, max(b.id) AS id FROM lost l JOIN bought b
    ON b.scope_id = l.scope_id AND b.key = l.key AND b.id < l.batch_id GROUP BY l.scope_id, l.key
)
UPDATE people p SET older_id = n.id FROM newest n WHERE p.scope_id = n.scope_id AND p.key = n.key;

-- A result is as old as its request: what a chunk has sent is not too old for it, also where
-- lost batches were moved to a chunk that was made later.
UPDATE chunks c SET made_at = b.first_at
FROM (SELECT chunk_id, min(intended_at) AS first_at FROM batches GROUP BY chunk_id) b
WHERE b.chunk_id = c.id AND b.first_at < c.made_at;
