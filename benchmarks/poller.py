"""What it costs to wait for jobs: one structure of due times against a timer or a task for each."""

from __future__ import annotations

import asyncio
import gc
import heapq
import itertools
import random
import resource
import time
import tracemalloc
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from benchmarks.harness import Options, Plot, Report, alone, interleaved
from pubrio_async._limiter import Limiter
from pubrio_async.models import RedeemJob
from pubrio_async.scheduler.agenda import Agenda
from pubrio_async.scheduler.board import Job
from pubrio_async.scheduler.crew import Crew
from pubrio_async.scheduler.due import DueQueue
from pubrio_async.scheduler.journal import Batch
from pubrio_async.scheduler.logbook import LogEntry, LogPage, LogRow
from pubrio_async.scheduler.policy import Choice
from pubrio_async.scheduler.reconcile import Reconciler
from pubrio_async.testing import VirtualClock, run_virtual

_WORKERS = 32
_AGAIN_S = 5.0
_WARM = 20_000
_BATCH = Batch("batch", "batch", ("a", "b"))
_IDS = itertools.count()

OURS, ENGINE = "due-time buckets (DueQueue)", "the run's own parts (agenda, crew, limiter)"
HEAP, TIMER, TASK = "one heap", "call_later per job", "a task per job that sleeps"


def _due(count: int) -> list[float]:
    """When each job is due first: as dense for a thousand jobs as for a million in a minute."""
    rng = random.Random(7)
    return [round(5 + rng.lognormvariate(3, 0.6) * count / 1_000_000, 4) for _ in range(count)]


def _job() -> Job:
    return Job.of(_BATCH, RedeemJob(f"query-{next(_IDS)}", estimated_time=5), 0.0)


class Scheme:
    """Polls every job when it is due; every fourth once more, five seconds later."""

    def __init__(self, count: int) -> None:
        self.left = count
        self.polls = 0
        self.done = asyncio.Event()
        self.all_waiting: Callable[[], None] = lambda: None

    async def poll(self, job: Job) -> bool:
        """One poll; whether the job is finished."""
        self.polls += 1
        job.misses += 1
        if job.misses == 1 and self.polls % 4 == 0:
            return False
        self.left -= 1
        if not self.left:
            self.done.set()
        return True


async def _buckets(scheme: Scheme, due: list[float]) -> None:
    await _queued(scheme, due, DueQueue[Job]())


class _Heap:
    """A heap with the methods of DueQueue."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Job]] = []
        self._order = itertools.count()

    def push(self, due: float, item: Job) -> None:
        heapq.heappush(self._heap, (due, next(self._order), item))

    def next_due(self) -> float | None:
        return self._heap[0][0] if self._heap else None

    def pop(self) -> Job:
        return heapq.heappop(self._heap)[2]


async def _heap(scheme: Scheme, due: list[float]) -> None:
    await _queued(scheme, due, _Heap())


async def _queued(  # noqa: C901 - the alarm and the workers are one machine
    scheme: Scheme, due: list[float], queue: DueQueue[Job] | _Heap
) -> None:
    loop = asyncio.get_running_loop()
    for at in due:
        queue.push(at, _job())
    scheme.all_waiting()

    parked: deque[asyncio.Future[None]] = deque()
    alarm: asyncio.TimerHandle | None = None

    def ring() -> None:
        nonlocal alarm
        alarm = None
        if parked:
            parked.popleft().set_result(None)

    async def worker() -> None:
        nonlocal alarm
        while scheme.left:
            at = queue.next_due()
            if at is None or at > loop.time():
                if at is not None and (alarm is None or at < alarm.when()):
                    if alarm is not None:
                        alarm.cancel()
                    alarm = loop.call_at(at, ring)
                future = loop.create_future()
                parked.append(future)
                await future
                continue
            job = queue.pop()
            if parked:  # there may be work for one more
                at = queue.next_due()
                if at is not None and at <= loop.time():
                    parked.popleft().set_result(None)
            if not await scheme.poll(job):
                queue.push(loop.time() + _AGAIN_S, job)
        while parked:
            parked.popleft().set_result(None)

    await asyncio.gather(*(worker() for _ in range(_WORKERS)))


async def _timers(scheme: Scheme, due: list[float]) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Queue[Job | None] = asyncio.Queue()
    for at in due:
        loop.call_at(at, ready.put_nowait, _job())
    scheme.all_waiting()

    async def worker() -> None:
        while (job := await ready.get()) is not None:
            if not await scheme.poll(job):
                loop.call_later(_AGAIN_S, ready.put_nowait, job)
        ready.put_nowait(None)

    workers = [asyncio.create_task(worker()) for _ in range(_WORKERS)]
    await scheme.done.wait()
    ready.put_nowait(None)
    await asyncio.gather(*workers)


async def _tasks(scheme: Scheme, due: list[float]) -> None:
    gate = asyncio.Semaphore(_WORKERS)

    async def follow(job: Job, at: float) -> None:
        await asyncio.sleep(at)
        while True:
            async with gate:
                finished = await scheme.poll(job)
            if finished:
                return
            await asyncio.sleep(_AGAIN_S)

    tasks = [asyncio.create_task(follow(_job(), at)) for at in due]
    await asyncio.sleep(0)
    scheme.all_waiting()
    await asyncio.gather(*tasks)


class _NoVerbs:
    """Nothing is lost here, so nobody is asked."""

    async def submit(self, *arguments: Any) -> Any:
        raise NotImplementedError

    query = submit

    async def log_page(self, page: int, ticket: int, phase: Any) -> LogPage:
        raise NotImplementedError

    async def log_entry(self, row: LogRow, ticket: int, phase: Any) -> LogEntry:
        raise NotImplementedError


class _Foreman:
    """The polling half of the engine: the real agenda and limiter, and a poll that is answered."""

    def __init__(self, scheme: Scheme, clock: VirtualClock, limiter: Limiter) -> None:
        self._scheme = scheme
        self._clock = clock
        self._limiter = limiter
        self.crew = Crew(self, limiter, clock, _WORKERS)
        self.agenda = Agenda(
            order="results",
            max_open=1 << 30,
            limiter=limiter,
            reconciler=Reconciler(_NoVerbs(), (), clock),
            busy=lambda: self.crew.busy,
            may_submit=lambda: True,
            input_ended=lambda: True,
        )

    def choose(self, now: float, held: int) -> Choice:
        return self.agenda.choose(now, held)

    def next_look(self, now: float) -> float | None:
        return self.agenda.next_time(now)

    def take_step(self, choice: Choice, ticket: int, now: float) -> Coroutine[Any, Any, None]:
        assert choice == "poll"
        self.agenda.leaves(now)
        return self._poll(self.agenda.due.pop(), ticket)

    async def _poll(self, job: Job, ticket: int) -> None:
        finished = await self._scheme.poll(job)
        self._limiter.release(ticket, 1)
        if not finished:
            self.agenda.due.push(self._clock.now() + _AGAIN_S, job)

    def stepped(self) -> None:
        pass

    def ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error


async def _engine(scheme: Scheme, due: list[float]) -> None:
    clock = VirtualClock()
    foreman = _Foreman(scheme, clock, Limiter((), _WORKERS, clock))
    for at in due:
        foreman.agenda.due.push(at, _job())
    scheme.all_waiting()
    foreman.crew.wake()
    await scheme.done.wait()
    await foreman.crew.dismiss()


SCHEMES = {OURS: _buckets, ENGINE: _engine, HEAP: _heap, TIMER: _timers, TASK: _tasks}


def measure(scheme: str, count: int, bytes_only: bool = False) -> dict[str, float]:
    """CPU µs a poll, or bytes a job in flight, its handle included."""
    due = _due(count)
    gc.collect()

    async def main() -> dict[str, float]:
        state = Scheme(count)
        if bytes_only:
            used: list[int] = []
            state.all_waiting = lambda: used.append(tracemalloc.get_traced_memory()[0])
            tracemalloc.start()
            task = asyncio.create_task(SCHEMES[scheme](state, due))
            while not used:  # noqa: ASYNC110 - an event would be one more object
                await asyncio.sleep(0)
            tracemalloc.stop()
            await task
            return {"bytes": used[0] / count}
        started = time.process_time()
        await SCHEMES[scheme](state, due)
        spent = time.process_time() - started
        assert state.polls >= count
        return {"us": 1e6 * spent / state.polls}

    for _ in range(0 if bytes_only else min(20, _WARM // count)):
        run_virtual(main())  # a thousand jobs are over before the interpreter is warm
    figures = run_virtual(main())
    figures["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return figures


def _round(scheme: str, count: int) -> float:
    figure: float = alone("benchmarks.poller:measure", scheme=scheme, count=count)["us"]
    return figure


def run(options: Options) -> Report:
    report = Report(
        name="poller",
        title="Waiting for jobs",
        method=(
            "So many jobs in flight, due one after the other some 20,000 a second (lognormal), so "
            "that the event loop's own turns weigh the same at every size; each is polled when "
            "it is due, a quarter of them twice, by 32 workers at most. Virtual time and no HTTP: "
            "a poll is an await that is answered at once, so what remains is the waiting. CPU "
            "for each poll, making the job's handle included; each figure from a process of its "
            "own. Bytes a job by tracemalloc when all are waiting, the handle (with its id) "
            "included, for 100,000 jobs at most. The second of ours is a run's own machinery: the "
            "agenda and its policy, workers, alarm, and the limiter's permits."
        ),
        columns=("jobs", "scheme", "µs a poll", "÷ DueQueue", "bytes a job"),
    )
    counts = options.pick((1_000,), (1_000, 100_000, 1_000_000))
    plotted: dict[str, tuple[list[Any], list[float]]] = {}
    medians: dict[tuple[str, int], float] = {}
    turns: dict[str, Callable[[], float]] = {}
    for count in counts:
        for scheme in SCHEMES:
            if not (scheme == TASK and count > 100_000):  # five gigabytes of tasks
                turns[f"{scheme}|{count}"] = partial(_round, scheme, count)
    few = {key: turn for key, turn in turns.items() if not key.endswith("|1000000")}
    many = {key: turn for key, turn in turns.items() if key.endswith("|1000000")}
    samples = interleaved(few, options.pick(2, 3))
    # The smallest size takes its turn beside the largest, so that the growth is that of neighbours.
    for scheme in (OURS, ENGINE) if many else ():
        many[f"{scheme}|{counts[0]}"] = turns[f"{scheme}|{counts[0]}"]
    large = interleaved(many, 3)
    for key in turns:
        scheme, _, text = key.rpartition("|")
        count = int(text)
        of = samples if key in few else large
        medians[scheme, count] = of.median(key)
        size = alone(
            "benchmarks.poller:measure", scheme=scheme, count=min(count, 100_000), bytes_only=True
        )["bytes"]
        report.add(count, scheme, of.median(key), of.ratio(key, f"{OURS}|{count}"), round(size))
        xs, ys = plotted.setdefault(scheme, ([], []))
        xs.append(count)
        ys.append(of.median(key))
        if scheme == OURS and count == counts[-1] and not options.quick:
            report.goal("bytes a job with its handle", size, at_most=350, unit="bytes")
    why = (
        "a poll is some 50 function calls, the job's handle included: 8 to choose it, 6 for the "
        "limiter's permit, 6 for the queue of due times, the rest for the worker and the clock"
    )
    for scheme in (OURS, ENGINE):
        most = max(medians[scheme, count] for count in counts)
        report.goal(f"{scheme}: CPU a poll, the worst size", most, at_most=5, unit="µs", why=why)
        report.goal(
            f"{scheme}: growth from {counts[0]:,} to {counts[-1]:,} jobs",
            large.ratio(f"{scheme}|{counts[-1]}", f"{scheme}|{counts[0]}") if many else 1.0,
            at_most=1.25,
            why=(
                "a million handles exceed the processor's caches; the cyclic collector sees none "
                "of them"
            ),
        )
    report.plots.append(
        Plot(
            title="CPU per poll",
            x_title="jobs in flight",
            y_title="µs",
            series=plotted,
            log_x=True,
        )
    )
    return report
