"""Compares what was told with what the stand-in did: its ledger and its request log, over HTTP."""

from __future__ import annotations

import asyncio
import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from pubrio_async.scheduler.journal_status import read_status
from tests.process.conftest import BATCH, SINGLE, Api

KINDS = ("email_work", "email_personal", "phone")
_ROWS = 25


class Told(NamedTuple):
    """What an output says."""

    statuses: dict[str, str]
    contacts: dict[str, set[str]]
    errors: dict[str, str]

    def tally(self) -> Counter[str]:
        return Counter(self.statuses.values())

    def people(self, *statuses: str) -> set[str]:
        return {person for person, status in self.statuses.items() if status in statuses}


def read(out: Path, people: Sequence[str]) -> Told:
    """Reads an output, which has exactly one row for each of these people, in their order."""
    with out.open(newline="") as file:
        rows = {row["people_search_id"]: row for row in csv.DictReader(file)}
    with out.open(newline="") as file:
        assert sum(1 for _ in csv.reader(file)) == len(people) + 1
    assert list(rows) == list(people)
    return Told(
        {person: row["status"] for person, row in rows.items()},
        {
            person: {value for kind in KINDS for value in row[kind].split(";") if value}
            for person, row in rows.items()
        },
        {person: row["error"] for person, row in rows.items()},
    )


async def ask(url: str, path: str, body: object = None) -> Any:
    """A request, without the help of the package: GET, or POST if there is a body."""
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    sent = b"" if body is None else msgspec.json.encode(body)
    method = "GET" if body is None else "POST"
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    head += f"pubrio-api-key: another\r\nContent-Length: {len(sent)}\r\n\r\n"
    writer.write(head.encode() + sent)
    reply = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert b" 200 " in reply.partition(b"\r\n")[0], reply
    return msgspec.json.decode(reply.partition(b"\r\n\r\n")[2])


async def statistics(url: str) -> dict[str, Any]:
    """What `GET /_sandbox/statistics` gives back."""
    told: dict[str, Any] = await ask(url, "/_sandbox/statistics")
    return told


async def arrived(url: str) -> Counter[str]:
    """How many requests to redeem each person are in the API's request log."""
    rows: list[dict[str, Any]] = []
    page, pages = 1, 1
    while page <= pages:
        # Oldest first: these requests themselves are added at the end.
        body = {"page": page, "per_page": _ROWS, "is_ascending_order": True}
        listed = (await ask(url, "/api_keys/logs", body))["data"]
        rows += listed["query_logs"]
        # Those of this loop do not matter, and have no end.
        pages = pages if page > 1 else listed["pagination"]["total_pages"]
        page += 1
    named: Counter[str] = Counter()
    for row in rows:
        if row["path"] in {BATCH, SINGLE}:
            wanted = {"query_log_id": row["query_log_id"]}
            entry = (await ask(url, "/api_keys/logs/lookup", wanted))["data"]
            asked = msgspec.json.decode(entry["request_body"])
            single = asked.get("people_search_id") or asked.get("linkedin_url")
            named.update(asked.get("peoples") or [single])
    return named


def id_of(api: Api, person: str) -> str | None:
    """The id of a person who may be given by a URL."""
    if person.startswith("http"):
        return api.sandbox.id_for_linkedin(person)
    return person


async def assert_balanced(
    api: Api, told: Told, types: Sequence[str], journal: Path | None = None
) -> None:
    """Nothing was paid twice, and nothing that was paid is lost.

    - Nobody was charged twice, nor even asked for twice.
    - Whoever is settled has the contacts that the ledger was charged for, and no others.
    - Only those are unsettled of whom the API has never heard.
    - The credits in the journal are those of the ledger.
    """
    # Whether resending was asked for or not: who was sent again had not arrived before.
    named = await arrived(api.direct)
    assert not [person for person, times in named.items() if times > 1]
    books = await statistics(api.direct)
    assert books["regrets"]["double_charges"] == 0
    assert books["statistics"]["repeated_people"] == 0

    assert set(told.statuses.values()) <= {"found", "empty", "unsettled"}
    assert not told.people("unsettled") & named.keys()
    charged = api.charged()
    for person in told.people("found", "empty"):
        assert named[person] == 1
        known = id_of(api, person)
        held = () if known is None else api.sandbox.contacts_for(known, types)
        assert told.contacts[person] == {contact.value for contact in held}
        assert (known in charged) == bool(held) == (told.statuses[person] == "found")
    assert charged == {id_of(api, person) for person in told.people("found")}
    if journal is not None:
        assert read_status(journal).credits_charged == books["statistics"]["credits_charged"]
