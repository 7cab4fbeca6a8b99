"""What a refusal is raised as, what it says, and whether it may have cost."""

from __future__ import annotations

import pickle

import pytest

from pubrio_async._errors import (
    AuthenticationError,
    BadRequestError,
    DecodeError,
    InsufficientCreditsError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    ResponseError,
    ServerError,
)
from tests.together import together
from tests.unit.replies import dumps, meaning, people, refusal, sample


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
    assert str(refusal(418)) == "POST /redeem/people/batch was refused (418). Nothing was charged."


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
    assert str(refusal(status, paid=False)).endswith("The call spends no credits.")


@together
@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 422, 429])
def test_what_was_refused_cost_nothing(status: int) -> None:
    error = refusal(status, paid=True)
    assert not error.may_have_charged
    assert "may have been charged" not in str(error)
    assert "Nothing was charged" in str(error)


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
