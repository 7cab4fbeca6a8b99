"""What goes wrong on request, and what is true all the same."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import Any, get_args

import msgspec
import pytest

from pubrio_async._errors import ConfigurationError
from pubrio_async.sandbox import Fault, FaultKind, parse_fault
from tests.sandbox.desk import BATCH, EVERYBODY, PEOPLE, QUERY, Desk, person, persons
from tests.together import together

BODY = {"people_search_id": person(1), "people_contact_types": ["phone"]}


# ---------------------------------------------------------------------------------- the text


@together
@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("stall", Fault(kind="stall")),
        ("429:", Fault(kind="429")),
        (
            "5xx_after:/redeem/people/batch:times=2",
            Fault(kind="5xx_after", path="/redeem/people/batch", times=2),
        ),
        (
            " 429 : /redeem$ : retry_after=2.5, retry_after_date=true ,after=1,",
            Fault(kind="429", path="/redeem$", retry_after=2.5, retry_after_date=True, after=1),
        ),
        (
            "unknown_id::ids=a|b,probability=0.5",
            Fault(kind="unknown_id", ids=("a", "b"), probability=0.5),
        ),
        (
            "redirect::location=http://127.0.0.1:1/x,status=307",
            Fault(kind="redirect", location="http://127.0.0.1:1/x", status=307),
        ),
        ("lost_after::cut=reset", Fault(kind="lost_after", cut="reset")),
    ],
)
def test_text_form(text: str, fault: Fault) -> None:
    assert parse_fault(text) == fault


@together
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "there is no kind ''. Kinds: lost_before, lost_after, "),
        ("nonsense", "there is no kind 'nonsense'. Kinds: lost_before, lost_after, "),
        ("stall::times", "'times' is not of the form name=value"),
        ("stall::times=x", "times must be a whole number, not 'x'"),
        ("stall::times=1.5", "times must be a whole number, not '1.5'"),
        ("stall::what=1", "there is no option 'what'. Options: times, after, probability, "),
        ("stall::kind=429", "there is no option 'kind'. Options: times, "),
        ("stall::cut=elsewhere", "cut must be one of before_headers, reset, mid_body, stall, "),
        ("stall::probability=often", "probability must be a number, not 'often'"),
        ("429::retry_after_date=2", "retry_after_date must be true or false, not '2'"),
        ("lost_after:/x:probability=7", "probability must be between 0 and 1"),
        ("stall::probability=-0.1", "probability must be between 0 and 1"),
        ("stall::probability=nan", "probability must be between 0 and 1"),
        ("stall::times=-1", "times must not be negative"),
        ("stall::after=-1", "after must not be negative"),
        ("batch_too_large::size=-1", "size must not be negative"),
        ("slow::delay=-1", "delay must be a number of seconds, not below 0"),
        ("slow::delay=nan", "delay must be a number of seconds, not below 0"),
        ("slow::delay=inf", "delay must be a number of seconds, not below 0"),
        ("429::retry_after=-1", "retry_after must be a number of seconds, not below 0"),
        ("5xx_after::status=7", "status must be between 200 and 599"),
    ],
)
def test_text_that_means_nothing(text: str, reason: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse_fault(text)
    assert str(refused.value).startswith(f"fault {text!r}: {reason}")
    assert "$" not in str(refused.value)


@pytest.mark.parametrize("options", [{"probability": 7.0}, {"times": -1}, {"kind": "earthquake"}])
def test_a_fault_that_makes_no_sense_is_not_made(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        Fault(**{"kind": "stall", **options})


def test_faults_of_the_configuration() -> None:
    desk = Desk(faults=("402:/redeem", "400:/profile"))
    assert desk.single(person(1))[0] == 402
    assert desk.ask("/profile")[0] == 400
    desk.sandbox.clear_faults()
    assert desk.single(person(1))[0] == 200


# ------------------------------------------------------------------------- where and how often


def test_paths_are_prefixes_or_exact() -> None:
    desk = Desk("402:/redeem/people$", "400:/redeem/people/batch/query")
    assert desk.single(person(1))[0] == 402
    job = desk.submit(persons(2))
    assert desk.query(job)[0] == 400


def test_times_and_after() -> None:
    desk = Desk("5xx_before:/profile:after=2,times=3,status=503")
    statuses = [desk.ask("/profile")[0] for _ in range(7)]
    assert statuses == [200, 200, 503, 503, 503, 200, 200]
    assert desk.sandbox.statistics().faults == {"5xx_before": 3}


def test_probability_is_drawn_from_the_seed() -> None:
    def story(seed: int) -> list[int]:
        desk = Desk("5xx_before::probability=0.3", seed=seed)
        return [desk.ask("/profile")[0] for _ in range(300)]

    assert story(1) == story(1)
    assert story(1) != story(2)
    assert 60 < story(1).count(500) < 120


def test_the_first_fault_that_strikes_is_the_only_one() -> None:
    desk = Desk("402::times=1", "400::times=1")
    assert [desk.ask("/profile")[0] for _ in range(3)] == [402, 400, 200]


# ------------------------------------------------------------------- before the work is done


@together
@pytest.mark.parametrize(
    ("fault", "status", "body"),
    [
        ("5xx_before", 500, {"error": "An unexpected error occurred on the server."}),
        ("5xx_before::status=502", 502, {"error": "An unexpected error occurred on the server."}),
        ("402", 402, {"error": "Not enough credits."}),
        ("401", 401, {"error": "The API key is missing or wrong."}),
        ("400", 400, {"code": 40001, "message": "The request was refused.", "details": {}}),
        ('400::body="no"', 400, "no"),
        ('401::body="no"', 401, "no"),
        ('429::body="no"', 429, "no"),
    ],
)
def test_refusals_before_the_work(fault: str, status: int, body: object) -> None:
    desk = Desk(fault, **EVERYBODY)
    assert desk.ask(PEOPLE, BODY) == (status, body)
    assert desk.sandbox.statistics().credits_charged == 0


def test_a_redirect_leads_elsewhere() -> None:
    desk = Desk("redirect")
    reply = desk.send(PEOPLE, BODY)
    assert (reply.status, reply.body) == (302, b"")
    assert reply.headers["location"] == "http://127.0.0.1:9/elsewhere"


@pytest.mark.parametrize("cut", ["before_headers", "reset", "stall"])
def test_a_request_lost_on_its_way_leaves_no_trace(cut: str) -> None:
    desk = Desk(f"lost_before::cut={cut},times=1", limits="2/minute", **EVERYBODY)
    assert desk.send(PEOPLE, BODY).cut == cut
    assert desk.sandbox.statistics().credits_charged == 0
    assert desk.sandbox.statistics().replies_by_status == {}
    assert desk.logs() == []
    assert desk.single(person(1))[0] == 200  # the second of two: the lost one does not count


@pytest.mark.parametrize(
    ("options", "header"),
    [
        ("", None),
        ("retry_after=2.5", "3"),
        ("retry_after=2.5,retry_after_date=true", "Thu, 01 Jan 1970 00:00:13 GMT"),
    ],
)
def test_a_429_out_of_the_blue(options: str, header: str | None) -> None:
    desk = Desk(f"429:{PEOPLE}:{options}", epoch=10.0)
    reply = desk.send(PEOPLE, BODY)
    assert (reply.status, reply.headers.get("retry-after")) == (429, header)
    if header is not None and not header.isdigit():
        assert parsedate_to_datetime(header).timestamp() == 13
    assert desk.sandbox.regrets().refused_429 == 0
    assert [row["status_code"] for row in desk.logs()] == [429]


# -------------------------------------------------------------------- after the work is done


@together
@pytest.mark.parametrize(
    ("fault", "cut", "status"),
    [
        ("lost_after", "before_headers", 200),
        ("lost_after::cut=reset", "reset", 200),
        ("truncated", "mid_body", 200),
        ("truncated::cut=stall_body", "stall_body", 200),
        ("stall", "stall", 200),
        ("5xx_after", None, 500),
        ("5xx_after::status=504", None, 504),
        ("garbage", None, 200),
    ],
)
def test_a_lost_reply_is_charged_and_in_the_log(fault: str, cut: str | None, status: int) -> None:
    desk = Desk(f"{fault}" if "::" in fault else f"{fault}:{BATCH}", **EVERYBODY)
    reply = desk.send(BATCH, {"peoples": persons(3), "people_contact_types": ["phone"]})
    assert (reply.cut, reply.status) == (cut, status)
    desk.sandbox.clear_faults()
    assert desk.sandbox.statistics().credits_charged == 30
    (row,) = desk.logs(log_type_slugs=["people_redeem"])
    assert (row["status_code"], row["credits"]) == (200, 30)
    logged = desk.ask("/api_keys/logs/lookup", {"query_log_id": row["query_log_id"]})[1]["data"]
    assert msgspec.json.decode(logged["request_body"])["peoples"] == persons(3)
    job = msgspec.json.decode(logged["response_body"])["data"]["redeem_query_id"]
    desk.now = 30.0
    assert len(desk.finished(job)["peoples"]) == 3
    assert desk.sandbox.regrets().total == 0


def test_garbage_is_not_json() -> None:
    desk = Desk("garbage")
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(desk.send("/profile").body)
    assert Desk("garbage::body=Bad gateway").send("/profile").body == b"Bad gateway"


def test_5xx_after_with_a_body() -> None:
    reply = Desk("5xx_after::body=oops").send("/profile")
    assert (reply.status, reply.body) == (500, b"oops")


def test_slow_replies_come_whole() -> None:
    desk = Desk("slow::delay=7", latency=0.5)
    reply = desk.send("/profile")
    assert (reply.status, reply.delay, reply.cut) == (200, 7.5, None)


@together
@pytest.mark.parametrize("fault", ["lost_after", "5xx_after", "garbage", "truncated", "stall"])
def test_a_poll_whose_reply_is_spoilt_may_be_repeated(fault: str) -> None:
    desk = Desk(f"{fault}:{QUERY}:times=2", straggler_share=1.0)
    job = desk.submit(persons(50))
    for desk.now in (5.0, 5.5):  # a newer estimate was told, but never heard
        desk.send(QUERY, {"redeem_query_id": job})
    desk.now = 50.0
    desk.finished(job)
    regrets = desk.sandbox.regrets()
    assert (regrets.early_polls, regrets.polls_after_completion) == (0, 0)


def test_after_faults_leave_refusals_alone_but_spoil_them() -> None:
    desk = Desk("slow::delay=1")
    reply = desk.send(PEOPLE, b"{")
    assert (reply.status, reply.delay) == (400, 1.0)


# ------------------------------------------------------------------------ inside the handlers


def test_a_batch_that_is_too_large() -> None:
    desk = Desk(f"batch_too_large:{BATCH}:size=3,times=1")
    assert desk.batch(persons(3))[0] == 200
    assert desk.batch(persons(4))[0] == 400
    assert desk.batch(persons(4))[0] == 200


def test_unknown_ids() -> None:
    desk = Desk(f"unknown_id::ids={person(2)}|{person(7).upper()}|nonsense", **EVERYBODY)
    assert desk.batch(persons(5))[0] == 400
    assert desk.single(person(7))[0] == 400
    assert desk.sandbox.statistics().credits_charged == 0
    assert desk.batch([person(1), person(3)])[0] == 200


def test_jobs_that_never_complete() -> None:
    desk = Desk("unfinished_forever::times=1", **EVERYBODY)
    endless, normal = desk.submit(persons(50)), desk.submit(persons(50, start=50))
    assert desk.sandbox.statistics().credits_charged == 50 * 20
    for desk.now in (5.0, 1_000.0, 1e6):
        state = desk.query(endless)[1]["data"]["query"]
        assert (state["is_completed"], state["estimated_time"]) == (False, 5)
    desk.finished(normal)
    assert desk.sandbox.regrets().total == 0


def test_every_kind_strikes_somewhere() -> None:
    desk = Desk()
    for kind in get_args(FaultKind):
        desk.sandbox.clear_faults()
        desk.sandbox.add_fault(Fault(kind=kind, ids=(person(1),)))
        desk.batch([person(1)]) if kind not in {"lost_before", "redirect", "garbage"} else (
            desk.send(BATCH, {"peoples": [person(1)], "people_contact_types": ["phone"]})
        )
    assert set(desk.sandbox.statistics().faults) == set(get_args(FaultKind))
