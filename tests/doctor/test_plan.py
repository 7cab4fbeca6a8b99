"""What a check-up may call at all."""

from __future__ import annotations

import pytest

from pubrio_async import ConfigurationError
from pubrio_async._clock import SystemClock
from pubrio_async._routes import ROUTES
from pubrio_async.doctor import FREE_READS, PAID_PROBES, QUESTIONS, most_requests, selected
from pubrio_async.doctor.evidence import Evidence
from pubrio_async.doctor.kinds import PARTIAL
from pubrio_async.doctor.plan import LOG_SEARCHES, free_calls
from pubrio_async.doctor.visit import Visitor
from tests.catalogue import ENDPOINTS
from tests.doctor.patient import Patient
from tests.together import together

WRITES = (
    *("create", "update", "delete", "duplicate", "validate", "retry", "try", "reveal", "enrich"),
)


def test_free_reads_are_all_endpoints_that_are_free_and_change_nothing() -> None:
    # By the API's description, and not by what the package made of it.
    free = {one.name for one in ENDPOINTS if one.spends_credits is False and one.safe_to_resend}
    assert set(FREE_READS) == free
    assert all(ROUTES[name].repeatable for name in FREE_READS)


@together
@pytest.mark.parametrize("word", WRITES)
def test_no_endpoint_that_writes_is_ever_called(word: str) -> None:
    assert [name for name in (*FREE_READS, *PAID_PROBES) if word in name] == []


def test_every_planned_call_is_one_that_may_be_made() -> None:
    calls = free_calls()
    assert {call.name for call in (*calls, *LOG_SEARCHES)} == set(FREE_READS)
    assert {call.needs for call in calls} - {None} <= set(FREE_READS)
    assert len(calls) < most_requests(None) < 60  # what the smallest plan has in an hour
    names = [question.name for question in QUESTIONS]
    assert len(names) == len(set(names)) > 45


@pytest.mark.parametrize(
    ("name", "paid"),
    [
        ("monitors.delete", False),
        ("monitors.delete", True),
        ("people.search", False),
        ("people.enrich", True),
    ],
)
async def test_what_is_not_on_the_list_is_not_sent(name: str, paid: bool) -> None:
    patient = Patient()
    async with patient.client() as client:
        visitor = Visitor(client, Evidence(), SystemClock(), lambda _: None)
        with pytest.raises(ConfigurationError, match="Nothing was sent"):
            await visitor.call(name, {}, paid=paid)
    assert patient.sent == []


def test_endpoints_are_chosen_by_name_or_group() -> None:
    assert selected(()) is None
    assert selected(("profile.get, monitors.list", "user")) == {
        "profile.get",
        "monitors.list",
        "user.get",
    }
    with pytest.raises(ConfigurationError, match="neither an endpoint nor a group"):
        selected(("monitors.", "monitor"))
    # The id of a log is had from a monitor's logs, and that from the list.
    needed = {call.name for call in free_calls(selected(("monitors.log",)))}
    assert needed >= {"monitors.list", "monitors.logs", "monitors.log", "profile.get"}
    assert "filters.locations" not in needed


def test_partial_structs_are_structs() -> None:
    from pubrio_async import models  # noqa: PLC0415 - for this test alone

    assert all(hasattr(models, name) for name in PARTIAL)
