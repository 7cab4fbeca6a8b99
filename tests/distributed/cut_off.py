"""Two hosts with a worker each, cut off from the database and from the API. Run with -m.

    python -m tests.distributed.cut_off FOLDER

Must run in a network of its own, see `network.apart`. Prints what has happened, for a test.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import msgspec

from pubrio_async.distributed import Store, apply_schema, claims, inputs
from pubrio_async.sandbox import Sandbox, SandboxConfig, SandboxServer
from pubrio_async.sandbox.wire import SandboxReply, SandboxRequest
from tests.distributed.cluster import Cluster, programs, running
from tests.distributed.fleet import PATIENCE_S, ask, ids, outcomes, put, until
from tests.distributed.hasty import STALLED_S, TIMEOUT_S
from tests.distributed.network import API, DATABASE, Host, make_world

PEOPLE = 80
"""Of each run; there are as many runs as it takes to keep both busy."""
LIMIT, PERIOD_S = 40, 2.0
_CUT_S = 2.0 * STALLED_S
_SPARE = 3
_SUBMIT = "/redeem/people/batch"
_POLL = "/redeem/people/batch/query"


class Facts(msgspec.Struct):
    """What has happened.

    Attributes:
        charged: How often people were paid for: how many were once, twice ...
        charged_people: Who was.
        people: How many there are.
        ends: How the rows ended, by person.
        rows: How many came out.
        requests: When each request arrived.
        refused: How many of them were refused by a rate limit.
        sent_while_cut: Requests that spend, from the host that was without database, once it had
            been for longer than its leases.
        rescued: How many chunks others have taken over from it meanwhile.
        back: Whether it went on afterwards.
        went_on: Whether it was not held up by the other, who was without API.
        codes: The exit codes of the workers.
    """

    charged: dict[int, int] = msgspec.field(default_factory=dict[int, int])
    charged_people: list[str] = msgspec.field(default_factory=list[str])
    people: int = 0
    ends: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    rows: int = 0
    requests: list[float] = msgspec.field(default_factory=list[float])
    refused: int = 0
    sent_while_cut: int = 0
    rescued: int = 0
    back: bool = False
    went_on: bool = False
    codes: list[int] = msgspec.field(default_factory=list[int])


class Watched(Sandbox):
    """The stand-in, which tells who asks for what.

    Attributes:
        seen: When, who, and what for.
        arrived: The people somebody has asked for.
        when: At whose next request that spends something is done, and what.
    """

    def __init__(self, config: SandboxConfig) -> None:
        super().__init__(config)
        self.seen: list[tuple[float, str, str]] = []
        self.when: tuple[str, Callable[[], None]] | None = None
        self.arrived: set[str] = set()

    def handle(self, request: SandboxRequest, now: float) -> SandboxReply:
        who = request.header("pubrio-api-key")
        self.seen.append((now, who, request.path))
        if request.path == _SUBMIT:
            self.arrived.update(msgspec.json.decode(request.body)["peoples"])
        reply = super().handle(request, now)
        if self.when is not None and self.when[0] == who and request.path == _SUBMIT:
            # It is carried out, and its reply is still to leave.
            act, self.when = self.when[1], None
            act()
        return reply

    def submits(self, who: str) -> int:
        """How many requests of a host there were that spend."""
        return sum((one, path) == (who, _SUBMIT) for _, one, path in self.seen)

    def told(self, who: str, before: float) -> int:
        """How many answers about what it has submitted a host got until some time ago."""
        return sum((one, path) == (who, _POLL) and at < before for at, one, path in self.seen)


async def cut_at_submit(sandbox: Watched, who: str, cut: Callable[[], None]) -> None:
    """Cuts a host off while a request of it is on the way."""
    done = asyncio.Event()

    def act() -> None:
        cut()
        done.set()

    sandbox.when = (who, act)
    async with asyncio.timeout(PATIENCE_S):
        await done.wait()


@contextlib.asynccontextmanager
async def hosts(url: str, api: str) -> AsyncGenerator[tuple[Host, Host, list[Process]]]:
    """Two hosts with a worker each, called by their keys."""
    first, second = Host(1), Host(2)
    processes: list[Process] = []
    try:
        for who, host in (("first", first), ("second", second)):
            limits = f"{LIMIT} per {PERIOD_S:.0f} seconds"
            script = (sys.executable, "-m", "tests.distributed.hasty")
            command = host.command(*script, url, api, who, limits)
            processes.append(await asyncio.create_subprocess_exec(*command, stdout=DEVNULL))
        yield first, second, processes
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
            await process.wait()
        first.close()
        second.close()


async def keep_busy(
    store: Store, folder: Path, api: str, runs: list[str], enough: asyncio.Event
) -> None:
    """Puts runs into the queue, so that there is always something to do."""
    while not enough.is_set():
        if len(await ask(store, "SELECT 1 FROM chunks WHERE state = 'todo'")) < _SPARE:
            number = len(runs)
            some = ids(PEOPLE * (number + 1))[PEOPLE * number :]
            await put(store, folder, some, f"run-{number}", origin=api)
            runs.append(f"run-{number}")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.1):
                await enough.wait()


async def story(folder: Path, server: Cluster) -> Facts:
    """What happens."""
    facts = Facts()
    url = server.make_database("hosts")
    await apply_schema(url)
    config = SandboxConfig(limits="unlimited", latency=0.1, time_scale=0.3, seed=7)
    sandbox = Watched(config)
    async with Store(url) as store, SandboxServer(sandbox, API) as api:
        runs: list[str] = []
        enough = asyncio.Event()
        supplier = asyncio.create_task(keep_busy(store, folder, api.url, runs, enough))
        await until(lambda: soon(len(runs) > 0))
        far = f"postgresql://tests@{DATABASE}/hosts"
        async with hosts(far, api.url) as (first, second, processes):
            clock = asyncio.get_running_loop().time

            async def rescued() -> list[Any]:
                return await ask(store, "SELECT 1 FROM chunks WHERE attempts > 1")

            await until(lambda: soon(sandbox.submits("second") > 0))
            await cut_at_submit(sandbox, "first", lambda: first.cut("database"))
            cut_at = clock()
            await until(rescued)
            facts.rescued = len(await rescued())
            await asyncio.sleep(max(0.0, cut_at + _CUT_S - clock()))
            late = cut_at + STALLED_S
            facts.sent_while_cut = sum(
                who == "first" and path == _SUBMIT and at > late for at, who, path in sandbox.seen
            )
            sent = sandbox.submits("first")
            first.mend("database")
            await until(lambda: soon(sandbox.submits("first") > sent))
            facts.back = True

            await cut_at_submit(sandbox, "second", lambda: second.cut("api"))
            cut_at, sent = clock(), sandbox.submits("first")
            await until(lambda: soon(sandbox.submits("first") > sent + 2))
            facts.went_on = True
            # So long that its requests are given up.
            await asyncio.sleep(max(0.0, cut_at + 2 * TIMEOUT_S - clock()))
            second.mend("api")
            enough.set()
            await supplier
            for process in processes:
                await process.wait()
            facts.codes = [process.returncode or 0 for process in processes]
        facts.people = PEOPLE * len(runs)
        for run in runs:
            for outcome in await outcomes(store, run):
                facts.ends[outcome.person] = outcome.status
                facts.rows += 1
    charged = Counter(charge.people_search_id for charge in sandbox.charges())
    facts.charged = dict(Counter(charged.values()))
    facts.charged_people = list(charged)
    facts.requests = [at for at, _, _ in sandbox.seen]
    facts.refused = sandbox.regrets().refused_429
    return facts


async def soon(holds: bool) -> bool:
    """For `until`, what can be told without waiting."""
    return holds


def main(folder: str) -> None:
    make_world()
    home = programs()
    assert home is not None
    inputs._ROWS = claims._FULL = 40
    with running(home, listen=DATABASE) as server:
        facts = asyncio.run(story(Path(folder), server))
    print(msgspec.json.encode(facts).decode())


if __name__ == "__main__":
    began = time.monotonic()
    main(sys.argv[1])
    print(f"took {time.monotonic() - began:.1f} s", file=sys.stderr)
