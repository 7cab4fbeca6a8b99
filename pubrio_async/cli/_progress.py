"""Progress on stderr: a bar, JSON lines, or nothing."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

import msgspec

from pubrio_async.cli._messages import one_line, say
from pubrio_async.cli._options import ProgressStyle
from pubrio_async.models import RunStatistics
from pubrio_async.models.redeem import Number

BAR_INTERVAL_S = 0.25
LOG_INTERVAL_S = 5.0

_BAR_WIDTH = 30
_SMALLEST_BAR = 8

# Long enough to hold a whole window of the usual limit, which is spent in bursts.
_ETA_WINDOW_S = 120.0


class HasStatistics(Protocol):
    """A run, as far as progress is concerned."""

    def statistics(self) -> RunStatistics:
        """The run as it stands."""
        ...


class Progress:
    """Shows nothing but notes; the styles that show more extend it.

    Attributes:
        interval_s: Seconds from one update to the next; None for no updates.
    """

    interval_s: float | None = None

    def update(self, statistics: RunStatistics) -> None:
        """Shows how far the run is."""

    def note(self, text: str) -> None:
        """Says something while the run goes on."""
        say(text)

    def close(self) -> None:
        """Leaves the terminal as it was; safe to call twice."""


class ProgressLine(msgspec.Struct, frozen=True):
    """One line of `--progress log`."""

    elapsed_s: float
    rows_settled: int
    rows_total: int | None
    eta_s: float | None
    batches_open: int
    requests_in_flight: int
    requests_left: int | None
    paused_s: float
    credits_charged: Number
    stopped_by: str | None


class LogProgress(Progress):
    """A JSON object a line."""

    interval_s = LOG_INTERVAL_S

    def __init__(self, total: int | None, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._start = now()
        self._pace = Pace(total)

    def update(self, statistics: RunStatistics) -> None:
        """Prints one line."""
        elapsed = self._now() - self._start
        eta = self._pace.seconds_left(elapsed, statistics.rows_settled)
        line = ProgressLine(
            elapsed_s=round(elapsed, 1),
            rows_settled=statistics.rows_settled,
            rows_total=self._pace.total,
            eta_s=None if eta is None else round(eta, 1),
            batches_open=statistics.batches_open,
            requests_in_flight=statistics.requests_in_flight,
            requests_left=statistics.requests_left,
            paused_s=round(statistics.paused_s, 1),
            credits_charged=statistics.report.credits_charged,
            stopped_by=statistics.stopped_by,
        )
        print(msgspec.json.encode(line).decode(), file=sys.stderr, flush=True)


class BarProgress(Progress):
    """A bar, redrawn in place."""

    interval_s = BAR_INTERVAL_S

    def __init__(self, total: int | None, now: Callable[[], float] = time.monotonic) -> None:
        # Not at the top: it takes 100 ms, which only a bar is worth.
        from rich.console import Console  # noqa: PLC0415
        from rich.progress import BarColumn, TextColumn  # noqa: PLC0415
        from rich.progress import Progress as RichProgress  # noqa: PLC0415

        self._now = now
        self._start = now()
        self._pace = Pace(total)
        self._column = BarColumn(bar_width=_BAR_WIDTH)
        console = Console(stderr=True)
        self._separator = _separator(console.encoding)
        self._bar = RichProgress(
            self._column,
            TextColumn("{task.fields[text]}", markup=False),
            console=console,
            auto_refresh=False,
        )
        self._task = self._bar.add_task("", total=total, text="")
        self._bar.start()

    def update(self, statistics: RunStatistics) -> None:
        """Draws the bar again."""
        eta = self._pace.seconds_left(self._now() - self._start, statistics.rows_settled)
        # Of what is there now, it may have been resized; a blank, and the last column is not used.
        width = self._bar.console.width - 2
        text = bar_text(
            statistics,
            self._pace.total,
            eta,
            width=width - _SMALLEST_BAR,
            separator=self._separator,
        )
        self._column.bar_width = max(_SMALLEST_BAR, min(_BAR_WIDTH, width - len(text)))
        self._bar.update(self._task, completed=statistics.rows_settled, text=text)
        self._bar.refresh()

    def note(self, text: str) -> None:
        """Says something above the bar."""
        self._bar.console.print(one_line(text), markup=False, highlight=False)

    def close(self) -> None:
        """Leaves the bar where it is and gives the cursor back."""
        self._bar.stop()


class Pace:
    """Tells how long the rest will take, from how fast rows settled of late."""

    def __init__(self, total: int | None) -> None:
        self.total = total
        self._samples: deque[tuple[float, int]] = deque()

    def seconds_left(self, now: float, settled: int) -> float | None:
        """Seconds until all rows are settled; None where there is nothing to tell it from."""
        samples = self._samples
        samples.append((now, settled))
        while now - samples[0][0] > _ETA_WINDOW_S:
            samples.popleft()
        then, before = samples[0]
        if self.total is None or settled <= before or now <= then:
            return None
        return max(0, self.total - settled) * (now - then) / (settled - before)


def bar_text(
    statistics: RunStatistics,
    total: int | None,
    eta_s: float | None,
    *,
    width: int | None = None,
    separator: str = " · ",
) -> str:
    """What stands to the right of the bar.

    Args:
        statistics: The run as it stands.
        total: The number of rows, where it is known.
        eta_s: Seconds until it ends, where that is known.
        width: How many columns there are; what is of least use is left out until it fits, but for
            the rows.
        separator: What is put between two figures.
    """
    settled = f"{statistics.rows_settled:,}"
    rows = f"{settled}/{total:,} rows" if total is not None else f"{settled} rows"
    batches = f"{statistics.batches_open:,} batches"
    left = statistics.requests_left
    requests = "" if left is None else f"{left:,} requests left"
    credits_so_far = f"{statistics.report.credits_charged:,} credits"
    end = ""
    if statistics.stopped_by is not None:
        end = "stopping"
    elif statistics.paused_s > 0:
        end = f"paused {statistics.paused_s:.0f} s"
    elif eta_s is not None:
        minutes, seconds = divmod(round(eta_s), 60)
        hours, minutes = divmod(minutes, 60)
        end = f"ETA {hours}:{minutes:02}:{seconds:02}"
    parts = [part for part in (rows, batches, requests, credits_so_far, end) if part]
    for part in (requests, batches, credits_so_far, end):
        if width is None or len(separator.join(parts)) <= width:
            break
        if part:
            parts.remove(part)
    return separator.join(parts)


def _separator(encoding: str) -> str:
    """What is put between two figures, in an encoding that may lack the dot."""
    try:
        " · ".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return ", "
    return " · "


def make_progress(style: ProgressStyle, total: int | None) -> Progress:
    """The progress display of a style; `auto` is a bar on a terminal and a log elsewhere.

    Args:
        style: The style.
        total: The number of rows, where it is known.
    """
    if style is ProgressStyle.NONE:
        return Progress()
    # A dumb terminal cannot go back in a line: there a bar would show nothing before the end.
    on_terminal = sys.stderr.isatty() and os.environ.get("TERM", "") not in {"dumb", "unknown"}
    if style is ProgressStyle.BAR or (style is ProgressStyle.AUTO and on_terminal):
        return BarProgress(total)
    return LogProgress(total)


@asynccontextmanager
async def watching(run: HasStatistics, progress: Progress) -> AsyncGenerator[None, None]:
    """Updates the progress display while the block runs, and once more at its end."""

    async def watch(interval_s: float) -> None:
        while True:
            await asyncio.sleep(interval_s)
            progress.update(run.statistics())

    interval_s = progress.interval_s
    task = None if interval_s is None else asyncio.create_task(watch(interval_s))
    try:
        yield
    finally:
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
        progress.update(run.statistics())
        progress.close()
