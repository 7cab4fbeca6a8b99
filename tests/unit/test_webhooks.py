from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pubrio_async import ConfigurationError, DecodeError, webhooks
from pubrio_async.webhooks import (
    WebhookDelivery,
    body_hash,
    decode,
    verify_header,
    verify_signature,
)
from tests.together import together

MONITOR: dict[str, Any] = {
    "monitor_id": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
    "name": "Signals",
    "detection_mode": "signal_first",
    "signal_types": ["jobs", "news"],
    "is_company_enrichment": True,
    "is_people_enrichment": False,
    "a_field_of_tomorrow": 1,
}
PERSON = {"people_name": "Jane Doe", "emails": [{"value": "jane@example.com"}]}
COMPANY = {"domain": "example.com", "people": [PERSON]}
SIGNAL_FIRST = {
    "monitor": MONITOR,
    "triggered_at": "2026-04-05T18:28:05.000Z",
    "signals": [
        {"signal_type": "jobs", "signal": {"title": "Engineer"}, "companies": [COMPANY]},
        {"signal_type": "news", "signal": {"headline": "Grown"}, "companies": []},
    ],
    "pipeline": "my-webhook",
    "source": {"deep": [1, None]},
}
SECRET = "71a2b3c4-d5e6-f789-0abc-def123456789"


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


def refused(body: bytes) -> DecodeError:
    with pytest.raises(DecodeError) as caught:
        decode(body)
    error = caught.value
    assert error.status == 0
    assert not error.may_have_charged
    assert error.__context__ is None  # it could hold the body
    return error


# ------------------------------------------------------------------------------------ deliveries


def test_a_delivery_of_signals() -> None:
    delivery = decode(encoded(SIGNAL_FIRST))
    monitor = delivery.monitor
    assert monitor.monitor_id == MONITOR["monitor_id"]
    assert (monitor.name, monitor.detection_mode) == ("Signals", "signal_first")
    assert monitor.signal_types == ("jobs", "news")
    assert (monitor.is_company_enrichment, monitor.is_people_enrichment) == (True, False)
    assert monitor.payload == MONITOR
    assert delivery.triggered_at == "2026-04-05T18:28:05.000Z"
    job, news = delivery.signals
    assert (job.signal_type, job.signal, job.companies) == (
        "jobs",
        {"title": "Engineer"},
        (COMPANY,),
    )
    assert (news.signal_type, news.companies) == ("news", ())
    assert delivery.companies == ()
    assert delivery.extra == {"pipeline": "my-webhook", "source": {"deep": [1, None]}}
    assert delivery.payload == SIGNAL_FIRST


def test_a_delivery_of_companies() -> None:
    document = {"monitor": {"monitor_id": "m"}, "companies": [COMPANY, {}]}
    delivery = decode(encoded(document))
    assert delivery.companies == (COMPANY, {})
    assert (delivery.signals, delivery.triggered_at, delivery.extra) == ((), None, {})


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bodies_of_any_kind_of_bytes(kind: Any) -> None:
    delivery = decode(kind(encoded(SIGNAL_FIRST)))
    assert delivery.payload == SIGNAL_FIRST


def test_null_is_as_good_as_nothing() -> None:
    document = {
        "monitor": dict.fromkeys(MONITOR) | {"monitor_id": "m"},
        "signals": None,
        "companies": None,
        "triggered_at": None,
    }
    delivery = decode(encoded(document))
    assert (delivery.signals, delivery.companies, delivery.triggered_at) == ((), (), None)
    assert delivery.extra == {}
    assert delivery.monitor.signal_types == ()
    assert delivery.monitor.name is None


def test_keys_of_ones_own_may_be_called_anything() -> None:
    document = {
        "monitor": {
            "monitor_id": "m",
            "name": 5,
            "signal_types": "jobs",
            "is_people_enrichment": 1,
        },
        "companies": "acme",
        "triggered_at": 1_775_413_685,
        "payload": 1,
        "extra": 2,
    }
    delivery = decode(encoded(document))
    assert delivery.companies == ()
    assert delivery.triggered_at is None
    assert delivery.extra == {key: document[key] for key in document if key != "monitor"}
    assert delivery.monitor.signal_types == ()
    assert (delivery.monitor.name, delivery.monitor.is_people_enrichment) == (None, None)
    assert delivery.monitor.payload == document["monitor"]


def test_an_entry_of_an_unknown_form_keeps_what_it_has() -> None:
    entry = {"signal_type": 1, "signal": "text", "companies": [COMPANY, None]}
    (signal,) = decode(encoded({"monitor": {"monitor_id": "m"}, "signals": [entry]})).signals
    assert (signal.signal_type, signal.signal, signal.companies) == (None, {}, ())
    assert signal.payload == entry


def test_no_repr_shows_personal_data() -> None:
    delivery = decode(encoded(SIGNAL_FIRST))
    shown = repr(delivery) + repr(delivery.signals) + repr(delivery.monitor)
    assert "2 signals" in shown
    assert MONITOR["monitor_id"] in shown
    assert "Jane" not in shown
    assert "jane@example.com" not in shown
    assert "my-webhook" not in shown


# -------------------------------------------------------------------------------- what is refused


@together
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "could not be read"),
        (b"{", "could not be read"),
        (b"<html>", "malformed"),
        (b"null", "Expected `object`"),
        (b"[1]", "Expected `object`"),
        (b'"text"', "Expected `object`"),
        (b'{"monitor": "\xff"}', "UTF-8"),
        (b"[" * 100_000, "could not be read"),
        (b'{"a":' * 100_000, "could not be read"),
        (b"{}", "`monitor`"),
        (b'{"monitor": null}', "`monitor`"),
        (b'{"monitor": [{}]}', "`monitor`"),
        (b'{"monitor": {}}', "`monitor_id`"),
        (b'{"monitor": {"monitor_id": 5}}', "`monitor_id`"),
        (b'{"monitor": {"monitor_id": ""}}', "`monitor_id`"),
        (b'{"monitor": {"monitor_id": "m"}, "signals": {}}', "`signals`"),
        (b'{"monitor": {"monitor_id": "m"}, "signals": "x"}', "`signals`"),
        (b'{"monitor": {"monitor_id": "m"}, "signals": [{}, 5]}', "`signals`"),
    ],
)
def test_what_is_no_delivery_is_a_decode_error(body: bytes, words: str) -> None:
    assert words in str(refused(body))


def test_the_message_quotes_nothing_and_the_body_is_there_to_look_at() -> None:
    error = refused(b'{"monitor": 5, "mail": "jane@example.com"}')
    assert "jane@example.com" not in str(error)
    assert "jane@example.com" in error.body


def test_the_size_is_bounded() -> None:
    body = encoded(SIGNAL_FIRST)
    assert decode(body, max_bytes=len(body)).payload == SIGNAL_FIRST
    with pytest.raises(DecodeError, match=f"{len(body)} bytes.*max_bytes") as caught:
        decode(body, max_bytes=len(body) - 1)
    assert caught.value.body == ""
    with pytest.raises(DecodeError, match="10485761 bytes"):
        decode(b" " * (webhooks.MAX_BYTES + 1))


@pytest.mark.parametrize("bound", [0, -1])
def test_a_bound_that_lets_nothing_in_is_a_mistake(bound: int) -> None:
    with pytest.raises(ConfigurationError, match="max_bytes"):
        decode(b"{}", max_bytes=bound)


# ---------------------------------------------------------------------------------------- fuzzing

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
MAYBE_ENTRIES = st.lists(
    JSON
    | st.fixed_dictionaries({}, optional={"signal_type": JSON, "signal": JSON, "companies": JSON})
)
OPTIONAL = {name: JSON for name in MONITOR if name != "monitor_id"}
MAYBE_MONITOR = (
    JSON
    | st.fixed_dictionaries({"monitor_id": JSON}, optional=OPTIONAL)
    | st.fixed_dictionaries({"monitor_id": st.text(min_size=1)}, optional=OPTIONAL)
)
MAYBE_DELIVERY = st.fixed_dictionaries(
    {"monitor": MAYBE_MONITOR},
    optional={
        "signals": MAYBE_ENTRIES | JSON,
        "companies": st.lists(st.dictionaries(st.text(), JSON)) | JSON,
        "triggered_at": JSON,
        "x": JSON,
    },
)


def fate(body: bytes) -> WebhookDelivery | None:
    """The delivery; None for a DecodeError. Anything else gets out."""
    try:
        return decode(body)
    except DecodeError:
        return None


@given(st.binary())
def test_bytes_of_any_kind_never_raise_anything_else(body: bytes) -> None:
    fate(body)


@given(JSON)
def test_json_of_any_kind_never_raises_anything_else(document: Any) -> None:
    fate(encoded(document))


@given(MAYBE_DELIVERY)
def test_nothing_of_a_delivery_is_lost(document: dict[str, Any]) -> None:
    body = encoded(document)
    delivery = fate(body)
    monitor = document["monitor"]
    known = isinstance(monitor, dict) and isinstance(monitor.get("monitor_id"), str)
    if delivery is None:
        signals = document.get("signals", [])
        assert (
            not known
            or not monitor["monitor_id"]
            or not isinstance(signals, list | None)
            or not all(isinstance(entry, dict) for entry in signals or ())
            or _beyond_msgspec(body)
        )
        return
    assert known
    assert delivery.payload == msgspec.json.decode(body)
    assert len(delivery.signals) == len(document.get("signals") or ())
    named = document.keys() - delivery.extra.keys()
    assert named <= {"monitor", "signals", "companies", "triggered_at"}
    assert "x" not in document or "x" in delivery.extra
    if "companies" in named:
        assert len(delivery.companies) == len(document["companies"] or ())


def _beyond_msgspec(body: bytes) -> bool:
    """`Infinity` and the like: JSON to Python alone."""
    try:
        msgspec.json.decode(body)
    except ValueError:
        return True
    return False


@given(st.text(), st.text())
def test_comparing_any_texts(received: str, expected: str) -> None:
    if expected.strip():
        assert verify_signature(received, expected) is (received == expected)


# ---------------------------------------------------------------------------------------- secrets


def test_signatures() -> None:
    assert verify_signature(SECRET, SECRET)
    assert not verify_signature(SECRET[:-1], SECRET)
    assert not verify_signature(SECRET.upper(), SECRET)
    assert not verify_signature("", SECRET)
    assert not verify_signature(None, SECRET)
    assert not verify_signature("7••••••••••••••••789", SECRET)
    assert not verify_signature("\udcff", SECRET)  # odd bytes, as servers hand them on


@pytest.mark.parametrize("blank", ["", "  "])
def test_a_blank_secret_lets_nobody_in(blank: str) -> None:
    with pytest.raises(ConfigurationError, match="blank"):
        verify_signature(blank, blank)
    with pytest.raises(ConfigurationError, match="blank"):
        verify_header({"X-Secret": blank}, "X-Secret", blank)


@together
@pytest.mark.parametrize(
    "headers",
    [
        {"X-Custom-Auth": SECRET},
        {"x-custom-auth": SECRET, "Other": "x"},
        [("X-CUSTOM-AUTH", SECRET)],
        [(b"host", b"example.com"), (b"x-custom-auth", SECRET.encode())],
    ],
)
def test_the_case_of_a_header_does_not_matter(headers: Any) -> None:
    assert verify_header(headers, "X-Custom-Auth", SECRET)
    assert verify_header(headers, "x-custom-auth", SECRET)
    assert not verify_header(headers, "x-custom-auth", SECRET + "x")
    assert not verify_header(headers, "x-other-auth", SECRET)


def test_a_header_must_be_there_once() -> None:
    assert not verify_header({}, "X-Custom-Auth", SECRET)
    twice = [("X-Custom-Auth", SECRET), ("x-custom-auth", SECRET)]
    assert not verify_header(twice, "X-Custom-Auth", SECRET)


def test_secrets_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []
    real = hmac.compare_digest

    def watched(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    assert not verify_signature("guess", SECRET)
    assert not verify_header({"X-A": "guess"}, "x-a", SECRET)
    assert compared == [(b"guess", SECRET.encode())] * 2


def test_repeats_have_the_same_hash() -> None:
    body = encoded(SIGNAL_FIRST)
    assert body_hash(body) == body_hash(bytearray(body)) == hashlib.sha256(body).hexdigest()
    assert body_hash(body) != body_hash(body + b" ")
