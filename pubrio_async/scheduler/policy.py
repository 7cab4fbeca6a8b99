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

Choice = Literal["look", "submit", "poll", "nothing"]
"""What the next request should be: a search for one that is lost, a submit, a poll, or none."""

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
_ANY_AMOUNT = 1e9
_WAIT_WITHOUT_ESTIMATE_S = 5.0
_LONGEST_LADDER_S = 60.0
_OPEN_JOBS_WITHOUT_LIMIT = 256
_LEAST_OPEN_JOBS = 8
# With so many permits for each job that is left, a fifth of them may be polled in vain.
_SLACK = 1.2
# Patient polls come when the permit of the job's submit is about to come back: windows are looked
# at as minutes, see `RateLimiter.window_size`, and a poll that just misses it waits for another.
_PATIENT_S = 0.95 * 60.0
# Waiting for the next window delays the mean result by about a third of a window (in return, more
# jobs are submitted in the first one), and m polls in vain by m / L windows. So the waiting pays
# once L / 3 were in vain; a bit sooner, since as many again are to be expected.
_IN_VAIN = 0.25
# One poll in vain in a hundred costs half a percent of the time: not worth any waiting.
_SHARE_IN_VAIN = 0.01


class Scene(Struct, frozen=True, gc=False):
    """What the choice between a submit and a poll depends on.

    Attributes:
        now: The time, on the run's clock.
        submits: Batches that could be sent now.
        next_due: When the job that is due first is due; None if no job is open.
        next_estimate_s: How long that job was expected to take.
        open_jobs: Jobs accepted and not finished, and requests under way.
        spare: Requests the limits would let leave at once; None: no limit.
        coming: Further ones they will let leave before a job submitted now is due.
        patient: Whether first polls wait for the next window; see `Patience`.
        more_to_send: Whether batches are left, or may still come.
    """

    now: float
    submits: int
    next_due: float | None
    next_estimate_s: float
    open_jobs: int
    spare: int | None
    coming: int = 0
    patient: bool = False
    more_to_send: bool = True


def estimated_seconds(job: RedeemJob) -> float | None:
    """The estimate in seconds; None where there is none, or its unit is not known."""
    amount = job.estimated_time
    unit = (job.estimated_time_type or "").strip().lower()
    seconds = _UNIT_S.get(unit, _UNIT_S.get(unit.removesuffix("s")))
    if amount is None or seconds is None:
        return None
    told_s = min(_ANY_AMOUNT, amount) * seconds  # JSON may hold what no float does
    return min(_LONGEST_WAIT_S, max(_SHORTEST_WAIT_S, told_s))


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
    # The API's newest word about this very job counts; where it was not kept, or there is none,
    # a ladder that widens.
    if estimate_s is not None and misses == 1:
        return estimate_s
    base = min(first_wait(estimate_s), _LONGEST_LADDER_S)
    wait = min(_LONGEST_LADDER_S, base * 1.5 ** min(misses - 1, 20)) * (1 + 0.25 * jitter)
    return max(_SHORTEST_WAIT_S, estimate_s or 0.0, wait * (2.0 if scarce else 1.0))


class Patience(Struct, frozen=True, gc=False):
    """Whether first polls wait longer than the API says, because too many came too early.

    To poll at the estimate is like renting, to wait for the next window like buying: it costs
    once, and then hardly any poll is in vain. So polls go by the estimate until those in vain
    have cost about as much as the waiting does; and again after as many good ones as make up
    for them, since a server does not stay slow for ever.

    Attributes:
        in_vain: First polls that came too early, less what is not worth any waiting.
        is_on: Whether first polls wait.
    """

    in_vain: float = 0.0
    is_on: bool = False

    def after(self, *, missed: bool, window: int | None) -> Patience:
        """The same after the first poll of another job."""
        most = _IN_VAIN * (window or _OPEN_JOBS_WITHOUT_LIMIT)
        in_vain = self.in_vain + (1.0 if missed else -_SHARE_IN_VAIN)
        in_vain = min(most, max(0.0, in_vain))
        return Patience(in_vain, in_vain >= most or (self.is_on and in_vain > 0.0))


def time_to_poll(estimate_s: float, *, patient: bool) -> float:
    """How old a job is at its first poll while permits are scarce."""
    return max(estimate_s, _PATIENT_S) if patient else estimate_s


def open_jobs_bound(order: Order, window: int | None) -> int:
    """Most jobs to keep open.

    A window's worth keeps the limit busy with jobs of up to two windows, as half of a window are
    submits. For `makespan` two windows' worth: jobs are then polled long after their estimate,
    when even those that hang are done, and enough of them are left when the submits run out.
    """
    if window is None:
        return _OPEN_JOBS_WITHOUT_LIMIT
    return max(_LEAST_OPEN_JOBS, window if order == "results" else 2 * window)


def poll_at(scene: Scene) -> float | None:
    """When the job that is due first is worth a poll; None if no job is open.

    With permits to spare the estimate is the time. When they are scarce a second poll is dearer
    than being late, so first polls wait if too many have come too early.
    """
    if scene.next_due is None:
        return None
    if scene.spare is None or (not scene.more_to_send and scene.spare > _SLACK * scene.open_jobs):
        return scene.next_due
    estimate = scene.next_estimate_s
    return scene.next_due + time_to_poll(estimate, patient=scene.patient) - estimate


def has_permits_for_both(scene: Scene) -> bool:
    """Whether a job submitted now would find a permit for its poll when it is due.

    By then the open jobs will have had one each.
    """
    if scene.spare is None or not scene.open_jobs:
        return True
    return scene.spare + scene.coming >= scene.open_jobs + 2


def choose(order: Order, scene: Scene) -> Literal["submit", "poll", "nothing"]:
    """What the next request should be.

    `makespan` submits while it may, so that no permit is idle and the jobs of the last submits
    are not what everyone waits for in the end. `results` polls what is due, and submits only
    what it will have permits to poll as soon as it is due: half of each window goes into either,
    and a job's result does not wait for the next window. It costs the makespan one estimate.
    """
    at = poll_at(scene)
    poll = at is not None and at <= scene.now
    if scene.submits and order == "makespan":
        return "submit"
    if poll:
        return "poll"
    return "submit" if scene.submits and has_permits_for_both(scene) else "nothing"
