from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from pubrio_async._errors import (
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    DecodeError,
    InsufficientCreditsError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    ResponseError,
    ServerError,
)
from pubrio_async._wire import (
    WireReply,
    WireRequest,
    data_decoder,
    encode_body,
    interpret,
    job_decoder,
    parse_retry_after,
    query_decoder,
)
from pubrio_async.models import (
    Profile,
    ProfileUsage,
    RedeemJob,
    RedeemPeopleReply,
    RedeemQueryReply,
)
from tests.together import together

SAMPLES = Path(__file__).parent.parent / "samples"
WALL = 1_700_000_000.0
JOB_ID = "a046c1da-b3d4-4ca1-aca6-1dd8c8055701"

anything: Any = data_decoder(Any)
people = data_decoder(RedeemPeopleReply)
job = job_decoder()
query = query_decoder()


def sample(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


def dumps(document: object) -> bytes:
    return json.dumps(document).encode()


def meaning(
    status: int,
    body: bytes = b"",
    decode: Any = anything,
    *,
    paid: bool = False,
    headers: dict[str, str] | None = None,
) -> Any:
    return interpret(
        WireReply(status, headers or {}, body),
        decode,
        method_path="POST /redeem/people/batch",
        paid=paid,
        wall=WALL,
    )


def refusal(
    status: int, body: bytes = b"", *, paid: bool = False, headers: dict[str, str] | None = None
) -> ResponseError:
    with pytest.raises(ResponseError) as caught:
        meaning(status, body, paid=paid, headers=headers)
    assert caught.value.status == status
    return caught.value


# ----------------------------------------------------------------------------------- requests


def test_a_body_holds_what_was_set_and_nothing_else() -> None:
    body = encode_body({"peoples": ["a", "b"], "profile_id": UNSET, "page": None})
    assert json.loads(body) == {"peoples": ["a", "b"], "page": None}


def test_a_body_without_fields_is_an_empty_object() -> None:
    assert encode_body({}) == b"{}"
    assert encode_body({"profile_id": UNSET}) == b"{}"


def test_what_cannot_be_written_is_an_error_of_the_caller_that_quotes_nothing() -> None:
    endless: list[object] = []
    endless.append(endless)
    for value in (object(), "me@example.com\ud800", endless, {"deep": {1, object()}}):
        with pytest.raises(ConfigurationError, match="Nothing was sent") as caught:
            encode_body({"email": value})
        assert "me@example.com" not in repr(caught.value)


def test_requests_and_replies_do_not_show_their_bodies() -> None:
    request = WireRequest("POST", "/x", b'{"email":"me@example.com"}', True)
    reply = WireReply(200, {}, b'{"email":"me@example.com"}')
    assert repr(request) == "<WireRequest POST /x, 26 bytes>"
    assert repr(WireRequest("GET", "/x", None, False)) == "<WireRequest GET /x, 0 bytes>"
    assert repr(reply) == "<WireReply 200, 26 bytes>"


# -------------------------------------------------------------------------- documented replies


def test_the_sample_of_redeem_people() -> None:
    reply = meaning(200, sample("redeem_people.response.json"), people)
    assert reply.profile.charged == 45
    (person,) = reply.peoples
    assert person.people_search_id == "e37ccf38-ea8f-422e-9874-cb23b15e8fe4"
    assert [email.value for email in person.emails] == ["example@gmail.com", "example@pubrio.com"]
    assert [email.status for email in person.emails] == [None, "Verified"]
    assert person.phones[0].type == "phone"


def test_the_sample_of_redeem_batch() -> None:
    assert meaning(200, sample("redeem_people_batch.response.json"), job) == RedeemJob(
        redeem_query_id=JOB_ID, estimated_time=6, estimated_time_type="second"
    )


def test_the_sample_of_redeem_query() -> None:
    reply = meaning(200, sample("redeem_people_batch_query.response.json"), query)
    assert reply.is_completed
    assert reply.query.redeem_query_id == JOB_ID
    assert reply.profile.charged == 465
    assert len(reply.peoples) == 1


def test_samples_of_other_shapes() -> None:
    usage = meaning(200, sample("profile_usage.response.json"), data_decoder(ProfileUsage))
    assert isinstance(usage, ProfileUsage)
    profile = meaning(200, sample("profile.response.json"), data_decoder(Profile))
    assert isinstance(profile, Profile)
    logs = meaning(200, sample("api_keys_logs.response.json"))
    assert logs == json.loads(sample("api_keys_logs.response.json"))["data"]
    types = meaning(200, sample("channels_types_templates.response.PARTIAL.json"))
    assert isinstance(types, list)


# ------------------------------------------------------------------------------- the envelope


def test_data_may_be_null_where_the_type_allows_it() -> None:
    assert anything(b'{"data": null}') is None
    optional: Any = data_decoder(RedeemPeopleReply | None)
    assert optional(b'{"data": null}') is None
    with pytest.raises(DecodeError, match="null"):
        people(b'{"data": null}')


def test_without_data_the_whole_body_is_taken() -> None:
    assert anything(b'{"a": 1}') == {"a": 1}
    assert anything(b"[1, 2]") == [1, 2]
    assert anything(b"{}") == {}
    assert data_decoder(list[int])(b"[1, 2]") == [1, 2]
    assert data_decoder(dict[str, int])(b'{"a": 1}') == {"a": 1}
    assert people(b'{"peoples": []}') == RedeemPeopleReply(peoples=())


@pytest.mark.parametrize("body", [b"{}", b'{"error": "no"}', b'{"code": 1, "message": "no"}'])
def test_an_object_without_any_documented_field_is_no_empty_reply(body: bytes) -> None:
    with pytest.raises(DecodeError, match="neither `data` nor a documented field"):
        people(body)


def test_data_of_the_wrong_shape_is_not_taken_for_something_else() -> None:
    with pytest.raises(DecodeError, match=r"\$\.data\.peoples"):
        people(b'{"data": {"peoples": 5}, "peoples": []}')
    with pytest.raises(DecodeError):
        people(b'[{"peoples": []}]')


def test_unknown_fields_are_ignored_and_known_ones_may_be_missing() -> None:
    assert people(b'{"data": {"new": {"a": [1]}}, "metadata": 5}') == RedeemPeopleReply()


@together
@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_2xx_is_a_success(status: int) -> None:
    assert meaning(status, b'{"data": 5}') == 5


def test_no_content_is_null() -> None:
    assert meaning(204) is None
    with pytest.raises(DecodeError):
        meaning(204, b"", people)
    with pytest.raises(DecodeError):
        meaning(200, b"")


# -------------------------------------------------------------------------------- batch jobs


@together
@pytest.mark.parametrize(
    "wrap",
    [
        lambda fields: {"data": fields},
        lambda fields: {"data": {"query": fields}},
        lambda fields: {"data": {"query": fields, "redeem_query_id": 5}},
        lambda fields: fields,
        lambda fields: {"query": fields},
    ],
)
def test_a_job_is_found_wherever_it_stands(wrap: Any) -> None:
    fields = {"redeem_query_id": JOB_ID, "is_completed": True, "estimated_time": 2.5}
    expected = RedeemJob(redeem_query_id=JOB_ID, is_completed=True, estimated_time=2.5)
    assert job(dumps(wrap(fields))) == expected
    assert query(dumps(wrap(fields))) == RedeemQueryReply(query=expected)


@together
@pytest.mark.parametrize(
    "odd",
    [
        {"is_completed": None},
        {"is_completed": "no"},
        {"is_completed": 0, "estimated_time": "6", "estimated_time_type": 1},
        {"estimated_time": True},
        {"estimated_time": {"seconds": 6}, "estimated_time_type": None},
    ],
)
def test_the_id_of_a_paid_job_survives_odd_neighbours(odd: dict[str, Any]) -> None:
    body = dumps({"data": {"redeem_query_id": JOB_ID, **odd}})
    assert job(body) == RedeemJob(redeem_query_id=JOB_ID)
    assert query(body).query == RedeemJob(redeem_query_id=JOB_ID)


@together
@pytest.mark.parametrize(
    "body",
    [
        b'{"data": {}}',
        b'{"data": null}',
        b'{"data": []}',
        b'{"data": {"redeem_query_id": null}}',
        b'{"data": {"redeem_query_id": ""}}',
        b'{"data": {"redeem_query_id": 5, "is_completed": true}}',
        b'{"data": {"query": "x"}}',
        b"{}",
        b"[]",
        b"",
        b"<html>",
    ],
)
def test_a_submit_without_an_id_cannot_be_read(body: bytes) -> None:
    with pytest.raises(DecodeError):
        job(body)


def test_an_unfinished_poll_may_lack_everything_but_its_state() -> None:
    assert query(b'{"data": {"query": {"is_completed": false}}}') == RedeemQueryReply(
        query=RedeemJob(redeem_query_id="")
    )
    body = {"data": {"query": {"redeem_query_id": JOB_ID}, "profile": None, "peoples": None}}
    assert query(dumps(body)) == RedeemQueryReply(query=RedeemJob(redeem_query_id=JOB_ID))


@together
@pytest.mark.parametrize("body", [b"{}", b'{"data": {}}', b'{"data": null}', b"null", b'"x"'])
def test_a_poll_without_a_state_cannot_be_read(body: bytes) -> None:
    with pytest.raises(DecodeError):
        query(body)


def test_a_flat_finished_poll_keeps_cost_and_people() -> None:
    document = json.loads(sample("redeem_people_batch_query.response.json"))["data"]
    flat = {**document.pop("query"), **document}
    nested = query(sample("redeem_people_batch_query.response.json"))
    assert query(dumps({"data": flat})) == nested
    assert query(dumps(flat)) == nested


def test_an_odd_cost_does_not_lose_the_people() -> None:
    document = json.loads(sample("redeem_people_batch_query.response.json"))
    document["data"]["profile"]["total_charged_credit"] = "465"
    assert query(dumps(document)).profile.charged == 465
    document["data"]["profile"] = ["?"]
    reply = query(dumps(document))
    assert reply.profile is None
    assert len(reply.peoples) == 1


def test_people_of_the_wrong_shape_cannot_be_read() -> None:
    body = {"data": {"query": {"redeem_query_id": JOB_ID}, "peoples": [{"emails": 5}]}}
    with pytest.raises(DecodeError, match="people"):
        query(dumps(body))


# ---------------------------------------------------------------------------------- refusals


@together
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequestError),
        (401, AuthenticationError),
        (402, InsufficientCreditsError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (422, BadRequestError),
        (429, RateLimitedError),
        (500, ServerError),
        (502, ServerError),
        (503, ServerError),
        (599, ServerError),
        (301, ResponseError),
        (304, ResponseError),
        (405, ResponseError),
        (408, ResponseError),
        (418, ResponseError),
        (101, ResponseError),
    ],
)
def test_each_status_has_its_class(status: int, kind: type[ResponseError]) -> None:
    assert type(refusal(status)) is kind


def test_the_documented_error_bodies() -> None:
    error = refusal(400, sample("error_400.response.json"))
    assert error.code == 40001
    assert error.details == {}
    assert str(error).startswith(
        "POST /redeem/people/batch was refused (400, code 40001): Errors and codes will vary"
    )
    assert error.body == sample("error_400.response.json").decode()
    limited = refusal(429, sample("error_429.response.json"))
    assert "Request rate limit exceeded. Please wait and try again later." in str(limited)
    assert limited.code is None
    assert limited.details is None
    failed = refusal(500, sample("error_500.response.json"))
    assert "An unexpected error occurred on the server." in str(failed)


@together
@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"message": "first", "error": "second"}', "first"),
        (b'{"message": "", "error": "second"}', "second"),
        (b'{"message": {"not": "text"}, "error": "second"}', "second"),
        (b'{"other": 1}', '{"other": 1}'),
        (b"[1]", "[1]"),
        (b"<h1>Bad\r\n  Gateway</h1>", "<h1>Bad Gateway</h1>"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"\x1b[31mred\x00", "\ufffd[31mred\ufffd"),
    ],
)
def test_the_message_is_looked_for_in_order(body: bytes, said: str) -> None:
    assert f"(418): {said}." in str(refusal(418, body))


def test_an_empty_body_leaves_no_empty_quote() -> None:
    assert str(refusal(418)) == "POST /redeem/people/batch was refused (418)."


@together
@pytest.mark.parametrize(
    ("code", "kept"), [(7, 7), ("E7", "E7"), ("", None), (True, None), (1.5, None), ([1], None)]
)
def test_codes_are_numbers_or_words(code: object, kept: object) -> None:
    error = refusal(400, dumps({"code": code, "message": "m", "details": {"field": "x"}}))
    assert error.code == kept
    assert error.details == {"field": "x"}


def test_long_bodies_are_cut() -> None:
    error = refusal(500, b"x" * 1_000_000)
    assert error.body == "x" * 2_000
    assert len(str(error)) < 600
    assert "x" * 199 + "…" in str(error)
    assert "x" * 200 not in str(error)
    wide = refusal(400, dumps({"message": "é" * 5_000}))
    assert len(str(wide)) < 400
    huge = refusal(500, b'{"message": "' + b"y" * 300_000 + b'"}')
    assert "yyy" in str(huge)


@together
@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (400, "correct the request"),
        (401, "PUBRIO_API_KEY"),
        (402, "Top up"),
        (403, "plan"),
        (404, "PUBRIO_BASE_URL"),
        (429, "wait until its window turns"),
        (302, "never followed"),
        (500, "API's side"),
    ],
)
def test_messages_say_what_to_do(status: int, hint: str) -> None:
    message = str(refusal(status, b"said so"))
    assert hint in message
    assert "POST /redeem/people/batch" in message
    assert "said so" in message


@together
@pytest.mark.parametrize("status", [302, 408, 500, 503, 101])
def test_what_may_have_been_carried_out_may_have_cost(status: int) -> None:
    error = refusal(status, paid=True)
    assert error.may_have_charged
    assert "Credits may have been charged" in str(error)
    assert not refusal(status, paid=False).may_have_charged
    assert "Credits" not in str(refusal(status, paid=False))


@together
@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 422, 429])
def test_what_was_refused_cost_nothing(status: int) -> None:
    error = refusal(status, paid=True)
    assert not error.may_have_charged
    assert "may have been charged" not in str(error)


def test_a_success_that_cannot_be_read_may_have_cost() -> None:
    with pytest.raises(DecodeError) as caught:
        meaning(201, b'{"data": {"peoples": 5}}', people, paid=True)
    error = caught.value
    assert (error.status, error.may_have_charged) == (201, True)
    assert error.body == '{"data": {"peoples": 5}}'
    assert str(error).startswith("POST /redeem/people/batch succeeded (201), but its reply could")
    assert "api_keys.logs" in str(error)
    with pytest.raises(DecodeError) as caught:
        meaning(200, b"nonsense", people, paid=False)
    assert not caught.value.may_have_charged
    assert "charged" not in str(caught.value)


def test_no_error_message_of_a_success_quotes_its_body() -> None:
    for body in (b'{"data": {"peoples": "me@example.com"}}', b'"me@example.com\xff"', b"me@"):
        with pytest.raises(DecodeError) as caught:
            meaning(200, body, people)
        error: BaseException | None = caught.value
        while error is not None:
            assert "me@" not in repr(error)
            error = error.__cause__ or error.__context__


def test_errors_survive_a_pickle() -> None:
    error = refusal(429, b"{}", headers={"Retry-After": "7"})
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.status, again.retry_after) == (str(error), 429, 7.0)


# -------------------------------------------------------------------------------- Retry-After


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


# ------------------------------------------------------------------------------------- fuzzing

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


@settings(deadline=None)
@given(
    st.dictionaries(
        st.text(), st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text())
    )
)
def test_bodies_are_json_or_an_error_of_the_caller(fields: dict[str, Any]) -> None:
    try:
        body = encode_body(fields)
    except ConfigurationError:
        return
    assert msgspec.json.decode(body) == fields
