"""The id of a paid job is found wherever it stands, and people in whatever surrounds them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pubrio_async._errors import DecodeError
from pubrio_async.models import RedeemJob, RedeemQueryReply
from tests.together import together
from tests.unit.replies import JOB_ID, dumps, job, query, sample


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
