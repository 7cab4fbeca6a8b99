"""What the journal costs: CPU per batch with and without a file, over a real socket."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
import time
from pathlib import Path

from benchmarks.harness import Options, Peer, Plot, Report, Sandbox, interleaved, people
from pubrio_async import AsyncPubrio

_BATCH = 100
_SERVER = ("--limits", "unlimited", "--latency", "0", "--time-scale", "0.01")
_CREDIT = ("--credit", str(10**9))


async def _redeem(url: str, rows: list[str], journal: Path | None) -> float:
    async with AsyncPubrio("benchmark", url, "unlimited") as pubrio:
        started = time.process_time()
        async with pubrio.redeem.many(
            rows,
            people_contact_types=["email-work", "phone"],
            batch_size=_BATCH,
            journal=journal,
            max_open_jobs=32,
        ) as run:
            async for outcome in run:
                assert outcome.status in {"found", "empty"}, outcome.status
        return time.process_time() - started


def measure(url: str, rows: list[str], on_disk: bool) -> float:
    """CPU µs of this process for a batch, from its people to its outcomes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.db" if on_disk else None
        return 1e6 * asyncio.run(_redeem(url, rows, path)) * _BATCH / len(rows)


def run(options: Options) -> Report:
    batches, rounds = options.pick((10, 2), (200, 9))
    report = Report(
        name="journal",
        title="What the journal costs",
        method=(
            f"{batches} batches of {_BATCH} people from submit to outcome, over a socket to the "
            "stand-in in a process of its own: with the journal in memory and in a file, taking "
            "turns. CPU of the client's process, its threads included."
        ),
        columns=("journal", "µs a batch", "÷ in memory"),
    )
    seed = itertools.count()
    with (
        Sandbox(*_SERVER, *_CREDIT, target=options.target) as server,
        Peer("benchmarks.journal:measure") as peer,
    ):

        def once(on_disk: bool, count: int = batches) -> float:
            rows = people(count * _BATCH, seed=next(seed))
            figure: float = peer.ask(url=server.url, rows=rows, on_disk=on_disk)
            return figure

        once(True, 2)  # imports
        variants = {"in memory": lambda: once(False), "in a file": lambda: once(True)}
        samples = interleaved(variants, rounds)
    for name in samples:
        report.add(name, round(samples.median(name)), samples.ratio(name, "in memory"))
    report.goal(
        "in a file ÷ in memory",
        samples.ratio("in a file", "in memory"),
        at_most=1.15,
        why="every person's result is a row on the disk before it is handed over",
    )
    report.plots.append(
        Plot(
            title="CPU per batch",
            x_title="journal",
            y_title="µs",
            series={"a batch": (list(samples), [samples.median(name) for name in samples])},
            kind="bar",
        )
    )
    return report
