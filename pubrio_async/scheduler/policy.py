"""When to poll, and what goes first when a request may leave: pure functions of numbers.

Requests are the scarce good. A poll that comes too early is wasted; one that comes late costs
nothing while the rate limit is what everyone waits for.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from pubrio_async.models import RedeemJob

Order = Literal["results", "makespan"]
"""`results`: finished people early, few jobs open. `makespan`: the whole list done soonest."""

ORDERS: tuple[Order, ...] = ("results", "makespan")

_UNIT_S = {
    "ms": 0.001,
    "millisecond": 0.001,
    "sec": 1.0,
    "second": 1.0,
    "min": 60.0,
    "minute": 60.0,
    "hour": 3600.0,
    "day": 86400.0,
}
_SHORTEST_WAIT_S = 0.2
_LONGEST_WAIT_S = 3600.0
_WAIT_WITHOUT_ESTIMATE_S = 5.0
_LONGEST_LADDER_S = 60.0
_SLACK = 1.2
_OPEN_JOBS_WITHOUT_LIMIT = 256
_LEAST_OPEN_JOBS = 8


class Scene(Struct, frozen=True, gc=False):
    """What the choice between a submit and a poll depends on.

    Attributes:
        now: The time, on the run's clock.
        submits: Batches that could be sent now.
        input_ended: True if no further batches will come.
        next_due: When the job that is due first is due; None if no job is open.
        next_estimate_s: How long that job was expected to take.
        open_jobs: Jobs accepted and not finished.
        spare: Requests the limits would let leave at once; None: no limit.
    """

    now: float
    submits: int
    input_ended: bool
    next_due: float | None
    next_estimate_s: float
    open_jobs: int
    spare: int | None


def estimated_seconds(job: RedeemJob) -> float | None:
    """The estimate in seconds; None where there is none, or its unit is not known."""
    amount = job.estimated_time
    unit = (job.estimated_time_type or "").strip().lower()
    seconds = _UNIT_S.get(unit, _UNIT_S.get(unit.removesuffix("s")))
    if amount is None or seconds is None:
        return None
    return min(_LONGEST_WAIT_S, max(_SHORTEST_WAIT_S, amount * seconds))


def first_wait(estimate_s: float | None) -> float:
    """Seconds from the acceptance of a job to its first poll."""
    return _WAIT_WITHOUT_ESTIMATE_S if estimate_s is None else estimate_s


def next_wait(estimate_s: float | None, misses: int, scarce: bool, jitter: float) -> float:
    """Seconds from a poll that came too early to the next one.

    Args:
        estimate_s: The newest estimate of the API.
        misses: Polls of this job that came too early, this one included.
        scarce: True while the rate limit is what everyone waits for.
        jitter: A random number from 0 to 1.
    """
    if estimate_s is not None and misses == 1:
        wait = estimate_s
    else:
        # The API's word was not kept, or there is none: a ladder that widens.
        base = min(first_wait(estimate_s), _LONGEST_LADDER_S)
        wait = min(_LONGEST_LADDER_S, base * 1.5 ** min(misses - 1, 20)) * (1 + 0.25 * jitter)
    return max(_SHORTEST_WAIT_S, wait * (2.0 if scarce else 1.0))


def open_jobs_bound(order: Order, window: int | None) -> int:
    """Most jobs to keep open: one window's worth, two to finish the whole list soonest."""
    if window is None:
        return _OPEN_JOBS_WITHOUT_LIMIT
    return max(_LEAST_OPEN_JOBS, window if order == "results" else 2 * window)


def poll_at(scene: Scene) -> float | None:
    """When the job that is due first is worth a poll; None if no job is open.

    With permits to spare the estimate is the time. When they are scarce a second poll is dearer
    than being late, so the poll waits until the job is long past its estimate.
    """
    if scene.next_due is None:
        return None
    if scene.spare is None or scene.spare > _SLACK * scene.open_jobs + scene.submits:
        return scene.next_due
    return scene.next_due + min(10.0, 0.5 * scene.next_estimate_s)


def choose(order: Order, scene: Scene) -> Literal["submit", "poll", "nothing"]:
    """What the next request should be."""
    at = poll_at(scene)
    poll = at is not None and at <= scene.now
    if not scene.submits:
        return "poll" if poll else "nothing"
    if not poll or order == "makespan":
        return "submit"
    # Near the end of the work submits go first: what they start must still be waited for.
    last = scene.input_ended and scene.spare is not None and scene.submits <= scene.spare
    return "submit" if last else "poll"
