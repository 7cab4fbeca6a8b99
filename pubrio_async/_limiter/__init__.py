"""Who may send when: see `limiter` for the theorem."""

from __future__ import annotations

from pubrio_async._limiter.limiter import Limiter
from pubrio_async._limiter.protocol import LimiterStatistics, RateLimiter, figures_of

__all__ = ["Limiter", "LimiterStatistics", "RateLimiter", "figures_of"]
