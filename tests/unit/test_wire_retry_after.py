"""How long a reply asks to wait, in numbers or as a date."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pubrio_async._errors import RateLimitedError, ServerError
from pubrio_async._wire import parse_retry_after
from tests.together import together
from tests.unit.replies import WALL, refusal


def test_a_rate_limit_tells_how_long_to_wait() -> None:
    error = refusal(429, headers={"Retry-After": "12"})
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == 12.0
    assert "wait 12 s" in str(error)
    plain = refusal(429)
    assert isinstance(plain, RateLimitedError)
    assert plain.retry_after is None


def test_a_date_to_wait_for_is_one_on_the_clock_of_the_api() -> None:
    headers = {
        "Retry-After": "Thu, 14 May 2026 12:05:00 GMT",
        "Date": "Thu, 14 May 2026 12:04:48 GMT",
    }
    error = refusal(429, headers=headers)  # by this machine's clock it is another year
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == 12.0
    headers["Date"] = "now"
    unclear = refusal(429, headers=headers)
    assert isinstance(unclear, RateLimitedError)
    assert unclear.retry_after == parse_retry_after(headers["Retry-After"], WALL)


def test_a_busy_server_may_say_how_long_too() -> None:
    error = refusal(503, headers={"Retry-After": "3"}, paid=True)
    assert isinstance(error, ServerError)
    assert error.retry_after == 3.0
    assert error.may_have_charged
    assert "wait 3 s" in str(error)
    assert pickle.loads(pickle.dumps(error)).retry_after == 3.0
    plain = refusal(503)
    assert isinstance(plain, ServerError)
    assert plain.retry_after is None


@together
@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("60", 60.0),
        (" 1.5 ", 1.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("4233600", 4_233_600.0),
        ("Tue, 14 Nov 2023 22:13:50 GMT", 30.0),
        ("Tue, 14 Nov 2023 22:13:50 -0000", 30.0),
        ("Tue, 14 Nov 2023 23:13:50 +0100", 30.0),
        ("Tuesday, 14-Nov-23 22:13:50 GMT", 30.0),
        ("Tue Nov 14 22:13:50 2023", 30.0),
        ("Tue, 14 Nov 2023 22:13:00 GMT", 0.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        (None, None),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("1e5", None),
        ("٣", None),
        ("1,5", None),
        ("9" * 400, None),
        ("Tue, 99 Nov 2023 22:13:50 GMT", None),
        ("Tue, 14 Nov 99999 22:13:50 GMT", None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, WALL) == seconds


@settings(deadline=None)
@given(st.integers(0, 7_000_000_000), st.floats(0, 7e9))
def test_dates_are_relative_to_now(moment: int, wall: float) -> None:
    date = format_datetime(datetime.fromtimestamp(moment, UTC), usegmt=True)
    assert parse_retry_after(date, wall) == max(0.0, moment - wall)


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_retry_after_is_nothing_or_a_wait(value: str) -> None:
    wait = parse_retry_after(value, WALL)
    assert wait is None or 0 <= wait < float("inf")
