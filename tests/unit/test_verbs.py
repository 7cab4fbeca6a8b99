"""What the request log says, as the scheduler is told."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from pubrio_async import (
    BadRequestError,
    DecodeError,
    PubrioError,
    RateLimitedError,
    ResponseError,
    ServerError,
)
from pubrio_async._clock import SystemClock
from pubrio_async._config import parse_rates
from pubrio_async._dispatch import Dispatcher
from pubrio_async._limiter import Limiter
from pubrio_async._phase import Phase
from pubrio_async._verbs import RedeemVerbs
from pubrio_async._wire import WireReply, WireRequest
from pubrio_async.models import RedeemJob, RedeemPeopleReply
from pubrio_async.scheduler.logbook import LogRow
from tests.memory_wire import MemoryWire

SAMPLES = Path(__file__).parents[1] / "samples"
ADA = "0d4b3a60-1111-4c5e-9b1d-000000000001"
BOB = "0d4b3a60-1111-4c5e-9b1d-000000000002"
BATCH = LogRow("log-1", "batch", 0.0, status=200)
SINGLE = LogRow("log-1", "single", 0.0, status=200)
LINE = {
    "query_log_id": "a",
    "created_at": "2026-05-14 12:04:32.243",
    "path": "/redeem/people/batch",
    "status_code": 200,
    "duration_ms": 5,
    "credits": 5,
}


def sample(name: str) -> Any:
    return json.loads((SAMPLES / name).read_text(encoding="utf-8"))


class DatedWire(MemoryWire):
    def __init__(self) -> None:
        super().__init__()
        self.headers: dict[str, str] = {}

    async def send(self, request: WireRequest, *, timeout: float, phase: Phase) -> WireReply:
        reply = await super().send(request, timeout=timeout, phase=phase)
        phase.reply = reply = structs.replace(reply, headers=self.headers)
        return reply


async def verbs(wire: MemoryWire) -> tuple[RedeemVerbs, Limiter]:
    limiter = Limiter(parse_rates("unlimited"), 4, SystemClock())
    dispatcher = Dispatcher(wire, limiter, SystemClock(), timeout=1.0, max_wait=1.0)
    return RedeemVerbs(dispatcher, ["email-work"]), limiter


async def page(wire: MemoryWire, number: int = 1) -> Any:
    asks, limiter = await verbs(wire)
    return await asks.log_page(number, await limiter.acquire(), Phase())


async def entry(row: LogRow, **logged: Any) -> Any:
    wire = MemoryWire()
    wire.answers({"metadata": {}, "data": {"query_log_id": "log-1", **logged}})
    asks, limiter = await verbs(wire)
    got = await asks.log_entry(row, await limiter.acquire(), Phase())
    assert wire.bodies == [{"query_log_id": "log-1"}]
    return got


async def test_the_documented_page_is_understood() -> None:
    wire = DatedWire()
    wire.headers = {"Date": "Thu, 14 May 2026 12:04:40 GMT"}
    wire.answers(sample("api_keys_logs.response.json"))
    got = await page(wire, 3)
    assert wire.bodies == [
        {"page": 3, "per_page": 25, "order_by": "created_at", "is_ascending_order": False}
    ]
    assert got.pages == 250
    assert got.server_time == 1_778_760_280.0
    # It shows one of its three lines.
    row, *left_out = got.rows
    assert [each.at for each in left_out] == [-math.inf] * 2
    assert row.kind is None
    assert row.at == pytest.approx(1_778_760_272.243)
    assert row.took_s == pytest.approx(1.821)
    assert (row.status, row.credits) == (200, 0)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/redeem/people/batch", "batch"),
        ("/redeem/people", "single"),
        ("/redeem/people/", "single"),
        ("/redeem/people/batch/query", None),
        (None, None),
    ],
)
async def test_rows_tell_what_was_redeemed(path: str | None, kind: str | None) -> None:
    wire = MemoryWire()
    row = {"query_log_id": "a", "created_at": "2026-05-14T12:04:32Z", "path": path}
    wire.answers({"data": {"query_logs": [row]}})
    (got,) = (await page(wire)).rows
    assert got.kind == kind


@pytest.mark.parametrize(
    ("created_at", "at"),
    [
        ("2026-05-14 12:04:32.243", 1_778_760_272.243),
        ("2026-05-14T12:04:32.243Z", 1_778_760_272.243),
        ("2026-05-14T14:04:32.243+02:00", 1_778_760_272.243),
        ("yesterday", -math.inf),
        ("", -math.inf),
        (None, -math.inf),
        (1_778_760_272, -math.inf),
    ],
)
async def test_times_are_read_as_they_come(created_at: Any, at: float) -> None:
    wire = MemoryWire()
    lines = [LINE, {**LINE, "created_at": created_at}]
    wire.answers({"data": {"query_logs": lines}})
    _, got = (await page(wire)).rows
    assert got.at == pytest.approx(at)


@pytest.mark.parametrize(
    "odd",
    [
        {"user_id": 7},
        {"profile_id": "7"},
        {"ip": 1},
        {"email": []},
        {"response_size": 1.5},
        {"log_type_id": "3"},
        {"user": "Ada"},
        {"status_code": "200"},
        {"duration_ms": "5"},
        {"credits": "5"},
        {"path": "https://api.example.com/Redeem/people/batch/?x=1"},
        {"path": "redeem/people/batch"},
    ],
)
async def test_a_line_with_an_odd_field_is_read_as_any_other(odd: dict[str, Any]) -> None:
    wire = MemoryWire()
    wire.answers({"data": {"query_logs": [LINE, {**LINE, **odd}]}})
    plain, got = (await page(wire)).rows
    assert got == plain
    assert (got.kind, got.status, got.took_s, got.credits) == ("batch", 200, 0.005, 5)


@pytest.mark.parametrize("status", ["OK", 1.5, [], True, None])
async def test_a_line_that_does_not_tell_its_status_may_be_a_success(status: Any) -> None:
    wire = MemoryWire()
    wire.answers({"data": {"query_logs": [{**LINE, "status_code": status}]}})
    (got,) = (await page(wire)).rows
    assert (got.kind, got.status) == ("batch", None)


@pytest.mark.parametrize("cost", ["some", [], {"total": 5}, True, "nan"])
async def test_a_refusal_whose_cost_cannot_be_read_may_have_cost_something(cost: Any) -> None:
    wire = MemoryWire()
    wire.answers({"data": {"query_logs": [{**LINE, "status_code": 402, "credits": cost}]}})
    (row,) = (await page(wire)).rows
    assert row.credits
    assert row.credits != 0


@pytest.mark.parametrize(
    "line",
    [
        None,
        "line",
        {},
        {**LINE, "query_log_id": None},
        {**LINE, "query_log_id": []},
        {**LINE, "created_at": 0},
        {**LINE, "path": 7},
    ],
)
async def test_a_line_that_cannot_be_judged_keeps_its_place(line: Any) -> None:
    wire = MemoryWire()
    wire.answers({"data": {"query_logs": [LINE, line, LINE]}})
    got = await page(wire)
    assert [math.isfinite(row.at) for row in got.rows] == [True, False, True]
    assert got.rows[1].kind is None


async def test_a_log_none_of_whose_lines_can_be_judged_cannot_be_read() -> None:
    wire = MemoryWire()
    wire.answers({"data": {"query_logs": [{**LINE, "created_at": "yesterday"}]}})
    with pytest.raises(DecodeError, match="no line of the request log tells") as caught:
        await page(wire)
    assert caught.value.endpoint == "api_keys.logs"
    # Of a later page it is the lines only that are not known.
    (got,) = (await page(wire, 2)).rows
    assert got.at == -math.inf


@pytest.mark.parametrize(
    ("told", "shown", "lines"),
    [
        ({"per_page": 25, "total_entries": 100, "total_pages": 4}, 18, 25),
        ({"per_page": 25, "total_entries": 100, "total_pages": 4}, 25, 25),
        ({"per_page": 25, "total_entries": 100, "total_pages": 4}, 0, 0),
        ({"per_page": "10", "total_entries": "100", "total_pages": 10}, 8, 10),
        ({"per_page": 25, "total_entries": 20, "total_pages": 1}, 18, 20),
        ({"per_page": 25, "total_entries": 100, "total_pages": 10}, 10, 10),
        ({"per_page": 0, "total_entries": 100, "total_pages": 10}, 10, 10),
        ({"per_page": 10**9, "total_entries": 10**9, "total_pages": 1}, 10, 25),
        ({"per_page": 25, "total_pages": 4}, 18, 18),
        ({"total_entries": 100, "total_pages": 4}, 18, 18),
    ],
)
async def test_lines_that_a_page_leaves_out_keep_their_places(
    told: dict[str, Any], shown: int, lines: int
) -> None:
    wire = MemoryWire()
    wire.answers({"data": {"pagination": told, "query_logs": [LINE] * shown}})
    assert len((await page(wire)).rows) == lines


@pytest.mark.parametrize(
    ("pagination", "pages"),
    [
        (None, 1),
        ({}, 1),
        ({"total_pages": 7}, 7),
        ({"total_pages": 370, "total_display_pages": 250}, 250),
        ({"total_pages": 0}, 1),
        ({"total_pages": "7", "page": [], "is_timeout": "no"}, 7),
        ([], 1),
    ],
)
async def test_how_far_the_log_reaches(pagination: Any, pages: int) -> None:
    wire = MemoryWire()
    wire.answers({"data": {"query_logs": [], "pagination": pagination}})
    got = await page(wire)
    assert got.pages == pages
    assert got.server_time is None


async def test_an_entry_is_read_whatever_the_rest_of_it_is_like() -> None:
    asked = {"people_contact_types": ["phone"], "peoples": [ADA]}
    replied = {"data": {"redeem_query_id": "job-1"}}
    got = await entry(
        BATCH,
        request_body=asked,
        request_headers={"Accept": "*/*"},
        response_body=replied,
        response_size="12",
    )
    assert set(got.keys) == {ADA}
    assert isinstance(got.answer, RedeemJob)


async def test_a_batch_is_recognised_whatever_the_spelling() -> None:
    got = await entry(
        BATCH,
        request_body=json.dumps(
            {"people_contact_types": ["phone", "email-work"], "peoples": [BOB.upper(), ADA, BOB]}
        ),
        response_body=json.dumps(
            {"data": {"redeem_query_id": "job-1", "is_completed": False, "estimated_time": 5}}
        ),
    )
    assert got.keys == (BOB, ADA, BOB)
    assert got.types == {"phone", "email-work"}
    assert isinstance(got.answer, RedeemJob)
    assert got.answer.redeem_query_id == "job-1"


@pytest.mark.parametrize(
    ("field", "value", "key"),
    [
        ("people_search_id", ADA.upper(), ADA),
        ("linkedin_url", "linkedin.com/in/Ada/", "https://www.linkedin.com/in/ada"),
        ("linkedin_url", "not a person", "not a person"),
    ],
)
async def test_a_single_request_is_recognised(field: str, value: str, key: str) -> None:
    got = await entry(
        SINGLE,
        request_body=json.dumps({field: value, "people_contact_types": ["phone"]}),
        response_body=json.dumps(sample("redeem_people.response.json")),
    )
    assert got.keys == (key,)
    assert isinstance(got.answer, RedeemPeopleReply)
    assert got.answer.peoples


@pytest.mark.parametrize("body", [None, "", "{", "[]", '{"peoples": 7}', '"text"'])
async def test_a_request_that_cannot_be_read_is_nobodys(body: str | None) -> None:
    got = await entry(BATCH, request_body=body, response_body="{}")
    assert got.keys == ()
    assert isinstance(got.answer, DecodeError)


@pytest.mark.parametrize(
    ("status", "body", "kind", "charged"),
    [
        (200, None, DecodeError, True),
        (None, '{"data": {"redeem_query_id": "job-1"}}', DecodeError, True),
        (200, '{"data": {"redeem_qu', DecodeError, True),
        (500, '{"error": "oops"}', ServerError, True),
        (400, '{"code": 40001, "message": "unknown", "details": {}}', BadRequestError, False),
        (429, '{"error": "slow down"}', RateLimitedError, False),
        # What gateways note when a client did not wait, whatever became of its request.
        (499, '{"error": "client closed request"}', ResponseError, True),
        (460, "", ResponseError, True),
    ],
)
async def test_an_answer_means_what_it_would_have_meant(
    status: int | None, body: str | None, kind: type[PubrioError], charged: bool
) -> None:
    row = LogRow("log-1", "batch", 0.0, status=status)
    got = await entry(row, request_body="{}", response_body=body)
    assert isinstance(got.answer, kind)
    assert got.answer.may_have_charged == charged
    assert got.answer.endpoint == "redeem.batch"


@pytest.mark.parametrize(
    "body", ['{"data":null}', '{"data":{}}', "null", '{"data":{"peoples":[]}}']
)
async def test_a_person_who_was_paid_for_is_not_taken_for_one_without_contacts(body: str) -> None:
    paid = structs.replace(SINGLE, credits=5)
    asked = json.dumps({"people_search_id": ADA, "people_contact_types": ["phone"]})
    got = await entry(paid, request_body=asked, response_body=body)
    assert isinstance(got.answer, DecodeError)
    assert got.answer.may_have_charged
    free = structs.replace(SINGLE, credits=0)
    got = await entry(free, request_body=asked, response_body=body)
    assert isinstance(got.answer, RedeemPeopleReply)


@pytest.mark.parametrize("number", ["9" * 400, f'"{"9" * 400}"'])
async def test_numbers_may_be_huge(number: str) -> None:
    line = f'{{"query_log_id": "a", "created_at": "2026-05-14T12:04:32Z", "duration_ms": {number}}}'
    wire = MemoryWire()
    wire.reply = f'{{"data": {{"query_logs": [{line}]}}}}'.encode()
    wire.replies = [wire.reply]
    (got,) = (await page(wire)).rows
    assert got.took_s <= 1e6


async def test_a_finished_job_that_cost_something_and_names_nobody_is_asked_for_again() -> None:
    job = {"redeem_query_id": "job-1", "is_completed": True}
    cost = {"total_charged_credit": 10}
    wire = MemoryWire()
    asks, limiter = await verbs(wire)
    for people in ("null", "[]"):
        told = {"query": job, "profile": cost, "peoples": json.loads(people)}
        wire.answers({"data": told})
        with pytest.raises(DecodeError, match="names nobody") as caught:
            await asks.query("job-1", await limiter.acquire(), Phase())
        assert not caught.value.may_have_charged
    for free in ({"total_charged_credit": 0}, None):
        wire.answers({"data": {"query": job, "profile": free, "peoples": []}})
        assert (await asks.query("job-1", await limiter.acquire(), Phase())).is_completed
    wire.answers({"data": {"query": {**job, "is_completed": False}, "profile": cost}})
    assert not (await asks.query("job-1", await limiter.acquire(), Phase())).is_completed


@pytest.mark.parametrize("rest", [{}, {"peoples": None}, {"profile": {"credit": 7}}])
async def test_a_finished_job_without_a_result_is_asked_for_again(rest: dict[str, Any]) -> None:
    wire = MemoryWire()
    wire.answers({"data": {"query": {"redeem_query_id": "job-1", "is_completed": True}, **rest}})
    asks, limiter = await verbs(wire)
    with pytest.raises(DecodeError, match="has no result") as caught:
        await asks.query("job-1", await limiter.acquire(), Phase())
    assert not caught.value.may_have_charged


async def test_a_person_who_cost_something_and_is_not_named_was_not_settled() -> None:
    replied = {"data": {"profile": {"total_credit_cost": 5}, "peoples": []}}
    wire = MemoryWire()
    wire.answers(replied)
    asks, limiter = await verbs(wire)
    with pytest.raises(DecodeError, match="names nobody") as caught:
        await asks.submit("single", [ADA], await limiter.acquire(), Phase())
    assert caught.value.may_have_charged
    # Nor does the log tell more, whatever it says of the cost.
    asked = {"people_search_id": ADA, "people_contact_types": ["phone"]}
    got = await entry(SINGLE, request_body=asked, response_body=replied)
    assert isinstance(got.answer, DecodeError)
