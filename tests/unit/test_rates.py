"""Rate limits as text: what they are read as, and how they are told again."""

from __future__ import annotations

import limits
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pubrio_async._config import Rate, parse_rates, rates_in_words
from pubrio_async._errors import ConfigurationError
from tests.together import together


@together
@pytest.mark.parametrize(
    ("text", "rates"),
    [
        ("300/minute", [(300, 60)]),
        ("300/minutes", [(300, 60)]),
        ("  300 / minute  ", [(300, 60)]),
        ("20 per 2 seconds", [(20, 2)]),
        ("20 per 2 second", [(20, 2)]),
        ("20/2second", [(20, 2)]),
        ("100 per hour", [(100, 3_600)]),
        ("100 PER HOUR", [(100, 3_600)]),
        ("7/day", [(7, 86_400)]),
        ("7/month", [(7, 2_592_000)]),
        ("7 per 2 years", [(7, 62_208_000)]),
        ("300/minute; 2400/hour", [(300, 60), (2_400, 3_600)]),
        ("1/second,2/minute|3/hour;4/day", [(1, 1), (2, 60), (3, 3_600), (4, 86_400)]),
        ("unlimited", []),
        (" Unlimited ", []),
        ("free", [(300, 60), (60, 3_600), (1_440, 86_400), (43_200, 30 * 86_400)]),
        ("Growth", [(300, 60), (2_400, 3_600), (57_600, 86_400), (1_785_600, 31 * 86_400)]),
        (
            " BUSINESS ; 7/second",
            [(300, 60), (12_000, 3_600), (288_000, 86_400), (8_928_000, 31 * 86_400), (7, 1)],
        ),
        ("5/second; free", [(5, 1), (300, 60), (60, 3_600), (1_440, 86_400), (43_200, 2_592_000)]),
        ("account", [(300, 60)]),
        ("Account; 100/minute", [(300, 60), (100, 60)]),
    ],
)
def test_rates(text: str, rates: list[tuple[int, int]]) -> None:
    assert parse_rates(text) == tuple(Rate(limit, float(period)) for limit, period in rates)


@together
@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "300",
        "/minute",
        "0/minute",
        "00/minute",
        "-5/minute",
        "5/0 seconds",
        "5 per 0 minutes",
        "5/fortnight",
        "5/minutess",
        "5.5/minute",
        "5perminute",
        "5/minute;",
        "5/minute;;6/hour",
        "5/minute and 6/hour",
        "unlimited; 5/minute",
        "enterprise",
        "Organization",
        "free growth",
        "free/minute",
        "business;",
        "5 accounts",
        "٣/minute",
        "9" * 5_000 + "/minute",
        "1/" + "9" * 5_000 + "seconds",
    ],
)
def test_what_is_no_rate_limit_shows_how_to_write_one(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_rates(text)
    assert "300/minute; 2400/hour" in str(caught.value)
    for name in ("free", "growth", "business", "account"):
        assert f"`{name}`" in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_rate_limit_that_is_no_text() -> None:
    with pytest.raises(ConfigurationError, match="not int"):
        parse_rates(300)


@settings(deadline=None)
@given(
    st.text(max_size=40)
    | st.from_regex(r"[0-9]{1,3} ?(per|/) ?[a-z]{3,7}s?")
    | st.from_regex(r"[0-9]{1,3} ?(per |/)[0-9]{0,2} ?(second|minute|hour|day)s?", fullmatch=True)
)
def test_any_text_is_limits_or_a_configuration_error(text: str) -> None:
    try:
        rates = parse_rates(text)
    except ConfigurationError:
        return
    assert all(rate.limit >= 1 and rate.period >= 1.0 for rate in rates)


@settings(deadline=None)
@given(
    st.integers(1, 10**6),
    st.sampled_from(["/", " per "]),
    st.integers(1, 999) | st.none(),
    st.sampled_from(["second", "minute", "hour", "day", "month", "year"]),
    st.sampled_from(["", "s"]),
)
def test_it_reads_what_the_limits_library_reads(
    count: int, word: str, multiple: int | None, unit: str, plural: str
) -> None:
    text = f"{count}{word}{'' if multiple is None else f'{multiple} '}{unit}{plural}"
    theirs = limits.parse(text)
    assert parse_rates(text) == (Rate(theirs.amount, float(theirs.get_expiry())),)


@together
@pytest.mark.parametrize(
    ("rates", "text"),
    [
        ([Rate(300, 60.0), Rate(2_400, 3_600.0)], "300/minute; 2400/hour"),
        ([Rate(10, 2.0)], "10 per 2 seconds"),
        ([Rate(7, 90.0)], "7 per 90 seconds"),
        ([Rate(1, 86_400.0), Rate(5, 31 * 86_400.0)], "1/day; 5 per 31 days"),
        ([Rate(5, 30 * 86_400.0), Rate(9, 360 * 86_400.0)], "5/month; 9/year"),
        ([Rate(3, 0.5)], "3 per 0.5 seconds"),  # what no text means
        ([], "unlimited"),
    ],
)
def test_limits_in_words(rates: list[Rate], text: str) -> None:
    assert rates_in_words(rates) == text


@settings(deadline=None)
@given(st.lists(st.builds(Rate, st.integers(1, 10**12 - 1), st.integers(1, 10**9 - 1).map(float))))
def test_limits_in_words_are_read_as_what_they_were(rates: list[Rate]) -> None:
    assert parse_rates(rates_in_words(rates)) == tuple(rates)
