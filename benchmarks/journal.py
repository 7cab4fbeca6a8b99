"""What the journal costs: CPU per batch with and without a file, and how many batches it takes."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import statistics
import tempfile
import time
import uuid
from collections.abc import Generator, Sequence
from pathlib import Path

from benchmarks.bare_server import bare
from benchmarks.harness import Options, Peer, Plot, Report, Sandbox, interleaved, people
from pubrio_async import AsyncPubrio, MemoryJournal
from pubrio_async.models import Contact, RedeemJob
from pubrio_async.scheduler.journal import Batch, Settled
from pubrio_async.scheduler.journal_sqlite import SqliteJournal

_BATCH = 100
_TYPES = ("email-work", "phone")
_PACED = "some 25 batches a second"
_FASTEST = "as fast as the client goes"
# Jobs at once.
_LOADS = {_PACED: 32, _FASTEST: 1_024}
_STAND_IN = ("--limits", "unlimited", "--latency", "0", "--time-scale", "0.01")
_CREDIT = ("--credit", str(10**9))
_AT_ONCE = 256


class _InMemory(MemoryJournal):
    """For one run, like a file that was just made."""

    async def open(self, contact_types: Sequence[str]) -> bool:
        await super().open(contact_types)
        return True


async def _redeem(
    url: str, rows: list[str], journal: Path | None, jobs: int
) -> tuple[float, float]:
    async with AsyncPubrio("benchmark", url, "unlimited") as pubrio:
        started, cpu_before = time.perf_counter(), time.process_time()
        async with pubrio.redeem.many(
            rows,
            people_contact_types=_TYPES,
            batch_size=_BATCH,
            journal=journal or _InMemory(),
            max_open_jobs=jobs,
        ) as run:
            async for outcome in run:
                assert outcome.status in {"found", "empty"}, outcome.status
        return time.process_time() - cpu_before, time.perf_counter() - started


def measure(url: str, rows: list[str], on_disk: bool, jobs: int) -> tuple[float, float]:
    """CPU µs of this process for a batch, from its people to its outcomes; batches a second."""
    batches = len(rows) / _BATCH
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.db" if on_disk else None
        cpu, took = asyncio.run(_redeem(url, rows, path, jobs))
    return 1e6 * cpu / batches, batches / took


async def _write(path: Path, batches: list[tuple[Batch, dict[str, Settled]]]) -> float:
    journal = SqliteJournal(path)
    await journal.open(_TYPES)
    rest = iter(batches)

    async def one_after_the_other() -> None:
        for batch, results in rest:
            await journal.intend(batch)
            await journal.accepted(batch.batch_id, RedeemJob(batch.batch_id))
            await journal.settle(batch.batch_id, results, 2 * len(results))

    started = time.perf_counter()
    await asyncio.gather(*(one_after_the_other() for _ in range(_AT_ONCE)))
    took = time.perf_counter() - started
    await journal.close()
    return len(batches) / took


def throughput(count: int, seed: int) -> float:
    """Batches a second that go through the journal alone, each with its three steps."""
    ids = people(count * _BATCH, seed=seed)
    batches: list[tuple[Batch, dict[str, Settled]]] = []
    for start in range(0, len(ids), _BATCH):
        keys = tuple(ids[start : start + _BATCH])
        batch = Batch(str(uuid.uuid4()), "batch", keys)
        results = {
            key: Settled(
                "found",
                key,
                (Contact(f"{key[:13]}@example.com", "email-work", "verified"),),
                (Contact(f"+1 555 {key[:8]}", "phone", "valid"),),
                batch.batch_id,
            )
            for key in keys
        }
        batches.append((batch, results))
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_write(Path(folder) / "run.db", batches))


@contextlib.contextmanager
def _server(load: str, options: Options) -> Generator[str]:
    if load == _PACED or options.target is not None:
        with Sandbox(*_STAND_IN, *_CREDIT, target=options.target) as sandbox:
            yield sandbox.url
    else:
        with bare("jobs") as (url,):
            yield url


def run(options: Options) -> Report:
    counts, rounds, many = options.pick(((10, 10), 2, 200), ((200, 600), 15, 4_000))
    report = Report(
        name="journal",
        title="What the journal costs",
        method=(
            f"Batches of {_BATCH} people from submit to outcome, over a socket to a server in a "
            "process of its own, with the journal in memory and in a file, taking turns. First "
            f"{counts[0]} to the stand-in, whose jobs take a while: there a few steps share a "
            f"write. Then {counts[1]} to a bare server that is faster than the client, and has "
            "its jobs done in a second: there many do. CPU of the client's process, its threads "
            f"included. Last the journal alone: {many:,} batches, {_AT_ONCE} at a "
            "time, from intent to result, each step on the disk before the next."
        ),
        columns=("load", "journal", "µs a batch", "÷ in memory", "batches a second"),
    )
    seed = itertools.count()
    medians: dict[str, list[float]] = {}
    with Peer("benchmarks.journal:measure") as peer:
        for (load, jobs), batches in zip(_LOADS.items(), counts, strict=True):
            with _server(load, options) as url:
                rates: dict[bool, list[float]] = {False: [], True: []}

                def once(
                    on_disk: bool,
                    count: int = batches,
                    url: str = url,
                    jobs: int = jobs,
                    rates: dict[bool, list[float]] = rates,
                ) -> float:
                    rows = people(count * _BATCH, seed=next(seed))
                    cpu, rate = peer.ask(url=url, rows=rows, on_disk=on_disk, jobs=jobs)
                    rates[on_disk].append(rate)
                    return float(cpu)

                once(True, 2)  # imports
                variants = {"in memory": lambda: once(False), "in a file": lambda: once(True)}
                rates[True].clear()
                samples = interleaved(variants, rounds)
            for name in samples:
                ratio = samples.ratio(name, "in memory")
                rate = statistics.median(rates[name == "in a file"])
                report.add(load, name, round(samples.median(name)), ratio, round(rate))
                medians.setdefault(name, []).append(samples.median(name))
            report.goal(
                f"{load}: in a file ÷ in memory",
                samples.ratio("in a file", "in memory"),
                at_most=1.15,
                why="the journal's own work on a batch takes a fifth to a third of a millisecond "
                "when it has nothing else to do (the last line), and about twice as much between "
                "other work, whatever the speed of the rest; a third of that is SQLite and the "
                "disk, a quarter is packing what was found. The fewer steps share a write, the "
                "more of them a batch pays for",
            )
    with Peer("benchmarks.journal:throughput") as peer:
        alone = [float(peer.ask(count=many, seed=next(seed))) for _ in range(min(rounds, 5))]
    rate = statistics.median(alone)
    report.add("the journal alone", "in a file", round(1e6 / rate), None, round(rate))
    report.goal("batches a second through the journal alone", rate, at_least=1_000)
    report.plots.append(
        Plot(
            title="CPU per batch",
            x_title="load",
            y_title="µs",
            series={name: (list(_LOADS), figures) for name, figures in medians.items()},
            kind="bar",
        )
    )
    return report
