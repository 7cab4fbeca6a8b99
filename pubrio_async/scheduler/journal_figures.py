"""The figures of a journal: each person counts once, under their newest end."""

from __future__ import annotations

from collections import Counter

from pubrio_async.scheduler.journal import JournalSummary, Unsettled
from pubrio_async.scheduler.journal_rows import lost_people, types_of
from pubrio_async.scheduler.journal_tables import Tables, one
from pubrio_async.scheduler.journal_values import Key, split_keys

_NO_ANSWER = "no answer to their request was written down"


def summary(db: Tables) -> JournalSummary:
    """The figures of the journal."""
    ends = _count_results(db)
    sizes = {True: 0, False: 0}
    for entry in db.open.values():
        sizes[entry.job is None] += len(entry.people.each)
    return JournalSummary(
        contact_types=types_of(db),
        found=ends["found"],
        empty=ends["empty"],
        rejected=ends["rejected"],
        unsettled=sum(map(len, lost_people(db).values())) + sizes[True],
        pending=sizes[False],
        open_jobs=len(db.open),
        credits_charged=one(db, "SELECT COALESCE(SUM(charged), 0) FROM batches"),
    )


def count_people(db: Tables) -> int:
    """How many people it knows of, those of open batches among them."""
    asked = {key for entry in db.open.values() for key in entry.people.each}
    known = sum(db.count_ends().values())
    return known + len(asked) - len(db.newest(asked))


def count_states(db: Tables) -> dict[str, int]:
    """How many batches ended how."""
    return dict(db.execute("SELECT state, COUNT(*) FROM batches GROUP BY state"))


def count_reasons(db: Tables) -> Counter[str]:
    """Why people are unsettled, and how many for that reason."""
    lost = lost_people(db)
    reasons = Counter({reason: len(lost[reason]) for reason in sorted(lost) if lost[reason]})
    for entry in db.open.values():
        if entry.job is None:
            # One that was looked for before is open again while it is looked for once more.
            reasons[entry.reason or _NO_ANSWER] += len(entry.people.each)
    return reasons


def _count_results(db: Tables) -> Counter[str]:
    ends: Counter[str] = Counter(found=0, empty=0, rejected=0)
    newest = db.count_ends()
    for row, *numbers in db.execute(
        "SELECT id, found, empty, rejected FROM batches WHERE state = 'settled'"
    ).fetchall():
        if newest.get(row, 0) == sum(numbers):
            for status, number in zip(("found", "empty", "rejected"), numbers, strict=True):
                ends[status] += number
        elif row in newest:  # somebody in it has a newer end
            keys = split_keys(one(db, "SELECT keys FROM batches WHERE id = ?", row))
            ends.update(_statuses(db, {k: r for k, r in db.newest(keys).items() if r == row}))
    # As long as they are asked for again, no end of theirs is known.
    ends.subtract(_statuses(db, db.newest(db.held())))
    return ends


def _statuses(db: Tables, newest: dict[Key, int]) -> Counter[str]:
    ends = ((key, db.end(row)[1]) for key, row in newest.items())
    return Counter(end.status(key) for key, end in ends if not isinstance(end, Unsettled))
