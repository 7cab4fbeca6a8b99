"""Several workers with one key: how well they share a limit, and what they do without one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import Struct

from benchmarks.harness import ROOT, Options, Plot, Report, Sandbox, people
from tests.distributed.cluster import Cluster, programs, running

WORKERS = (1, 2, 4, 8)
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
_STATEMENTS = "SELECT sum(calls)::float8 FROM pg_stat_statements"


class Round(Struct, kw_only=True):
    """What some workers have done together."""

    seconds: float
    batches: int
    requests: int
    polls: int
    refused: int
    commits: float
    statements: float


def run(options: Options) -> Report:
    report = Report(
        name="distributed",
        title="Several workers with one key",
        method=(
            "`pubrio-async worker` processes that share a PostgreSQL, its disk synced, against "
            "`pubrio-async sandbox`, all on one machine; batches of 100, jobs that take no time "
            "worth mentioning. Under a limit: the time from the first "
            "intent to the last result, over the least that the limit allows for one submit and "
            "one poll of each batch. Without one: batches a second. Transactions and statements "
            "are all that the workers made of them, heartbeats and the queue included; BEGIN and "
            "COMMIT are statements too."
        ),
        columns=(
            *("limit", "order", "workers", "batches", "seconds", "÷ bound", "batches/s"),
            *("polls a batch", "refused", "transactions a batch", "statements a batch"),
        ),
    )
    home = programs()
    if home is None:
        report.notes.append("PostgreSQL is not installed here: nothing was measured.")
        return report
    size, period, windows = options.pick((30, 2, 3), (300, 60, 3))
    workers = options.pick((1, 2), WORKERS)
    limit = f"{size} per {period} seconds"
    bound = (windows - 1) * period
    measure = partial(_round, home, options)
    rounds = [("makespan", count) for count in workers] + [("results", max(workers))]
    for order, count in rounds:
        batches = windows * size // 2
        each = measure(workers=count, batches=batches, limit=limit, order=order)
        _add(report, (limit, order), count, each, each.seconds / bound)
        if order == "results":
            continue  # it hands out what is done early, which is another goal
        report.goal(f"time ÷ bound, {count} workers", each.seconds / bound, at_most=1.05)
        report.goal(f"requests refused, {count} workers", each.refused, at_most=0)
        report.goal(f"polls a job, {count} workers", each.polls / each.batches, at_most=1.05)
    many = options.pick(40, 1_000)
    free = {
        count: measure(workers=count, batches=many, limit="unlimited", order="results")
        for count in workers
    }
    for count, each in free.items():
        _add(report, ("none", "results"), count, each, None)
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


def _add(
    report: Report, words: tuple[str, str], workers: int, each: Round, ratio: float | None
) -> None:
    report.add(
        *(*words, workers, each.batches, round(each.seconds, 2)),
        *(ratio, each.batches / each.seconds, each.polls / each.batches),
        *(each.refused, each.commits / each.batches),
        each.statements / each.batches,
    )


def _round(
    home: Path, options: Options, *, workers: int, batches: int, limit: str, order: str
) -> Round:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        source = folder / "people.txt"
        source.write_text("\n".join(people(batches * _BATCH, workers)), encoding="utf-8")
        cluster = stack.enter_context(running(home, durable=True, preload="pg_stat_statements"))
        url = cluster.make_database("fleet")
        words = ("--limits", limit, "--latency", "0", "--time-scale", "0.001", "--credit", "9" * 9)
        sandbox = stack.enter_context(Sandbox(*words, target=options.target))
        environment = os.environ | {
            "PUBRIO_API_KEY": "benchmark-key",
            "PUBRIO_BASE_URL": sandbox.url,
            "PUBRIO_DATABASE": url,
            "PUBRIO_RATE_LIMIT": limit,
        }
        put = ("enqueue", str(source), "--types", "email-work", "--order", order)
        for line in (("database", "upgrade"), put):
            _ended(_start(environment, *line))
        _ask(cluster, "CREATE EXTENSION pg_stat_statements")
        before = _asked(cluster, _COMMITS)[0]
        _ask(cluster, "SELECT pg_stat_statements_reset()")
        processes = [_start(environment, "worker", "--until-done") for _ in range(workers)]
        told = [_ENDED.search(_ended(process)) for process in processes]
        seconds, made, unsettled = _asked(cluster, _SPAN)
        assert not unsettled
        assert made == batches
        counts = [
            [int(text.replace(",", "")) for text in found.groups()] for found in told if found
        ]
        requests, _, polls, refused = map(sum, zip(*counts, strict=True))
        statements = _asked(cluster, _STATEMENTS)[0]
        commits = _asked(cluster, _COMMITS)[0] - before
        return Round(
            seconds=seconds,
            batches=batches,
            requests=requests,
            polls=polls,
            refused=refused,
            commits=commits,
            statements=statements,
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
    row = _ask(cluster, statement)
    assert row is not None
    return list(row)


def _ask(cluster: Cluster, statement: str) -> tuple[Any, ...] | None:
    import psycopg  # noqa: PLC0415 - an extra

    with psycopg.connect(cluster.url("fleet"), autocommit=True) as connection:
        found = connection.execute(statement.encode())
        return found.fetchone() if found.description else None
