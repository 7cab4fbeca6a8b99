"""Real processes that are killed, stopped and told to end, and a database that goes away.

What counts is in the ledger of the stand-in: nobody is paid for twice, and nothing paid is lost.
"""

from __future__ import annotations

import asyncio
import csv
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import Counter
from contextlib import suppress
from itertools import cycle
from pathlib import Path

import msgspec
import pytest

from pubrio_async.sandbox import Sandbox, SandboxConfig, SandboxServer
from pubrio_async.sandbox.wire import SandboxReply, SandboxRequest
from tests.cli.conftest import ids, write_csv
from tests.distributed.cluster import Cluster, programs, running
from tests.process import command as command_file

PEOPLE = 3_000
WORKERS = 3
STALLED_S = 1.5
# A machine that is busy with other tests is slow, and a worker takes a moment to start: tormented
# for ever, none might get far enough.
MOST_ACTS = 24
PATIENCE_S = 100.0


class Fleet:
    """Workers, and what is done to them."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self._processes: list[Process] = []
        self.codes: Counter[int] = Counter()

    async def command(self, *words: str) -> tuple[int, str]:
        """Runs a command to its end."""
        process = await self._start(*words, stderr=PIPE)
        _, said = await process.communicate()
        return process.returncode or 0, said.decode()

    async def add(self) -> None:
        """Starts a worker."""
        words = ("worker", "--until-done", "--concurrency", "1")
        stalled = ("--stalled-after", str(STALLED_S))
        self._processes.append(await self._start(*words, *stalled, stderr=DEVNULL))

    def alive(self) -> list[Process]:
        """The workers that have not ended; the others are counted."""
        ended = [process for process in self._processes if process.returncode is not None]
        self.codes.update(process.returncode or 0 for process in ended)
        self._processes = [each for each in self._processes if each not in ended]
        return self._processes

    async def clear(self) -> None:
        """Leaves nothing behind."""
        for process in self.alive():
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _start(self, *words: str, stderr: int) -> Process:
        # The real command, but that what is lost is not looked for for minutes.
        command = (sys.executable, "-P", command_file.__file__, "{}", *words)
        return await asyncio.create_subprocess_exec(
            *command, env=self._environment, stdout=DEVNULL, stderr=stderr
        )


async def torment(fleet: Fleet, server: Cluster) -> list[str]:
    """Does something to a worker, or to the database, about each second, until all is done."""
    done: list[str] = []
    # To stand still takes longest: by its end, all may be done.
    for act in cycle(["kill", "database", "end", "stop"]):
        await asyncio.sleep(0.8)
        if not (alive := fleet.alive()):
            return done
        if len(done) == MOST_ACTS:
            continue
        if act == "database":
            if act in done:
                continue  # once is enough
            await asyncio.to_thread(server.stop)
            await asyncio.sleep(0.5)
            await asyncio.to_thread(server.start)
        elif act == "stop":
            # So long that others take it for dead; then it wakes up.
            victim = alive[0]
            victim.send_signal(signal.SIGSTOP)
            await asyncio.sleep(2 * STALLED_S)
            with suppress(ProcessLookupError):
                victim.send_signal(signal.SIGCONT)
        else:
            victim = alive[0]
            with suppress(ProcessLookupError):
                victim.send_signal(signal.SIGKILL if act == "kill" else signal.SIGTERM)
            await victim.wait()
            await fleet.add()
        done.append(act)
    raise AssertionError


@pytest.mark.timeout(150)
@pytest.mark.usefixtures("warm_starts")
async def test_nobody_is_paid_for_twice_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = programs()
    if home is None:
        pytest.skip("PostgreSQL is not installed")
    # Jobs take some seconds, so that there is always something under way.
    sandbox = Sandbox(SandboxConfig(limits="unlimited", latency=0.02, time_scale=0.4, seed=7))
    arrived: set[str] = set()
    handle = sandbox.handle

    def note_arrivals(request: SandboxRequest, now: float) -> SandboxReply:
        if request.path == "/redeem/people/batch":
            arrived.update(msgspec.json.decode(request.body)["peoples"])
        return handle(request, now)

    monkeypatch.setattr(sandbox, "handle", note_arrivals)
    source = write_csv(tmp_path / "people.csv", [*ids(PEOPLE), "nobody", ids(1)[0]])
    output = tmp_path / "out.csv"
    with running(home, durable=True) as server:
        url = server.make_database("chaos")
        async with SandboxServer(sandbox) as api:
            fleet = Fleet(
                os.environ
                | {
                    "PUBRIO_API_KEY": "key-of-the-test",
                    "PUBRIO_BASE_URL": api.url,
                    "PUBRIO_DATABASE": url,
                    "PUBRIO_RATE_LIMIT": "300 per 10 seconds",
                }
            )
            assert (await fleet.command("database", "upgrade"))[0] == 0
            words = ("--types", "email-work", "--batch-size", "20")
            code, said = await fleet.command("enqueue", source, *words)
            assert code == 0, said
            try:
                for _ in range(WORKERS):
                    await fleet.add()
                async with asyncio.timeout(PATIENCE_S):
                    done = await torment(fleet, server)
            finally:
                await fleet.clear()
            # A process that stood still sends what it was about to send when others have looked.
            code, said = await fleet.command("resolve", url, "--progress", "none")
            assert code in {0, 3}, said
            code, said = await fleet.command("export", "people.csv", "-o", str(output))
    assert set(done) == {"kill", "stop", "end", "database"}

    charged = Counter(charge.people_search_id for charge in sandbox.charges())
    assert set(charged.values()) == {1}
    assert sandbox.regrets().double_charges == 0
    with output.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == [f"name-{row}" for row in range(PEOPLE + 2)]
    ended = Counter(row["status"] for row in rows)
    # Those whose request a killed worker had under way are looked for in the API's request log.
    assert set(ended) <= {"found", "empty", "rejected", "unsettled"}
    assert ended["rejected"] == 1
    assert code == (3 if ended["unsettled"] else 0), said
    found = {row["people_search_id"] for row in rows if row["status"] == "found"}
    lost = {row["people_search_id"] for row in rows if row["status"] == "unsettled"}
    assert found == set(charged)
    assert not lost & arrived  # only where the log has nothing
    # Killed, or ended in good order; a signal may also come before there is anything to end.
    assert set(fleet.codes) <= {0, -signal.SIGKILL, -signal.SIGTERM}
