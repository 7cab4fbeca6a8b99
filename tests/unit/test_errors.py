from __future__ import annotations

import copy
import inspect
import logging
import pickle
from typing import Any

import pytest

import pubrio_async
from pubrio_async import AsyncPubrio, _errors
from pubrio_async._errors import (
    AuthenticationError,
    BadRequestError,
    BudgetExhaustedError,
    ConfigurationError,
    DecodeError,
    InsufficientCreditsError,
    JobError,
    JournalError,
    NotFoundError,
    NotSentError,
    PermissionDeniedError,
    PubrioError,
    RateLimitedError,
    ResponseError,
    ResponseLostError,
    ServerError,
    TransportError,
)
from pubrio_async._phase import Phase
from pubrio_async._wire import WireReply, WireRequest
from tests.together import together

KEY = "pk_live_0123456789abcdef"

PARENTS: dict[type[PubrioError], tuple[type[Exception], ...]] = {
    PubrioError: (Exception,),
    ConfigurationError: (PubrioError, ValueError),
    TransportError: (PubrioError,),
    NotSentError: (TransportError,),
    ResponseLostError: (TransportError,),
    ResponseError: (PubrioError,),
    BadRequestError: (ResponseError,),
    AuthenticationError: (ResponseError,),
    InsufficientCreditsError: (ResponseError,),
    PermissionDeniedError: (ResponseError,),
    NotFoundError: (ResponseError,),
    RateLimitedError: (ResponseError,),
    ServerError: (ResponseError,),
    DecodeError: (ResponseError,),
    JobError: (PubrioError,),
    BudgetExhaustedError: (PubrioError,),
    JournalError: (PubrioError,),
}

ANSWER: dict[str, Any] = {
    "status": 418,
    "body": "short and stout",
    "code": 40_001,
    "details": {"field": ["people_search_id"]},
    "may_have_charged": True,
}

MADE: list[PubrioError] = [
    *(
        kind("no", may_have_charged=True)
        for kind in (PubrioError, ConfigurationError, TransportError, NotSentError)
    ),
    BudgetExhaustedError("no"),
    JournalError("no"),
    ResponseLostError("no", status=200, may_have_charged=True),
    *(
        kind("no", **ANSWER)
        for kind in PARENTS
        if issubclass(kind, ResponseError) and kind is not RateLimitedError
    ),
    RateLimitedError("no", **{**ANSWER, "status": 429}, retry_after=2.5),
    JobError("no", redeem_query_id="a046c1da-b3d4-4ca1-aca6-1dd8c8055701"),
    _errors.at_endpoint("redeem.batch", NotSentError("no")),
]


def test_the_tree_is_the_one_scripts_rely_on() -> None:
    defined = {kind for _, kind in inspect.getmembers(_errors, inspect.isclass) if _is_own(kind)}
    assert defined == set(PARENTS)
    assert {kind: kind.__bases__ for kind in defined} == PARENTS


def _is_own(kind: type) -> bool:
    return issubclass(kind, Exception) and kind.__module__ == _errors.__name__


def test_the_docstring_draws_every_class_below_its_parent() -> None:
    drawing = inspect.getdoc(_errors) or ""
    parents: list[tuple[int, str]] = []
    for line in drawing.splitlines():
        name = line.strip("│├└─ ").split(" ")[0]
        if name not in {kind.__name__ for kind in PARENTS}:
            continue
        depth = line.index(name)
        parents = [(at, above) for at, above in parents if at < depth]
        kind: type[PubrioError] = getattr(_errors, name)
        expected = parents[-1][1] if parents else "Exception"
        assert kind.__bases__[0].__name__ == expected
        parents.append((depth, name))
        assert name in drawing
    assert all(kind.__name__ in drawing for kind in PARENTS)


def test_every_error_has_a_docstring_and_is_public() -> None:
    for kind in PARENTS:
        assert kind.__doc__
        assert getattr(pubrio_async, kind.__name__) is kind
        assert kind.__name__ in pubrio_async.__all__


def test_every_class_is_tried_below() -> None:
    assert {type(error) for error in MADE} == set(PARENTS)


@together
@pytest.mark.parametrize("error", MADE, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(
    "again",
    [
        copy.copy,
        copy.deepcopy,
        *(
            lambda e, p=p: pickle.loads(pickle.dumps(e, p))
            for p in range(pickle.HIGHEST_PROTOCOL + 1)
        ),
    ],
)
def test_copies_and_pickles_keep_everything(error: PubrioError, again: Any) -> None:
    twin = again(error)
    assert type(twin) is type(error)
    assert twin is not error
    assert twin.args == error.args == ("no",)
    assert vars(twin) == vars(error)
    assert str(twin) == "no"


def test_a_note_survives_a_pickle() -> None:
    error = NotSentError("no")
    error.add_note("while testing")
    assert pickle.loads(pickle.dumps(error)).__notes__ == ["while testing"]


def test_defaults() -> None:
    assert NotSentError("no").may_have_charged is False
    assert PubrioError("no").endpoint is None
    assert ResponseLostError("no").status is None
    bad = BadRequestError("no", status=422)
    assert (bad.body, bad.code, bad.details, bad.may_have_charged) == ("", None, None, False)
    limited = RateLimitedError("no")
    assert (limited.status, limited.retry_after) == (429, None)
    # A job was accepted: it goes on, and is charged, whatever becomes of us.
    assert JobError("no", redeem_query_id="q").may_have_charged is True


class Echo:
    """Answers with what it was sent, headers and all, as a clumsy proxy may."""

    def __init__(self, status: int) -> None:
        self.status = status

    async def send(self, request: WireRequest, *, timeout: float, phase: Phase) -> WireReply:
        phase.sent += 1
        return WireReply(self.status, {}, request.body or b"")

    async def aclose(self) -> None:
        pass


@pytest.mark.parametrize("status", [200, 400, 401, 402, 403, 404, 418, 422, 500])
async def test_no_error_shows_the_key(status: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with AsyncPubrio(KEY, transport=Echo(status)) as pubrio:
        with pytest.raises(PubrioError) as caught:
            await pubrio.redeem.people(
                people_search_id="e37ccf38-ea8f-422e-9874-cb23b15e8fe4",
                people_contact_types=["email-work"],
            )
        shown = [repr(pubrio), repr(vars(pubrio)), repr(pubrio.statistics())]
    assert caught.value.endpoint == "redeem.people"
    error: BaseException | None = caught.value
    while error is not None:
        shown += [str(error), repr(error), repr(vars(error))]
        error = error.__cause__ or error.__context__
    shown.append(caplog.text)
    assert not [text for text in shown if KEY in text]


def test_no_configuration_error_shows_the_key() -> None:
    for arguments in ({"base_url": "http://example.com"}, {"rate_limit": "many"}, {"timeout": -1}):
        with pytest.raises(ConfigurationError) as caught:
            AsyncPubrio(KEY, **arguments)
        assert KEY not in str(caught.value) + repr(caught.value)
    with pytest.raises(ConfigurationError) as caught:
        AsyncPubrio(KEY + "\n" + KEY)
    assert KEY not in str(caught.value) + repr(caught.value)
