"""Settings: where they come from, which are refused, and a key that shows itself to nobody."""

from __future__ import annotations

import copy
import pickle
import traceback
from typing import Any

import msgspec
import pytest

from pubrio_async._config import (
    Rate,
    Secret,
    Settings,
    is_loopback,
    load_settings,
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


@together
@pytest.mark.parametrize(
    ("text", "asked"),
    [("account", True), ("5/second; ACCOUNT", True), ("free", False), ("unlimited", False)],
)
def test_the_account_is_asked_if_it_is_named(text: str, asked: bool) -> None:
    assert load(rate_limit=text).account is asked
    assert load(environ={"PUBRIO_RATE_LIMIT": text}).account is asked
    assert load(rate_limit="300/minute", environ={"PUBRIO_RATE_LIMIT": text}).account is False


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
