"""Workers whose wall clocks are wrong, each in its own way: nothing goes by them."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from pubrio_async.distributed import Store, claims, inputs
from pubrio_async.sandbox import SandboxConfig, SandboxServer
from tests.distributed.cut_off import Watched, cut_at_submit, soon
from tests.distributed.fleet import PATIENCE_S, ids, outcomes, put, until
from tests.unit.permits import most_within

PEOPLE, MORE = 240, 40
LIMIT, PERIOD_S = 15, 1.0
BEHIND_S, AHEAD_S = -5 * 3_600.0, 5 * 3_600.0


async def start(url: str, api: str, key: str, wrong_by: float) -> Process:
    """A worker with such a clock, named by its key."""
    words = (url, api, key, f"{LIMIT} per {PERIOD_S:.0f} seconds", str(wrong_by))
    script = (sys.executable, "-m", "tests.distributed.hasty")
    return await asyncio.create_subprocess_exec(*script, *words, stdout=DEVNULL, stderr=PIPE)


@pytest.mark.timeout(90)
async def test_a_worker_goes_on_with_what_one_has_left_whose_clock_was_another(
    store: Store, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is killed while a request of it is under way, and followed by one from ten hours later.

    The request must be found in the log, at its real time; what was bought a second ago is not too
    old; and what was sent then counts in the limit.
    """
    monkeypatch.setattr(inputs, "_ROWS", 120)
    monkeypatch.setattr(claims, "_FULL", 120)
    sandbox = Watched(SandboxConfig(limits="unlimited", latency=0.1, time_scale=0.3, seed=7))
    async with SandboxServer(sandbox) as api, AsyncExitStack() as stack:
        await put(store, tmp_path, ids(PEOPLE), origin=api.url, max_age=3_600.0)
        first = await start(url, api.url, "first", BEHIND_S)
        stack.callback(_end, first)
        # Something is bought and written down, and something is under way.
        clock = asyncio.get_running_loop().time
        await until(lambda: soon(sandbox.told("first", clock() - 0.5) >= 4))
        await put(store, tmp_path, ids(PEOPLE + MORE)[PEOPLE:], "more", origin=api.url)
        await cut_at_submit(sandbox, "first", first.kill)
        await first.communicate()
        assert first.returncode == -signal.SIGKILL
        last = await start(url, api.url, "last", AHEAD_S)
        stack.callback(_end, last)
        async with asyncio.timeout(PATIENCE_S):
            _, said = await last.communicate()
        assert last.returncode == 0, said.decode()

    charged = Counter(charge.people_search_id for charge in sandbox.charges())
    assert set(charged.values()) == {1}
    rows = [*await outcomes(store), *await outcomes(store, "more")]
    ended = {row.person: row.status for row in rows}
    assert len(rows) == len(ended) == PEOPLE + MORE
    # Written down, and killed before it was sent: that is all that cannot be found out.
    lost = {person for person, end in ended.items() if end == "unsettled"}
    assert not lost & sandbox.arrived
    assert {end for person, end in ended.items() if person not in lost} == {"found", "empty"}
    assert len(lost) < PEOPLE / 2
    assert {person for person, end in ended.items() if end == "found"} == charged.keys()
    assert {who for _, who, _ in sandbox.seen} == {"first", "last"}
    assert most_within(PERIOD_S, [at for at, _, _ in sandbox.seen]) <= LIMIT


def _end(worker: Process) -> None:
    if worker.returncode is None:
        worker.kill()
