from __future__ import annotations

import random
from itertools import product

import pytest

from pubrio_async import _errors
from pubrio_async._errors import (
    JobError,
    NotSentError,
    PubrioError,
    RateLimitedError,
    ResponseError,
    ResponseLostError,
    ServerError,
)
from pubrio_async._retry import RetryPolicy, backoff, next_wait
from tests.together import together

POLICY = RetryPolicy()


def make(kind: type[PubrioError]) -> PubrioError:
    if issubclass(kind, ResponseError):
        return kind("no", status=500)
    if issubclass(kind, JobError):
        return kind("no", redeem_query_id="q")
    return kind("no")


def every_error() -> list[type[PubrioError]]:
    found: list[type[PubrioError]] = [PubrioError]
    for kind in found:
        found.extend(kind.__subclasses__())
    return [kind for kind in found if kind.__module__ == _errors.__name__]


def wait(kind: type[PubrioError], attempt: int, *, repeatable: bool) -> float | None:
    rng = random.Random(attempt)
    return next_wait(POLICY, make(kind), attempt, repeatable=repeatable, rng=rng)


ALWAYS = {RateLimitedError}  # refused before any work
BOUNDED = {NotSentError}  # never reached the API
BOUNDED_IF_REPEATABLE = {ResponseLostError, ServerError}  # unknown fate


def test_the_table_speaks_of_errors_that_exist() -> None:
    assert set(every_error()) > ALWAYS | BOUNDED | BOUNDED_IF_REPEATABLE
    assert len(every_error()) == 17


@together
@pytest.mark.parametrize(
    ("kind", "repeatable", "attempt"),
    list(product(every_error(), (True, False), (1, 2, 3, 4, 50))),
)
def test_the_whole_table(kind: type[PubrioError], repeatable: bool, attempt: int) -> None:
    seconds = wait(kind, attempt, repeatable=repeatable)
    if kind in ALWAYS:
        assert seconds == 0.0  # the limiter's pause is the wait
    elif attempt <= 3 and (kind in BOUNDED or (kind in BOUNDED_IF_REPEATABLE and repeatable)):
        longest = 0.5 * 2 ** (attempt - 1)
        assert seconds is not None
        assert longest / 2 <= seconds <= longest
    else:
        assert seconds is None


def test_an_error_that_may_have_cost_something_is_never_sent_again() -> None:
    for kind, attempt in product(every_error(), range(1, 5)):
        error = make(kind)
        error.may_have_charged = True
        if kind not in ALWAYS | BOUNDED:
            rng = random.Random(0)
            assert next_wait(POLICY, error, attempt, repeatable=False, rng=rng) is None


def test_subclasses_are_treated_as_what_they_derive_from() -> None:
    class ProxyDownError(NotSentError):
        pass

    assert wait(ProxyDownError, 1, repeatable=False) is not None


def test_a_policy_without_resends_sends_nothing_again() -> None:
    policy = RetryPolicy(resends=0)
    rng = random.Random(0)
    assert next_wait(policy, make(NotSentError), 1, repeatable=True, rng=rng) is None
    assert next_wait(policy, make(RateLimitedError), 1, repeatable=True, rng=rng) == 0.0


def test_the_wait_doubles_is_bounded_and_has_jitter() -> None:
    policy = RetryPolicy(resends=5_000, first_s=1.0, longest_s=20.0)
    for attempt, longest in [(1, 1), (2, 2), (3, 4), (5, 16), (6, 20), (60, 20), (5_000, 20)]:
        waits = [backoff(policy, attempt, random.Random(seed)) for seed in range(50)]
        assert min(waits) >= longest / 2
        assert max(waits) <= longest
        assert len(set(waits)) == 50
