"""Looks at a run at a steady pace, and remembers what it saw."""

from __future__ import annotations

from collections.abc import Sequence

from pubrio_async._clock import Clock
from pubrio_async._errors import ConfigurationError
from pubrio_async.dashboard._ending import End, ending
from pubrio_async.dashboard._figures import Limit, Now, State
from pubrio_async.dashboard._history import History, Rolling, Sample, seconds_left
from pubrio_async.dashboard._tallies import Tallies
from pubrio_async.models import RunReport, RunStatistics
from pubrio_async.scheduler import Run


class Sampler:
    """Turns what a run says of itself into a history.

    Args:
        clock: Where the time comes from.

    Attributes:
        tallies: What the hooks have told.
        history: What was seen.
        now: The run as it stood when it was last looked at.
        total: Rows of the input; None where that is not known.
    """

    def __init__(self, clock: Clock) -> None:
        self.history = History()
        self.now = Now("starting", RunReport())
        self.total: int | None = None
        self._clock = clock
        self.tallies = Tallies()
        self._run: Run | None = None
        self._limits: Sequence[Limit] = ()
        self._windows: list[Rolling] = []
        self._began = 0.0
        self._last: float | None = None
        self._paused_s = 0.0
        self._elapsed_s: float | None = None

    @property
    def ended(self) -> bool:
        """Whether the run is over, as far as can be seen."""
        return self.now.end is not None

    def watch(self, run: Run, total: int | None, limits: Sequence[Limit]) -> None:
        """Names the run that is looked at.

        Args:
            run: The run, open or not yet.
            total: Rows of its input; None where that is not known.
            limits: The rate limits, the shortest first.

        Raises:
            ConfigurationError: Another run is watched.
        """
        if self._run is not None:
            msg = "a dashboard shows one run; make another dashboard for another run"
            raise ConfigurationError(msg)
        self._run = run
        self.total = total
        self._limits = limits
        self._windows = [Rolling(limit.period_s) for limit in limits]

    def look(self) -> None:
        """Takes one sample; the first one at which the clock of a run stands still is its last."""
        statistics = None if self.ended else self._statistics()
        if statistics is None:
            return
        elapsed_s = statistics.report.elapsed_s
        over = elapsed_s == self._elapsed_s
        self._elapsed_s = elapsed_s
        self._take(statistics)
        if over:
            self._end(statistics, None)

    def end(self, trouble: str | None) -> None:
        """Takes the last sample, unless that has been done."""
        statistics = self._statistics()
        if statistics is None:
            words = trouble or "The program ended before it opened a run. Nothing was sent."
            self.now = Now("ended", RunReport(), end=End("stopped", "Never started", [words]))
            return
        if self.ended and trouble is None:
            return
        if not self.ended:
            self._take(statistics)
        self._end(statistics, trouble)

    def _statistics(self) -> RunStatistics | None:
        """The run as it stands; None as long as there is none, or it is not open."""
        try:
            return None if self._run is None else self._run.statistics()
        except ConfigurationError:
            return None

    def _take(self, statistics: RunStatistics) -> None:
        report = statistics.report
        moment = self._clock.now()
        if self._last is None:
            self._began = moment - report.elapsed_s
            self._last = moment
        t = moment - self._began
        if statistics.paused_s > 0:
            self._paused_s += moment - self._last
        self._last = moment
        used = [window.within(t, report.requests) for window in self._windows]
        self.history.add(
            Sample(
                t=round(t, 2),
                read=statistics.rows_read,
                settled=report.rows,
                found=report.found,
                empty=report.empty,
                requests=report.requests,
                charged=report.credits_charged,
                paused_s=round(self._paused_s, 2),
                reserved=statistics.credits_reserved,
                batches_open=statistics.batches_open,
                batches_ready=statistics.batches_ready,
                in_flight=statistics.requests_in_flight,
                used=used[0] if used else None,
                left=statistics.requests_left,
            )
        )
        pace = self.history.pace(self._limits[0].period_s if self._limits else 0.0)
        ends_early = statistics.stopped_by is not None
        eta_s = None if ends_early else seconds_left(report.rows, self.total, pace)
        self.now = Now(
            state=_state(statistics),
            report=report,
            read=statistics.rows_read,
            queued=statistics.outcomes_queued,
            batches_open=statistics.batches_open,
            batches_ready=statistics.batches_ready,
            in_flight=statistics.requests_in_flight,
            left=statistics.requests_left,
            paused_s=round(statistics.paused_s, 1),
            reserved=statistics.credits_reserved,
            pace=None if pace is None else round(pace, 2),
            eta_s=None if eta_s is None else round(eta_s, 1),
            used=used,
            results=self.tallies.results.told(),
            replies=self.tallies.replies.told(),
            errors=dict(self.tallies.errors),
        )

    def _end(self, statistics: RunStatistics, trouble: str | None) -> None:
        assert self._run is not None  # noqa: S101 - who has no run does not come here
        self.now = Now(
            state="ended",
            report=statistics.report,
            read=statistics.rows_read,
            used=self.now.used,
            left=self.now.left,
            results=self.tallies.results.told(),
            replies=self.tallies.replies.told(),
            errors=dict(self.tallies.errors),
            end=ending(
                statistics.report,
                stopped_by=self._run.stopped_by,
                reason=statistics.stopped_by,
                open_rows=statistics.rows_waiting,
                trouble=trouble,
            ),
        )


def _state(statistics: RunStatistics) -> State:
    if statistics.stopped_by is not None:
        return "stopping"
    return "paused" if statistics.paused_s > 0 else "running"
