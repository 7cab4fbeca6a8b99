"""How long everyone waits after a 429 that does not say so."""

from __future__ import annotations

import random

_FIRST_S = 2.0
_LONGEST_S = 60.0


def pause_of(refusals: int, rng: random.Random) -> float:
    """Seconds to wait: twice as long each time, with jitter, and never more than a minute.

    Args:
        refusals: How often in a row everyone was refused, this time included.
        rng: Source of jitter.
    """
    doubled = _FIRST_S * 2.0 ** min(refusals - 1, 10)
    return min(doubled, _LONGEST_S / 1.2) * rng.uniform(0.8, 1.2)
