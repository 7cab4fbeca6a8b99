from __future__ import annotations

import copy
import pickle
import traceback
from typing import Any

import limits
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pubrio_async._config import (
    Rate,
    Secret,
    Settings,
    is_loopback,
    load_settings,
    parse_rates,
    rates_in_words,
)
from pubrio_async._errors import ConfigurationError, PubrioError
from tests.together import together

KEY = "pk_live_0123456789abcdef"


def load(**arguments: Any) -> Settings:
    environ = arguments.pop("environ", {})
    return load_settings(arguments.pop("api_key", KEY), environ=environ, **arguments)


# ------------------------------------------------------------------------------- where from


def test_defaults() -> None:
    settings = load()
    assert settings.api_key.reveal() == KEY
    assert settings.base_url == "https://api.pubrio.com"
    assert settings.rates == (Rate(300, 60.0),)
    assert settings.max_concurrency == 32
    assert settings.timeout == 30.0


def test_the_environment_comes_before_the_defaults() -> None:
    environ = {
        "PUBRIO_API_KEY": "from-environ",
        "PUBRIO_BASE_URL": "https://eu.example.com/v2/",
        "PUBRIO_RATE_LIMIT": "5/second",
    }
    settings = load_settings(environ=environ)
    assert settings.api_key.reveal() == "from-environ"
    assert settings.base_url == "https://eu.example.com/v2"
    assert settings.rates == (Rate(5, 1.0),)


def test_arguments_come_before_the_environment() -> None:
    environ = {
        "PUBRIO_API_KEY": "from-environ",
        "PUBRIO_BASE_URL": "not a url",
        "PUBRIO_RATE_LIMIT": "nonsense",
    }
    settings = load_settings(KEY, "https://a.example", "unlimited", environ)
    assert settings.api_key.reveal() == KEY
    assert settings.base_url == "https://a.example"
    assert settings.rates == ()


def test_the_environment_of_the_process_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBRIO_API_KEY", "from-process")
    assert load_settings().api_key.reveal() == "from-process"


@pytest.mark.parametrize("environ", [{}, {"PUBRIO_API_KEY": ""}])
def test_a_missing_key_names_the_variable(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="PUBRIO_API_KEY"):
        load_settings(environ=environ)


def test_variables_set_to_nothing_count_as_not_set() -> None:
    settings = load(environ={"PUBRIO_BASE_URL": "  ", "PUBRIO_RATE_LIMIT": ""})
    assert settings == load()


def test_a_configuration_error_is_a_value_error_and_ours() -> None:
    with pytest.raises(ValueError, match="blank") as caught:
        load(api_key=" ")
    assert isinstance(caught.value, PubrioError)


# ----------------------------------------------------------------------------------- the key


def test_the_key_may_be_given_as_a_secret_and_loses_a_trailing_newline() -> None:
    assert load(api_key=Secret(KEY)).api_key == Secret(KEY)
    assert load(api_key=KEY + "\n").api_key.reveal() == KEY


@together
@pytest.mark.parametrize(
    "key",
    ["", "   ", "\n", "with blank", "tab\tbed", "line\r\nbreak", "nul\0", "schlüssel", "\u200bx"],
)
def test_bad_keys_are_refused_without_being_shown(key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(api_key=key)
    report = "".join(traceback.format_exception(caught.value))
    assert not key.strip() or key not in report


@pytest.mark.parametrize("key", [b"bytes", 12345, ["list"]])
def test_a_key_that_is_no_string_is_refused_without_being_shown(key: object) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(api_key=key)
    assert str(key) not in str(caught.value)


def test_a_secret_shows_itself_only_when_asked() -> None:
    secret = Secret(KEY)
    settings = load()
    for shown in (
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!r:>40}",
        f"{secret:>40}",
        "%s" % secret,  # noqa: UP031 - this way of formatting too
        repr(settings),
        repr({"key": secret}),
    ):
        assert KEY not in shown
    assert secret.reveal() == KEY
    assert not hasattr(secret, "__dict__")


def test_a_secret_is_not_pickled() -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(Secret(KEY), protocol)
        with pytest.raises((TypeError, pickle.PicklingError)):
            pickle.dumps(load(), protocol)


def test_a_secret_is_not_written_as_json() -> None:
    with pytest.raises(TypeError):
        msgspec.json.encode(load())


def test_a_secret_is_a_value() -> None:
    assert Secret(KEY) == Secret(KEY)
    assert Secret(KEY) != Secret("other")
    assert Secret(KEY) != KEY
    assert hash(Secret(KEY)) == hash(Secret(KEY))
    assert Secret("ä") != Secret("a")
    assert copy.deepcopy(load()) == load()
    assert copy.copy(Secret(KEY)) == Secret(KEY)


def test_settings_are_frozen() -> None:
    with pytest.raises(AttributeError):
        load().timeout = 1.0  # type: ignore[misc]


# ------------------------------------------------------------------------------- the base URL


@together
@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://api.pubrio.com", "https://api.pubrio.com"),
        ("https://api.pubrio.com/", "https://api.pubrio.com"),
        (" https://api.pubrio.com///\n", "https://api.pubrio.com"),
        ("HTTPS://API.Pubrio.COM/Prefix/", "https://api.pubrio.com/Prefix"),
        ("https://api.pubrio.com:8443/a/b", "https://api.pubrio.com:8443/a/b"),
        ("https://10.0.0.1", "https://10.0.0.1"),
        ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
        ("https://bücher.example", "https://bücher.example"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://LOCALHOST", "http://localhost"),
        ("http://127.0.0.1:1", "http://127.0.0.1:1"),
        ("http://127.255.3.4", "http://127.255.3.4"),
        ("http://[::1]:8080/x", "http://[::1]:8080/x"),
    ],
)
def test_base_urls_that_are_fine(given: str, kept: str) -> None:
    assert load(base_url=given).base_url == kept


@together
@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.pubrio.com",
        "https://",
        "https:///path",
        "https:api.pubrio.com",
        "ftp://api.pubrio.com",
        "http://api.pubrio.com",
        "http://10.0.0.1",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "http://0.0.0.0",
        "https://api.pubrio.com:99999",
        "https://api.pubrio.com:0",
        "https://api.pubrio.com:port",
        "https://api pubrio.com",
        "https://api.pub\nrio.com",
        "https://api..pubrio.com",
        f"https://{'a' * 64}.com",
        "https://exa<mple.com",
        "https://[::1",
        "https://[fe80::1%25eth0]",
        "https://api.pubrio.com/a/../b",
        "https://api.pubrio.com/a b",
        "https://api.pubrio.com/ä",
        "https://api.pubrio.com\\@evil.example",
        "https://api.pubrio.com?",
        "https://api.pubrio.com#",
    ],
)
def test_base_urls_that_are_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="base_url"):
        load(base_url=url)
    if url:  # else it is not set
        with pytest.raises(ConfigurationError, match="PUBRIO_BASE_URL"):
            load(environ={"PUBRIO_BASE_URL": url})


@together
@pytest.mark.parametrize(
    "url",
    [
        "https://user:hunter2@api.pubrio.com",
        "https://hunter2@api.pubrio.com",
        "https://api.pubrio.com?key=hunter2",
        "https://api.pubrio.com/#hunter2",
        "http://user:hunter2@api.pubrio.com",
        "https://user:hunter2@",
    ],
)
def test_what_may_be_a_password_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(base_url=url)
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_a_base_url_that_is_no_string() -> None:
    with pytest.raises(ConfigurationError, match="base_url must be a string, not int"):
        load(base_url=5)


def test_loopback() -> None:
    assert is_loopback("localhost")
    assert is_loopback("127.0.0.1")
    assert not is_loopback("example.com")


# -------------------------------------------------------------------------------- rate limits


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


@together
@pytest.mark.parametrize(
    ("text", "asked"),
    [("account", True), ("5/second; ACCOUNT", True), ("free", False), ("unlimited", False)],
)
def test_the_account_is_asked_if_it_is_named(text: str, asked: bool) -> None:
    assert load(rate_limit=text).account is asked
    assert load(environ={"PUBRIO_RATE_LIMIT": text}).account is asked
    assert load(rate_limit="300/minute", environ={"PUBRIO_RATE_LIMIT": text}).account is False


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


# ------------------------------------------------------------------------------------ numbers


@together
@pytest.mark.parametrize("value", [0, -1, 1.5, "8", True, None])
def test_concurrency_is_a_whole_number_of_at_least_one(value: object) -> None:
    with pytest.raises(ConfigurationError, match="max_concurrency"):
        load(max_concurrency=value)


@together
@pytest.mark.parametrize("value", [0, -1.0, float("nan"), float("inf"), "30", True, None])
def test_the_timeout_is_a_finite_number_above_zero(value: object) -> None:
    with pytest.raises(ConfigurationError, match="timeout"):
        load(timeout=value)


def test_numbers_that_are_fine() -> None:
    settings = load(max_concurrency=1, timeout=5)
    assert settings.max_concurrency == 1
    assert settings.timeout == 5.0
    assert isinstance(settings.timeout, float)
