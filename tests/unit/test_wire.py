"""Bodies as they are sent, documented replies, and what is around their data."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import UNSET

from pubrio_async._errors import ConfigurationError, DecodeError
from pubrio_async._wire import WireReply, WireRequest, data_decoder, encode_body
from pubrio_async.models import Profile, ProfileUsage, RedeemJob, RedeemPeopleReply
from tests.together import together
from tests.unit.replies import JOB_ID, anything, job, meaning, people, query, sample

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
