"""SIGKILL at any moment: nothing is paid twice, nothing paid is lost, no row is missing.

`PUBRIO_KILL_ROUNDS` sets the number of rounds.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import os
import random
import signal
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from pubrio_async.sandbox.wire import SandboxReply, SandboxRequest
from tests.cli.conftest import ids, write_csv
from tests.process.conftest import BATCH, Api, Process, StartApi, StartCli

ROUNDS = int(os.environ.get("PUBRIO_KILL_ROUNDS", "8"))
BATCH_SIZE = 5
BATCHES = 16
PEOPLE = ids(BATCH_SIZE * BATCHES)
# Every batch is one submit and one poll.
REQUESTS = 2 * BATCHES
SOON_S = 0.03
STARTING_S = 0.8
TYPES = "email-work,phone"
ROUNDS_AT_ONCE = 2


class Told(NamedTuple):
    """What an output says."""

    statuses: dict[str, str]
    contacts: dict[str, set[str]]


class Killer:
    """Ends a process while the stand-in handles one of its requests, or a moment later."""

    def __init__(
        self,
        api: Api,
        rng: random.Random,
        figures: Counter[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        self._handle = api.sandbox.handle
        self._rng = rng
        self._process: Process | None = None
        self._left = 0
        self._figures = figures
        monkeypatch.setattr(api.sandbox, "handle", self.handle)

    def aim(self, process: Process, after: int) -> None:
        self._process, self._left = process, after
        if after == 0:  # while it starts, and opens its files
            self._figures["at: starting"] += 1
            self._later(self._rng.uniform(0, STARTING_S))

    def handle(self, request: SandboxRequest, now: float) -> SandboxReply:
        self._left -= 1
        if self._process is None or self._left != 0:
            return self._handle(request, now)
        moment = self._rng.choice(["before", "after", "later"])
        self._figures[f"at: {moment} {request.path.rpartition('/')[2]}"] += 1
        if moment == "before":
            self._kill()
        reply = self._handle(request, now)
        if moment == "after":
            self._kill()
        elif moment == "later":
            self._later(self._rng.uniform(0, SOON_S))
        return reply

    def _later(self, seconds: float) -> None:
        asyncio.get_running_loop().call_later(seconds, self._kill)

    def _kill(self) -> None:
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            self._process.child.send_signal(signal.SIGKILL)


def read(out: Path) -> Told:
    statuses: dict[str, str] = {}
    contacts: dict[str, set[str]] = {}
    with out.open(newline="") as file:
        for row in csv.DictReader(file):
            person = row["people_search_id"]
            assert person not in statuses
            statuses[person] = row["status"]
            kinds = ("email_work", "email_personal", "phone")
            contacts[person] = {value for kind in kinds for value in row[kind].split(";") if value}
    assert list(statuses) == PEOPLE
    return Told(statuses, contacts)


async def one_round(
    seed: int,
    *,
    api: StartApi,
    cli: StartCli,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    figures: Counter[str],
) -> None:
    rng = random.Random(seed)
    served = await api(seed=seed, latency=rng.choice([0.0, 0.01, 0.03]))
    killer = Killer(served, rng, figures, monkeypatch)
    out = folder / f"out-{seed}.csv"
    command = [
        "redeem", write_csv(folder / f"in-{seed}.csv", PEOPLE), "-o", out, "--types", TYPES,
        "--batch-size", BATCH_SIZE, "--max-concurrency", rng.choice([1, 2, 8]),
        "--rate", "unlimited", "--progress", "none",
    ]  # fmt: skip
    for _ in range(rng.choice([1, 1, 2, 3])):
        process = await cli(*command, url=served.direct)
        killer.aim(process, rng.randrange(REQUESTS * 3 // 4))
        ended = await process.end()
        if ended.code != -signal.SIGKILL:  # it was done before its moment came
            figures["not killed"] += 1
            break
        figures["killed"] += 1
        # Nothing half done is to be seen; the last step may have been that it was put in place.
        if out.exists():
            read(out)
    requests = served.sandbox.statistics().requests
    for attempt in range(2):
        ended = await (await cli(*command, url=served.direct)).end()
        told = read(out)
        count = Counter(told.statuses.values())
        assert ended.code == (3 if count["unsettled"] else 0), ended.err
        assert count.keys() <= {"found", "empty", "unsettled"}, ended.err
        if attempt:  # nothing was left to do, and the same came out
            assert served.sandbox.statistics().requests == requests
        requests = served.sandbox.statistics().requests

    assert await served.double_charges() == 0
    statistics = served.sandbox.statistics()
    # Nobody was even asked for twice, charged or not.
    assert statistics.requests_by_path[BATCH] <= BATCHES
    assert statistics.repeated_people == 0
    charged = served.charged()
    for person in PEOPLE:
        if told.statuses[person] == "unsettled":
            continue
        held = served.sandbox.contacts_for(person, TYPES.split(","))
        assert told.contacts[person] == {contact.value for contact in held}
        assert (person in charged) == (told.statuses[person] == "found")
    figures.update({f"{status} rows": total for status, total in count.items()})
    figures["rounds with unsettled rows"] += bool(count["unsettled"])


@pytest.mark.timeout(60 + 10 * ROUNDS)
async def test_killed_at_any_moment_it_goes_on_where_it_was(
    api: StartApi, cli: StartCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures: Counter[str] = Counter()
    gate = asyncio.Semaphore(ROUNDS_AT_ONCE)

    async def in_turn(seed: int) -> None:
        async with gate:
            await one_round(
                seed, api=api, cli=cli, folder=tmp_path, monkeypatch=monkeypatch, figures=figures
            )

    async with asyncio.TaskGroup() as group:
        for seed in range(ROUNDS):
            group.create_task(in_turn(seed))

    print(f"{ROUNDS} rounds: {dict(sorted(figures.items()))}")
    assert figures["killed"] >= ROUNDS // 2
