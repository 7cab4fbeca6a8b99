"""SIGKILL at any moment: nothing is paid twice, nothing paid is lost, no row is missing.

`PUBRIO_KILL_ROUNDS` sets the number of rounds, `PUBRIO_KILL_FIRST` the number of the first.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
import signal
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from pubrio_async.models import RunReport
from pubrio_async.sandbox import Fault
from pubrio_async.sandbox.wire import SandboxReply, SandboxRequest
from pubrio_async.scheduler.journal_status import read_status
from tests.cli.conftest import ids, write_csv
from tests.process.books import Told, assert_balanced, read
from tests.process.conftest import BATCH, LOG, SINGLE, Api, Ended, Process, StartApi, StartCli

ROUNDS = int(os.environ.get("PUBRIO_KILL_ROUNDS", "8"))
FIRST = int(os.environ.get("PUBRIO_KILL_FIRST", "0"))
BATCH_SIZE = 5
BATCHES = 15
URLS = [f"https://www.linkedin.com/in/somebody-{number}" for number in range(4)]
# One is left over when the batches are full; those with a URL come in between.
PEOPLE = ids(BATCH_SIZE * BATCHES + 1)
PEOPLE[9:9] = URLS
# Every batch is one submit and one poll.
REQUESTS = 2 * BATCHES + len(URLS) + 1
SOON_S = 0.03
STARTING_S = 0.8
TYPES = ("email-work", "phone")
ROUNDS_AT_ONCE = 2


class Killer:
    """Ends a process while the stand-in handles one of its requests, or a moment later."""

    def __init__(
        self,
        api: Api,
        rng: random.Random,
        figures: Counter[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        self._sandbox = api.sandbox
        self._handle = api.sandbox.handle
        self._rng = rng
        self._process: Process | None = None
        self._left = 0
        self._figures = figures
        monkeypatch.setattr(api.sandbox, "handle", self.handle)

    def aim(self, requests: int) -> bool:
        """Chooses one of the next requests of a process; says whether it is to start at all."""
        self._left = self._rng.randrange(requests)
        return self._left > 0

    async def end(self, process: Process) -> Ended:
        """Waits for the end of a process, which comes when it was said to."""
        self._process = process
        if self._left == 0:  # while it starts, and opens its files
            self._figures["at: starting"] += 1
            self._later(self._rng.uniform(0, STARTING_S))
        ended = await process.end()
        self._process = None
        # Unless it was done before its moment came.
        killed = ended.code == -signal.SIGKILL
        self._figures["killed" if killed else "not killed"] += 1
        return ended

    def handle(self, request: SandboxRequest, now: float) -> SandboxReply:
        self._left -= 1
        if self._process is None or self._left != 0:
            return self._handle(request, now)
        moments = ["before", "after", "later"]
        if request.path in {BATCH, SINGLE}:
            moments += ["on the way to"]
        moment = self._rng.choice(moments)
        self._figures[f"at: {moment} {request.path.rpartition('/')[2]}"] += 1
        if moment == "on the way to":  # as if it had not arrived
            path = f"{re.escape(request.path)}$"
            self._sandbox.add_fault(Fault(kind="lost_before", path=path, times=1))
        if moment in {"before", "on the way to"}:
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
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.child.send_signal(signal.SIGKILL)


class Round:
    """Some runs that are killed, and what comes after them."""

    def __init__(self, seed: int, cli: StartCli, folder: Path, figures: Counter[str]) -> None:
        self.rng = random.Random(seed)
        self._cli = cli
        self._figures = figures
        self._out = folder / f"out-{seed}.csv"
        self._journal = folder / f"out-{seed}.csv.journal"
        self._report = folder / f"report-{seed}.json"
        self._redeem: Sequence[str | int | Path] = [
            "redeem", write_csv(folder / f"in-{seed}.csv", PEOPLE), "-o", self._out,
            "--types", ",".join(TYPES), "--batch-size", BATCH_SIZE, "--report", self._report,
            "--max-concurrency", self.rng.choice([1, 2, 8]), "--rate", "unlimited",
            "--progress", "none",
        ]  # fmt: skip
        self._resolve: Sequence[str | int | Path] = [
            "resolve", self._journal, "--report", self._report, "--rate", "unlimited",
            "--progress", "none",
        ]  # fmt: skip

    async def run(self, served: Api, killer: Killer) -> None:
        self._api, self._killer = served, killer
        for _ in range(self.rng.choice([1, 1, 2, 3])):
            ended = await self._life()
            # Nothing half done is to be seen; the last step may have been to put it in place.
            if self._out.exists():
                read(self._out, PEOPLE)
            if ended.code != -signal.SIGKILL:
                break
        told = await self._whole()
        lost = told.people("unsettled")
        self._figures["rounds with unsettled rows"] += bool(lost)
        self._figures.update({f"{status} rows": n for status, n in told.tally().items()})
        looks = served.sandbox.statistics().requests_by_path.get(LOG, 0)
        self._figures["entries of the log looked at"] += looks
        self._figures["rounds with looks into the log"] += bool(looks)
        await self._balanced(told)

        assert read_status(self._journal).unsettled == len(lost)
        if lost:  # nobody else is to be found
            ended = await self._counted(self._resolve)
            assert ended.code == 3, ended.err
            assert read_status(self._journal).unsettled == len(lost)
        requests = served.sandbox.statistics().requests
        again = await self._whole()
        assert (again.statuses, again.contacts) == (told.statuses, told.contacts)
        assert served.sandbox.statistics().requests == requests
        if lost:
            await self._send_again()

    async def _send_again(self) -> None:
        """Those whose request never arrived are bought after all; that is killed as well."""
        # A look into the log is one request or two, the plan's prices another, and the rest.
        ended = await self._killed(10, *self._resolve, "--resend", "--yes")
        assert ended.code in {0, -signal.SIGKILL}, ended.err
        ended = await self._counted([*self._resolve, "--resend", "--yes"])
        assert ended.code == 0, ended.err
        told = await self._whole()
        assert not told.people("unsettled")
        await self._balanced(told)
        self._figures["rounds with rows sent again"] += 1

    async def _life(self) -> Ended:
        """A run that is killed, unless it ends before."""
        if self._journal.exists() and self.rng.random() < 0.3:
            self._figures["resolve"] += 1
            return await self._killed(8, *self._resolve)
        return await self._killed(REQUESTS * 3 // 4, *self._redeem)

    async def _killed(self, requests: int, *words: str | int | Path) -> Ended:
        starts = self._killer.aim(requests)
        return await self._killer.end(await self._start(*words, cold=not starts))

    async def _whole(self) -> Told:
        """A run to the end."""
        ended = await self._counted(self._redeem)
        told = read(self._out, PEOPLE)
        assert ended.code == (3 if told.people("unsettled") else 0), ended.err
        return told

    async def _counted(self, words: Sequence[str | int | Path]) -> Ended:
        """Runs a command whose report says what it adds to the credits in the journal."""
        before = read_status(self._journal).credits_charged if self._journal.exists() else 0
        ended = await (await self._start(*words)).end()
        assert self._report.exists(), ended.err
        report = msgspec.json.decode(self._report.read_bytes(), type=RunReport)
        assert read_status(self._journal).credits_charged == before + report.credits_charged
        return ended

    async def _start(self, *words: str | int | Path, cold: bool = False) -> Process:
        return await self._cli(*words, url=self._api.direct, cold=cold)

    async def _balanced(self, told: Told) -> None:
        await assert_balanced(self._api, told, TYPES, self._journal)


@pytest.mark.timeout(60 + 15 * ROUNDS)
async def test_killed_at_any_moment_it_goes_on_where_it_was(
    api: StartApi, cli: StartCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures: Counter[str] = Counter()
    gate = asyncio.Semaphore(ROUNDS_AT_ONCE)

    async def in_turn(seed: int) -> None:
        async with gate:
            this = Round(seed, cli, tmp_path, figures)
            served = await api(seed=seed, latency=this.rng.choice([0.0, 0.01, 0.03]))
            try:
                await this.run(served, Killer(served, this.rng, figures, monkeypatch))
            except BaseException as error:
                error.add_note(f"round {seed}")
                raise

    async with asyncio.TaskGroup() as group:
        for seed in range(FIRST, FIRST + ROUNDS):
            group.create_task(in_turn(seed))

    print(f"{ROUNDS} rounds: {dict(sorted(figures.items()))}")
    assert figures["killed"] >= ROUNDS // 2
