"""A million people through a run: what stays in memory, and what a person costs beside HTTP."""

from __future__ import annotations

import asyncio
import gc
import itertools
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.harness import Options, Plot, Report, alone, resident
from pubrio_async import AsyncPubrio
from pubrio_async._phase import Phase
from pubrio_async._wire import WireReply, WireRequest

_BATCH = 100
_SAMPLES = 100


class _Batch(msgspec.Struct):
    peoples: list[str]


class Canned:
    """Finds a work address for everyone, at once; keeps a job until it is asked for."""

    def __init__(self) -> None:
        self._jobs: dict[str, list[str]] = {}
        self._numbers = itertools.count()
        self._decode = msgspec.json.Decoder(_Batch).decode
        self.spent = 0.0

    async def send(self, request: WireRequest, *, timeout: float, phase: Phase) -> WireReply:  # noqa: ARG002 - as the protocol has it
        started = time.process_time()
        phase.sent += 1
        assert request.body is not None
        if request.path.endswith("/query"):
            name = msgspec.json.decode(request.body)["redeem_query_id"]
            body = self._result(name, self._jobs.pop(name))
        else:
            name = f"job-{next(self._numbers)}"
            self._jobs[name] = self._decode(request.body).peoples
            body = b'{"data":{"redeem_query_id":"%b","is_completed":true}}' % name.encode()
        self.spent += time.process_time() - started
        await asyncio.sleep(0)
        return WireReply(200, {}, body)

    def _result(self, name: str, ids: list[str]) -> bytes:
        rows = ",".join(
            f'{{"people_search_id":"{person}","emails":[{{"value":"{person[:13]}@example.com",'
            '"type":"email-work","status":"Verified"}],"phones":[]}'
            for person in ids
        )
        head = '{"data":{"profile":{"credit":1000,"total_charged_credit":'
        state = f'"redeem_query_id":"{name}","is_completed":true'
        return f'{head}{5 * len(ids)}}},"query":{{{state}}},"peoples":[{rows}]}}}}'.encode()

    async def aclose(self) -> None:
        pass


def _everyone(count: int) -> Iterator[str]:
    for number in range(count):
        yield str(uuid.UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % (1 << 128)))


async def _stream(count: int, journal: str | None) -> dict[str, Any]:
    transport = Canned()
    rows: list[int] = []
    sizes: list[int] = []
    every = count // _SAMPLES
    async with AsyncPubrio("benchmark", rate_limit="unlimited", transport=transport) as pubrio:
        async with pubrio.redeem.many(  # what is loaded on first use belongs to the start
            list(_everyone(2)), people_contact_types=["email-work"]
        ) as run:
            assert [outcome.status async for outcome in run] == ["found", "found"]
        transport.spent = 0.0
        gc.collect()
        before = resident()
        started = time.process_time()
        async with pubrio.redeem.many(
            _everyone(count),
            people_contact_types=["email-work"],
            batch_size=_BATCH,
            journal=journal,
            max_open_jobs=32,
        ) as run:
            seen = 0
            async for _ in run:
                seen += 1
                if seen % every == 0:
                    rows.append(seen)
                    sizes.append(resident() - before)
        spent = time.process_time() - started
    assert seen == count
    return {
        "rows": rows,
        "bytes": sizes,
        "us": 1e6 * (spent - transport.spent) / count,
        "input_us": _input(count),
    }


def _input(count: int) -> float:
    started = time.process_time()
    for _ in _everyone(min(count, 100_000)):
        pass
    return 1e6 * (time.process_time() - started) / min(count, 100_000)


def measure(count: int, journal: str | None) -> dict[str, Any]:
    return asyncio.run(_stream(count, journal))


def run(options: Options) -> Report:
    count = options.pick(50_000, 1_000_000)
    report = Report(
        name="stream",
        title="Memory while people stream through",
        method=(
            f"{count:,} people from a generator through `redeem.many` in batches of {_BATCH:,}, "
            "with a transport in memory that finds an address for everyone; outcomes are looked "
            "at and dropped. Resident memory of the process, read at every hundredth of the "
            "rows, against what it was before the run. CPU a person is all but the transport's "
            "own, the made-up input included."
        ),
        columns=("journal", "people", "MB at 5 %", "MB at the end", "most MB", "µs a person"),
    )
    series: dict[str, tuple[list[Any], list[float]]] = {}
    for name, on_disk in (("in memory", False), ("in a file", True)):
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "run.db") if on_disk else None
            found = alone("benchmarks.stream:measure", count=count, journal=path)
        sizes = [size / 1e6 for size in found["bytes"]]
        early = max(sizes[: _SAMPLES // 20])
        report.add(name, count, early, sizes[-1], max(sizes), round(found["us"], 1))
        report.notes.append(
            f"Journal {name}: of {found['us']:.1f} µs a person the input takes "
            f"{found['input_us']:.1f}."
        )
        series[f"journal {name}"] = (found["rows"], sizes)
        kept = (
            "4 MB tell who is surely new, however many there are; the rest is rows under way, and "
            "what the journal keeps of its newest batches, all there after the first of them"
        )
        report.goal(f"journal {name}, growth", max(sizes), at_most=16, unit="MB", why=kept)
        report.goal(
            f"journal {name}, growth after the first 5 %",
            sizes[-1] - early,
            at_most=2,
            unit="MB",
            why=kept,
        )
    report.plots.append(
        Plot(
            title="Resident memory above the start",
            x_title="people so far",
            y_title="MB",
            series=series,
        )
    )
    return report
