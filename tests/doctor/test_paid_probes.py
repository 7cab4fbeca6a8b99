"""Paid probes settle what only they can, within what may be spent, and with consent alone."""

from __future__ import annotations

import pytest

from pubrio_async._routes import ROUTES
from pubrio_async.doctor import FREE_READS, PAID_PROBES, Probe
from pubrio_async.sandbox import Fault
from tests.doctor.patient import Patient, answers, of, with_data

pytestmark = pytest.mark.virtual_time


async def test_paid_probes_settle_what_only_they_can() -> None:
    patient = Patient()
    agreed: list[Probe] = []

    def consent(probes: list[Probe]) -> bool:
        assert patient.sandbox.statistics().credits_charged == 0
        agreed.extend(probes)
        return True

    report = await patient.examine(spend=60, consent=consent)
    assert report.well, (report.warnings, answers(report))
    charged = patient.sandbox.statistics().credits_charged
    assert 0 < charged == report.credits_charged <= sum(probe.worst for probe in agreed) <= 60
    paid = {ROUTES[name].path for name in PAID_PROBES}
    assert set(patient.sent) <= paid | {ROUTES[name].path for name in FREE_READS}
    settled = answers(report)
    for name in (
        *("submit-place", "poll-place", "estimate", "early-poll", "cost-of-one", "cost-of-batch"),
        *("price-of-record", "repeat-charged", "price-of-search", "people-by-id"),
    ):
        assert settled[name][0] == "yes", name
    assert of(report, "companies.search").state == "fine"


@pytest.mark.parametrize("price", [5, 15])
async def test_no_bound_is_ever_overrun(price: int) -> None:
    for spend in (1, 3, 5, 6, 11, 16, 17, 26, 31):
        patient = Patient(email_credit=price, seed=spend)
        patient.changes["/profile"] = with_data(lambda data: data)
        report = await patient.examine(spend=spend, only=frozenset(PAID_PROBES))
        charged = patient.sandbox.statistics().credits_charged
        assert charged == report.credits_charged <= spend
        if spend < 3:
            assert charged == 0
            assert "more than --spend leaves" in (of(report, "redeem.people").why or "")


async def test_prices_that_do_not_hold_end_the_buying() -> None:
    patient = Patient(email_credit=20)
    patient.changes["/profile"] = with_data(
        lambda data: {**data, "subscription": {**data["subscription"], "email_redeem_credit": 1}}
    )
    report = await patient.examine(spend=30)
    # No more than the one call that cost more than it should have.
    assert patient.sandbox.statistics().credits_charged <= 30 + 20
    skipped = {one.why for one in report.endpoints if one.state == "not asked"}
    assert "what came before cost more than its price" in skipped
    assert answers(report)["price-of-record"][0] == "no"


async def test_nothing_is_bought_without_consent_or_for_a_lost_answer_twice() -> None:
    patient = Patient()
    report = await patient.examine(spend=60, consent=lambda _: False)
    assert report.credits_charged == patient.sandbox.statistics().credits_charged == 0
    assert of(report, "people.search").why == "it was not agreed to"

    patient.sandbox.add_fault(Fault(kind="lost_after", path="/redeem/people$", times=1))
    report = await patient.examine(spend=60)
    charged = patient.sandbox.statistics().credits_charged
    assert charged <= 60
    assert report.credits_charged < charged
    assert [warning for warning in report.warnings if "redeem.people may have been" in warning]
    assert of(report, "redeem.people").state == "failed"
