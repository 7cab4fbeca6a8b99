"""Whether, and after how long, a failed request is sent again: a pure function."""

from __future__ import annotations

import random

from msgspec import Struct

from pubrio_async._errors import (
    NotSentError,
    PubrioError,
    RateLimitedError,
    ResponseLostError,
    ServerError,
)


class RetryPolicy(Struct, frozen=True):
    """How often and how patiently to send again.

    Attributes:
        resends: Most times one call is sent again after a failure; refusals with 429 do not
            count, they end with the time a call may wait.
        first_s: Longest wait before the first resend, in seconds; doubled each time.
        longest_s: Bound on one wait, in seconds.
    """

    resends: int = 3
    first_s: float = 0.5
    longest_s: float = 20.0


def backoff(policy: RetryPolicy, attempt: int, rng: random.Random) -> float:
    """The wait before resend number `attempt` (from 1), with jitter, in seconds."""
    doubled = policy.first_s * 2.0 ** min(attempt - 1, 100)  # beyond, floats would overflow
    return min(policy.longest_s, doubled) * rng.uniform(0.5, 1.0)


def next_wait(
    policy: RetryPolicy,
    error: PubrioError,
    attempt: int,
    *,
    repeatable: bool,
    rng: random.Random,
) -> float | None:
    """Decides what to do after a failure.

    Args:
        policy: The bounds.
        error: What went wrong.
        attempt: How many resends there would be, this one included (from 1).
        repeatable: True if a second copy of the request changes nothing and costs nothing.
        rng: Source of jitter.

    Returns:
        Seconds to wait before sending again; None if it must not be sent again.
    """
    if isinstance(error, RateLimitedError):
        return 0.0  # refused before any work; the limiter's pause is the wait
    if attempt > policy.resends:
        return None
    if isinstance(error, NotSentError):
        return backoff(policy, attempt, rng)
    if repeatable and isinstance(error, ResponseLostError | ServerError):
        return backoff(policy, attempt, rng)
    return None
