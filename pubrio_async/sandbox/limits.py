"""Fixed windows: the rate limits as the API keeps them, and the counters it shows."""

from __future__ import annotations

from math import floor, inf

from msgspec import Struct

from pubrio_async._config import parse_rates
from pubrio_async._errors import ConfigurationError
from pubrio_async.sandbox.config import SandboxConfig

HOUR, DAY, MONTH = 3600.0, 86_400.0, 2_592_000.0

# What `profile.usage` shows as the maximum where no limit is set: the plan "Business".
_GENEROUS = {HOUR: 12_000, DAY: 288_000, MONTH: 8_928_000}


class _Window(Struct):
    """One limit. `index` numbers the window that `count` belongs to."""

    limit: float
    period: float
    phase: float
    index: int = 0
    count: int = 0
    overrun: int | None = None

    def turn(self, now: float) -> None:
        index = floor((now - self.phase) / self.period)
        if index != self.index:
            self.index = index
            self.count = 0

    def ends_at(self) -> float:
        return (self.index + 1) * self.period + self.phase


class FixedWindows:
    """Counts requests per window; a refused request counts in none.

    Windows start at `window_phase` plus a multiple of their period. Windows of an hour, a day
    and a month are counted even without a limit, for `profile.usage`.
    """

    def __init__(self, config: SandboxConfig) -> None:
        rates = parse_rates(config.limits, asks=False)
        phase = config.window_phase
        phases = phase if isinstance(phase, tuple) else (phase,) * len(rates)
        if len(phases) != len(rates):
            raise ConfigurationError("SandboxConfig.window_phase needs one number for each limit")
        self._windows = [
            _Window(rate.limit, rate.period, start)
            for rate, start in zip(rates, phases, strict=True)
        ]
        self._shown: dict[float, _Window] = {}
        for period in (HOUR, DAY, MONTH):
            limits = [window for window in self._windows if window.period == period]
            window = min(limits, key=lambda each: each.limit, default=_Window(inf, period, 0.0))
            self._shown[period] = window
            if not limits:
                self._windows.append(window)
        self.refused: int = 0
        self.overrun_windows: int = 0

    def admit(self, now: float) -> float | None:
        """Counts a request; None if it may pass, else the time at which it could."""
        free_at = -inf
        for window in self._windows:
            window.turn(now)
            if window.count >= window.limit:
                free_at = max(free_at, window.ends_at())
                if window.overrun != window.index:
                    window.overrun = window.index
                    self.overrun_windows += 1
        if free_at > -inf:
            self.refused += 1
            return free_at
        for window in self._windows:
            window.count += 1
        return None

    def usage(self, period: float, now: float) -> tuple[int, int]:
        """Requests in the current hour, day or month, and the maximum to show."""
        window = self._shown[period]
        window.turn(now)
        limit = _GENEROUS[period] if window.limit == inf else int(window.limit)
        return window.count, limit
