"""How long a job takes, and what the client is told about it."""

from __future__ import annotations

from math import ceil, exp, log
from statistics import NormalDist

from pubrio_async.sandbox.config import SandboxConfig

_UNITS = {
    "millisecond": 0.001,
    "ms": 0.001,
    "second": 1.0,
    "sec": 1.0,
    "s": 1.0,
    "minute": 60.0,
    "min": 60.0,
    "hour": 3600.0,
    "day": 86_400.0,
}
_NORMAL = NormalDist()


def unit_seconds(word: str) -> float:
    """Seconds in a unit of `estimated_time_type`; 1 for a word that is not known."""
    word = word.strip().lower()
    return _UNITS.get(word) or _UNITS.get(word.removesuffix("s"), 1.0)


class Timing:
    """The time model: a mean by size, a distribution around it, stragglers, and an estimate."""

    def __init__(self, config: SandboxConfig) -> None:
        self._config = config
        self.unit: float = unit_seconds(config.estimate_unit)
        self._upper = self._quantile(config.estimate_quantile)

    def _quantile(self, share: float) -> float:
        # Relative to the mean: draws are quantiles of hashed numbers, so nothing is random.
        config = self._config
        if config.distribution == "uniform":
            return max(0.0, 1.0 - config.spread + 2.0 * config.spread * share)
        if config.distribution == "lognormal":
            sigma = config.spread
            return exp(sigma * _NORMAL.inv_cdf(min(max(share, 1e-12), 1 - 1e-12)) - sigma**2 / 2)
        if config.distribution == "exponential":
            return -log(1.0 - share)
        return 1.0

    def _mean(self, people: int) -> float:
        config = self._config
        return (config.base_s + config.per_person_s * people) * config.time_scale

    def duration(self, people: int, draw: float, straggler_draw: float) -> float:
        """Seconds a job of this size takes; both draws are in [0, 1)."""
        seconds = self._mean(people) * self._quantile(draw)
        if straggler_draw < self._config.straggler_share:
            seconds *= self._config.straggler_factor
        return seconds

    def estimate(self, people: int) -> int:
        """The estimate at submission, in whole units."""
        return self.in_units(self._mean(people) * self._upper)

    def in_units(self, seconds: float) -> int:
        """Seconds as an estimate: bent by `estimate_factor`, rounded up to whole units."""
        # The tolerance keeps a sum such as 4.999999999 + 1e-12 from costing a whole unit.
        return max(0, ceil(seconds * self._config.estimate_factor / self.unit - 1e-6))
