from __future__ import annotations

from email.utils import formatdate
from typing import Any

import pytest
from aiohttp import hdrs
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from pubrio_async._config import Rate
from pubrio_async._errors import ConfigurationError
from pubrio_async._quota import Quota, ToldLimits, account_quotas, told_limits
from pubrio_async._wire import WireReply
from pubrio_async.models import ProfileUsage
from tests.together import together

HOUR, DAY, MONTH = 3_600.0, 86_400.0, 31 * 86_400.0
AT = 1_800_000_000


def usage(**fields: Any) -> ProfileUsage:
    return ProfileUsage(
        **{
            "total_max_api_hourly_query": 2_400,
            "total_max_api_daily_query": 57_600,
            "total_max_api_monthly_query": 1_785_600,
            "max_api_hourly_query": 1,
            "api_hourly_usage": 7,
            "api_daily_usage": 0,
            "api_monthly_usage": None,
            "portal_hourly_usage": 5,
            "is_api_access_available": True,
            **fields,
        }
    )


def test_the_quotas_of_the_workspace() -> None:
    assert account_quotas(usage()) == (
        Quota(Rate(2_400, HOUR), 7),
        Quota(Rate(57_600, DAY), 0),
        Quota(Rate(1_785_600, MONTH), 0),
    )


def test_what_is_not_told_is_not_limited() -> None:
    told = usage(
        total_max_api_hourly_query=None,
        total_max_api_monthly_query=None,
        is_api_access_available=None,
        api_daily_usage=-3,
    )
    assert account_quotas(told) == (Quota(Rate(57_600, DAY), 0),)
    assert account_quotas(ProfileUsage()) == ()


@pytest.mark.parametrize("most", [0, None, 2_400])
def test_no_access_is_an_error_that_says_what_to_do(most: int | None) -> None:
    fields = {f"total_max_api_{word}_query": most for word in ("hourly", "daily", "monthly")}
    with pytest.raises(ConfigurationError, match="no access to the API") as caught:
        account_quotas(usage(**fields, is_api_access_available=False))
    assert "dashboard" in str(caught.value)


@together
@pytest.mark.parametrize("most", [0, -1])
@pytest.mark.parametrize("available", [True, None])
def test_a_limit_of_nothing_beside_access_is_no_limit_to_guess_at(
    most: int, available: bool | None
) -> None:
    with pytest.raises(ConfigurationError, match=f"{most} requests a day") as caught:
        account_quotas(usage(total_max_api_daily_query=most, is_api_access_available=available))
    assert 'rate_limit="growth"' in str(caught.value)


# -------------------------------------------------------------------------------------- headers


def reply(headers: dict[str, str]) -> WireReply:
    return WireReply(200, CIMultiDict(headers), b"")


DATE = formatdate(AT, usegmt=True)
LATER = formatdate(AT + 30, usegmt=True)


@together
@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({}, None),
        ({"X-RateLimit-Limit": "300"}, None),
        (
            {"X-RateLimit-Limit": "300", "x-ratelimit-remaining": "7", "X-RATELIMIT-RESET": "30"},
            ToldLimits(300, 7, 30.0),
        ),
        (
            {"RateLimit-Limit": "300, 300;w=60", "RateLimit-Remaining": " 7 "},
            ToldLimits(300, 7, None),
        ),
        ({"RateLimit-Reset": "29.5"}, ToldLimits(None, None, 29.5)),
        ({"X-RateLimit-Reset": str(AT + 30), "Date": DATE}, ToldLimits(None, None, 30.0)),
        ({"X-RateLimit-Reset": f"{AT + 30}000", "Date": DATE}, ToldLimits(None, None, 30.0)),
        ({"X-RateLimit-Reset": LATER, "Date": DATE}, ToldLimits(None, None, 30.0)),
        ({"X-RateLimit-Reset": str(AT - 30), "Date": DATE}, ToldLimits(None, None, 0.0)),
        ({"X-RateLimit-Reset": str(AT + 30)}, None),  # by a clock that is not told
        ({"RateLimit": "limit=300, remaining=7, reset=30"}, ToldLimits(300, 7, 30.0)),
        ({"RateLimit": '"default";r=7;t=30'}, ToldLimits(None, 7, 30.0)),
        (
            {"RateLimit": "limit=1, remaining=2, reset=3", "RateLimit-Limit": "300",
             "RateLimit-Remaining": "7", "RateLimit-Reset": "30"},
            ToldLimits(300, 7, 30.0),
        ),
        ({"X-RateLimit-Limit": "many", "X-RateLimit-Remaining": "-1"}, None),
        ({"X-RateLimit-Remaining": "9" * 400, "X-RateLimit-Reset": "soon"}, None),
        ({"X-RateLimit-Reset": "9" * 400}, None),
    ],
)  # fmt: skip
def test_headers_in_all_their_forms(headers: dict[str, str], told: ToldLimits | None) -> None:
    assert told_limits(reply(headers)) == told


ends = ("", "-Limit", "-Remaining", "-Reset")
names = st.sampled_from([hdrs.DATE, *(f"{x}RateLimit{end}" for x in ("", "X-") for end in ends)])


@given(st.dictionaries(names, st.text(max_size=30) | st.integers().map(str)))
def test_any_headers_are_something_or_nothing(headers: dict[str, str]) -> None:
    told = told_limits(reply(headers))
    assert told is None or told.remaining is not None or told.reset is not None
    assert told is None or told.reset is None or told.reset >= 0
