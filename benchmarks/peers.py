"""The same job under the same limit: what others would do, and what a run does with it."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import time
import urllib.request
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.harness import Options, Plot, Ratio, Report, Sandbox, alone, people, ratio_of
from pubrio_async import AsyncPubrio

QUICK_BATCHES = 30
_SIZE = 10
_LIMIT, _PERIOD_S = 60, 3.0
_TYPES = ["email-work", "phone"]
_POLL_S = 1.0
_KEY = {"pubrio-api-key": "benchmark"}


class _Log:
    """When each batch came back, and what was sent for it."""

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.cpu = time.process_time()
        self.requests = 0
        self.polls = 0
        self.results: list[float] = []

    def result(self) -> None:
        self.results.append(time.perf_counter() - self.started)

    def figures(self) -> dict[str, Any]:
        return {
            "seconds": time.perf_counter() - self.started,
            "cpu": time.process_time() - self.cpu,
            "requests": self.requests,
            "polls": self.polls,
            "results": self.results,
        }


def sequential(url: str, batches: list[list[str]]) -> dict[str, Any]:
    """One batch after the other, a connection for each call, a poll each second."""
    import requests  # noqa: PLC0415 - an extra

    log = _Log()

    def ask(path: str, body: dict[str, Any]) -> dict[str, Any]:
        while True:
            log.requests += 1
            response = requests.post(url + path, json=body, headers=_KEY, timeout=30)
            if response.status_code == 429:
                time.sleep(_POLL_S)
                continue
            response.raise_for_status()
            data: dict[str, Any] = response.json()["data"]
            return data

    for batch in batches:
        job = ask("/redeem/people/batch", {"peoples": batch, "people_contact_types": _TYPES})
        while True:
            time.sleep(_POLL_S)
            log.polls += 1
            query = {"redeem_query_id": job["redeem_query_id"]}
            if ask("/redeem/people/batch/query", query)["query"]["is_completed"]:
                break
        log.result()
    return log.figures()


def gathered(url: str, batches: list[list[str]]) -> dict[str, Any]:
    """Everything at once, a poll each second, and again a second after a refusal."""
    return asyncio.run(_gathered(url, batches))


async def _gathered(url: str, batches: list[list[str]]) -> dict[str, Any]:
    import httpx  # noqa: PLC0415 - an extra

    log = _Log()
    gate = asyncio.Semaphore(32)
    async with httpx.AsyncClient(headers=_KEY, timeout=30) as client:

        async def ask(path: str, body: object) -> dict[str, Any]:
            while True:
                async with gate:
                    log.requests += 1
                    response = await client.post(url + path, json=body)
                if response.status_code == 429:
                    await asyncio.sleep(_POLL_S)
                    continue
                response.raise_for_status()
                data: dict[str, Any] = response.json()["data"]
                return data

        async def redeem(batch: list[str]) -> None:
            fields = {"peoples": batch, "people_contact_types": _TYPES}
            job = await ask("/redeem/people/batch", fields)
            while True:
                await asyncio.sleep(_POLL_S)
                log.polls += 1
                query = {"redeem_query_id": job["redeem_query_id"]}
                if (await ask("/redeem/people/batch/query", query))["query"]["is_completed"]:
                    break
            log.result()

        await asyncio.gather(*map(redeem, batches))
    return log.figures()


def ours(url: str, batches: list[list[str]]) -> dict[str, Any]:
    """A run."""
    return asyncio.run(_ours(url, batches))


async def _ours(url: str, batches: list[list[str]]) -> dict[str, Any]:
    log = _Log()
    rate = f"{_LIMIT} per {_PERIOD_S:g} seconds"
    rows = [person for batch in batches for person in batch]
    async with AsyncPubrio("benchmark", url, rate) as pubrio:
        async with pubrio.redeem.many(
            rows, people_contact_types=["email-work", "phone"], batch_size=_SIZE
        ) as run:
            seen: dict[str | None, int] = {}
            async for outcome in run:
                assert outcome.status in {"found", "empty"}, outcome.status
                seen[outcome.redeem_query_id] = seen.get(outcome.redeem_query_id, 0) + 1
                if seen[outcome.redeem_query_id] == _SIZE:
                    log.result()
        log.requests, log.polls = run.report.requests, run.report.polls
    return log.figures()


def _refused(url: str) -> int:
    with urllib.request.urlopen(f"{url}/_sandbox/statistics", timeout=10) as reply:
        refused: int = json.load(reply)["regrets"]["refused_429"]
    return refused


def run(options: Options) -> Report:
    count = options.pick(QUICK_BATCHES, 200)
    rounds = options.pick(1, 3)
    windows = -(-2 * count // _LIMIT)
    bound = max((windows - 1) * _PERIOD_S, 1.0)
    report = Report(
        name="peers",
        title="The same job under the same limit",
        method=(
            f"{count} batches of {_SIZE} people under {_LIMIT} requests per {_PERIOD_S:g} s, in "
            "real time, against the stand-in in a process of its own; jobs take about 0.2 s. "
            "Sequential: requests, a connection for each call, a poll each second (a third of "
            "the batches, times three). Gathered: httpx, all at once, a poll each second, again "
            f"a second after a 429. The bound is the last of {windows} windows, {bound:g} s. CPU "
            "is that of the client's process."
        ),
        columns=(
            "client",
            "seconds",
            "÷ bound",
            "mean s to a result",
            "refused (429)",
            "polls a batch",
            "CPU ms a batch",
        ),
    )
    ways: dict[str, Callable[..., dict[str, Any]]] = {"pubrio-async": ours}
    if importlib.util.find_spec("httpx"):
        ways["httpx + gather"] = gathered
    if importlib.util.find_spec("requests"):
        ways["sequential, requests"] = sequential
    series: dict[str, tuple[list[Any], list[float]]] = {}
    figures: dict[str, list[dict[str, Any]]] = {name: [] for name in ways}
    for number in range(rounds):
        for name, way in ways.items():
            if name.startswith("sequential") and number:
                continue  # minutes, and no two alike by more than a poll
            times = 3 if name.startswith("sequential") else 1
            figures[name].append(_one(options, way, count // times, times, number))
    for name, found in figures.items():
        makespan = ratio_of([one["seconds"] / bound for one in found])
        middle = sorted(found, key=lambda one: one["seconds"])[len(found) // 2]
        report.add(
            name,
            middle["seconds"],
            makespan,
            middle["mean"],
            middle["refused"],
            middle["polls_a_batch"],
            middle["cpu_ms"],
        )
        series[name] = (middle["results"], list(range(1, len(middle["results"]) + 1)))
        if name == "pubrio-async":
            refused = max(one["refused"] for one in found)
            _goals(report, makespan, refused, middle, windows)
    report.plots.append(
        Plot(title="Batches that are back", x_title="seconds", y_title="batches", series=series)
    )
    return report


def _goals(
    report: Report, makespan: Ratio, refused: int, middle: dict[str, Any], windows: int
) -> None:
    report.goal("ours, refusals", refused, at_most=0)
    report.goal("ours, polls a batch", middle["polls_a_batch"], at_most=1.02)
    report.goal(
        f"ours, makespan ÷ bound, {windows} windows",
        makespan,
        at_most=1.05,
        why=(
            "a window's requests go in two bursts, submits and a second later, when their "
            "estimate is over, polls; permits come back in that rhythm, so the last submits leave "
            "a second into the last window and their polls another second later. Of windows of "
            "three seconds that is much; see `scheduling` for those of a minute"
        ),
    )


def _one(
    options: Options, way: Callable[..., dict[str, Any]], count: int, times: int, number: int
) -> dict[str, Any]:
    rows = people(count * _SIZE, seed=number)
    batches = [rows[at : at + _SIZE] for at in range(0, len(rows), _SIZE)]
    limits = f"{_LIMIT} per {_PERIOD_S:g} seconds"
    server = partial(Sandbox, "--limits", limits, "--latency", "0.01", "--time-scale", "0.1")
    with server(target=options.target) as sandbox:
        before = _refused(sandbox.url)
        found: dict[str, Any] = alone(
            f"benchmarks.peers:{way.__name__}", url=sandbox.url, batches=batches
        )
        refused = _refused(sandbox.url) - before
    results = sorted(found["results"])
    # A third of a sequential job is the first third of it: the rest goes on at the same pace.
    return {
        "seconds": found["seconds"] * times,
        "mean": times * sum(results) / len(results),
        "refused": refused * times,
        "polls_a_batch": found["polls"] / count,
        "cpu_ms": 1000 * found["cpu"] / count,
        "results": [at + found["seconds"] * part for part in range(times) for at in results],
    }
