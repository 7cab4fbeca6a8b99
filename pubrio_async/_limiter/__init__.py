"""Who may send when: see `limiter` for the theorem."""

from __future__ import annotations

from pubrio_async._limiter.limiter import Limiter
from pubrio_async._limiter.protocol import LimiterStatistics, RateLimiter
from pubrio_async._limiter.window import Window

_Window = Window  # the name under which the simulation plants flaws in it

__all__ = ["Limiter", "LimiterStatistics", "RateLimiter", "_Window"]
