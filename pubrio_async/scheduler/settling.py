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
    under their own id, if it has contacts of theirs: those were paid for. If it has none, that says
    nothing about people who were not asked for, and whose contacts may have been bought before.
    """
    if batch.kind == "single":
        return _settled_alone(batch.keys[0], peoples, redeem_query_id)
    # In the order of the batch, under its own texts: whoever compares the two is done at once.
    ends: dict[str, Settled | None] = dict.fromkeys(batch.keys)
    for person in peoples:
        known = person.people_search_id
        if known:
            key = known.lower()
            end = _settled(known, person, redeem_query_id)
            if key in ends:
                other = ends[key]
                ends[key] = end if other is None else merged(other, end)
            elif end.status == "found":
                ends[key] = end
    return {
        key: end or Settled("empty", key, redeem_query_id=redeem_query_id)
        for key, end in ends.items()
    }


def _settled_alone(
    key: str, peoples: Sequence[RedeemedPerson], redeem_query_id: str | None
) -> dict[str, Settled]:
    """The end of somebody who was asked for alone: whoever has no other id, or the first one."""
    ids = [person.people_search_id for person in peoples if person.people_search_id]
    known = next((one for one in ids if one.lower() == key), ids[0] if ids else None)
    if known is None and not is_url(key):
        known = key
    ends = {key: _settled(known, RedeemedPerson(), redeem_query_id)}
    for person in peoples:
        whose = person.people_search_id or known
        end = _settled(whose, person, redeem_query_id)
        if whose is None or known is None or whose.lower() == known.lower():
            ends[key] = merged(ends[key], end)
        elif end.status == "found":
            other = ends.get(whose.lower())
            ends[whose.lower()] = end if other is None else merged(other, end)
    return ends


def _settled(known: str | None, person: RedeemedPerson, redeem_query_id: str | None) -> Settled:
    emails, phones = person.emails or (), person.phones or ()
    return Settled("found" if emails or phones else "empty", known, emails, phones, redeem_query_id)


def merged(one: Settled, other: Settled) -> Settled:
    """What two replies, or two parts of one, say about a person."""
    return Settled(
        "found" if "found" in (one.status, other.status) else "empty",
        one.people_search_id,
        tuple(dict.fromkeys(one.emails + other.emails)),
        tuple(dict.fromkeys(one.phones + other.phones)),
        one.redeem_query_id,
    )
