"""Several workers with one key: how well they share a limit, and what they do without one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from msgspec import Struct

from benchmarks.harness import ROOT, Options, Plot, Report, Sandbox, people
from tests.distributed.cluster import Cluster, programs, running

WORKERS = (1, 2, 4)
_BATCH = 100
_ENDED = re.compile(
    r"([\d,]+) requests \(([\d,]+) batches, ([\d,]+) polls, ([\d,]+) refused by the rate limit\)"
)
# What passed between the first intent and the last result, by the clock of the database.
_SPAN = (
    "SELECT extract(epoch FROM max(ended_at) - min(intended_at))::float8, count(*)::float8,"
    " count(*) FILTER (WHERE state <> 'settled')::float8 FROM pubrio_async.batches"
)
_COMMITS = "SELECT xact_commit::float8 FROM pg_stat_database WHERE datname = current_database()"


class Round(Struct, kw_only=True):
    """What some workers have done together."""

    seconds: float
    batches: int
    requests: int
    polls: int
    refused: int
    commits: float


def run(options: Options) -> Report:
    report = Report(
        name="distributed",
        title="Several workers with one key",
        method=(
            "`pubrio-async worker` processes that share a PostgreSQL, its disk synced, against "
            "`pubrio-async sandbox`, all on one machine; batches of 100, jobs that take no time "
            "worth mentioning. Under a limit: the time from the first intent to the last result, "
            "over the least that the limit allows for one submit and one poll of each batch. "
            "Without one: batches a second. Transactions are those of the workers, heartbeats "
            "included."
        ),
        columns=(
            *("limit", "workers", "batches", "seconds", "÷ bound", "batches/s", "polls a batch"),
            *("refused", "transactions a batch"),
        ),
    )
    home = programs()
    if home is None:
        report.notes.append("PostgreSQL is not installed here: nothing was measured.")
        return report
    size, period = options.pick((30, 2), (120, 10))
    limit, windows = f"{size} per {period} seconds", 5
    bound = (windows - 1) * period
    shared = {count: _round(home, options, count, windows * size // 2, limit) for count in WORKERS}
    for count, each in shared.items():
        _add(report, limit, count, each, each.seconds / bound)
        report.goal(f"time ÷ bound, {count} workers", each.seconds / bound, at_most=1.1)
        report.goal(f"requests refused, {count} workers", each.refused, at_most=0)
    free = {
        count: _round(home, options, count, options.pick(40, 1_000), "unlimited")
        for count in WORKERS
    }
    for count, each in free.items():
        _add(report, "none", count, each, None)
    rate = {count: each.batches / each.seconds for count, each in free.items()}
    report.goal(
        "batches a second, 2 workers ÷ 1",
        rate[2] / rate[1],
        at_least=1.5,
        why=(
            "the stand-in, the database and the workers share the cores of one machine, and the "
            "stand-in is one process"
        ),
    )
    report.plots.append(
        Plot(
            title="Batches a second, without a limit",
            x_title="workers",
            y_title="batches/s",
            series={"all together": (list(rate), list(rate.values()))},
        )
    )
    return report


def _add(report: Report, limit: str, workers: int, each: Round, ratio: float | None) -> None:
    report.add(
        *(limit, workers, each.batches, round(each.seconds, 2)),
        *(ratio, each.batches / each.seconds, each.polls / each.batches),
        *(each.refused, each.commits / each.batches),
    )


def _round(home: Path, options: Options, workers: int, batches: int, limit: str) -> Round:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        source = folder / "people.txt"
        source.write_text("\n".join(people(batches * _BATCH, workers)), encoding="utf-8")
        cluster = stack.enter_context(running(home, durable=True))
        url = cluster.make_database("fleet")
        words = ("--limits", limit, "--latency", "0", "--time-scale", "0.001", "--credit", "9" * 9)
        sandbox = stack.enter_context(Sandbox(*words, target=options.target))
        environment = os.environ | {
            "PUBRIO_API_KEY": "benchmark-key",
            "PUBRIO_BASE_URL": sandbox.url,
            "PUBRIO_DATABASE": url,
            "PUBRIO_RATE_LIMIT": limit,
        }
        for line in (("database", "upgrade"), ("enqueue", str(source), "--types", "email-work")):
            _ended(_start(environment, *line))
        before = _asked(cluster, _COMMITS)[0]
        processes = [_start(environment, "worker", "--until-done") for _ in range(workers)]
        told = [_ENDED.search(_ended(process)) for process in processes]
        seconds, made, unsettled = _asked(cluster, _SPAN)
        assert not unsettled
        assert made == batches
        counts = [
            [int(text.replace(",", "")) for text in found.groups()] for found in told if found
        ]
        requests, _, polls, refused = map(sum, zip(*counts, strict=True))
        commits = _asked(cluster, _COMMITS)[0] - before
        return Round(
            seconds=seconds,
            batches=batches,
            requests=requests,
            polls=polls,
            refused=refused,
            commits=commits,
        )


def _start(environment: dict[str, str], *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pubrio_async", *words],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _ended(process: subprocess.Popen[str]) -> str:
    _, said = process.communicate()
    if process.returncode:
        msg = f"exit code {process.returncode}: {said}"
        raise RuntimeError(msg)
    return said


def _asked(cluster: Cluster, statement: str) -> list[float]:
    import psycopg  # noqa: PLC0415 - an extra

    with psycopg.connect(cluster.url("fleet"), autocommit=True) as connection:
        row = connection.execute(statement.encode()).fetchone()
    assert row is not None
    return list(row)
