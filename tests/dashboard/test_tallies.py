"""What is made of the events of requests and batches."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pubrio_async import BatchEvent, RequestEvent
from pubrio_async.dashboard._tallies import Spread, Tallies
from tests.together import together


def request(**changes: Any) -> RequestEvent:
    usual = {
        "name": "redeem.batch", "method": "POST", "path": "/redeem/people/batch", "paid": True,
        "sent": True, "status": 200, "started_at": 0.0, "elapsed_s": 0.5, "bytes_out": 1,
        "bytes_in": 1, "error": None,
    }  # fmt: skip
    return RequestEvent(**{**usual, **changes})


def batch(kind: Any, age_s: float | None) -> BatchEvent:
    return BatchEvent(kind=kind, batch_id="b", people=3, at=0.0, age_s=age_s)


@given(
    st.lists(st.floats(0.001, 1e6), min_size=1, max_size=300),
    st.sampled_from((0.01, 0.5, 0.9, 0.99, 1.0)),
)
def test_a_quantile_is_right_within_a_class(values: list[float], share: float) -> None:
    spread = Spread()
    for value in values:
        spread.add(value)

    true = sorted(values)[math.ceil(share * len(values)) - 1]
    assert true / 2**0.26 <= spread.quantile(share) <= min(true * 2**0.26, max(values))


def test_the_classes_have_no_gap_and_hold_everything() -> None:
    spread = Spread()
    for value in (0.0, 1.0, 1.05, 9.0):
        spread.add(value)
    told = spread.told()

    assert told is not None
    assert told.count == sum(one.count for one in told.bins) == 4
    assert all(one.high == other.low for one, other in zip(told.bins, told.bins[1:], strict=False))
    assert told.longest == 9.0
    assert told.p50 <= told.p90 <= told.p99 <= told.longest


def test_what_never_was_has_no_figures() -> None:
    spread = Spread()

    assert spread.told() is None
    assert spread.quantile(0.5) == 0.0


@together
@pytest.mark.parametrize(
    ("event", "results"),
    [
        (batch("settled", 4.0), 1),
        (batch("settled", None), 0),
        (batch("submitted", 0.0), 0),
        (batch("failed", 4.0), 0),
    ],
)
def test_only_results_have_a_time_to_result(event: BatchEvent, results: int) -> None:
    tallies = Tallies()
    tallies.on_batch(event)

    told = tallies.results.told()
    assert (told.count if told else 0) == results


def test_errors_are_counted_by_their_class_and_the_classes_are_bounded() -> None:
    tallies = Tallies()
    for number in range(1_000):
        tallies.on_request(request(error=f"Error{number}", status=None))
    tallies.on_request(request(error="Error3"))
    tallies.on_request(request())

    assert tallies.errors["Error3"] == 2
    assert len(tallies.errors) == 25
    assert tallies.errors["others"] == 976
    replies = tallies.replies.told()
    assert replies is not None
    assert replies.count == 1
