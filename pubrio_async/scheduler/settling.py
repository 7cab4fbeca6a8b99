"""From the people of a reply to the end of each person of a batch: pure functions."""

from __future__ import annotations

from collections.abc import Sequence

from pubrio_async.models import RedeemedPerson
from pubrio_async.scheduler.journal import Batch, Settled


def settled_people(
    batch: Batch, peoples: Sequence[RedeemedPerson], query_id: str | None
) -> dict[str, Settled]:
    """The end of every person of a batch: matched by id, whatever the order of the reply.

    People the reply does not name were not found. People it names beyond the batch are kept
    under their own id: they were paid for.
    """
    if batch.kind == "single":
        found = peoples[0] if peoples else RedeemedPerson()
        return {batch.keys[0]: _settled(batch.keys[0], found, query_id)}
    ends: dict[str, Settled] = {}
    for person in peoples:
        if person.people_search_id:
            key = person.people_search_id.lower()
            end = _settled(key, person, query_id)
            ends[key] = _merged(ends[key], end) if key in ends else end
    for key in batch.keys:
        if key not in ends:
            ends[key] = Settled("empty", key, redeem_query_id=query_id)
    return ends


def _settled(key: str, person: RedeemedPerson, query_id: str | None) -> Settled:
    emails = person.emails or ()
    phones = person.phones or ()
    known = person.people_search_id or (None if key.startswith("http") else key)
    return Settled("found" if emails or phones else "empty", known, emails, phones, query_id)


def _merged(one: Settled, other: Settled) -> Settled:
    return Settled(
        "found" if "found" in (one.status, other.status) else "empty",
        one.people_search_id,
        one.emails + other.emails,
        one.phones + other.phones,
        one.redeem_query_id,
    )
