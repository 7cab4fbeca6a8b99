"""From the people of a reply to the end of each person of a batch: pure functions."""

from __future__ import annotations

from collections.abc import Sequence

from pubrio_async.models import RedeemedPerson
from pubrio_async.scheduler.journal import Batch, Settled
from pubrio_async.scheduler.persons import is_url


def settled_people(
    batch: Batch, peoples: Sequence[RedeemedPerson], redeem_query_id: str | None
) -> dict[str, Settled]:
    """The end of every person of a batch: matched by id, whatever the order of the reply.

    People the reply does not name were not found. People it names beyond the batch are kept
    under their own id, if it has contacts of theirs: those were paid for. That it has none says
    nothing of people it was not asked for, whose contacts may have been bought before.
    """
    if batch.kind == "single":
        found = peoples[0] if peoples else RedeemedPerson()
        key = batch.keys[0]
        known = found.people_search_id or (None if is_url(key) else key)
        return {key: _settled(known, found, redeem_query_id)}
    # In the order of the batch, under its own texts: whoever compares the two is done at once.
    ends: dict[str, Settled | None] = dict.fromkeys(batch.keys)
    for person in peoples:
        known = person.people_search_id
        if known:
            key = known.lower()
            end = _settled(known, person, redeem_query_id)
            other = ends.get(key)
            if key in ends or end.status == "found":
                ends[key] = end if other is None else _merged(other, end)
    return {
        key: end or Settled("empty", key, redeem_query_id=redeem_query_id)
        for key, end in ends.items()
    }


def _settled(known: str | None, person: RedeemedPerson, redeem_query_id: str | None) -> Settled:
    emails, phones = person.emails or (), person.phones or ()
    return Settled("found" if emails or phones else "empty", known, emails, phones, redeem_query_id)


def _merged(one: Settled, other: Settled) -> Settled:
    return Settled(
        "found" if "found" in (one.status, other.status) else "empty",
        one.people_search_id,
        one.emails + other.emails,
        one.phones + other.phones,
        one.redeem_query_id,
    )
