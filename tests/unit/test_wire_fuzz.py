"""Whatever comes is read, or is an error that is ours."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from pubrio_async._errors import ConfigurationError, DecodeError, ResponseError
from pubrio_async._wire import data_decoder, encode_body
from pubrio_async.models import Profile, ProfileUsage, RedeemPeopleReply
from tests.unit.replies import JOB_ID, anything, job, meaning, people, query

KEYS = [
    *("data", "query", "profile", "peoples", "emails", "phones", "value", "type", "status"),
    *("redeem_query_id", "is_completed", "estimated_time", "estimated_time_type"),
    *("people_search_id", "credit", "total_charged_credit", "code", "message", "error", "details"),
]
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from([JOB_ID, "Verified", "second", "2023-01-01"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS) | st.text(max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
bodies = (
    json_values.map(lambda value: json.dumps(value).encode())
    | json_values.map(lambda value: json.dumps({"data": value}).encode())
    | st.binary(max_size=60)
    | st.sampled_from(
        [
            b'"\\ud800"',
            b'{"data": "\\ud800x"}',
            b'{"data": "\xff"}',
            b'{"data": ' + b"9" * 6_000 + b"}",
            b'{"data": 1e999}',
            b'{"data": -1e-999}',
            b'{"data": ' + b"[" * 20_000,
            b'{"data": ' + b'{"query":' * 20_000,
            b'{"code": ' + b"9" * 6_000 + b"}",
            b'{"data": {"redeem_query_id": "x", "estimated_time": 1e400}}',
            b'{"data": {"redeem_query_id": "\xff"}}',
            b"\xef\xbb\xbf{}",
            b"NaN",
        ]
    )
)
decoders: Any = st.sampled_from(
    [
        anything,
        people,
        job,
        query,
        data_decoder(RedeemPeopleReply | None),
        data_decoder(ProfileUsage),
        data_decoder(Profile),
        data_decoder(list[Any]),
    ]
)


@settings(deadline=None)
@given(bodies, decoders)
def test_whatever_comes_is_read_or_a_decode_error(body: bytes, decode: Any) -> None:
    error: DecodeError | None = None
    try:
        decode(body)
    except DecodeError as raised:
        error = raised
    assert error is None or len(error.body) <= 2_000


@settings(deadline=None)
@given(
    st.integers(100, 700),
    bodies,
    decoders,
    st.booleans(),
    st.dictionaries(st.sampled_from(["Retry-After", "X"]), st.text(max_size=20)),
)
def test_whatever_comes_is_a_value_or_a_response_error(
    status: int, body: bytes, decode: Any, paid: bool, headers: dict[str, str]
) -> None:
    error: ResponseError | None = None
    try:
        meaning(status, body, decode, paid=paid, headers=headers)
    except ResponseError as raised:
        error = raised
    if error is None:
        assert 200 <= status < 300
        return
    assert error.status == status
    assert str(error).isprintable()
    assert len(str(error)) < 1_000
    assert paid or not error.may_have_charged


# Halves of characters too, which JSON cannot hold.
texts = st.text() | st.text(st.characters(exclude_categories=()))


@settings(deadline=None)
@given(
    st.dictionaries(texts, st.none() | st.booleans() | st.integers() | texts | st.lists(texts)),
)
def test_bodies_are_json_or_an_error_of_the_caller(fields: dict[str, Any]) -> None:
    try:
        body = encode_body(fields)
    except ConfigurationError:
        return
    assert msgspec.json.decode(body) == fields
