"""What there is to do, and what comes next: batches to send, jobs to poll, losses to find."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from pubrio_async._limiter import RateLimiter
from pubrio_async.scheduler.board import Job
from pubrio_async.scheduler.due import DueQueue
from pubrio_async.scheduler.flow import Flow
from pubrio_async.scheduler.journal import Batch
from pubrio_async.scheduler.policy import (
    Choice,
    Order,
    Patience,
    Scene,
    choose,
    first_wait,
    poll_at,
    time_to_poll,
)
from pubrio_async.scheduler.reconcile import Reconciler

_LOOK_AGAIN_S = 1.0
"""While submits are held back: permits come back with time, and nobody tells when."""


class Agenda:
    """Keeps what is to be done.

    Args:
        order: What the run is to be quick at.
        max_open: Most jobs open at once.
        limiter: Knows how many requests may leave.
        reconciler: Knows which requests are lost.
        busy: How many requests are under way.
        may_submit: Whether anything may be submitted now.
        input_ended: Whether no further batches will come.
    """

    def __init__(
        self,
        *,
        order: Order,
        max_open: int,
        limiter: RateLimiter,
        reconciler: Reconciler,
        busy: Callable[[], int],
        may_submit: Callable[[], bool],
        input_ended: Callable[[], bool],
    ) -> None:
        self._order: Order = order
        self._max_open = max_open
        self._limiter = limiter
        self._reconciler = reconciler
        self._busy = busy
        self._may_submit = may_submit
        self._input_ended = input_ended
        self._flow = Flow()
        self._patience = Patience()
        self._estimate_s = 0.0
        self.ready: deque[Batch] = deque()
        self.due: DueQueue[Job] = DueQueue()

    @property
    def open_jobs(self) -> int:
        """Batches that are under way: accepted, lost, or with a request in flight."""
        return len(self.due) + len(self._reconciler) + self._busy()

    @property
    def is_scarce(self) -> bool:
        """True while the limit leaves fewer requests than there is to do."""
        spare = self._limiter.available()
        return spare is not None and spare < self.open_jobs + len(self.ready)

    def take_ready(self) -> list[Batch]:
        """Empties the list of batches to send."""
        ready = list(self.ready)
        self.ready.clear()
        return ready

    def watch(self, job: Job, due: float) -> None:
        """This job is to be polled, not before `due`."""
        if job.misses == 1 and not job.failures:
            self._learn(missed=True)
        elif not job.misses:
            self._estimate_s = first_wait(job.estimate_s)
        self.due.push(due, job)

    def take_due(self) -> Job:
        """The job that is due first; it is polled now."""
        job = self.due.pop()
        if not job.misses:
            # Until it is seen to have missed.
            self._learn(missed=False)
        return job

    def next_time(self, now: float) -> float | None:
        """When there is something to ask, apart from what may be submitted."""
        due = self.due.next_due()
        poll = due if due is None or due > now else poll_at(self._scene(now, 0))
        look = self._reconciler.next_due()
        again = now + _LOOK_AGAIN_S if self.ready and self._is_patient else None
        return min((at for at in (poll, look, again) if at is not None), default=None)

    def choose(self, now: float, held: int) -> Choice:
        """What the next request should be; `held` is how many permits the asker has in hand."""
        if len(self._reconciler) and self._reconciler.wants(now):
            return "look"
        due = self.due.next_due()
        is_due = due is not None and due <= now
        # Two choices are the same in any scene, so that nobody needs to look around for them.
        if not is_due and not self.ready:
            return "nothing"
        if is_due and not self._patience.is_on and (self._order == "results" or not self.ready):
            return "poll"
        return choose(self._order, self._scene(now, held))

    def leaves(self, now: float) -> None:
        """A request leaves."""
        self._flow.note(now)

    def _learn(self, *, missed: bool) -> None:
        self._patience = self._patience.after(missed=missed, window=self._limiter.window_size())

    @property
    def _is_patient(self) -> bool:
        """Whether submits may be held back although the limits would let them leave."""
        return self._order == "results" and self._limiter.window_size() is not None

    def _scene(self, now: float, held: int) -> Scene:
        open_jobs = self.open_jobs
        submits = len(self.ready)
        if submits and not (open_jobs < self._max_open and self._may_submit()):
            submits = 0
        spare = self._limiter.available()
        if spare is not None:
            # What the asker holds counts as spare throughout: asked before and after it got a
            # permit, the answer is the same.
            spare += held
        first = self.due.first()
        patient = self._patience.is_on
        coming = 0
        if submits and spare is not None and self._order == "results":
            within = time_to_poll(self._estimate_s, patient=patient)
            coming = self._flow.coming(now, within, spare, self._limiter.window_size() or 1)
        return Scene(
            now=now,
            submits=submits,
            next_due=self.due.next_due(),
            next_estimate_s=first_wait(first.estimate_s) if first else 0.0,
            open_jobs=open_jobs,
            spare=spare,
            coming=coming,
            patient=patient and first is not None and not first.misses,
            more_to_send=bool(self.ready) or not self._input_ended(),
        )
