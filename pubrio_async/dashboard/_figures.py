"""What the page is told: counts, times and names of this package, nothing about anybody."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

from msgspec import Struct

from pubrio_async._config import Rate
from pubrio_async.dashboard._ending import End
from pubrio_async.dashboard._history import News
from pubrio_async.dashboard._tallies import Quantiles
from pubrio_async.models import RunReport
from pubrio_async.models.redeem import Number

State: TypeAlias = Literal["starting", "running", "paused", "stopping", "ended"]

# A look a second tells nothing of windows shorter than this.
_SHORTEST_S = 10.0
_UNITS = ((86_400.0, "day"), (3_600.0, "hour"), (60.0, "minute"), (1.0, "second"))


class Limit(Struct, frozen=True):
    """A rate limit as it is drawn.

    Attributes:
        name: In words, such as `300 per minute`.
        limit: Requests within the period.
        period_s: The period in seconds; at least ten, the limit being scaled with it.
    """

    name: str
    limit: int
    period_s: float


class Facts(Struct, frozen=True):
    """What does not change while a run goes on.

    Attributes:
        version: That of this package.
        title: What the run is called.
        columns: The names of what is in a sample, in their order.
        interval_s: Seconds from one sample to the next.
        total: Rows of the input; None where that is not known.
        budget: Most credits the run may cost; None for no bound.
        limits: The rate limits, the shortest first.
    """

    version: str
    title: str
    columns: tuple[str, ...]
    interval_s: float
    total: int | None
    budget: Number | None
    limits: list[Limit]


class Now(Struct, frozen=True):
    """A run as it stands.

    Attributes:
        state: What it is doing.
        report: Its figures so far; final once it has ended.
        read: Rows taken from the input.
        queued: Outcomes the program has not taken yet.
        batches_open: Batches under way.
        batches_ready: Batches planned and not sent.
        in_flight: Requests under way.
        left: Requests that could leave at once; None without a limit.
        paused_s: Seconds until requests may leave again; 0 when they may.
        reserved: Worst-case cost in credits of what is open.
        pace: Rows settled a second, of late.
        eta_s: Seconds until all rows are settled, as things go.
        used: Requests within the window of each limit.
        results: How long results take, from submission; None where none is known.
        replies: How long replies take; None where none is known.
        errors: Failed requests by the class of their error.
        end: How it ended; None while it goes on.
    """

    state: State
    report: RunReport
    read: int = 0
    queued: int = 0
    batches_open: int = 0
    batches_ready: int = 0
    in_flight: int = 0
    left: int | None = None
    paused_s: float = 0.0
    reserved: Number = 0
    pace: float | None = None
    eta_s: float | None = None
    used: list[int] = []
    results: Quantiles | None = None
    replies: Quantiles | None = None
    errors: dict[str, int] = {}
    end: End | None = None


class Message(Struct, frozen=True, omit_defaults=True):
    """One event of the stream.

    Attributes:
        now: The run as it stands.
        news: What the viewer lacks of its history.
        facts: What does not change; in the first message only, and once more if it did change.
    """

    now: Now
    news: News
    facts: Facts | None = None


def limit_of(rate: Rate) -> Limit:
    """A rate limit as it is drawn."""
    unit_s, unit = next(known for known in _UNITS if rate.period >= known[0])
    count = rate.period / unit_s
    name = f"{rate.limit:,} per {unit}" if count == 1 else f"{rate.limit:,} per {count:g} {unit}s"
    times = max(1, math.ceil(_SHORTEST_S / rate.period))
    if times > 1:
        name = f"{rate.limit * times:,} per {rate.period * times:g} seconds ({name})"
    return Limit(name, rate.limit * times, rate.period * times)
