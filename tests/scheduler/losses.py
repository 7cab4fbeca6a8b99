"""What the tests of lost answers share: what the log shows of them, what was asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from pubrio_async import PubrioError, ResponseLostError
from tests.scheduler.fake_api import Bench, time_of_day

LOST = ResponseLostError("The reply was lost: the connection broke.", may_have_charged=True)
URL = "https://www.linkedin.com/in/ada"


def looks(bench: Bench) -> list[Any]:
    return [about for _, about in bench.api.looks]


def submits(bench: Bench) -> list[frozenset[str]]:
    return list(map(frozenset, in_order(bench)))


def in_order(bench: Bench) -> list[tuple[str, ...]]:
    return [about for what, about in bench.api.events if what == "submit"]


def api_error(kind: type[Any], status: int, **rest: Any) -> PubrioError:
    error: PubrioError = kind(f"the API said {status}", status=status, **rest)
    return error


def noted(bench: Bench, error: PubrioError, arrives: PubrioError) -> Callable[[Any], PubrioError]:
    """The API logs this error for a batch, and this arrives."""

    def answer(keys: Any) -> PubrioError:
        bench.api.note("batch", keys, error, status=error.status)
        return arrives

    return answer


def logged(
    bench: Bench, kind: type[Any], status: int, arrives: PubrioError | None = None
) -> Callable[[Any], PubrioError]:
    """The API logs this error for a batch, which arrives too, unless something else is named."""
    error = api_error(kind, status)
    return noted(bench, error, arrives or error)


def carried_out_and_logged_late(bench: Bench, lag: float) -> Callable[[Any], PubrioError]:
    """The API does its work, the answer is lost, and the log shows it so much later."""

    def answer(keys: Any) -> PubrioError:
        done = bench.api._work("batch", keys)
        at = time_of_day() + bench.now()

        def show() -> None:
            bench.api.note("batch", keys, done, at=at)
            bench.api.log.sort(key=lambda line: line[0].at)

        asyncio.get_running_loop().call_later(lag, show)
        return LOST

    return answer
