"""CPU per request: the client against aiohttp at its best, as users write it, and the bare wire."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.bare_server import bare
from benchmarks.harness import Options, Peer, Plot, Report, Samples, Sandbox, interleaved
from benchmarks.harness import people as made_up

_NAMES = {
    "ours": "pubrio-async, typed",
    "raw": "raw asyncio.Protocol + typed decode",
    "tuned": "aiohttp tuned + typed decode",
    "naive": "aiohttp as users write it, json()",
    "httpx": "httpx as users write it, json()",
}
_MUST = ("ours", "raw", "tuned", "naive")


def _figures(options: Options, url: str, size: int, uvloop: bool, concurrency: int) -> Samples:
    requests = options.pick(100, 1500 if size < 1_000 else 512)
    with contextlib.ExitStack() as stack:
        variants: dict[str, Callable[[], float]] = {}
        for kind in _NAMES:
            if kind == "httpx" and (uvloop or importlib.util.find_spec("httpx") is None):
                continue  # its own work hides the loop's
            peer = stack.enter_context(Peer("benchmarks.http_clients:measure", uvloop=uvloop))
            count = requests // 5 if kind == "httpx" else requests
            variants[kind] = partial(
                peer.ask, kind=kind, url=url, concurrency=concurrency, requests=count
            )
        for variant in variants.values():
            variant()  # imports and connections are not what is measured
        return interleaved(variants, options.pick(2, 9))


def run(options: Options) -> Report:
    report = Report(
        name="http",
        title="CPU per request",
        method=(
            "`redeem.query` against a server that always gives the same reply, in a process of "
            "its own; each client in a process of its own too, all of them taking turns. The "
            "figure is the client's CPU time for a request, typed result included. A reply of 2 "
            "people is 0.7 KB, one of 100 people (the default batch) 22 KB, one of 1,000 220 KB. "
            "The last lines are whole batches of 100 people against the stand-in: submit, wait, "
            "poll, results."
        ),
        columns=(
            "reply",
            "at a time",
            "loop",
            "client",
            "µs a request",
            "÷ raw",
            "÷ tuned",
            "÷ naive",
        ),
    )
    loops = [False] + ([True] if importlib.util.find_spec("uvloop") else [])
    sizes = options.pick([100], [2, 100, 1_000])
    plotted: dict[str, tuple[list[Any], list[float]]] = {}
    with bare(*map(str, sizes)) as urls:
        for size, url in zip(sizes, urls, strict=True):
            for concurrency in options.pick((32,), (1, 32, 256)):
                for uvloop in loops:
                    samples = _figures(options, url, size, uvloop, concurrency)
                    where = f"{size} people, {concurrency} at a time{', uvloop' if uvloop else ''}"
                    for kind in samples:
                        report.add(
                            f"{size} people",
                            concurrency,
                            "uvloop" if uvloop else "asyncio",
                            _NAMES[kind],
                            round(samples.median(kind), 1),
                            *(
                                None if kind == floor else samples.ratio(kind, floor)
                                for floor in ("raw", "tuned", "naive")
                            ),
                        )
                        xs, ys = plotted.setdefault(_NAMES[kind], ([], []))
                        xs.append(f"{size}p x {concurrency}{' uv' if uvloop else ''}")
                        ys.append(samples.median(kind))
                    _goals(report, samples, where, size)
    _batches(options, report)
    report.plots.append(
        Plot(
            title="CPU per request (people in the reply x requests at a time)",
            x_title="",
            y_title="µs",
            series=plotted,
            kind="bar",
            log_y=True,
        )
    )
    return report


def _goals(report: Report, samples: Samples, where: str, size: int) -> None:
    report.goal(
        f"{where}, ÷ tuned aiohttp + typed decode",
        samples.ratio("ours", "tuned"),
        at_most=1.15,
        why=(
            "a call is a tenth more function calls than tuned aiohttp's, and as many more "
            "instructions: for checking the fields, the limiter, the count of what was sent, and "
            "what may be sent again; its deadline and reading the reply cost less than there"
        ),
    )
    report.goal(
        f"{where}, ÷ naive aiohttp",
        samples.ratio("ours", "naive"),
        at_most=0.55,
        why=(
            "aiohttp's own work is most of a small request, and the same for both; only decoding "
            "and encoding can be saved, and ours counts, limits and checks besides"
            if size < 100
            else "aiohttp's own work is the same for both; only decoding can be saved"
        ),
    )


def _batches(options: Options, report: Report) -> None:
    count, rounds, size = options.pick(10, 200), options.pick(2, 7), 100
    arguments = ["--limits", "unlimited", "--latency", "0", "--time-scale", "0.01"]
    arguments += ["--credit", str(10**9)]
    seed = iter(range(10_000))
    with (
        Sandbox(*arguments, target=options.target) as server,
        Peer("benchmarks.http_clients:batches") as ours,
        Peer("benchmarks.http_clients:batches") as bare,
    ):

        def once(peer: Peer, kind: str, batches: int = count) -> float:
            rows = made_up(batches * size, seed=next(seed))
            figure: float = peer.ask(kind=kind, url=server.url, rows=rows, size=size)
            return figure

        once(ours, "ours", 4)
        once(bare, "bare", 4)
        variants = {"ours": partial(once, ours, "ours"), "bare": partial(once, bare, "bare")}
        samples = interleaved(variants, rounds)
    ratio = samples.ratio("ours", "bare")
    name = "a batch of 100"
    report.add(name, 32, "asyncio", "redeem.many", samples.median("ours"), None, None, ratio)
    report.add(name, 32, "asyncio", "aiohttp + json loop", samples.median("bare"), None, None, None)
    report.goal(
        "a finished batch of 100, ÷ bare aiohttp + json loop",
        ratio,
        at_most=1.0,
        why=(
            "the loop makes no more of a person than a dict; a run looks each one up, writes it "
            "down and makes an Outcome of it, some 50 function calls, and opens a connection for "
            "each submit"
        ),
    )
