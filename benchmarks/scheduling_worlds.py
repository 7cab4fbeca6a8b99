"""The server of the scheduling benchmark: how long its jobs take, what it says, what is possible.

The bounds. B jobs need one submit and one poll each, under limits of L requests per W seconds:

- r requests take at least `Limits.earliest(r)`: (ceil(r / L) - 1) * W + RTT, with a quota above it
  the same one level up. It is the bound of a client that starts with a fresh window and knows no
  more; one that is told the phase of the server's window can do better by less than a window.
- No job is polled before the time the API names for it, nor with success before it is done: a job
  takes at least w = max(duration, estimate), and 2 RTT around it.
- Makespan: max(earliest(2B), 2 RTT + the largest w).
- Mean time to result, measured from the start of the run: the k-th result takes 2k requests, and k
  jobs that are done; so it comes no sooner than max(earliest(2k), 2 RTT + the k-th smallest w).
  The bound is the mean of that over k.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable
from statistics import NormalDist
from typing import Any

from msgspec import Struct

from pubrio_async._config import parse_rates
from pubrio_async.sandbox import Sandbox, SandboxConfig, SandboxTransport
from pubrio_async.sandbox.timing import Timing

RTT = 0.2
BATCH = 2  # the smallest batch there is: what is measured is requests, not people

_NORMAL = NormalDist()
_MEAN_S = 5.0 + 0.08 * BATCH


class World(Struct, frozen=True):
    """How long jobs take, and what their estimates say.

    Attributes:
        name: What it is called in the report.
        config: Settings of the sandbox.
        model: Seconds a job takes and seconds its estimate says, from two numbers drawn in
            [0, 1) and its number; None leaves both to the sandbox.
        knows: Whether the newer estimate of an unfinished job is right. A server that does not
            know repeats its first one.
        held_out: Whether nobody looked at it while the policy was made.
    """

    name: str
    config: dict[str, Any] = {}
    model: Callable[[float, float, int], tuple[float, float]] | None = None
    knows: bool = True
    held_out: bool = False


def _late(draw: float, _other: float, _number: int) -> tuple[float, float]:
    estimate = 30.0 + 90.0 * draw
    return 0.9 * estimate, estimate


def _bimodal(draw: float, other: float, _number: int) -> tuple[float, float]:
    return (3.0 if draw < 0.7 else 30.0) * (0.9 + 0.2 * other), 10.0


def _pareto(draw: float, _other: float, _number: int) -> tuple[float, float]:
    return min(600.0, 2.0 * (1.0 - draw) ** (-1 / 1.5)), 15.0


def _noisy(draw: float, other: float, _number: int) -> tuple[float, float]:
    duration = _MEAN_S * math.exp(0.3 * _NORMAL.inv_cdf(max(draw, 1e-9)))
    return duration, duration * math.exp(0.5 * _NORMAL.inv_cdf(max(other, 1e-9)))


def _drifting(draw: float, _other: float, number: int) -> tuple[float, float]:
    # The server slows down to a quarter of its speed and back, every 1,000 jobs, and its
    # estimate is what jobs took on average.
    slowness = 2.5 - 1.5 * math.cos(2 * math.pi * number / 1_000)
    return _MEAN_S * slowness * (0.8 + 0.4 * draw), 2.5 * _MEAN_S


WORLDS = (
    World("deterministic"),
    World("lognormal", {"distribution": "lognormal"}),
    World("stragglers", {"straggler_share": 0.05}),
    World("estimates halved", {"distribution": "lognormal", "estimate_factor": 0.5}),
    World("estimates doubled", {"distribution": "lognormal", "estimate_factor": 2.0}),
    World("estimates of 30-120 s", model=_late),
    World("bimodal", model=_bimodal, knows=False, held_out=True),
    World("Pareto", model=_pareto, knows=False, held_out=True),
    World("noisy estimates", model=_noisy, knows=False, held_out=True),
    World("drifting speed", model=_drifting, knows=False, held_out=True),
)


class Clockwork(Timing):
    """The sandbox's time model, or the world's; remembers what every job had to wait for."""

    def __init__(self, config: SandboxConfig, world: World) -> None:
        super().__init__(config)
        self._world = world
        self._next = 0.0
        self.waits: list[float] = []

    def duration(self, people: int, draw: float, straggler_draw: float) -> float:
        if self._world.model is None:
            seconds = super().duration(people, draw, straggler_draw)
            self._next = super().estimate(people)
        else:
            seconds, self._next = self._world.model(draw, straggler_draw, len(self.waits))
            self._next = math.ceil(self._next)
        self.waits.append(max(seconds, self._next))
        return seconds

    def estimate(self, people: int) -> int:  # noqa: ARG002 - as the base class has it
        return int(self._next)


class Limits(Struct, frozen=True):
    """The rate limits, and the least time requests take under them."""

    text: str

    @property
    def largest(self) -> int:
        """Requests a minute."""
        return min(int(rate.limit) for rate in parse_rates(self.text))

    def earliest(self, requests: int) -> float:
        """When the last of so many requests can be answered at the earliest."""
        at = RTT
        for rate in sorted(parse_rates(self.text), key=lambda rate: -rate.period):
            turns = (requests - 1) // rate.limit
            at += turns * rate.period
            requests -= turns * rate.limit
        return at


class Watching(SandboxTransport):
    """Counts jobs in flight and notes when each result arrived."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox, latency=RTT)
        self.arrivals: list[float] = []
        self.polls = 0
        self.open = 0
        self.most_open = 0

    async def send(self, request: Any, *, timeout: float, phase: Any) -> Any:
        reply = await super().send(request, timeout=timeout, phase=phase)
        if reply.status != 200:
            return reply
        if request.path == "/redeem/people/batch":
            self.open += 1
            self.most_open = max(self.most_open, self.open)
        elif request.path == "/redeem/people/batch/query":
            self.polls += 1
            if b'"is_completed":true' in reply.body:
                self.open -= 1
                self.arrivals.append(asyncio.get_running_loop().time())
        return reply


class Result(Struct, frozen=True):
    """What came of one run.

    Attributes:
        polls: Polls for each job.
        makespan: The run's duration, divided by its bound.
        over: How many windows it took longer than the bound.
        to_result: The mean time to a result, divided by its bound.
        refused: Requests that were refused with 429.
        jobs: Most jobs in flight.
    """

    polls: float
    makespan: float
    over: float
    to_result: float
    refused: int
    jobs: int


class Server:
    """One server, with the phase of its windows drawn."""

    def __init__(self, world: World, limits: Limits, seed: int) -> None:
        rng = random.Random(f"{world.name} {limits.text} {seed}")
        phases = tuple(rng.uniform(0, rate.period) for rate in parse_rates(limits.text))
        settings: dict[str, Any] = {"base_s": 5.0, "credit": 10**9, "job_retention": 1e6}
        settings |= world.config
        config = SandboxConfig(seed=seed, limits=limits.text, window_phase=phases, **settings)
        self._limits = limits
        self.sandbox = Sandbox(config)
        self._clockwork = Clockwork(config, world)
        # The sandbox offers no way to bring one's own time model, and needs none but here.
        jobs: Any = self.sandbox._jobs
        jobs._timing = self._clockwork
        if not world.knows:
            jobs.remaining = lambda job, _now: max(1, job.estimate)
        self.transport = Watching(self.sandbox)

    def result(self, batches: int, elapsed: float) -> Result:
        """What is to be said about a run that has ended."""
        waits = sorted(self._clockwork.waits)
        arrivals = self.transport.arrivals
        assert len(waits) == len(arrivals) == batches, (len(waits), len(arrivals), batches)
        earliest = self._limits.earliest
        bound = max(earliest(2 * batches), 2 * RTT + waits[-1])
        soonest = sum(max(earliest(2 * (k + 1)), 2 * RTT + wait) for k, wait in enumerate(waits))
        return Result(
            polls=self.transport.polls / batches,
            makespan=elapsed / bound,
            over=round((elapsed - bound) / 60.0, 6),
            to_result=sum(arrivals) / soonest,
            refused=self.sandbox.regrets().refused_429,
            jobs=self.transport.most_open,
        )
