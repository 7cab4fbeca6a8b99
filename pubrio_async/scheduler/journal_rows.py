"""The steps of `SqliteJournal`: what each writes into the tables, and reads from them.

Every function is one step of a group that the caller commits. A step that raises has changed
nothing. How the tables are laid out, and why, is told in `journal_schema`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import structs

from pubrio_async._errors import JournalError
from pubrio_async.models import RedeemJob
from pubrio_async.models.redeem import Number
from pubrio_async.scheduler.journal import Batch, OpenBatch, Settled, Unsettled
from pubrio_async.scheduler.journal_log import EndRow
from pubrio_async.scheduler.journal_tables import NEVER, NOBODY, OpenRow, Tables, one
from pubrio_async.scheduler.journal_values import (
    Key,
    People,
    join_keys,
    pack_job,
    pack_key,
    pack_keys,
    pack_results,
    seal,
    split_keys,
    unpack_job,
    unpack_key,
)

# The first condition is word for word that of the index, or SQLite does not see that it serves.
_WAS_LOST = "state IN ('unsettled', 'reopened')"
_LOST = f"""
    SELECT id, batch_id, keys FROM batches WHERE {_WAS_LOST} AND state = 'unsettled' ORDER BY id
"""  # noqa: S608 - a constant


class NotOpenError(JournalError):
    """The batch is not in the journal, or has an end already."""


# -- the journal as a whole ------------------------------------------------------------------


def begin(db: Tables, contact_types: Sequence[str], origin: str | None, now: float) -> None:
    """Writes down in a new journal what it is for."""
    types = msgspec.json.encode(list(contact_types)).decode()
    db.write(
        "INSERT INTO meta VALUES ('contact_types', ?), ('origin', ?), ('created_at', ?)",
        *(types, origin, now),
    )


def are_sealed(db: Tables) -> bool:
    """Whether people, jobs and results are what was written."""
    db.connection.create_function("seal", 2, seal, deterministic=True)
    broken = (
        "SELECT EXISTS (SELECT 1 FROM open WHERE seal IS NOT seal(keys, job)) OR EXISTS"
        " (SELECT 1 FROM batches WHERE seal IS NOT seal(keys, COALESCE(results, job)))"
    )
    (is_broken,) = db.connection.execute(broken).fetchone()
    return not is_broken and db.read_log()


def check_types(db: Tables, contact_types: Sequence[str]) -> None:
    """Refuses contact types other than those the journal was written for; empty ones pass."""
    written_for = types_of(db)
    if contact_types and set(contact_types) != set(written_for):
        raise JournalError(
            f"it was written for {','.join(written_for)} and not for {','.join(contact_types)}; "
            "ask for the same contact types, or use another journal"
        )


def check_origin(db: Tables, origin: str | None) -> None:
    """Refuses an API other than the one the journal was written for; None passes."""
    bought_at = one(db, "SELECT value FROM meta WHERE name = 'origin'")
    if None not in (origin, bought_at) and origin != bought_at:
        raise JournalError(
            f"what it holds was bought at {bought_at}, and this run asks {origin}; use another "
            "journal, and another output if the journal is named after it"
        )


def types_of(db: Tables) -> tuple[str, ...]:
    """The contact types the journal was written for."""
    types = one(db, "SELECT value FROM meta WHERE name = 'contact_types'")
    return msgspec.json.decode(types, type=tuple[str, ...])


def save_usage(db: Tables, usage: bytes) -> None:
    """Writes down what the rate limits have seen."""
    db.write("INSERT OR REPLACE INTO meta VALUES ('usage', ?)", usage)


def load_usage(db: Tables) -> bytes | None:
    """What was written down of the rate limits."""
    row: tuple[bytes] | None = db.execute("SELECT value FROM meta WHERE name = 'usage'").fetchone()
    return None if row is None else row[0]


# -- batches ---------------------------------------------------------------------------------


def open_batches(db: Tables) -> list[OpenBatch]:
    """The batches without an end, oldest first."""
    return [
        OpenBatch(
            Batch(batch_id, entry.kind, entry.texts or tuple(map(unpack_key, entry.people.each))),
            None if entry.job is None else unpack_job(entry.job),
            entry.accepted_at,
            entry.created_at,
            entry.reason,
            _bought_at(db, entry) if entry.job is None else None,
        )
        for batch_id, entry in sorted(db.open.items(), key=lambda item: item[1].row)
    ]


def _bought_at(db: Tables, entry: OpenRow) -> float | None:
    """When the last result was written that its people had before, though it may be hidden."""
    keys = entry.people.each
    times = [NEVER]
    for told in (db.newest(keys), db.older(keys)):
        for key, row in told.items():
            at, end = db.end(row)
            if not isinstance(end, Unsettled) and end.status(key) != "rejected":
                times.append(at)
    return max((at for at in times if NEVER < at <= entry.created_at), default=None)


def reopen_unsettled(db: Tables) -> None:
    """Opens every batch that ended unsettled again, as long as someone in it is unsettled."""
    lost = {
        row: (batch_id, split_keys(keys)) for row, batch_id, keys in db.execute(_LOST).fetchall()
    }
    unsettled = _unsettled(db, [key for _, keys in lost.values() for key in keys])
    for row, (batch_id, keys) in lost.items():
        still = [key for key in keys if key in unsettled]
        if still:
            _reopen(db, row, batch_id, still)


def intend(db: Tables, batch: Batch, now: float) -> None:
    """Opens a batch."""
    if batch.batch_id in db.open:
        raise JournalError(f"it holds the batch {batch.batch_id} already")
    entry = db.intend(batch.batch_id, batch.kind, now, pack_keys(batch.keys))
    entry.texts = batch.keys


def accepted(db: Tables, batch_id: str, job: RedeemJob, now: float) -> None:
    """Adds the job to an open batch."""
    _entry(db, batch_id)
    db.accept(batch_id, pack_job(job), now)


def withdraw(db: Tables, batch_id: str, now: float) -> None:
    """Closes a batch that was not carried out; one that is not open is left alone."""
    with contextlib.suppress(NotOpenError):
        entry = _entry(db, batch_id)
        if entry.lost is not None:
            db.begin()
        db.finish(_end("withdrawn", batch_id, entry, now), NOBODY, ())
        if entry.lost is not None:
            _forget(db, batch_id, entry.people.each)


def settle(
    db: Tables,
    batch_id: str,
    results: Mapping[str, Settled],
    charged: Number | None,
    now: float,
) -> None:
    """Closes a batch with a result for each person."""
    entry = _entry(db, batch_id)
    people, results = _as_asked(entry, _but_found(db, entry, results))
    packed = pack_results(results)
    end = _end(
        *("settled", batch_id, entry, now),
        charged=charged,
        found=packed.found,
        empty=packed.empty,
        rejected=packed.rejected,
        keys=people.stored,
        results=packed.columns,
    )
    db.finish(end, people, people.each)


def unsettle(db: Tables, batch_id: str, reason: str, now: float) -> None:
    """Closes a batch whose fate is unknown; one that is not open is left alone."""
    with contextlib.suppress(NotOpenError):
        entry = _entry(db, batch_id)
        keys = entry.people.each
        db.begin()
        known = db.newest(keys)
        unsettled = _unsettled(db, keys)
        asked = set(entry.asked)
        # Whoever got a result from another batch keeps it.
        concerned = [key for key in keys if key not in known or key in unsettled or key in asked]
        stored = join_keys(concerned)
        held = None if len(concerned) == len(keys) else stored
        end = _end(
            *("unsettled", batch_id, entry, now),
            reason=reason,
            job=entry.job,  # it may still be looked for
            held=held,
            keys=entry.people.stored,
        )
        db.hide({key: known[key] for key in concerned if key in known and key not in unsettled})
        # Another open batch with them was sent when nothing was known of them.
        freed = [key for key in concerned if key not in known]
        db.finish(end, People(stored, concerned), freed)


def _entry(db: Tables, batch_id: str) -> OpenRow:
    entry = db.open.get(batch_id)
    if entry is None:
        raise NotOpenError(f"it holds no open batch {batch_id}")
    return entry


def _end(state: str, batch_id: str, entry: OpenRow, now: float, **known: Any) -> EndRow:
    when = (entry.created_at, entry.accepted_at, now)
    return EndRow(state, batch_id, entry.kind, *when, entry.redeem_query_id, entry.row, **known)


def _but_found(db: Tables, entry: OpenRow, results: Mapping[str, Settled]) -> Mapping[str, Settled]:
    """The results but for those without contacts of people who got some meanwhile, elsewhere."""
    if entry.held is None:
        return results
    others = {text: pack_key(text) for text, end in results.items() if end.status != "found"}
    newest = db.newest([key for key in others.values() if key not in entry.held])
    kept: set[str] = set()
    for text, key in others.items():
        if key in newest:
            at, end = db.end(newest[key])
            if isinstance(end, Unsettled) or at < entry.created_at:
                continue
            if end.of(key, text).status == "found":
                kept.add(text)
    return {text: end for text, end in results.items() if text not in kept} if kept else results


def _as_asked(
    entry: OpenRow, results: Mapping[str, Settled]
) -> tuple[People, Mapping[str, Settled]]:
    """Who got a result, and the results: in the order of the batch if it is all of them."""
    texts = tuple(results)
    # An entry that was read from the file has no texts.
    if not entry.texts or len(texts) != len(entry.texts):
        return pack_keys(texts), results
    if texts == entry.texts:
        return entry.people, results
    try:
        as_asked = {text: results[text] for text in entry.texts}
    except KeyError:
        return pack_keys(texts), results
    # Were somebody in the batch twice, somebody else would be missing.
    return (entry.people, as_asked) if len(as_asked) == len(texts) else (pack_keys(texts), results)


# -- what is lost ----------------------------------------------------------------------------


def _unsettled(db: Tables, keys: Sequence[Key]) -> dict[Key, int]:
    """Those whose answer is lost, and the batch that is told of."""
    newest = db.newest(keys)
    lost = {row for row in set(newest.values()) if isinstance(db.end(row)[1], Unsettled)}
    return {key: row for key, row in newest.items() if row in lost}


def _reopen(db: Tables, lost: int, batch_id: str, still: Sequence[Key]) -> None:
    db.write(
        "INSERT INTO open (id, batch_id, kind, created_at, accepted_at, job, reason, lost, keys,"
        " held, seal) SELECT request, batch_id, kind, created_at, accepted_at, job, reason, id,"
        " keys, ?, seal FROM batches WHERE id = ?",
        *(join_keys(still), lost),
    )
    # It stays what its people are told, should it end without a word of them.
    db.write("UPDATE batches SET state = 'reopened' WHERE id = ?", lost)
    row, kind, created_at, accepted_at, job, redeem_query_id, reason, keys = db.execute(
        "SELECT request, kind, created_at, accepted_at, job, redeem_query_id, reason, keys"
        " FROM batches WHERE id = ?",
        (lost,),
    ).fetchone()
    people = People(keys, split_keys(keys))
    entry = db.open[batch_id] = OpenRow(
        *(row, kind, created_at, people, accepted_at, job, redeem_query_id, reason, lost),
        held=set(still),
    )
    db.hold(entry)


def _forget(db: Tables, batch_id: str, keys: Sequence[Key]) -> None:
    """Makes people unknown, but for a result from before, or if yet another answer is lost."""
    unsettled = _unsettled(db, keys)
    by_it = {
        row
        for row in set(unsettled.values())
        if one(db, "SELECT batch_id FROM batches WHERE id = ?", row) == batch_id
    }
    forgotten: dict[Key, int | None] = {k: None for k, row in unsettled.items() if row in by_it}
    if not forgotten:
        return
    for row, _, packed in db.execute(_LOST).fetchall():
        for key in split_keys(packed):
            if key in forgotten:
                forgotten[key] = row
    for key, row in db.older(list(forgotten)).items():
        forgotten[key] = max(row, forgotten[key] or row)
    db.replace_ends(forgotten)


# -- people ----------------------------------------------------------------------------------


def lookup(
    db: Tables, keys: Sequence[str], newer_than: float | None = None
) -> dict[str, Settled | Unsettled]:
    """What is known of these people, results from before `newer_than` left out."""
    since = NEVER if newer_than is None else newer_than
    packed = pack_keys(tuple(keys)).each
    newest = db.newest(packed)
    if not newest:
        return {}
    ends: dict[str, Settled | Unsettled] = {}
    lost: dict[Key, str] = {}
    last, at, end = None, NEVER, None
    for text, key in zip(keys, packed, strict=True):
        row = newest.get(key)
        if row is None or db.is_held(key):
            continue
        if row != last:  # those of a batch mostly come together
            at, end = db.end(row)
            last = row
        if isinstance(end, Unsettled):
            ends[text] = end
            lost[key] = text
        elif end is not None and at >= since:
            ends[text] = end.of(key, text)
    for key, row in db.older(lost).items():
        hidden, text = db.end(row)[1], lost[key]
        if not isinstance(hidden, Unsettled) and hidden.status(key) == "found":
            ends[text] = structs.replace(ends[text], before=hidden.of(key, text))
    return ends


def unsettled_people(db: Tables) -> list[str]:
    """Everyone whose answer is lost, each once."""
    unanswered = [entry.people.each for entry in db.open.values() if entry.job is None]
    people = dict.fromkeys(key for keys in unanswered for key in keys)
    for keys in lost_people(db).values():
        people.update(dict.fromkeys(keys))
    return [unpack_key(key) for key in people]


def lost_people(db: Tables) -> dict[str, list[Key]]:
    """Those whose answer is lost, by the reason, but for those an open batch asks for again."""
    people: dict[str, list[Key]] = {}
    for row, reason, packed in db.execute(
        f"SELECT id, reason, COALESCE(held, keys) FROM batches WHERE {_WAS_LOST} ORDER BY id"  # noqa: S608 - a constant
    ).fetchall():
        keys = split_keys(packed)
        newest = db.newest(keys)
        concerned = [key for key in keys if newest.get(key) == row and not db.is_held(key)]
        people.setdefault(reason, []).extend(concerned)
    return people
