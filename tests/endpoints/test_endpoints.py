"""Redeems, the profile and the user: what is sent, what comes back, and each error."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import msgspec
import pytest

from pubrio_async import AsyncPubrio
from pubrio_async._errors import (
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    DecodeError,
    InsufficientCreditsError,
    NotFoundError,
    PermissionDeniedError,
    PubrioError,
    RateLimitedError,
    ResponseError,
    ServerError,
)
from pubrio_async.models import RedeemPeopleReply, RedeemQueryReply
from tests.aiomock import BASE_URL, KEY, Api, mocked_api, on_mocked_api
from tests.endpoints.calls import of_any_type
from tests.endpoints.cases import CASES, JOB, PERSON, SAMPLES, URL, Case, each, sample
from tests.together import together


@pytest.fixture
def api() -> Iterator[Api]:
    with mocked_api() as api:
        yield api


@pytest.fixture
async def pubrio(api: Api) -> AsyncIterator[AsyncPubrio]:
    async with on_mocked_api() as client:
        yield client


# ------------------------------------------------------------------------- requests and replies


@together
@each
async def test_the_request_is_exactly_what_was_asked_for(
    case: Case, api: Api, pubrio: AsyncPubrio
) -> None:
    api.answers(case.method, case.path, sample(case))
    await case.call(pubrio)
    (sent,) = api.sent
    assert (sent.method, sent.url) == (case.method, BASE_URL + case.path)
    assert sent.headers["pubrio-api-key"] == KEY
    assert sent.headers["Accept"] == "application/json"
    assert KEY not in sent.url
    if case.body is None:
        assert sent.body is None
        assert "Content-Type" not in sent.headers
    else:
        assert sent.headers["Content-Type"] == "application/json"
        assert sent.body is not None
        assert json.loads(sent.body) == case.body  # unset fields are absent, not null


@together
@each
async def test_the_sample_comes_back_without_loss(
    case: Case, api: Api, pubrio: AsyncPubrio
) -> None:
    api.answers(case.method, case.path, sample(case))
    reply = await case.call(pubrio)
    if case.kind is not None:
        assert type(reply) is case.kind
    assert json.loads(msgspec.json.encode(reply)) == json.loads(sample(case))["data"]


@together
@each
async def test_unknown_fields_are_no_error(case: Case, api: Api, pubrio: AsyncPubrio) -> None:
    document = json.loads(sample(case))
    for place in _objects(document):
        place["a_field_of_tomorrow"] = {"deep": [1, None]}
    api.answers(case.method, case.path, json.dumps(document))
    reply = await case.call(pubrio)
    assert reply is not None


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _objects(inner)
        yield value
    elif isinstance(value, list):
        for inner in value:
            yield from _objects(inner)


@together
@each
async def test_a_reply_without_envelope_is_understood(
    case: Case, api: Api, pubrio: AsyncPubrio
) -> None:
    data = json.loads(sample(case))["data"]
    api.answers(case.method, case.path, json.dumps(data))
    assert json.loads(msgspec.json.encode(await case.call(pubrio))) == data


def test_what_the_replies_say() -> None:
    people = msgspec.json.decode(
        (SAMPLES / "redeem_people.response.json").read_bytes(),
        type=dict[str, RedeemPeopleReply],
    )["data"]
    assert people.profile is not None
    assert people.profile.charged == 45
    assert people.peoples is not None
    assert people.peoples[0].emails is not None
    assert people.peoples[0].emails[1].type == "email-work"
    query = msgspec.json.decode(
        (SAMPLES / "redeem_people_batch_query.response.json").read_bytes(),
        type=dict[str, RedeemQueryReply],
    )["data"]
    assert query.is_completed
    assert query.profile is not None
    assert query.profile.charged == 465


async def test_an_unfinished_job(api: Api, pubrio: AsyncPubrio) -> None:
    state = {"data": {"query": {"redeem_query_id": JOB, "is_completed": False}}}
    api.answers("POST", "/redeem/people/batch/query", json.dumps(state))
    reply = await pubrio.redeem.query(redeem_query_id=JOB)
    assert (reply.is_completed, reply.peoples, reply.profile) == (False, None, None)


# -------------------------------------------------------------------------------------- errors


STATUSES: dict[int, type[ResponseError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    402: InsufficientCreditsError,
    403: PermissionDeniedError,
    404: NotFoundError,
    418: ResponseError,
    422: BadRequestError,
    429: RateLimitedError,
    500: ServerError,
    503: ServerError,
}


@together
@each
@pytest.mark.parametrize("status", STATUSES)
async def test_each_status_has_its_error(
    case: Case, status: int, api: Api, pubrio: AsyncPubrio
) -> None:
    body = (SAMPLES / f"error_{status if status in {400, 429} else 500}.response.json").read_text()
    api.answers(case.method, case.path, body, status=status, headers={"Retry-After": "120"})
    with pytest.raises(PubrioError) as caught:
        await case.call(pubrio)
    error = caught.value
    assert type(error) is STATUSES[status]
    assert isinstance(error, ResponseError)
    assert error.status == status
    assert f"{case.method} {case.path}" in str(error)
    assert error.body.strip() == body.strip()
    assert error.may_have_charged is (case.paid and status >= 500)
    if status == 400:
        assert error.code == 40_001
        assert error.details == {}
    if isinstance(error, RateLimitedError):
        assert error.retry_after == 120.0
    assert len(api.sent) == 1


@together
@each
async def test_a_success_that_cannot_be_read(case: Case, api: Api, pubrio: AsyncPubrio) -> None:
    api.answers(case.method, case.path, "<html>fine</html>")
    with pytest.raises(DecodeError) as caught:
        await case.call(pubrio)
    assert caught.value.status == 200
    assert caught.value.may_have_charged is case.paid


@together
@pytest.mark.parametrize("name", [name for name in CASES if name != "user.get"])
async def test_a_success_that_is_an_error_in_disguise(
    name: str, api: Api, pubrio: AsyncPubrio
) -> None:
    case = CASES[name]
    api.answers(case.method, case.path, '{"error": "An unexpected error occurred."}')
    with pytest.raises(DecodeError) as caught:
        await case.call(pubrio)
    assert caught.value.may_have_charged is case.paid


@together
@pytest.mark.parametrize("body", ['{"data": null}', '{"data": {}}', '{"data": {"peoples": []}}'])
async def test_a_miss_is_no_error(body: str, api: Api, pubrio: AsyncPubrio) -> None:
    api.answers("POST", "/redeem/people", body)
    reply = await pubrio.redeem.people(people_search_id=PERSON, people_contact_types=["phone"])
    assert not reply.peoples
    assert reply.profile is None


@together
@each
async def test_a_closed_client_sends_nothing(case: Case, api: Api) -> None:
    async with AsyncPubrio(KEY) as pubrio:
        pass
    with pytest.raises(ConfigurationError, match="closed"):
        await case.call(pubrio)
    assert api.sent == []


# ------------------------------------------------------------------------------------ arguments


TYPES: Any = ["email-work"]
BAD_CALLS: dict[str, tuple[Callable[[AsyncPubrio], Awaitable[Any]], str]] = {
    "nobody": (lambda p: p.redeem.people(people_contact_types=TYPES), "exactly one"),
    "twice": (
        lambda p: p.redeem.people(
            people_search_id=PERSON, linkedin_url=URL, people_contact_types=TYPES
        ),
        "exactly one",
    ),
    "blank id": (
        lambda p: p.redeem.people(people_search_id="", people_contact_types=TYPES),
        "people_search_id",
    ),
    "blank url": (
        lambda p: p.redeem.people(linkedin_url=" ", people_contact_types=TYPES),
        "linkedin_url",
    ),
    "no id": (
        lambda p: p.redeem.people(people_search_id=of_any_type(None), people_contact_types=TYPES),
        "people_search_id",
    ),
    "blank job": (lambda p: p.redeem.query(redeem_query_id=""), "redeem_query_id"),
    "no people": (
        lambda p: p.redeem.batch(peoples=[], people_contact_types=TYPES),
        "needs peoples",
    ),
    "None for people": (
        lambda p: p.redeem.batch(peoples=of_any_type(None), people_contact_types=TYPES),
        "needs peoples",
    ),
    "a string for people": (
        lambda p: p.redeem.batch(peoples=PERSON, people_contact_types=TYPES),
        "list",
    ),
    "a generator for people": (
        lambda p: p.redeem.batch(
            peoples=of_any_type(person for person in [PERSON]), people_contact_types=TYPES
        ),
        "generator",
    ),
}
BAD_TYPES: dict[str, tuple[Any, str]] = {
    "empty": ([], "empty"),
    "None": (None, "empty"),
    "a string": ("email-work", "list"),
    "unknown": (["email-work", "fax"], "'fax'"),
    "of the wrong case": (["Phone"], "'Phone'"),
    "not even a word": ([3, ["phone"]], "3"),
}


@together
@pytest.mark.parametrize("name", BAD_CALLS)
async def test_wrong_arguments_never_leave(name: str, api: Api, pubrio: AsyncPubrio) -> None:
    call, words = BAD_CALLS[name]
    with pytest.raises(ConfigurationError, match=words) as caught:
        await call(pubrio)
    assert isinstance(caught.value, ValueError)
    assert not caught.value.may_have_charged
    assert api.sent == []
    assert pubrio.statistics().limiter.granted == 0


async def _asking_for(types: Any, method: str, pubrio: AsyncPubrio) -> None:
    if method == "people":
        await pubrio.redeem.people(people_search_id=PERSON, people_contact_types=types)
    elif method == "batch":
        await pubrio.redeem.batch(peoples=[PERSON], people_contact_types=types)
    else:
        pubrio.redeem.many([PERSON], people_contact_types=types)


@together
@pytest.mark.parametrize("name", BAD_TYPES)
@pytest.mark.parametrize("method", ["people", "batch", "many"])
async def test_wrong_contact_types_never_leave(
    name: str, method: str, api: Api, pubrio: AsyncPubrio
) -> None:
    types, words = BAD_TYPES[name]
    with pytest.raises(ConfigurationError, match=words) as caught:
        await _asking_for(types, method, pubrio)
    assert "people_contact_types" in str(caught.value)
    assert api.sent == []
