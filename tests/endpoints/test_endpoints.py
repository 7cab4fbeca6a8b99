from __future__ import annotations

import inspect
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Struct

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
from pubrio_async.endpoints import ProfileEndpoints, Redeem, User
from pubrio_async.models import (
    Profile,
    ProfileUsage,
    RedeemJob,
    RedeemPeopleReply,
    RedeemQueryReply,
)
from tests.aiomock import BASE_URL, KEY, Api, mocked_api, on_mocked_api
from tests.together import together

SAMPLES = Path(__file__).parents[1] / "samples"
PERSON = "e37ccf38-ea8f-422e-9874-cb23b15e8fe4"
OTHER = "540574d1-ff74-475b-aea2-f8ae643b806d"
JOB = "a046c1da-b3d4-4ca1-aca6-1dd8c8055701"
URL = "https://www.linkedin.com/in/someone"


@pytest.fixture
def api() -> Iterator[Api]:
    with mocked_api() as api:
        yield api


@pytest.fixture
async def pubrio(api: Api) -> AsyncIterator[AsyncPubrio]:
    async with on_mocked_api() as client:
        yield client


class Case(Struct, frozen=True):
    """One way to call one endpoint."""

    call: Callable[[AsyncPubrio], Awaitable[Any]]
    method: str
    path: str
    body: dict[str, Any] | None
    sample: str | None
    kind: type | None
    paid: bool = False


CASES: dict[str, Case] = {
    "redeem.people by id": Case(
        lambda p: p.redeem.people(people_search_id=PERSON, people_contact_types=["email-work"]),
        "POST",
        "/redeem/people",
        {"people_search_id": PERSON, "people_contact_types": ["email-work"]},
        "redeem_people.response.json",
        RedeemPeopleReply,
        paid=True,
    ),
    "redeem.people by url, with everything": Case(
        lambda p: p.redeem.people(
            linkedin_url=URL,
            people_contact_types=("phone", "email-work", "email-personal"),
            profile_id=7,
        ),
        "POST",
        "/redeem/people",
        {
            "linkedin_url": URL,
            "people_contact_types": ["phone", "email-work", "email-personal"],
            "profile_id": 7,
        },
        "redeem_people.guide.response.json",
        RedeemPeopleReply,
        paid=True,
    ),
    "redeem.batch": Case(
        lambda p: p.redeem.batch(peoples=[PERSON, OTHER], people_contact_types=["phone"]),
        "POST",
        "/redeem/people/batch",
        {"peoples": [PERSON, OTHER], "people_contact_types": ["phone"]},
        "redeem_people_batch.response.json",
        RedeemJob,
        paid=True,
    ),
    "redeem.batch with everything": Case(
        lambda p: p.redeem.batch(peoples=(PERSON,), people_contact_types=["phone"], profile_id=0),
        "POST",
        "/redeem/people/batch",
        {"peoples": [PERSON], "people_contact_types": ["phone"], "profile_id": 0},
        "redeem_people_batch.response.json",
        RedeemJob,
        paid=True,
    ),
    "redeem.query": Case(
        lambda p: p.redeem.query(redeem_query_id=JOB),
        "POST",
        "/redeem/people/batch/query",
        {"redeem_query_id": JOB},
        "redeem_people_batch_query.response.json",
        RedeemQueryReply,
    ),
    "redeem.query with everything": Case(
        lambda p: p.redeem.query(redeem_query_id=JOB, profile_id=7),
        "POST",
        "/redeem/people/batch/query",
        {"redeem_query_id": JOB, "profile_id": 7},
        "redeem_people_batch_query.response.json",
        RedeemQueryReply,
    ),
    "profile.get": Case(
        lambda p: p.profile.get(), "POST", "/profile", {}, "profile.response.json", Profile
    ),
    "profile.get with everything": Case(
        lambda p: p.profile.get(profile_id=7),
        "POST",
        "/profile",
        {"profile_id": 7},
        "profile.response.json",
        Profile,
    ),
    "profile.usage": Case(
        lambda p: p.profile.usage(),
        "POST",
        "/profile/usage",
        {},
        "profile_usage.response.json",
        ProfileUsage,
    ),
    "profile.usage with everything": Case(
        lambda p: p.profile.usage(profile_id=7),
        "POST",
        "/profile/usage",
        {"profile_id": 7},
        "profile_usage.response.json",
        ProfileUsage,
    ),
    "user.get": Case(lambda p: p.user.get(), "GET", "/user", None, None, None),
}
each = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


def sample(case: Case) -> str:
    if case.sample is None:
        return '{"data": {"user_id": "c0ffee", "roles": ["admin"], "manager": null}}'
    return (SAMPLES / case.sample).read_text("utf-8")


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
        lambda p: p.redeem.people(people_search_id=_any(None), people_contact_types=TYPES),
        "people_search_id",
    ),
    "blank job": (lambda p: p.redeem.query(redeem_query_id=""), "redeem_query_id"),
    "no people": (
        lambda p: p.redeem.batch(peoples=[], people_contact_types=TYPES),
        "needs peoples",
    ),
    "None for people": (
        lambda p: p.redeem.batch(peoples=_any(None), people_contact_types=TYPES),
        "needs peoples",
    ),
    "a string for people": (
        lambda p: p.redeem.batch(peoples=PERSON, people_contact_types=TYPES),
        "list",
    ),
    "a generator for people": (
        lambda p: p.redeem.batch(
            peoples=_any(person for person in [PERSON]), people_contact_types=TYPES
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


def _any(value: Any) -> Any:
    return value


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


def test_arguments_are_keyword_only_and_nothing_is_set_unasked() -> None:
    for group in (Redeem, ProfileEndpoints, User):
        for name, method in _methods(group):
            for parameter in list(inspect.signature(method).parameters.values())[1:]:
                assert parameter.kind is inspect.Parameter.KEYWORD_ONLY, name
                assert parameter.default in {inspect.Parameter.empty, msgspec.UNSET}, name


def test_every_method_is_documented() -> None:
    for group in (Redeem, ProfileEndpoints, User):
        assert group.__doc__
        methods = list(_methods(group))
        assert methods
        for _, method in methods:
            text = inspect.getdoc(method) or ""
            assert "Returns:" in text
            assert "Raises:" in text
            assert "PubrioError" in text
            assert "API page:" in text
            assert "Free" in text or "Spends credits" in text
            for parameter in list(inspect.signature(method).parameters)[1:]:
                assert f"    {parameter}: " in text


def _methods(group: type) -> Iterator[tuple[str, Callable[..., Any]]]:
    for name, method in inspect.getmembers(group, inspect.isfunction):
        if not name.startswith("_"):
            yield name, method
